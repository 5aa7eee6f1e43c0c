"""Colour profiles (ICC): those that files only hint at, and conversions to sRGB."""

from __future__ import annotations

import io
import struct
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.3290)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
PRIMARIES = {  # xy of red, green and blue, by their number in ITU-T H.273
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

XY = tuple[float, float]


def matrix_profile(
    name: str,
    primaries: tuple[XY, XY, XY] = PRIMARIES[1],
    white: XY = D65,
    curve: tuple[float, ...] = SRGB_CURVE,
) -> bytes:
    """An ICC profile for RGB: ``curve`` is an exponent, or that and sRGB's a, b, c, d."""
    whole = np.array([_xyz(xy) for xy in primaries]).T
    source = np.array(_xyz(white))
    columns = whole * np.linalg.solve(whole, source)
    scale = (BRADFORD @ np.array(D50)) / (BRADFORD @ source)
    adapt = np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD
    tags = {
        f"{letter}XYZ": _xyz_tag(tuple((adapt @ columns)[:, at])) for at, letter in enumerate("rgb")
    }
    tags |= {f"{letter}TRC": _curve_tag(curve) for letter in "rgb"}
    tags["chad"] = b"sf32" + bytes(4) + b"".join(_fixed(float(v)) for v in adapt.ravel())
    return _profile(name, "RGB ", tags)


def gray_profile(name: str, exponent: float) -> bytes:
    """An ICC profile for gray that is light to the power of 1 / ``exponent``."""
    return _profile(name, "GRAY", {"kTRC": _curve_tag((exponent,))})


def _xyz(xy: XY) -> tuple[float, float, float]:
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65_536))


def _xyz_tag(xyz: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(v)) for v in xyz)


def _curve_tag(curve: tuple[float, ...]) -> bytes:
    kind = 0 if len(curve) == 1 else 3
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(_fixed(v) for v in curve)


def _text_tag(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _profile(name: str, space: str, tags: dict[str, bytes]) -> bytes:
    own = {"desc": _text_tag(name), "cprt": _text_tag("No copyright"), "wtpt": _xyz_tag(D50)}
    tags = own | tags
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for key, data in tags.items():
        table += struct.pack(">4sII", key.encode(), start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sII4sQI", start + len(body), b"", 0x04300000, b"mntr", space.encode(),
        b"XYZ ", 2000, 1, 1, 0, 0, 0, b"acsp", b"", 0, 0, b"", 0, 0,
    )  # fmt: skip
    header += b"".join(map(_fixed, D50))
    return header.ljust(128, b"\0") + table + body


def space(icc: bytes) -> str:
    """The colours that a profile is about: ``RGB``, ``GRAY``, ``CMYK``, ..."""
    return icc[16:20].decode("latin-1").strip()


def problem(icc: bytes, gray: bool) -> str | None:
    """Why a profile cannot stand for gray or RGB pixels, as a sentence; None where it can."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return "the colour profile is damaged and was dropped"
    if space(icc) in (("GRAY", "RGB") if gray else ("RGB",)):
        return None
    return f"the profile is of {space(icc)} colours and was dropped"


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """L, CMYK or LAB to RGB in sRGB; None where the profile is damaged or of other colours.

    Relative colorimetric with black point compensation, as photo editors do by default.
    """
    # What it precalculates by default is off by up to ten levels in the shadows.
    exact = ImageCms.Flags.HIGHRESPRECALC if image.mode == "CMYK" else ImageCms.Flags.NOOPTIMIZE
    try:
        done = ImageCms.profileToProfile(
            image,
            io.BytesIO(icc),
            cast("Any", ImageCms).createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | exact,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return done


def lab() -> bytes:
    """A profile of CIE L*a*b*, which TIFFs may be in."""
    profile = cast("Any", ImageCms).createProfile("LAB")
    return ImageCms.ImageCmsProfile(profile).tobytes()
