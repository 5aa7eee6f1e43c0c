"""A model that upscales files, PIL images, arrays, tensors, and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from ..common import devices
from ..defaults import ENGINE
from ..errors import ModelError, SrzooError
from ..exporting.lazy import LazyRunner
from . import inputs, settings
from .enlarging import PictureUpscaler, single_pass
from .planner import Tile
from .settings import Size
from .sizing import Route

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from ..common.progress import Progress
    from ..contracts import Runner
    from ..images import Picture

P = TypeVar("P", "Image.Image", "NDArray[Any]", "Tensor")
Way = Callable[[tuple[int, int]], Route]
"""A function from a picture's (width, height) to its route."""


class Upscaler(PictureUpscaler):
    """A model that is ready to upscale pictures; several threads may share one.

    Args:
        runner, scales, name, tile, memory, strength: as for ``PictureUpscaler``.
        size: the size of results, unless a call requests another.
        engine: the name of the engine that made the runner, "" if unknown; the chosen one, if the
            runner is made later.
        device: the requested device; the ``device`` of the runner has priority.
        again: makes an equal Upscaler, in another process too; a pickle contains it. With
            ``device=`` it makes one for another device.

    Raises:
        SrzooError: ``tile``, ``memory``, ``strength`` or ``size`` is invalid.
    """

    def __init__(
        self,
        runner: Runner,
        scales: tuple[int, ...],
        name: str,
        *,
        tile: Tile = "auto",
        memory: int | str | None = None,
        strength: float = 1.0,
        size: Size | None = None,
        engine: str = "",
        device: str = "auto",
        again: Callable[..., Upscaler] | None = None,
    ) -> None:
        super().__init__(runner, scales, name, tile=tile, memory=memory, strength=strength)
        self.size = settings.check_size(size)
        self.engine = engine
        self._asked_device = device
        self._reconstruct = again

    def __repr__(self) -> str:
        scales = " ".join(f"x{scale}" for scale in self.scales)
        engine = f", {self.engine} {self.device}" if self.engine else ""
        return f"<Upscaler {self.name} {scales}{engine}>"

    def __reduce__(self) -> tuple[Callable[..., Upscaler], tuple[()]]:
        """The content of a pickle: a function that makes an equal Upscaler.

        Raises:
            SrzooError: no such function is known.
        """
        return self._made_again("it cannot be pickled"), ()

    @property
    def device(self) -> str:
        """The device it runs on, such as "cpu" or "cuda:0".

        If the engine is made at the first picture, this is "auto" until then, unless a device was
        requested.
        """
        if found := getattr(self.runner, "device", None):
            return str(found)
        if self._asked_device == "auto" and not isinstance(self.runner, LazyRunner):
            return "cpu"
        return self._asked_device

    def to(self, device: object) -> Upscaler:
        """An equal Upscaler for another device, as ``Tensor.to`` returns another tensor.

        This one does not change, as threads may be using it. If "auto" chose the engine, it
        chooses again.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps", "auto", or a ``torch.device``.

        Raises:
            DeviceError: the device does not exist, or the requested engine does not run on it.
            SrzooError: no function is known that makes another one.
        """
        name = devices.parse_name(device)
        if name == self.device:
            return self
        return self._made_again("it cannot move to another device")(device=name)

    def _made_again(self, so: str) -> Callable[..., Upscaler]:
        if self._reconstruct is None:
            raise SrzooError(
                f"how to make this Upscaler again is not known, so {so}",
                "Use one from srzoo.load, or give it again=, a function of a module that makes it",
            )
        return self._reconstruct

    @property
    def model(self) -> Any:
        """The ``nn.Module`` that runs: float B x 3 x H x W in 0..1 to B x 3 x sH x sW, any size.

        It is folded and frozen for inference. ``srzoo.network`` returns the network as it was
        trained, which you can train further.

        Raises:
            ModelError: the engine has none.
        """
        if self.runner.model is None:
            raise ModelError(
                f"{self.engine or 'this engine'} runs {self.name} without a torch module",
                f'Use srzoo.network("{self.name}"), or load it with engine="{ENGINE}"',
            )
        return self.runner.model

    @overload
    def __call__(
        self,
        picture: str | os.PathLike[str],
        scale: int | None = None,
        *,
        size: Size | None = None,
        progress: Progress | None = None,
    ) -> Image.Image: ...
    @overload
    def __call__(
        self,
        picture: P,
        scale: int | None = None,
        *,
        size: Size | None = None,
        progress: Progress | None = None,
    ) -> P: ...
    @overload
    def __call__(
        self,
        picture: list[str] | list[Path] | list[str | Path] | tuple[str | Path, ...],
        scale: int | None = None,
        *,
        size: Size | None = None,
        progress: Progress | None = None,
    ) -> list[Image.Image]: ...
    @overload
    def __call__(
        self,
        picture: list[P] | tuple[P, ...],
        scale: int | None = None,
        *,
        size: Size | None = None,
        progress: Progress | None = None,
    ) -> list[P]: ...
    def __call__(
        self,
        picture: object,
        scale: int | None = None,
        *,
        size: Size | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """Upscale a picture, or several; the result has the type of the input.

        Args:
            picture: a file's path; a PIL image, except with 32 bits; a numpy array H x W or H x W
                x C, uint8, uint16 or float 0..1; a tensor C x H x W, B x C x H x W or H x W of
                these types; or a list of them. C is 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB,
                alpha).
            scale: one of the model's scales; optional if it has only one.
            size: the size of the result instead: (width, height), "3840x2160", or one side, like
                "long=4096"; by passes of the model, then a resize. It overrides the size given
                to :func:`srzoo.load`.
            progress: called with (done, total): tiles of one picture, or pictures of a list or
                a batch.

        Returns:
            A PIL image for a file, and for a PIL image, in mode L, LA, RGB, RGBA or I;16; else
            the same type, dtype and device. Floats are clamped to 0..1. For a list, a list.

            Tensors are detached: no gradient flows through. Use ``srzoo.network`` for gradients.
            A batch runs as one if the engine supports batches (torch does) and it fits into
            memory. The results equal those of single pictures: to the last bit in float32 on a
            CPU, else to within a level of 255.

            Results differ slightly from those of the bare network: pictures are extended by
            reflection at their borders, and values are kept near the range of the pixels around
            them. ``model`` and ``srzoo.network`` do neither.

        Raises:
            PictureError: the type, shape, dtype or range is not one of these, or a file cannot be
                read; for a list it names the item.
            MemoryBudgetError: it does not fit into the permitted memory.
        """
        return self.any(picture, scale, size, progress)

    def any(
        self, picture: object, scale: int | None, size: Size | None, progress: Progress | None
    ) -> Any:
        """Upscale an input of unknown type, as a call does."""
        way = self._way(scale, size)
        settings.check_progress(progress)
        return self._enlarge(picture, way, progress)

    def _enlarge(self, picture: object, way: Way, progress: Progress | None = None) -> Any:
        if isinstance(picture, list | tuple):
            several = cast("Sequence[object]", picture)
            return inputs.each(several, lambda _, one: self._enlarge(one, way), progress)
        given = inputs.take(picture)
        route = way(given.pictures[0].size)
        if not given.batch:
            return given.back([self.to_size(given.pictures[0], route, progress)])
        made: list[Picture] = []
        while len(made) < len(given.pictures):
            made += self.some(given.pictures[len(made) :], route)
            if progress:
                progress(len(made), len(given.pictures))
        return given.back(made)

    def array(
        self, picture: NDArray[Any], scale: int | None = None, progress: Progress | None = None
    ) -> NDArray[Any]:
        """Upscale a numpy array; ``progress`` is called with (tiles done, tiles in all)."""
        made = self.upscale(inputs.picture_of(picture), scale, progress)
        return inputs.array_of(made, picture)

    def route(
        self, size: tuple[int, int], scale: int | None = None, to: Size | None = None
    ) -> Route:
        """The passes that bring a picture of (width, height) to the requested size.

        Raises:
            PictureError: a scale and a size are both given, or the model cannot reach the size.
        """
        return self._way(scale, to)(size)

    def _way(self, scale: int | None, size: Size | None) -> Way:
        asked = settings.check_asked(scale, size)
        if sized := asked or (self.size if scale is None else None):
            return partial(sized.route, scales=self.scales)
        return partial(single_pass, factor=self.factor(scale))
