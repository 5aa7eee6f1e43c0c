"""Profiles and colours for tests: Display P3 as Apple publishes its primaries, and delta-E."""

from __future__ import annotations

import struct

import numpy as np
from PIL import Image, ImageCms

from srzoo.images import profiles

P3 = profiles.matrix_profile("Display P3", profiles.PRIMARIES[12])
D50 = np.array([0.9642, 1.0, 0.8249])
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def lab(image: Image.Image, icc: bytes | None) -> np.ndarray:
    """CIE L*a*b* (D50) of a gray or RGB image, as a colour-managed viewer sees it.

    Worked out from the profile's own numbers, since 8-bit Lab is too coarse.
    """
    icc = icc or SRGB
    values = np.asarray(image.convert("L" if profiles.colour_space(icc) == "GRAY" else "RGB")) / 255
    if values.ndim == 2:
        xyz = curve(icc, b"kTRC", values)[..., None] * D50
    else:
        light = [
            curve(icc, tag, values[..., i]) for i, tag in enumerate((b"rTRC", b"gTRC", b"bTRC"))
        ]
        columns = [numbers(icc, tag)[2:] for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]
        xyz = sum(
            part[..., None] * np.array(column) for part, column in zip(light, columns, strict=True)
        )
    ratio = np.maximum(xyz / D50, 0)
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (ratio * 24389 / 27 + 16) / 116)
    x, y, z = np.moveaxis(root, 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def tag(icc: bytes, name: bytes) -> bytes:
    for at in range(132, 132 + 12 * struct.unpack(">I", icc[128:132])[0], 12):
        found, start, length = struct.unpack(">4sII", icc[at : at + 12])
        if found == name:
            return icc[start : start + length]
    raise KeyError(name)


def numbers(icc: bytes, name: bytes) -> list[float]:
    data = tag(icc, name)
    return [each / 65_536 for each in struct.unpack(f">{len(data) // 4}i", data)]


def curve(icc: bytes, name: bytes, values: np.ndarray) -> np.ndarray:
    """A parametric curve of kind 0 or 3."""
    kind = tag(icc, name)[8:10]
    exponent, *rest = numbers(icc, name)[3:]
    if kind == b"\0\0":
        return values**exponent
    assert kind == b"\0\3"
    a, b, c, d = rest
    return np.where(values >= d, np.maximum(a * values + b, 0) ** exponent, c * values)


def delta_e(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """CIE 1976; stricter than the newer ones where colours are strong."""
    return np.sqrt(((a - b) ** 2).sum(axis=2))
