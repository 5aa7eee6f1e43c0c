"""The steps between an HR and an LR picture: resize, noise, JPEG.

Pictures are float32 H x W x 3 with values 0..255.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from srzoo.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    U8 = NDArray[np.uint8]

Range = tuple[float, float]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
METHODS = ("area", "bilinear", "bicubic")
SAMPLERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def number(name: str, value: float, least: float, most: float = math.inf) -> float:
    """``value``, if it is a finite number from ``least`` to ``most``.

    Raises:
        ArgumentError: it is not.
    """
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not least <= value <= most or math.isinf(value):
        to = f" to {most:g}" if most < math.inf else ""
        raise ArgumentError(f"{name} is {value!r}", f"Give a number from {least:g}{to}")
    return value


def limits(name: str, value: Sequence[float], least: float, most: float = math.inf) -> Range:
    """``value`` as two numbers from ``least`` to ``most``, and rising.

    Raises:
        ArgumentError: it is something else.
    """
    low, high = numbers(name, value, 2, "[least, greatest]", least, most)
    if low > high:
        raise ArgumentError(f"{name} is {value!r}", "Give the smaller number first")
    return low, high


def chances(name: str, value: Sequence[float], what: str) -> tuple[float, ...]:
    """``value`` as probabilities that add up to 1, one for each word of ``what``.

    Raises:
        ArgumentError: it is something else.
    """
    found = probabilities(name, value, what)
    total = sum(found)
    if abs(total - 1) > 1e-3:
        raise ArgumentError(
            f"{name} is {value!r}, which adds up to {total:g}", "It has to add up to 1"
        )
    # Thirds that were written down; numpy draws by nothing that is further off.
    return found if abs(total - 1) < 1e-12 else tuple(share / total for share in found)


def probabilities(name: str, value: Sequence[float], what: str) -> tuple[float, ...]:
    """``value`` as numbers from 0 to 1, one for each word of ``what``.

    Raises:
        ArgumentError: it is something else.
    """
    return numbers(name, value, len(what.split()), f"[{', '.join(what.split())}]", 0, 1)


def numbers(
    name: str, value: Sequence[float], count: int, what: str, least: float, most: float
) -> tuple[float, ...]:
    """``value`` as so many numbers from ``least`` to ``most``.

    Raises:
        ArgumentError: it is something else.
    """
    if not isinstance(value, list | tuple) or len(value) != count:
        raise ArgumentError(f"{name} is {value!r}", f"Give {count} numbers: {what}")
    return tuple(number(name, item, least, most) for item in value)


def to_uint8(picture: F32) -> U8:
    """Round and clamp."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def sample_range(rng: np.random.Generator, limits: Sequence[float]) -> float:
    """A number from ``limits[0]`` to ``limits[1]``, each as likely."""
    return float(rng.uniform(limits[0], limits[1]))


def resize(picture: F32, size: tuple[int, int], method: str) -> F32:
    """Bring a picture to (height, width); middles stay in the middle, so nothing shifts.

    Area gives each new pixel the mean of what it covers. Bilinear and bicubic look at the
    nearest pixels only and alias when they shrink, as in the reference of arXiv 2107.10833
    and in much software that pictures have gone through.
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
    """Bring a picture to so many rows, each the mean of what it covers, parts of rows too.

    Pillow's BOX filter takes old rows whole or not at all, which shifts by parts of a pixel.
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
    """Add noise of one strength everywhere; ``gray`` gives all channels the same."""
    shape = (*picture.shape[:2], 1 if gray else picture.shape[2])
    return np.add(picture, sigma * rng.standard_normal(shape, np.float32), dtype=np.float32)


def poisson_noise(picture: F32, strength: float, gray: bool, rng: np.random.Generator) -> F32:
    """Add ``strength`` times the noise of counting light, 255 counts being white."""
    light = np.clip(picture @ LUMA[:, None] if gray else picture, 0, 255)
    return np.add(picture, strength * (rng.poisson(light) - light), dtype=np.float32)


def jpeg(picture: F32, quality: int) -> F32:
    """Write as JPEG (4:2:0) and read again."""
    file = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return np.asarray(image, np.float32)
