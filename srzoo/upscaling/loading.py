"""From a model's name to something that enlarges pictures."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .. import images
from ..defaults import ENGINE, MODEL
from ..errors import DeviceError, FallbackWarning, ModelError, PluginError, SrzooError
from ..exporting import engine as engines
from ..exporting import engine_facts
from ..exporting.exports import UnfinishedError
from ..exporting.fence import Fenced
from ..exporting.lazy import LazyRunner
from ..models import locate, requirements
from ..models.folder import ModelFolder
from ..plugins import kinds
from ..plugins.plugin import OWN_DIST
from .upscaler import Tile, Upscaler

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    from ..contracts import Runner

    P = TypeVar("P", Image, NDArray[Any], Tensor)


def load(
    model: str | Path | ModelFolder = MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    tile: Tile = "auto",
    memory: int | None = None,
    engine: str | engines.Choice = ENGINE,
    strength: float = 1.0,
    work: int | None = None,
    lazy: bool = False,
) -> Upscaler:
    """Make a model ready: folder, network, weights, engine.

    Args:
        model: a released name ("edsr-x4") or a model folder; a folder that exists wins. One
            that has been found already is not looked for again.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: "auto", "off", or a side in LR pixels (from 16).
        memory: bytes that the process may take; None for 60 % of what is free.
        engine: an engine plugin, or "auto" for the fastest that is installed; torch alone has a
            ``model`` and other devices and precisions. Or what
            :func:`srzoo.exporting.engine.choose` has chosen, which is not done again then.
        strength: 1 for what the model makes, 0 for the bicubic enlargement, or between them.
        work: LR pixels that will be enlarged, if that is known: "auto" makes no export for what
            torch does sooner.
        lazy: build the network, or open its export, when the first picture needs it: errors of
            weights and device come then.

    Returns:
        A callable that takes a PIL image, a numpy array or a tensor, and gives back the
        same type; the bare ``nn.Module`` is its ``model``. Threads may share it, and it can be
        pickled: then it is the model's folder and these options.

    Raises:
        ModelError: no such model, its folder or weights are wrong, or a package that it was made
            with is not installed.
        PluginError: its generator is not installed, or broken.
        DeviceError: there is no such device.
    """
    device = str(device)
    folder = model if isinstance(model, ModelFolder) else locate.find(model)
    requirements.check_models(folder)
    kinds.generators.find(folder.config.generator)
    chosen = engine
    if isinstance(chosen, str):
        chosen = engines.choose(folder, chosen, device=device, precision=precision, work=work)
    make = partial(_runner, folder, chosen.name, device, precision, explicit=chosen.explicit)
    runner, by = (LazyRunner(lambda: make()[0]), chosen.name) if lazy else make()
    again = partial(
        load, folder.path.absolute(), device=device, precision=precision, tile=tile, memory=memory,
        engine=engine, strength=strength, work=work, lazy=lazy,
    )  # fmt: skip
    return Upscaler(
        runner, folder.config.scales, folder.name, tile=tile, memory=memory, strength=strength,
        engine=by, again=again,
    )  # fmt: skip


def _runner(
    folder: ModelFolder, engine: str, device: str, precision: str, *, explicit: bool
) -> tuple[Runner, str]:
    """What an engine makes of a model, and its name; another, if ``auto`` took one that cannot."""
    build = partial(kinds.engines.build, folder=folder.path, device=device, precision=precision)
    try:
        runner = build(engine)
        if kinds.engines.find(engine).dist != OWN_DIST:
            runner = Fenced(runner)
            if not explicit:  # nobody asked for it: a default run is not to fail of it
                runner.tried(folder.config.scales[0])
        return runner, engine
    except (UnfinishedError, DeviceError, PluginError) as error:
        if explicit or engine == ENGINE or engine_facts.missing(ENGINE):
            raise
        warnings.warn(f"{engine} is not used: {error.what}", FallbackWarning, stacklevel=3)
        again = ENGINE
    except ModelError:
        again = engines.choose(folder, device=device, precision=precision).name
        if explicit or again == engine:
            raise
    return _runner(folder, again, device, precision, explicit=again == ENGINE)


def upscale(
    picture: P | str | Path,
    model: str | Path = MODEL,
    *,
    scale: int | None = None,
    output: str | Path | None = None,
    strength: float = 1.0,
    page: int | None = None,
    force_damaged: bool = False,
) -> P | Image:
    """Enlarge one picture in one line; for several, :func:`load` the model once.

    Args:
        picture: a picture file, or what :func:`load` gives takes.
        model: as for :func:`load`.
        scale: needed only for a model with several.
        output: write the result there too, with the metadata of a file that came in; it
            replaces a file of that name.
        strength: as for :func:`load`.
        page: which page or frame of a file with several, from 1.
        force_damaged: take what there is of a damaged file.

    Returns:
        A PIL image for a file, otherwise the type that came in.

    Raises:
        SrzooError: what :func:`load`, reading and writing raise; ``output`` or ``page`` for
            something that is no file.
    """
    if not isinstance(picture, str | Path):
        if output is not None:
            raise SrzooError("only a picture file can be written to output", "Save the result")
        if page is not None:
            raise SrzooError("only a picture file has pages", "Choose one before")
        return load(model, strength=strength)(picture, scale)
    format = images.format_of(Path(output)) if output is not None else ""
    source = images.read(Path(picture), page=page, force_damaged=force_damaged)
    result = load(model, strength=strength).upscale(source, scale)
    if output is not None:
        images.write(result, Path(output), format)
    return images.to_pil(result)
