"""Builds an Upscaler from a model's name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from .. import images
from ..common import arguments, devices
from ..defaults import ENGINE, MODEL
from ..errors import DeviceError, FallbackWarning, ModelError, PluginError
from ..exporting import engine as engines
from ..exporting import engine_facts
from ..exporting.exports import UnfinishedError
from ..exporting.fence import Fenced
from ..exporting.lazy import LazyRunner
from ..models import locate, requirements
from ..models.folder import ModelFolder
from ..plugins import kinds
from ..plugins.plugin import OWN_DIST
from . import files, inputs, settings
from .planner import Tile
from .settings import Size
from .upscaler import Upscaler

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    from ..common.devices import Precision
    from ..common.progress import Progress
    from ..contracts import Runner

    P = TypeVar("P", Image, NDArray[Any], Tensor)


def load(
    model: str | Path | ModelFolder = MODEL,
    *,
    engine: str | engines.Choice = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    size: Size | None = None,
    work: int | None = None,
    lazy: bool = False,
) -> Upscaler:
    """Prepare a model: folder, network, weights, engine.

    Args:
        model: a released name ("edsr-x4"), a model folder, or a repository on the Hub
            ("org/name"); an existing folder has priority. A folder that is given is not looked up
            again.
        engine: "auto" for the fastest installed engine that runs the model on the device, or an
            engine plugin's name; only torch has a ``model``. Or the result of
            :func:`srzoo.exporting.engine.choose`.
        device: "auto", "cpu", "cuda", "cuda:1", "mps", or a ``torch.device``.
        precision: "auto", "fp32", "bf16" or "fp16".
        tile: "auto", "off", or a side in LR pixels (from 16).
        memory: limit for the whole process: bytes, or a text like "2GB"; None for 60 % of the free
            memory.
        strength: 1 for the model's result, 0 for bicubic interpolation, or a value between.
        size: the size of results, unless a call requests another: (width, height),
            "3840x2160", or one side: "width=3840", "height=", "long=4096" or "short=".
        work: number of LR pixels to upscale, if known: "auto" makes no export if torch finishes
            sooner.
        lazy: build the network, or open its export, when the first picture needs it; errors of
            weights and device are raised then.

    Returns:
        A callable that takes files, PIL images, numpy arrays, tensors and lists of them, and
        returns the same type. Threads may share it, and it can be pickled: the pickle contains the
        model's folder and these options.

    Raises:
        ModelError: no such model, its folder or weights are wrong, or a package that it
            needs is not installed.
        PluginError: its generator or the engine is not installed, or broken.
        DeviceError: the device or precision does not exist, or the engine does not support it.
        SrzooError: ``tile``, ``memory``, ``strength`` or ``size`` is invalid.
    """
    arguments.check_type("model", model, (str, Path, ModelFolder))
    arguments.check_type("engine", engine, (str, engines.Choice))
    on = devices.parse_name(device)
    settings.check_precision(precision)
    settings.check_tile(tile)
    settings.check_memory(memory)
    settings.check_strength(strength)
    settings.check_size(size)
    folder = model if isinstance(model, ModelFolder) else locate.find(model)
    requirements.check_models(folder)
    kinds.generators.find(folder.config.generator)
    chosen = engine
    if isinstance(chosen, str):
        chosen = engines.choose(folder, chosen, device=on, precision=precision, work=work)
    make = partial(_runner, folder, chosen.name, on, precision, explicit=chosen.explicit)
    runner, by = (LazyRunner(lambda: make()[0]), chosen.name) if lazy else make()
    again = partial(
        load, folder.path.absolute(), device=on, precision=precision, tile=tile, memory=memory,
        engine=engine, strength=strength, size=size, work=work, lazy=lazy,
    )  # fmt: skip
    return Upscaler(
        runner, folder.config.scales, folder.name, tile=tile, memory=memory,
        strength=strength, size=size, engine=by, device=on, again=again,
    )  # fmt: skip


def _runner(
    folder: ModelFolder, engine: str, device: str, precision: str, *, explicit: bool
) -> tuple[Runner, str]:
    """A model's runner, and its engine's name; another engine if the choice of ``auto`` fails."""
    build = partial(kinds.engines.build, folder=folder.path, device=device, precision=precision)
    try:
        engine_facts.find(engine).need_generator(engine, folder.config.generator)
        runner = build(engine)
        if kinds.engines.find(engine).dist != OWN_DIST:
            runner = Fenced(runner)
            if not explicit:  # the user did not choose it, so its failure must not end the run
                runner.tried(folder.config.scales[0])
        return runner, engine
    except (UnfinishedError, DeviceError, PluginError) as error:
        instead = None if explicit else engines.instead_of(engine, folder, device, precision)
        if instead is None:
            raise
        warnings.warn(f"{engine} is not used: {error.what}", FallbackWarning, stacklevel=3)
        again, device = instead
    except ModelError:
        again = engines.choose(folder, device=device, precision=precision).name
        if explicit or again == engine:
            raise
    return _runner(folder, again, device, precision, explicit=again == ENGINE)


@overload
def upscale(
    picture: str | os.PathLike[str],
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    size: Size | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> Image: ...
@overload
def upscale(
    picture: P,
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    size: Size | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> P: ...
@overload
def upscale(
    picture: list[str] | list[Path] | list[str | Path] | tuple[str | Path, ...],
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    size: Size | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> list[Image]: ...
@overload
def upscale(
    picture: list[P] | tuple[P, ...],
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    size: Size | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> list[P]: ...
def upscale(
    picture: object,
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    size: Size | None = None,
    output: str | Path | None = None,
    engine: str = "auto",
    device: object = "auto",
    precision: Precision = "auto",
    tile: Tile = "auto",
    memory: int | str | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
    max_pixels: int = images.MAX_PIXELS,
    progress: Progress | None = None,
) -> Any:
    """Upscale a picture, or a list of them, in one line; for many calls, :func:`load` once.

    Args:
        picture: a picture file, or any input of :class:`Upscaler`; or a list.
        model: as for :func:`load`.
        scale: needed only for a model with several.
        size: the size of the result instead, as for :func:`load`.
        output: also write the result there, with the metadata of the input file. A name with an
            ending (big.png) is a file, and an existing one is replaced. For a list, or if the
            folder exists, it is a folder, and results have the names of their inputs. For whole
            folders of pictures use the command, which can resume and needs little memory.
        engine, device, precision, tile, memory, strength: as for :func:`load`.
        page: which page or frame of a file with several, from 1.
        force_damaged: use the readable part of a damaged file.
        max_pixels: larger files are refused.
        progress: called with (done, total): tiles of one picture, or pictures of several.

    Returns:
        A PIL image for a file, otherwise the type of the input; a list for a list.

    Raises:
        SrzooError: all that :func:`load`, reading and writing raise; ``output`` or ``page``
            for an input that is not a file. For a list it names the item.
    """
    settings.check_asked(scale, size)
    settings.check_progress(progress)
    settings.check_reading(max_pixels, page)
    if output is not None:
        arguments.check_path("output", output)
    request = images.ReadRequest(max_pixels, page, force_damaged)
    several = isinstance(picture, list | tuple)
    given = list(cast("Sequence[Any]", picture)) if several else [picture]
    targets = files.targets(given, output, page=page, several=several)
    sizes: list[int] = []
    for at, one in enumerate(given):
        with inputs.numbered(at, len(given)) if several else nullcontext():
            sizes.append(inputs.pixels_of(one, request))
    upscaler = load(
        model, engine=engine, device=device, precision=precision, tile=tile, memory=memory,
        strength=strength, work=sum(sizes), lazy=not given,
    )  # fmt: skip

    def enlarge(at: int, one: Any, progress: Progress | None = None) -> Any:
        if not inputs.is_file(one):
            return upscaler.any(one, scale, size, progress)
        source = inputs.read(one, request)
        result = upscaler.to_size(source, upscaler.route(source.size, scale, size), progress)
        if target := targets[at]:
            images.write(result, target, images.format_of(target))
        return images.to_pil(result)

    return inputs.each(given, enlarge, progress) if several else enlarge(0, picture, progress)
