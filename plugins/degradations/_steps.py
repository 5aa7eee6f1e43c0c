"""The steps between an HR and an LR picture: resize, noise, JPEG.

Pictures are float32 H x W x 3 with values 0..255.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Le
from PIL import Image

from srzoo.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    U8 = NDArray[np.uint8]

Range = tuple[float, float]
Amount = Annotated[float, Ge(0), Le(255)]
Amounts = tuple[Amount, Amount]
"""The bounds of a value that may be 0."""
Widths = tuple[Annotated[float, Ge(0.05), Le(100)], Annotated[float, Ge(0.05), Le(100)]]
"""The least width or exponent of a kernel; one much narrower than a pixel has no effect."""
Factors = tuple[Annotated[float, Ge(0.01), Le(100)], Annotated[float, Ge(0.01), Le(100)]]
Qualities = tuple[Annotated[float, Ge(1), Le(100)], Annotated[float, Ge(1), Le(100)]]
Chance = Annotated[float, Ge(0), Le(1)]
Chances = tuple[Chance, Chance, Chance]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
METHODS = ("area", "bilinear", "bicubic")
SAMPLERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def limits(name: str, value: tuple[float, float]) -> Range:
    """Check that the range ``value`` is in rising order.

    Raises:
        ArgumentError: it is not.
    """
    low, high = value
    if low > high:
        raise ArgumentError(f"{name} is {value!r}", "Give the smaller number first")
    return low, high


def chances(name: str, value: Chances) -> Chances:
    """``value`` as probabilities, which must add up to 1.

    Raises:
        ArgumentError: they do not add up to 1.
    """
    total = sum(value)
    if abs(total - 1) > 1e-3:
        raise ArgumentError(
            f"{name} is {value!r}, which adds up to {total:g}", "Make it add up to 1"
        )
    # Normalise values such as 0.333, as numpy refuses a sum that differs from 1.
    first, second, third = (share / total for share in value)
    return value if abs(total - 1) < 1e-12 else (first, second, third)


def to_uint8(picture: F32) -> U8:
    """Round and clamp to uint8."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def sample_range(rng: np.random.Generator, limits: Sequence[float]) -> float:
    """A uniform random number from ``limits[0]`` to ``limits[1]``."""
    return float(rng.uniform(limits[0], limits[1]))


def resize(picture: F32, size: tuple[int, int], method: str) -> F32:
    """Resize a picture to (height, width) without a shift.

    Area gives each new pixel the mean of the area that it covers. Bilinear and bicubic use only the
    nearest pixels and alias when they shrink, as in the reference of arXiv 2107.10833 and in much
    software that photos have passed through.
    """
    height, width = size
    if picture.shape[:2] == size:
        return picture
    if method == "area":
        return _means(_means(picture, height).swapaxes(0, 1), width).swapaxes(0, 1)
    steps = picture.shape[1] / width, picture.shape[0] / height
    matrix = (steps[0], 0.0, 0.0, 0.0, steps[1], 0.0)
    planes = [
        Image.fromarray(np.ascontiguousarray(picture[:, :, channel])).transform(
            (width, height), Image.Transform.AFFINE, matrix, SAMPLERS[method]
        )
        for channel in range(picture.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _means(picture: F32, rows: int) -> F32:
    """Resize a picture to this many rows, each the mean of the rows it covers, with fractions.

    Pillow's BOX filter takes whole rows only, which shifts by fractions of a pixel.
    """
    before = picture.shape[0]
    if before == rows:
        return picture
    edges = np.arange(rows + 1) * (before / rows)
    whole = np.minimum(edges.astype(int), before - 1)
    sums = np.zeros((before + 1, *picture.shape[1:]))
    np.cumsum(picture, axis=0, out=sums[1:])
    up_to = sums[whole] + (edges - whole)[:, None, None] * picture[whole]
    return (np.diff(up_to, axis=0) * (rows / before)).astype(np.float32)


def gaussian_noise(picture: F32, sigma: float, gray: bool, rng: np.random.Generator) -> F32:
    """Add Gaussian noise of one strength; ``gray`` gives all channels the same."""
    shape = (*picture.shape[:2], 1 if gray else picture.shape[2])
    return np.add(picture, sigma * rng.standard_normal(shape, np.float32), dtype=np.float32)


def poisson_noise(picture: F32, strength: float, gray: bool, rng: np.random.Generator) -> F32:
    """Add ``strength`` times the noise of photon counts, where white is 255 counts."""
    light = np.clip(picture @ LUMA[:, None] if gray else picture, 0, 255)
    return np.add(picture, strength * (rng.poisson(light) - light), dtype=np.float32)


def jpeg(picture: F32, quality: int) -> F32:
    """Compress as JPEG (4:2:0) and decompress."""
    file = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image, np.float32)
