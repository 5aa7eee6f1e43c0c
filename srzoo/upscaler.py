"""Plan tiles, run an engine on each, stitch: exact, and bounded in memory.

Numpy at its edges: an engine that needs no torch runs without it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import psutil
from PIL import Image

from . import images
from .errors import MemoryBudgetError, ModelError, PictureError
from .images import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from .contracts import F32, Runner

P = TypeVar("P", "Image.Image", "NDArray[Any]", "Tensor")
Tile = int | str
Progress = Callable[[int, int], None]

BLEND = 32
"""Overlap, in LR pixels, of tiles that cannot be exact."""
SMALLEST = 16
"""No tile is planned smaller than this, in LR pixels a side."""
WORKING_MEMORY = 1_500_000_000
"""Bytes of host memory that tiles take unless more is allowed: larger is no faster."""


@dataclass(frozen=True)
class Plan:
    """How one picture is cut.

    Attributes:
        scale: the factor.
        tile: (height, width) of a tile's own part, in LR pixels.
        margin: LR pixels added on each inner side: the network's reach, or the overlap.
        exact: True if the tiles give exactly what the whole picture would.
        bytes: what the process will take at its peak, estimated.
    """

    scale: int
    tile: tuple[int, int]
    margin: int
    exact: bool
    bytes: int


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of LR pixels."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, by: int, size: tuple[int, int]) -> Box:
        """The same with ``by`` pixels more on each side, cut at the picture's edges."""
        height, width = size
        return Box(
            max(0, self.top - by),
            min(height, self.bottom + by),
            max(0, self.left - by),
            min(width, self.right + by),
        )


