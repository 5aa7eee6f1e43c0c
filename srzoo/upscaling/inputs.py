"""Inputs of an Upscaler as decoded pictures, and results in the type of the input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np
from PIL import Image

from .. import images
from ..common import arguments
from ..errors import PictureError, SrzooError
from ..images import Picture, ReadRequest
from .tiles import DEEPEST

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

CHANNELS = "1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha)"


@dataclass(frozen=True)
class Given:
    """An input as pictures.

    Attributes:
        pictures: one, or the pictures of a batch, which have one size.
        back: converts results to the type of the input.
        batch: whether the input was a batch.
    """

    pictures: list[Picture]
    back: Callable[[list[Picture]], Any]
    batch: bool = False


def take(picture: object) -> Given:
    """Read a picture, or a batch, of any supported type.

    Raises:
        PictureError: its type is not supported, or its shape, dtype or range is wrong.
    """
    if is_file(picture):
        arguments.check_path("the picture", picture)
        found = read(picture, images.ReadRequest())
        return Given([found], lambda made: images.to_pil(made[0]))
    if isinstance(picture, Image.Image):
        return Given([images.from_pil(picture)], lambda made: images.to_pil(made[0]))
    if isinstance(picture, np.ndarray):
        return _array(cast("NDArray[Any]", picture))
    if is_tensor(picture):
        return _tensor(cast("Tensor", picture))
    raise PictureError(
        f"cannot upscale a {type(picture).__name__}",
        "Give a file's path, a PIL image, a numpy array, a tensor, or a list of these",
    )


def is_file(picture: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether an input is a path."""
    return isinstance(picture, str | os.PathLike)


def read(path: str | os.PathLike[str], request: ReadRequest) -> Picture:
    """Read a picture file.

    Raises:
        PictureError: it cannot be read.
    """
    return images.read(
        Path(path), max_pixels=request.max_pixels, page=request.page,
        force_damaged=request.force_damaged,
    )  # fmt: skip


def pixels_of(picture: object, request: ReadRequest) -> int:
    """The number of LR pixels; for a file, from its header.

    Raises:
        PictureError: the input is not a picture.
    """
    if is_file(picture):
        arguments.check_path("the picture", picture)
        width, height = images.read_header(Path(picture), request).size
        return width * height
    if isinstance(picture, list | tuple):
        return sum(pixels_of(one, request) for one in cast("Sequence[object]", picture))
    return sum(one.size[0] * one.size[1] for one in take(picture).pictures)


def is_tensor(picture: object) -> bool:
    """Whether an object is a torch tensor; False if torch is not imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(picture, torch.Tensor)


def each(
    pictures: Sequence[Any],
    enlarge: Callable[[int, Any], Any],
    progress: Callable[[int, int], None] | None = None,
) -> list[Any]:
    """A list of results; errors name the item.

    Args:
        pictures: the inputs.
        enlarge: called with an index, and the input.
        progress: called with (pictures done, pictures in all).
    """
    made: list[Any] = []
    for at, picture in enumerate(pictures):
        with numbered(at, len(pictures)):
            made.append(enlarge(at, picture))
        if progress:
            progress(at + 1, len(pictures))
    return made


@contextmanager
def numbered(at: int, count: int) -> Generator[None]:
    """Add the item's number to errors raised inside."""
    which = f"item {at} of {count}"
    try:
        yield
    except SrzooError as error:
        error.what = f"{which}: {error.what}"
        error.args = (error.what, error.fix)
        raise
    except Exception as error:
        error.add_note(which)
        raise


