"""Colour profiles (ICC): implied ones, and conversions to sRGB."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray

D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.3290)
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
PRIMARIES = {  # xy of red, green and blue, by their number in ITU-T H.273
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
WHITES = {4: (0.310, 0.316), 8: (0.310, 0.316), 11: (0.314, 0.351)}
"""The white point of the primaries whose white is not D65."""
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
UNSPECIFIED = 2
"""The number in ITU-T H.273 of unknown primaries and transfers: treated as sRGB."""
CURVES: dict[int, tuple[float, ...]] = {  # by the transfer's number in ITU-T H.273
    # BT.709 and similar describe cameras; programs display them like sRGB.
    **dict.fromkeys((1, UNSPECIFIED, 6, 11, 12, 13, 14, 15), SRGB_CURVE),
    4: (2.2,),
    5: (2.8,),
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913),
    8: (1.0,),
    17: (2.6,),
}
HDR = {16: "PQ", 18: "HLG"}
DIFFUSE = 203
"""cd/m2 of diffuse white in HDR (ITU-R BT.2408): as bright as white in SDR pictures."""
KNEE = 0.75
"""Up to this level programs without HDR display HDR unchanged; above it is rolled off."""
STEPS = 1024

XY = tuple[float, float]


def matrix_profile(
    name: str,
    primaries: tuple[XY, XY, XY] = PRIMARIES[1],
    white: XY = D65,
    curve: tuple[float, ...] | NDArray[np.float64] = SRGB_CURVE,
    cicp: tuple[int, int] | None = None,
) -> bytes:
    """An ICC profile for RGB.

    Args:
        name: its name in programs.
        primaries: xy of red, green and blue.
        white: xy of white.
        curve: an exponent; or that and sRGB's a, b, c, d; or a table of light, 0..1.
        cicp: primaries and transfer as in ITU-T H.273, to store in addition (ICC.1:2022).
    """
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
    if cicp:
        tags["cicp"] = b"cicp" + bytes(4) + bytes((*cicp, 0, 1))
    return _profile(name, "RGB ", tags)


def gray_profile(name: str, curve: float | tuple[float, ...] | NDArray[np.float64]) -> bytes:
    """An ICC profile for gray; ``curve`` as in :func:`matrix_profile`."""
    curve = (curve,) if isinstance(curve, (int, float)) else curve
    return _profile(name, "GRAY", {"kTRC": _curve_tag(curve)})


def is_like_srgb(cicp: tuple[int, int, int, int], gray: bool = False) -> bool:
    """Whether colours by number are sRGB, or displayed like it; for gray, only the curve."""
    usual = gray or cicp[0] in (1, UNSPECIFIED)
    return usual and CURVES.get(cicp[1]) is SRGB_CURVE


def from_cicp(cicp: tuple[int, int, int, int], gray: bool = False) -> bytes | None:
    """An ICC profile with the primaries and the transfer of ITU-T H.273.

    Programs that support the ``cicp`` tag read HDR from it; for others the curve maps diffuse
    white to white.

    Args:
        cicp: primaries, transfer, matrix and full range; the last two do not matter to RGB.
        gray: whether the picture is gray.

    Returns:
        None for sRGB, and for unknown numbers.
    """
    primaries, transfer = 1 if cicp[0] == UNSPECIFIED else cicp[0], cicp[1]
    curve = _hdr_curve(transfer) if transfer in HDR else CURVES.get(transfer)
    if curve is None or is_like_srgb(cicp, gray) or not (gray or primaries in PRIMARIES):
        return None
    name = f"CICP {primaries}/{transfer}"
    if gray:
        return gray_profile(name, curve)
    white = WHITES.get(primaries, D65)
    return matrix_profile(name, PRIMARIES[primaries], white, curve, (primaries, transfer))


def _hdr_curve(transfer: int) -> NDArray[np.float64]:
    """Light on a display for PQ or HLG, where 1 is diffuse white."""
    signal = np.linspace(0, 1, STEPS)
    if HDR[transfer] == "PQ":
        root = signal ** (1 / 78.84375)
        light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
        light = 10_000 * light ** (1 / 0.1593017578125)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        light = 1000 * scene**1.2
    light = light / DIFFUSE
    rolled = KNEE + (1 - KNEE) * (1 - np.exp(-np.maximum(light - KNEE, 0) / (1 - KNEE)))
    return np.where(light <= KNEE, light, rolled)


def _xyz(xy: XY) -> tuple[float, float, float]:
    x, y = xy
    return x / y, 1.0, (1 - x - y) / y


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65_536))


def _xyz_tag(xyz: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(float(v)) for v in xyz)


def _curve_tag(curve: tuple[float, ...] | NDArray[np.float64]) -> bytes:
    if not isinstance(curve, tuple):
        table = np.rint(curve * 65_535).astype(">u2")
        return b"curv" + struct.pack(">II", 0, len(table)) + table.tobytes()
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
        ">I4sI4s4s4s6H4s4sII4sQI", start + len(body), b"", 0x04400000, b"mntr", space.encode(),
        b"XYZ ", 2000, 1, 1, 0, 0, 0, b"acsp", b"", 0, 0, b"", 0, 0,
    )  # fmt: skip
    header += b"".join(map(_fixed, D50))
    return header.ljust(128, b"\0") + table + body


def colour_space(icc: bytes) -> str:
    """The colours of a profile: ``RGB``, ``GRAY``, ``CMYK``, ..."""
    return icc[16:20].decode("latin-1").strip()


def profile_problem(icc: bytes, gray: bool) -> str | None:
    """The reason, as a sentence, why a profile does not fit gray or RGB pixels; None if it does."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return "the colour profile is damaged and was dropped"
    if colour_space(icc) in (("GRAY", "RGB") if gray else ("RGB",)):
        return None
    return f"the profile is of {colour_space(icc)} colours and was dropped"


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """L, CMYK or LAB to RGB in sRGB; None if the profile is damaged or of other colours.

    Relative colorimetric with black point compensation, as photo editors do by default.
    """
    # The default precalculation is wrong by up to ten levels in the shadows.
    exact = ImageCms.Flags.HIGHRESPRECALC if image.mode == "CMYK" else ImageCms.Flags.NOOPTIMIZE
    try:
        done = ImageCms.profileToProfile(
            image,
            io.BytesIO(icc),
            _made("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION | exact,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return done


def lab_profile() -> bytes:
    """A profile of CIE L*a*b*, for TIFFs in it."""
    return _made("LAB").tobytes()


def _made(colours: Literal["sRGB", "LAB"]) -> ImageCms.ImageCmsProfile:
    made = ImageCms.createProfile(colours)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return ImageCms.ImageCmsProfile(made)  # pyright: ignore[reportUnknownArgumentType]