class Upscaler:
    """A model that is ready to enlarge pictures.

    Args:
        runner: what an engine made of the model.
        scales: the factors the model can enlarge by.
        name: the model's name, for messages.
        tile: "auto" (as large as the memory allows), "off", or a side in LR pixels.
        memory: bytes that the whole process may take; None for 60 % of what is free.
    """

    def __init__(
        self,
        runner: Runner,
        scales: tuple[int, ...],
        name: str,
        *,
        tile: Tile = "auto",
        memory: int | None = None,
    ) -> None:
        if not (tile in ("auto", "off") or (isinstance(tile, int) and tile >= SMALLEST)):
            raise PictureError(
                f"tile is {tile!r}", f"It is auto, off, or at least {SMALLEST} pixels"
            )
        self.runner = runner
        self.scales = scales
        self.name = name
        self.tile = tile
        self.memory = memory

    @property
    def model(self) -> Any:
        """The bare ``nn.Module``: B x 3 x H x W float 0..1 in, B x 3 x sH x sW out.

        Raises:
            ModelError: the engine runs without one.
        """
        if self.runner.model is None:
            raise ModelError("this engine has no torch module", 'Load with engine="torch"')
        return self.runner.model

    def __call__(self, picture: P, scale: int | None = None) -> P:
        """Enlarge a picture, and give back the type that came in.

        Args:
            picture: a PIL image; a numpy array H x W or H x W x 3, uint8 or float 0..1; or
                a tensor 3 x H x W or B x 3 x H x W, uint8 or float 0..1.
            scale: one of the model's scales; may be left out where it has one.

        Returns:
            The same type and dtype, s times as large. Floats are clamped to 0..1.

        Raises:
            PictureError: a shape, dtype or range that is none of these.
            MemoryBudgetError: it does not fit into the memory it may use.
        """
        factor = self.factor(scale)
        if isinstance(picture, Image.Image):
            return cast("P", images.to_pil(self.upscale(images.from_pil(picture), factor)))
        if isinstance(picture, np.ndarray):
            return cast("P", self.array(picture, factor))
        if "torch" in sys.modules and isinstance(picture, sys.modules["torch"].Tensor):
            return cast("P", self._tensor(cast("Tensor", picture), factor))
        raise PictureError(
            f"cannot upscale a {type(picture).__name__}",
            "Give a PIL image, a numpy array or a tensor",
        )

    def upscale(
        self, picture: Picture, scale: int | None = None, progress: Progress | None = None
    ) -> Picture:
        """Enlarge a decoded picture; gray stays gray, alpha is enlarged bicubically."""
        factor = self.factor(scale)
        alpha = picture.alpha
        if alpha is not None:
            size = (picture.size[0] * factor, picture.size[1] * factor)
            alpha = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BICUBIC))
        pixels = self.array(picture.pixels, factor, progress)
        return replace(picture, pixels=pixels, alpha=alpha)

    def array(
        self, picture: NDArray[Any], scale: int | None = None, progress: Progress | None = None
    ) -> NDArray[Any]:
        """Enlarge a numpy array; ``progress`` is told (tiles done, tiles in all)."""
        factor = self.factor(scale)
        _check_array(picture)
        height, width = picture.shape[:2]
        plan = self.plan((width, height), factor, picture.itemsize)
        shape = (height * factor, width * factor, *picture.shape[2:])
        boxes = list(_boxes((height, width), plan.tile))
        if plan.exact:
            out = np.empty(shape, picture.dtype)
            for done, box in enumerate(boxes, 1):
                grown = box.grown(plan.margin, (height, width))
                y = self._run(picture, grown, factor)
                _paste(out, _crop(y, box, grown, factor), box, factor)
                if progress:
                    progress(done, len(boxes))
            return out
        total = np.zeros(shape, np.float32)
        for done, box in enumerate(boxes, 1):
            grown = box.grown(plan.margin, (height, width))
            y = self._run(picture, grown, factor) * _ramps(grown, box, plan.margin, factor)
            rows, columns = _slices(grown, factor)
            total[rows, columns] += y if total.ndim == 3 else y.mean(axis=2)
            if progress:
                progress(done, len(boxes))
        return _quantise(total, picture.dtype)

    def plan(self, size: tuple[int, int], scale: int | None = None, itemsize: int = 1) -> Plan:
        """How a picture of (width, height) LR pixels will be cut.

        Exact tiles, grown by the reach, wherever the reach is bounded and does not outgrow
        the tile; else tiles that overlap and blend.

        Raises:
            MemoryBudgetError: not even small tiles fit into the memory it may use.
        """
        factor = self.factor(scale)
        width, height = size
        per_pixel = self.runner.bytes_per_pixel(factor)
        # The result stands twice for a moment: as an array and in the encoder.
        fixed = psutil.Process().memory_info().rss
        fixed += width * height * 3 * itemsize * (1 + 2 * factor**2)
        free = int(0.6 * psutil.virtual_memory().available)
        room = self.memory - fixed if self.memory else free
        on_device = self.runner.free_memory()
        if on_device is not None:
            room = min(room, int(0.8 * on_device))
        elif self.memory is None and self.tile == "auto":
            room = min(room, WORKING_MEMORY)
        if self.tile == "off" or (self.tile == "auto" and width * height * per_pixel <= room):
            plan = Plan(
                factor, (height, width), 0, exact=True, bytes=fixed + width * height * per_pixel
            )
        else:
            plan = self._cut(size, factor, per_pixel, fixed, room)
        if plan.bytes > fixed + room:
            least = self._cut(size, factor, per_pixel, fixed, 0, side=SMALLEST)
            raise MemoryBudgetError(
                f"a {width}x{height} picture times {factor} needs about {_gb(plan.bytes)}"
                f" and may use {_gb(fixed + room)}",
                f"Give --memory {_gb(int(1.05 * least.bytes) + 50_000_000)} or more"
                + ("" if self.tile == "auto" else ", or --tile auto"),
            )
        return plan

    def _cut(
        self,
        size: tuple[int, int],
        factor: int,
        per_pixel: int,
        fixed: int,
        room: int,
        side: int | None = None,
    ) -> Plan:
        """Tiles of the side that was asked for, or as large as the room allows."""
        width, height = size
        reach = self.runner.reach
        side = side or (self.tile if isinstance(self.tile, int) else None)

        def sides(room: int, margin: int) -> tuple[int, int]:
            if side:
                return min(side, height), min(side, width)
            pixels = max(room, 0) // per_pixel
            rows = min(max(math.isqrt(pixels) - 2 * margin, SMALLEST), height)
            columns = max(pixels // min(rows + 2 * margin, height) - 2 * margin, SMALLEST)
            return _even(height, rows), _even(width, columns)

        def cost(tile: tuple[int, int], margin: int) -> int:
            rows, columns = min(tile[0] + 2 * margin, height), min(tile[1] + 2 * margin, width)
            return fixed + rows * columns * per_pixel

        if reach is not None:
            tile = sides(room, reach)
            if side is None or reach <= side:
                plan = Plan(factor, tile, reach, exact=True, bytes=cost(tile, reach))
                if side or (plan.bytes <= fixed + room and reach <= max(tile)):
                    return plan
        blending = 12 * width * height * factor**2  # the float32 sum that the tiles add up to
        tile = sides(room - blending, BLEND)
        inner = [own for own, all_ in zip(tile, (height, width), strict=True) if own < all_]
        margin = min([BLEND, *(own // 2 for own in inner)])
        return Plan(factor, tile, margin, exact=not inner, bytes=cost(tile, margin) + blending)

    def _run(self, picture: NDArray[Any], box: Box, factor: int) -> F32:
        """One tile of the picture through the network: float32 sH x sW x 3."""
        part = picture[box.top : box.bottom, box.left : box.right]
        x = part.astype(np.float32)
        if picture.dtype == np.uint8:
            x /= 255
        if x.ndim == 2:
            x = np.repeat(x[:, :, None], 3, axis=2)
        y = self.runner(np.ascontiguousarray(x.transpose(2, 0, 1))[None], factor)
        expected = (1, 3, x.shape[0] * factor, x.shape[1] * factor)
        if y.shape != expected:
            raise ModelError(f"{self.name} gave {y.shape} and not {expected}", "Report this")
        if not np.isfinite(y).all():
            raise ModelError(f"{self.name} gave values that are not finite", "Use --precision fp32")
        return y[0].transpose(1, 2, 0)

    def _tensor(self, picture: Tensor, factor: int) -> Tensor:
        if picture.ndim == 3:
            return self._tensor(picture[None], factor)[0]
        if picture.ndim != 4 or picture.shape[1] != 3:
            raise PictureError(
                f"the tensor has the shape {tuple(picture.shape)}", "Give B x 3 x H x W"
            )
        torch = sys.modules["torch"]
        dtype = picture.dtype
        exchange = dtype if dtype == torch.uint8 else torch.float32
        batch = picture.detach().permute(0, 2, 3, 1).to("cpu", exchange).numpy()
        enlarged = np.stack([self.array(item, factor) for item in batch])
        result = torch.from_numpy(enlarged).permute(0, 3, 1, 2)
        return result.to(picture.device, dtype).contiguous()

    def factor(self, scale: int | None) -> int:
        """The scale to use: the one asked for, or the only one there is.

        Raises:
            PictureError: the model does not enlarge by that, or can do several.
        """
        if scale is None and len(self.scales) == 1:
            return self.scales[0]
        if scale in self.scales:
            return scale
        choices = ", ".join(map(str, self.scales))
        raise PictureError(
            f"{self.name} enlarges by {choices}, not by {scale}"
            if scale is not None
            else f"{self.name} can enlarge by {choices}",
            f"Choose the scale: {choices}",
        )


def _check_array(picture: NDArray[Any]) -> None:
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise PictureError(
            f"the array has the shape {picture.shape}", "Give H x W (gray) or H x W x 3 (RGB)"
        )
    if picture.size == 0:
        raise PictureError(f"the array is empty: shape {picture.shape}", "Give it pixels")
    if picture.dtype == np.uint8:
        return
    if picture.dtype.kind != "f":
        raise PictureError(
            f"the array is of type {picture.dtype}", "Give uint8 0..255 or float 0..1"
        )
    low, high = float(picture.min()), float(picture.max())
    if not (low >= -0.5 and high <= 1.5):  # NaN fails too
        raise PictureError(
            f"the float array holds values from {low:g} to {high:g}", "Scale it to 0..1"
        )


def _even(length: int, core: int) -> int:
    """The tile length near ``core`` that cuts ``length`` into equal parts."""
    return math.ceil(length / math.ceil(length / core))


def _boxes(size: tuple[int, int], tile: tuple[int, int]) -> Iterator[Box]:
    for top in range(0, size[0], tile[0]):
        for left in range(0, size[1], tile[1]):
            yield Box(top, min(top + tile[0], size[0]), left, min(left + tile[1], size[1]))


def _slices(box: Box, factor: int) -> tuple[slice, slice]:
    return (
        slice(box.top * factor, box.bottom * factor),
        slice(box.left * factor, box.right * factor),
    )


def _crop(y: F32, box: Box, grown: Box, factor: int) -> F32:
    top, left = (box.top - grown.top) * factor, (box.left - grown.left) * factor
    height, width = (box.bottom - box.top) * factor, (box.right - box.left) * factor
    return y[top : top + height, left : left + width]


def _paste(out: NDArray[Any], y: F32, box: Box, factor: int) -> None:
    rows, columns = _slices(box, factor)
    out[rows, columns] = _quantise(y if out.ndim == 3 else y.mean(axis=2), out.dtype)


def _quantise(y: F32, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Clamp to 0..1, and round to 0..255 where the picture is uint8."""
    if dtype == np.uint8:
        return np.rint(np.clip(y, 0, 1) * 255).astype(np.uint8)
    return np.clip(y, 0, 1).astype(dtype)


def _ramps(grown: Box, box: Box, margin: int, factor: int) -> F32:
    """Weights for a blended tile, sH x sW x 1: with its neighbours' they add up to one."""

    def ramp(low: int, own_low: int, own_high: int, high: int) -> NDArray[np.float32]:
        at = (np.arange(low * factor, high * factor) + 0.5) / factor
        weight = np.ones(len(at), np.float32)
        if low < own_low:
            weight = np.minimum(weight, (at - (own_low - margin)) / (2 * margin))
        if high > own_high:
            weight = np.minimum(weight, (own_high + margin - at) / (2 * margin))
        return np.clip(weight, 0, 1).astype(np.float32)

    rows = ramp(grown.top, box.top, box.bottom, grown.bottom)
    columns = ramp(grown.left, box.left, box.right, grown.right)
    return (rows[:, None] * columns[None, :])[:, :, None]


def _gb(amount: int) -> str:
    return f"{amount / 1e9:.1f}GB"
