"""TIFF files of every kind, made byte by byte: what no encoder would write, too."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from srzoo import images

CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q"}
PAIRS = {5: "I", 10: "i"}
SHORTS = {254, 255, 258, 259, 262, 266, 274, 277, 284, 317, 320, 332, 336, 338, 339, 530}


def field(tag: int, value: Any, order: str) -> tuple[int, int, bytes]:
    """Type, count and data; a pair of type and values, bytes, or numbers of the usual type."""
    if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[1], int):
        kind, values = value
    elif isinstance(value, bytes):
        kind, values = 7, value
    else:
        kind, values = (3 if tag in SHORTS else 4), np.atleast_1d(value).tolist()
    if isinstance(values, bytes):
        return kind, len(values), values
    if kind in PAIRS:
        flat = [number for pair in values for number in pair]
        return kind, len(values), struct.pack(f"{order}{len(flat)}{PAIRS[kind]}", *flat)
    return kind, len(values), struct.pack(f"{order}{len(values)}{CODES[kind]}", *values)


def tiff(*pages: dict[int, Any], order: str = "<", big: bool = False) -> bytes:
    """A file of pages: fields by tag; "parts" under 273 or 324; directories under 330 and others.

    Places and lengths of parts are filled in where 273 or 324 hold a list of bytes.
    """
    head = struct.pack(
        f"{order}HHHQ" if big else f"{order}HI", *((43, 8, 0, 0) if big else (42, 0))
    )
    out = bytearray((b"II" if order == "<" else b"MM") + head)
    wide, code = (8, "Q") if big else (4, "I")

    def put(data: bytes) -> int:
        at = len(out)
        out.extend(data + bytes(len(data) % 2))
        return at

    def directory(fields: dict[int, Any]) -> tuple[int, int]:
        """Where it begins, and where it tells the next one's place."""
        told = dict(fields)
        for offsets, counts in ((273, 279), (324, 325)):
            parts = told.get(offsets)
            if isinstance(parts, list) and parts and isinstance(parts[0], bytes):
                told[offsets] = [put(part) for part in parts]
                told.setdefault(counts, [len(part) for part in parts])
        for tag, value in told.items():
            if isinstance(value, dict):
                told[tag] = directory(value)[0]
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                told[tag] = [directory(each)[0] for each in value]
        lines = b""
        for tag in sorted(told):
            kind, count, data = field(tag, told[tag], order)
            if len(data) > wide:
                data = struct.pack(f"{order}{code}", put(data))
            lines += struct.pack(f"{order}HH{code}", tag, kind, count) + data.ljust(wide, b"\0")
        count = struct.pack(f"{order}{'Q' if big else 'H'}", len(told))
        at = put(count + lines + bytes(wide))
        return at, at + len(count) + len(lines)

    link = 8 if big else 4
    for page in pages:
        at, following = directory(page)
        struct.pack_into(f"{order}{code}", out, link, at)
        link = following
    return bytes(out)


def packed(samples: np.ndarray, bits: int, order: str = "<") -> list[bytes]:
    """Rows H x W x C of values as bytes, each beginning at a whole byte."""
    if bits == 16:
        return [row.astype(f"{order}u2").tobytes() for row in samples]
    rows = []
    for row in samples:
        digits = "".join(f"{value:0{bits}b}" for value in row.ravel())
        digits += "0" * (-len(digits) % 8)
        rows.append(bytes(int(digits[at : at + 8], 2) for at in range(0, len(digits), 8)))
    return rows


def picture(
    samples: np.ndarray, bits: int, photometric: int, *, order: str = "<", rows: int = 7,
    planar: bool = False, pack: Any = None, **fields: Any,
) -> dict[int, Any]:  # fmt: skip
    """A page's fields for samples H x W x C, in strips of ``rows`` rows.

    Args:
        pack: compresses a strip.
        fields: more of them, as ``tag_NUMBER``.
    """
    height, width, channels = samples.shape
    groups = [samples[..., at : at + 1] for at in range(channels)] if planar else [samples]
    parts = []
    for group in groups:
        lines = packed(group, bits, order)
        parts += [b"".join(lines[top : top + rows]) for top in range(0, height, rows)]
    if pack:
        parts = [pack(part) for part in parts]
    told: dict[int, Any] = {
        256: width, 257: height, 258: [bits] * channels, 259: 1, 262: photometric, 273: parts,
        277: channels, 278: rows, 284: 2 if planar else 1,
    }  # fmt: skip
    return told | {int(name.removeprefix("tag_")): value for name, value in fields.items()}


def values(bits: int, channels: int, height: int = 23, width: int = 37, seed: int = 0):
    """Noise with black and white in it."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**bits, (height, width, channels))
    drawn[0, 0], drawn[0, 1] = 0, 2**bits - 1
    return drawn.astype(np.uint16 if bits > 8 else np.uint8)


def whole(samples: np.ndarray, bits: int) -> np.ndarray:
    """The same as 8 or 16 bits: black stays black, white white."""
    if bits > 8:
        return (samples.astype(np.uint16) << (16 - bits)) | (samples >> (2 * bits - 16))
    return np.floor(samples * (255 / (2**bits - 1)) + 0.5).astype(np.uint8)


def read(data: bytes, **options) -> images.Picture:
    """Read it; its header has told the same."""
    request = images.ReadRequest(page=options.get("page"), force_damaged="force_damaged" in options)
    found = images.read(io.BytesIO(data), **options)
    header = images.read_header(io.BytesIO(data), request)
    channels = (1 if found.pixels.ndim == 2 else 3) + (found.alpha is not None)
    bits = 8 * found.pixels.dtype.itemsize
    assert (header.size, header.bits, header.channels) == (found.size, bits, channels)
    return found


def planes(found: images.Picture) -> np.ndarray:
    pixels = found.pixels if found.pixels.ndim == 3 else found.pixels[:, :, None]
    return pixels if found.alpha is None else np.dstack([pixels, found.alpha])
