"""A model that enlarges what people have: files, PIL images, arrays, tensors, lists of them."""

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
"""From a picture's (width, height) to its route."""


class Upscaler(PictureUpscaler):
    """A model that is ready to enlarge pictures; several threads may use one.

    Args:
        runner, scales, name, tile, memory, strength: as for ``PictureUpscaler``.
        size: what pictures are brought to where a call asks for nothing else.
        engine: the name of the engine that made the runner, "" where nobody says; where the runner
            is made later, the one that was chosen.
        device: what was asked for; a runner that has a ``device`` knows better.
        again: makes another one like this, in another process: what a pickle of it holds. With
            ``device=`` it makes one for another device.

    Raises:
        SrzooError: ``tile``, ``memory``, ``strength`` or ``size`` is none of these.
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
        """What a pickle holds: how to make another one.

        Raises:
            SrzooError: that is not known.
        """
        return self._made_again("it cannot be pickled"), ()

    @property
    def device(self) -> str:
        """What it runs on, like "cpu" or "cuda:0".

        Where the engine is made at the first picture it is "auto" until then, unless a device was
        asked for.
        """
        if found := getattr(self.runner, "device", None):
            return str(found)
        if self._asked_device == "auto" and not isinstance(self.runner, LazyRunner):
            return "cpu"
        return self._asked_device

    def to(self, device: object) -> Upscaler:
        """The same for another device: another Upscaler, as ``Tensor.to`` gives another tensor.

        This one stays as it is, as threads may be using it. Where "auto" chose the engine, it
        chooses again.

        Args:
            device: "cpu", "cuda", "cuda:1", "mps", "auto", or a ``torch.device``.

        Raises:
            DeviceError: there is no such device, or the engine that was asked for does not run on
                it.
            SrzooError: nobody has told how to make another one.
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
        """The ``nn.Module`` that runs: B x 3 x H x W float 0..1 in, B x 3 x sH x sW out, any size.

        It is made for inference: folded and frozen. The network as it was trained, which can be
        trained on, is what ``srzoo.network`` gives.

        Raises:
            ModelError: the engine runs without one.
        """
        if self.runner.model is None:
            raise ModelError(
                f"{self.engine or 'this engine'} runs {self.name} and has no torch module",
                f'Take srzoo.network("{self.name}"), or load it with engine="{ENGINE}"',
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
        """Enlarge a picture, or several, and give back the type that came in.

        Args:
            picture: a file's path; a PIL image, but of 32 bits; a numpy array H x W or H x W x C,
                uint8, uint16 or float 0..1; a tensor C x H x W, B x C x H x W or H x W of these
                types; or a list of them. C is 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha).
            scale: one of the model's scales; may be left out where it has one.
            size: what it is brought to instead: (width, height), "3840x2160", or one side, like
                "long=4096"; by passes of the model, then a resize. What a call asks for goes
                before the size that :func:`srzoo.load` was given.
            progress: is called with (done, total): tiles of one picture, or pictures of a list or
                a batch.

        Returns:
            For a file a PIL image, and for a PIL image one in mode L, LA, RGB, RGBA or I;16; else
            the same type, dtype and device. Floats are clamped to 0..1. A list for a list.

            Tensors are detached: no gradient flows through. For that there is ``srzoo.network``.
            A batch goes through the network as one where the engine takes batches (torch does) and
            it fits into memory. Its pictures come to what they do one by one: to the last bit in
            float32 on a CPU, else to within a level of 255.

            What comes out is not to the last bit what the network gives: a picture is continued
            beyond its border by its mirror image, and values stay near the range of the pixels
            around them. ``model`` and ``srzoo.network`` do neither.

        Raises:
            PictureError: a type, shape, dtype or range that is none of these, or a file that cannot
                be read; of a list it says which item.
            MemoryBudgetError: it does not fit into the memory it may use.
        """
        return self.any(picture, scale, size, progress)

    def any(
        self, picture: object, scale: int | None, size: Size | None, progress: Progress | None
    ) -> Any:
        """The same for what has no type yet."""
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
        """Enlarge a numpy array; ``progress`` is called with (tiles done, tiles in all)."""
        made = self.upscale(inputs.picture_of(picture), scale, progress)
        return inputs.array_of(made, picture)

    def route(
        self, size: tuple[int, int], scale: int | None = None, to: Size | None = None
    ) -> Route:
        """How a picture of (width, height) comes to the size that a call asks for.

        Raises:
            PictureError: both a scale and a size are, or the model does not come to it.
        """
        return self._way(scale, to)(size)

    def _way(self, scale: int | None, size: Size | None) -> Way:
        asked = settings.check_asked(scale, size)
        if sized := asked or (self.size if scale is None else None):
            return partial(sized.route, scales=self.scales)
        return partial(single_pass, factor=self.factor(scale))
