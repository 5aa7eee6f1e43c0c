"""PNGs of every kind, by a plain encoder of the tests' own: any depth, filter, order and chunk."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import numpy as np

from srzoo.images.png.pngrows import PASSES
from srzoo.images.png.pngwriter import SIGNATURE, chunk

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def paeth(a: int, b: int, c: int) -> int:
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def filtered(rows: list[bytes], step: int, rng: np.random.Generator) -> bytes:
    """Rows of bytes, each by a filter drawn at random."""
    out, above = b"", bytes(len(rows[0]))
    for row in rows:
        kind = int(rng.integers(5))
        left = bytes(step) + row
        corner = bytes(step) + above
        line = bytearray([kind])
        for at, value in enumerate(row):
            a, b, c = left[at], above[at], corner[at]
            line.append((value - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) % 256)
        out, above = out + line, row
    return out


def packed(row: np.ndarray, bits: int) -> bytes:
    flat = row.ravel()
    if bits == 16:
        return flat.astype(">u2").tobytes()
    if bits == 8:
        return flat.astype(np.uint8).tobytes()
    parts = (flat[:, None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(parts.astype(np.uint8).ravel()).tobytes()


def raw(values: np.ndarray, bits: int, interlaced: bool, seed: int = 0) -> bytes:
    """Filtered rows of H x W x C values."""
    rng, step = np.random.default_rng(seed), max(1, values.shape[2] * bits // 8)
    out = b""
    for x, y, dx, dy in PASSES if interlaced else ((0, 0, 1, 1),):
        part = values[y::dy, x::dx]
        if part.size:
            out += filtered([packed(row, bits) for row in part], step, rng)
    return out


def ihdr(values: np.ndarray, bits: int, kind: int, interlaced: bool) -> bytes:
    size = values.shape[1], values.shape[0]
    return chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, interlaced))


def png(
    values: np.ndarray,
    bits: int = 8,
    kind: int | None = None,
    interlaced: bool = False,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
    idat: int = 100,
    seed: int = 0,
    level: int = 6,
) -> bytes:
    """A PNG of H x W x C values, with chunks before and behind its pixels."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2]] if kind is None else kind
    data = zlib.compress(raw(values, bits, interlaced, seed), level)
    pixels = b"".join(chunk(b"IDAT", data[at : at + idat]) for at in range(0, len(data), idat))
    head = SIGNATURE + ihdr(values, bits, kind, interlaced)
    return head + b"".join(before) + pixels + b"".join(after) + chunk(b"IEND", b"")


def chunks_of(data: bytes) -> list[tuple[bytes, int, int]]:
    """Name, place and length of each chunk's data."""
    found, at = [], 8
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        found.append((name, at + 8, length))
        at += 12 + length
    return found