def picture_of(array: NDArray[Any]) -> Picture:
    """An array H x W or H x W x C as a picture, without a copy.

    Raises:
        PictureError: its shape, dtype or range is wrong.
    """
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 2, 3, 4)):
        fix = f"Give H x W, or H x W x C where C is {CHANNELS}"
        if array.ndim == 3 and shape[0] in (1, 3, 4):
            fix = "It looks like C x H x W: give array.transpose(1, 2, 0)"
        elif array.ndim == 4:
            fix = "Give a list of its pictures: list(array)"
        raise PictureError(f"the array has the shape {shape}", fix)
    array = np.asarray(array)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    _check_values(array, "array", array.dtype in DEEPEST, array.dtype.kind == "f")
    if array.ndim == 2:
        return Picture(array)
    colours = array[..., 0] if shape[2] < 3 else array[..., :3]
    return Picture(colours, array[..., -1] if shape[2] in (2, 4) else None)


def array_of(picture: Picture, like: NDArray[Any]) -> NDArray[Any]:
    """A result in the input's shape and dtype, never sharing its memory."""
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None:
        pixels = np.concatenate([np.atleast_3d(pixels), alpha[..., None]], axis=2)
    elif like.ndim == 3:
        pixels = np.atleast_3d(pixels)
    if pixels.dtype != like.dtype or np.may_share_memory(pixels, like):
        pixels = pixels.astype(like.dtype)
    return pixels


def _array(array: NDArray[Any]) -> Given:
    return Given([picture_of(array)], lambda made: array_of(made[0], array))


def _check_values(values: Any, what: str, whole: bool, floats: bool) -> None:
    """Check that an array or tensor has pixels, of a supported type, in the right range.

    Raises:
        PictureError: it does not.
    """
    if 0 in values.shape:
        raise PictureError(f"the {what} is empty: shape {tuple(values.shape)}", "Give it pixels")
    if whole:
        return
    if not floats:
        raise PictureError(
            f"the {what} is of type {values.dtype}",
            "Convert it: uint8 0..255, uint16 0..65535 or float 0..1 are accepted",
        )
    low, high = float(values.min()), float(values.max())
    if not (low >= -0.5 and high <= 1.5):  # NaN fails too
        raise PictureError(
            f"the float {what} contains values from {low:g} to {high:g}", "Scale it to 0..1"
        )


def _tensor(tensor: Tensor) -> Given:
    torch = sys.modules["torch"]
    shape, dtype = tuple(tensor.shape), tensor.dtype
    at = tensor.ndim - 3  # the axis of the channels
    if not (tensor.ndim == 2 or (tensor.ndim in (3, 4) and shape[at] in (1, 2, 3, 4))):
        fix = f"Give C x H x W or B x C x H x W, where C is {CHANNELS}; or H x W"
        if tensor.ndim in (3, 4) and shape[-1] in (1, 3, 4):
            order = ", ".join(map(str, [*range(at), at + 2, at, at + 1]))
            fix = f"Its channels are last: give tensor.permute({order})"
        raise PictureError(f"the tensor has the shape {shape}", fix)
    whole = dtype in (torch.uint8, torch.uint16)
    tensor = tensor.detach()
    if tensor.layout != torch.strided or tensor.is_meta:
        kind = "on meta" if tensor.is_meta else "sparse"
        raise PictureError(f"the tensor is {kind}", "Give a dense tensor on a real device")
    # Types that torch computes with; types of 8 bits and less are for storage only.
    floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    _check_values(tensor, "tensor", whole, dtype in floats)
    exchange = dtype if whole else torch.float32
    if tensor.ndim > 2:
        tensor = tensor.movedim(at, -1)
    batch = tensor.to("cpu", exchange).numpy()
    items = list(batch) if batch.ndim == 4 else [batch]

    def back(made: list[Picture]) -> Tensor:
        arrays = [array_of(one, item) for one, item in zip(made, items, strict=True)]
        result = torch.from_numpy(np.stack(arrays) if batch.ndim == 4 else arrays[0])
        if batch.ndim > 2:
            result = result.movedim(-1, at)
        return result.to(tensor.device, dtype).contiguous()

    return Given([picture_of(item) for item in items], back, batch=batch.ndim == 4)
