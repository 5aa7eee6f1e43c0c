"""The layout of a TIFF's pixels in the file, and whether it is supported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import PictureError
from . import ifd
from .ifd import Directory

CCITT, DEFLATE = (2, 3, 4, 32771), (8, 32946)
NONE, LZW, OLD_JPEG, JPEG, PACKBITS, LZMA, ZSTD, WEBP = 1, 5, 6, 7, 32773, 34925, 50000, 50001
BYTES = (LZW, PACKBITS, LZMA, ZSTD)
"""Compressions that libtiff decodes to bytes, with any meaning."""
CODED = (*CCITT, JPEG, OLD_JPEG, WEBP)
"""Compressions that decode to samples instead of bytes."""
PREDICTED = (LZW, *DEFLATE, LZMA, ZSTD)
"""Compressions that may have a predictor; with others libtiff ignores it."""
NAMES = {
    9: "JBIG", 10: "JBIG", 32766: "NeXT", 32809: "ThunderScan", 32909: "PixarLog",
    33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 33007: "JPEG 2000",
    34661: "JBIG", 34676: "SGI LogL", 34677: "SGI LogLuv", 34712: "JPEG 2000", 34887: "LERC",
    34892: "lossy JPEG of DNG", 34933: "PNG", 34934: "JPEG XR", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip
WHITE, BLACK, RGB, PALETTE, CLEAR, INKS, YCC, LAB, ICC_LAB, ITU_LAB = 0, 1, 2, 3, 4, 5, 6, 8, 9, 10
COLOURS = {
    WHITE: 1, BLACK: 1, RGB: 3, PALETTE: 1, CLEAR: 1, INKS: 4, YCC: 3, LAB: 3, ICC_LAB: 3,
    ITU_LAB: 3,
}  # fmt: skip
"""The number of colour channels of each photometric interpretation."""
ASSOCIATED, UNASSOCIATED = 1, 2
LARGE_TILE = 4096
"""The largest side of a tile in a smaller picture, in pixels."""
STRIP = 2**20
"""Bytes of a strip that is cut from a larger one."""
MOST = 64
"""The largest number of channels; channels beside the colours are dropped anyway."""
CONVERT = "Convert it to 8 or 16 bits a channel with another program"
OTHERWISE = "Save it again with another program, uncompressed or with LZW"
INTERNALS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}


@dataclass(frozen=True)
class TIFFLayout:
    """The validated layout of pixels in a directory.

    Attributes:
        directory: the directory.
        size: (width, height) as stored.
        bits: of each channel.
        compression, photometric, predictor: as TIFF numbers them.
        planar: whether channels are stored separately.
        part: (width, height) of a strip or tile.
        tiled: whether parts are tiles, which are always complete.
        offsets, counts: places and lengths of the parts in the file; with ``planar``, first those
            of the first channel.
        alpha: the channel that is alpha, or None.
        multiplied: whether the colours are multiplied by alpha.
        subsampling: of YCbCr's colours, horizontally and vertically.
        padded: whether samples of fewer bits are stored in 16-bit words.
        notes: dropped or guessed facts, one sentence each.
    """

    directory: Directory
    size: tuple[int, int]
    bits: tuple[int, ...]
    compression: int
    photometric: int
    predictor: int
    planar: bool
    part: tuple[int, int]
    tiled: bool
    offsets: Sequence[int]
    counts: Sequence[int]
    alpha: int | None
    multiplied: bool
    subsampling: tuple[int, int]
    padded: bool
    notes: tuple[str, ...]

    @property
    def samples(self) -> int:
        """The number of channels."""
        return len(self.bits)

    @property
    def colours(self) -> int:
        """The number of colour channels."""
        return COLOURS[self.photometric]

    @property
    def across(self) -> int:
        """The number of parts in a row."""
        return math.ceil(self.size[0] / self.part[0])

    @property
    def down(self) -> int:
        """The number of parts in a column."""
        return math.ceil(self.size[1] / self.part[1])

    @property
    def stored(self) -> list[tuple[int, ...]]:
        """The channels stored together in a part: all, or each separately."""
        every = range(self.samples)
        return [(each,) for each in every] if self.planar else [tuple(every)]

    def line_bytes(self, channels: Sequence[int]) -> int:
        """Bytes of a line of a part: of a row, or of ``subsampling[1]`` rows."""
        if self.subsampling != (1, 1):
            across, down = self.subsampling
            return math.ceil(self.part[0] / across) * (across * down + self.samples - 1)
        bits = 16 * len(channels) if self.padded else sum(self.bits[each] for each in channels)
        return math.ceil(self.part[0] * bits / 8)

    def rows(self, position: int) -> int:
        """The number of rows of a part in the file."""
        top = position // self.across * self.part[1]
        return self.part[1] if self.tiled else min(self.part[1], self.size[1] - top)


def size_of(directory: Directory) -> tuple[int, int]:
    """Width and height.

    Raises:
        ValueError: the size is missing or impossible.
    """
    width, height = directory.number(ifd.WIDTH), directory.number(ifd.HEIGHT)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise ValueError("the file does not state a possible size")
    return width, height


def read_layout(directory: Directory, force_damaged: bool = False) -> TIFFLayout:
    """The layout of a directory's pixels.

    Raises:
        ValueError: it is damaged.
        PictureError: it is valid, but not supported.
    """
    size = size_of(directory)
    notes: list[str] = []
    compression = directory.number(ifd.COMPRESSION, NONE)
    samples = directory.number(ifd.SAMPLES, 1)
    photometric = _photometric(directory, compression, samples, notes)
    if not COLOURS[photometric] <= samples:
        raise ValueError(f"its colours do not fit {samples} channel(s)")
    if samples > MOST:
        raise PictureError(f"it has {samples} channels, more than {MOST}", "Leave some out")
    bits = _bits(directory, samples)
    _check_kind(directory, compression, photometric, bits)
    predictor = directory.number(ifd.PREDICTOR, 1) if compression in PREDICTED else 1
    if predictor not in (1, 2) or (predictor == 2 and set(bits) not in ({8}, {16})):
        raise PictureError(f"it has predictor {predictor} on {bits[0]} bits", OTHERWISE)
    alpha, multiplied = _alpha(directory, photometric, samples, notes)
    tiled = ifd.TILE_WIDTH in directory or ifd.TILE_OFFSETS in directory
    part = _part(directory, size, tiled, force_damaged)
    planar = directory.number(ifd.PLANAR, 1) == 2 and samples > 1
    found = TIFFLayout(
        directory, size, bits, compression, photometric, predictor, planar, part, tiled, (), (),
        alpha, multiplied, _subsampling(directory, photometric), False, tuple(notes),
    )  # fmt: skip
    if found.subsampling != (1, 1) and (planar or (samples > 3 and compression != WEBP)):
        raise PictureError("it has YCbCr with channels apart", OTHERWISE)
    return _with_offsets(found, force_damaged)


def _photometric(directory: Directory, compression: int, samples: int, notes: list[str]) -> int:
    if ifd.PHOTOMETRIC in directory:
        photometric = directory.number(ifd.PHOTOMETRIC, -1)
    else:
        photometric = RGB if samples >= 3 else WHITE if compression in CCITT else BLACK
        name = {RGB: "RGB", WHITE: "white is 0", BLACK: "black is 0"}[photometric]
        notes.append(f"the file does not state its kind of colours: treated as {name}")
    if photometric not in COLOURS:
        raise PictureError(f"its pixels are of kind {photometric}, which is not read", CONVERT)
    if photometric == INKS and directory.number(ifd.INK_SET, 1) != 1:
        raise PictureError("its inks are not cyan, magenta, yellow and black", CONVERT)
    return photometric


def _bits(directory: Directory, samples: int) -> tuple[int, ...]:
    depths = [int(each) for each in directory.numbers(ifd.BITS, MOST)] or [1]
    if len(depths) < samples:
        depths = [depths[0]] * samples
    bits = tuple(depths[:samples])
    if min(bits) < 1 or max(bits) > 128:
        raise ValueError(f"it claims {min(bits)} to {max(bits)} bits a channel")
    return bits


def _check_kind(
    directory: Directory, compression: int, photometric: int, bits: tuple[int, ...]
) -> None:
    """Refuse unsupported kinds.

    Raises:
        PictureError: with the reason.
    """
    if compression not in (NONE, *DEFLATE, *BYTES, *CODED):
        name = NAMES.get(compression, f"number {compression}")
        raise PictureError(f"its compression ({name}) is not read", OTHERWISE)
    formats = {int(each) for each in directory.numbers(ifd.SAMPLE_FORMAT, MOST)} or {1}
    if bad := formats - {1, 4} - ({2} if photometric == LAB else set()):
        name = INTERNALS.get(min(bad), "no name")
        raise PictureError(f"it has {name} values of {max(bits)} bits", CONVERT)
    if max(bits) > 16:
        raise PictureError(f"it has {max(bits)} bits a channel", CONVERT)
    wanted = {1} if compression in CCITT else {8}
    if compression in CODED and set(bits) != wanted:
        raise PictureError(f"it has {max(bits)} bits in a compression of {min(wanted)}", OTHERWISE)
    if photometric in (LAB, ICC_LAB, ITU_LAB) and set(bits) not in ({8}, {16}):
        raise PictureError(f"it has L*a*b* of {max(bits)} bits", CONVERT)
    if photometric == YCC and set(bits) != {8}:
        raise PictureError(f"it has YCbCr of {max(bits)} bits", CONVERT)
    if compression in (JPEG, WEBP) and not 1 <= len(bits) <= 4:
        raise PictureError(f"it has {len(bits)} channels in one JPEG or WebP", OTHERWISE)


def _alpha(
    directory: Directory, photometric: int, samples: int, notes: list[str]
) -> tuple[int | None, bool]:
    colours = COLOURS[photometric]
    kinds = [int(each) for each in directory.numbers(ifd.EXTRA, MOST)][: samples - colours]
    alphas = [at for at, kind in enumerate(kinds) if kind in (ASSOCIATED, UNASSOCIATED)]
    dropped = samples - colours - bool(alphas)
    if dropped:
        what = "a channel" if dropped == 1 else f"{dropped} channels"
        notes.append(f"{what} beside colours and alpha (a spot colour, a selection): dropped")
    if not alphas:
        return None, False
    return colours + alphas[0], kinds[alphas[0]] == ASSOCIATED


def _part(
    directory: Directory, size: tuple[int, int], tiled: bool, force_damaged: bool
) -> tuple[int, int]:
    if tiled:
        width, height = directory.number(ifd.TILE_WIDTH), directory.number(ifd.TILE_HEIGHT)
        most = [max(4 * side, LARGE_TILE) for side in size]
        if not (0 < width <= most[0] and 0 < height <= most[1]):
            raise ValueError(f"it claims tiles of {width}x{height}")
        return width, height
    rows = directory.number(ifd.ROWS, 2**32 - 1)
    if rows < 1 and not force_damaged:
        raise ValueError(f"it claims {rows} rows in a strip")
    return size[0], min(rows, size[1]) if rows > 0 else size[1]


def _subsampling(directory: Directory, photometric: int) -> tuple[int, int]:
    if photometric != YCC:
        return 1, 1
    factors = [int(each) for each in directory.numbers(530, 2)]
    across, down = factors if len(factors) == 2 else (2, 2)
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise ValueError(f"it claims YCbCr with colours at every {across}, {down}")
    return across, down


def _with_offsets(found: TIFFLayout, force_damaged: bool) -> TIFFLayout:
    """The layout with the places of the parts.

    Raises:
        ValueError: some are missing.
    """
    directory = found.directory
    if found.compression == OLD_JPEG:
        return found
    needed = found.across * found.down * (found.samples if found.planar else 1)
    # libtiff accepts the tags of strips for tiles too, on which some writers rely.
    pairs = [(ifd.TILE_OFFSETS, ifd.TILE_COUNTS), (ifd.OFFSETS, ifd.COUNTS)]
    where, lengths = next(
        (pair for pair in (pairs if found.tiled else pairs[::-1]) if pair[0] in directory),
        pairs[not found.tiled],
    )
    field = directory.fields.get(where)
    count = field.many if field else 0
    if count < needed and not force_damaged:
        raise ValueError(f"{count} of {needed} parts of the picture are in the file")
    offsets = directory.numbers(where, needed)
    counts = directory.numbers(lengths, needed)
    if len(counts) < len(offsets):
        if len(counts):
            raise ValueError("the lengths of its parts are missing")
        ends = np.sort(np.append(offsets, directory.file.length))
        counts = ends[np.searchsorted(ends, offsets, "right").clip(0, len(ends) - 1)] - offsets
    padded = _is_padded(found, found.stored[0], [int(each) for each in counts])
    return _with_thin_strips(replace(found, offsets=offsets, counts=counts, padded=padded))


def _with_thin_strips(found: TIFFLayout) -> TIFFLayout:
    """The layout with strips of a few rows, if the whole picture is one uncompressed strip."""
    line = found.line_bytes(found.stored[0])
    rows = max(1, STRIP // line)
    whole = found.compression != NONE or found.tiled or found.down > 1 or rows >= found.size[1]
    if whole or found.subsampling != (1, 1) or len(found.offsets) < len(found.stored):
        return found
    if len({found.line_bytes(each) for each in found.stored}) > 1:
        return found
    starts = np.arange(0, found.size[1] * line, rows * line)
    lengths = np.minimum(rows * line, found.size[1] * line - starts)
    offsets, counts = np.asarray(found.offsets)[:, None], np.asarray(found.counts)[:, None]
    return replace(
        found,
        part=(found.size[0], rows),
        offsets=(offsets + starts).ravel(),
        counts=(counts - starts).clip(0, lengths).ravel(),
    )


def _is_padded(found: TIFFLayout, channels: Sequence[int], counts: list[int]) -> bool:
    """Whether samples of 9 to 15 bits are stored in 16-bit words, against the standard.

    The length of uncompressed data shows it.
    """
    if found.compression != NONE or not 8 < min(found.bits) <= max(found.bits) < 16:
        return False
    wide = found.part[0] * 2 * len(channels)
    places = len(counts) // (found.samples if found.planar else 1)
    return bool(counts) and all(
        count == wide * found.rows(at % max(1, places)) for at, count in enumerate(counts)
    )
