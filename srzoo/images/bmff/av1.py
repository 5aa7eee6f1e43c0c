"""The colours in AV1's data, for files whose boxes do not state them."""

from __future__ import annotations

SEQUENCE_HEADER = 1
IDENTITY, SRGB = 0, 13
BT709 = 1
UNSPECIFIED = (2, 2, 2)


class _Bits:
    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        """Read the next bits as a number.

        Raises:
            ValueError: the data end.
        """
        self.left -= count
        if self.left < 0:
            raise ValueError("the sequence header ends early")
        return self.value >> self.left & (1 << count) - 1

    def long(self) -> int:
        """Read a number of variable length (``uvlc``)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                return 2**32 - 1
        return self.take(zeros) + (1 << zeros) - 1


def cicp(data: bytes) -> tuple[int, int, int, int] | None:
    """Primaries, transfer, matrix and full range from the first sequence header.

    Args:
        data: units (OBUs) with their sizes, as in ``av1C`` or at an item's begin.

    Returns:
        None if there is no readable header.
    """
    try:
        if header := _sequence_header(data):
            return _colours(_Bits(header))
    except (ValueError, IndexError):
        pass
    return None


def _sequence_header(data: bytes) -> bytes | None:
    at = 0
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 15, data[at] & 4, data[at] & 2
        at += 2 if extended else 1
        size, shift = 0, 0
        while sized:
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 128 or shift > 56:
                break
        end = at + size if sized else len(data)
        if kind == SEQUENCE_HEADER:
            return data[at:end][:64]
        at = end
    return None


def _colours(bits: _Bits) -> tuple[int, int, int, int]:
    """The colours, as in 5.5.1 and 5.5.2 of AV1's specification."""
    take = bits.take
    profile, _, reduced = take(3), take(1), take(1)
    if reduced:
        take(5)
    else:
        _operating_points(bits)
    wide, high = take(4) + 1, take(4) + 1
    take(wide + high)
    if not reduced and take(1):  # frame numbers
        take(7)
    take(3)
    if not reduced:
        take(4)
        ordered = take(1)
        take(2 * ordered)
        screen = 1 if take(1) else take(1)
        if screen and not take(1):
            take(1)
        take(3 * ordered)
    take(3)
    deep = take(1)
    if profile == 2 and deep:
        take(1)
    gray = 0 if profile == 1 else take(1)
    primaries, transfer, matrix = (take(8), take(8), take(8)) if take(1) else UNSPECIFIED
    plain = not gray and (primaries, transfer, matrix) == (BT709, SRGB, IDENTITY)
    return primaries, transfer, matrix, 1 if plain else take(1)


def _operating_points(bits: _Bits) -> None:
    take = bits.take
    model = delay = 0
    if take(1):  # timing
        take(64)
        if take(1):
            bits.long()
        model = take(1)
        if model:
            delay = take(5) + 1
            take(42)
    initial = take(1)
    for _ in range(take(5) + 1):
        take(12)
        if take(5) > 7:
            take(1)
        if model and take(1):
            take(2 * delay + 1)
        if initial and take(1):
            take(4)
