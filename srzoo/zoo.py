"""From a model's name to something that enlarges pictures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import card, images, kinds, locate
from .card import CONFIG, Config, ModelFolder, WeightsFile
from .errors import ModelError, SrzooError
from .exporting import engine as engines
from .registry import LOCAL_DIST, OWN_DIST, Use
from .upscaling.upscaler import Tile, Upscaler

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor, nn

    from .contracts import Runner

    P = TypeVar("P", Image, NDArray[Any], Tensor)

WEIGHTS = "model.safetensors"
DEFAULT_MODEL = "edsr-x4"


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    tile: Tile = "auto",
    memory: int | None = None,
    engine: str = "torch",
) -> Upscaler:
    """Make a model ready: folder, network, weights, engine.

    Args:
        model: a released name ("edsr-x4") or a model folder; a folder that exists wins.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        tile: "auto", "off", or a side in LR pixels (from 16).
        memory: bytes that the process may take; None for 60 % of what is free.
        engine: an engine plugin, or "auto" for the fastest that is installed; torch alone has a
            ``model`` and other devices and precisions.

    Returns:
        A callable that takes a PIL image, a numpy array or a tensor, and gives back the
        same type; the bare ``nn.Module`` is its ``model``.

    Raises:
        ModelError: no such model, or its folder or weights are wrong.
        PluginError: its generator is not installed, or broken.
        DeviceError: there is no such device.
    """
    folder = locate.find(model)
    chosen = engines.choose(folder, engine, device=device, precision=precision)
    runner = _runner(folder, chosen.name, device, precision, asked=engine != "auto")
    return Upscaler(runner, folder.config.scales, folder.name, tile=tile, memory=memory)


def _runner(
    folder: ModelFolder, engine: str, device: str, precision: str, *, asked: bool
) -> Runner:
    """What an engine makes of a model; torch's, if ``auto`` took one that cannot."""
    try:
        return kinds.engines.build(engine, folder=folder.path, device=device, precision=precision)
    except ModelError:
        again = engines.choose(folder, device=device, precision=precision)
        if asked or again.name == engine:
            raise
    return _runner(folder, again.name, device, precision, asked=False)


def upscale(
    picture: P | str | Path,
    model: str | Path = DEFAULT_MODEL,
    *,
    scale: int | None = None,
    output: str | Path | None = None,
) -> P | Image:
    """Enlarge one picture in one line; for several, :func:`load` the model once.

    Args:
        picture: a picture file, or what :func:`load` gives takes.
        model: as for :func:`load`.
        scale: needed only for a model with several.
        output: write the result there too, with the metadata of a file that came in; it
            replaces a file of that name.

    Returns:
        A PIL image for a file, otherwise the type that came in.

    Raises:
        SrzooError: what :func:`load`, reading and writing raise; ``output`` for something
            that is no file.
    """
    if not isinstance(picture, str | Path):
        if output is not None:
            raise SrzooError("only a picture file can be written to output", "Save the result")
        return load(model)(picture, scale)
    format = images.format_of(Path(output)) if output is not None else ""
    source = images.read(Path(picture))
    result = load(model).upscale(source, scale)
    if output is not None:
        images.write(result, Path(output), format)
    return images.to_pil(result)


def build(folder: ModelFolder) -> nn.Module:
    """The network of a model folder, with its weights, in float32 and eval mode.

    Raises:
        PluginError: the generator is not installed, broken, or takes other arguments.
        ModelError: the network does not have the scales that config.json claims.
        WeightsError: the weights are missing, damaged, or do not fit.
    """
    from .networks import weights

    config = folder.config
    for name in config.requires:
        _require(name, folder)
    model = kinds.generators.build({"name": config.generator, **config.args})
    if tuple(model.scales) != config.scales:
        raise ModelError(
            f"{folder.path / CONFIG} claims scales {list(config.scales)},"
            f" its network has {list(model.scales)}",
            "Correct scales",
        )
    module = cast("nn.Module", model).eval()
    weights.load_into(module, folder)
    return module


def save(
    module: nn.Module,
    path: Path,
    *,
    generator: str,
    args: dict[str, Any],
    summary: str = "",
    dtype: str = "float32",
) -> ModelFolder:
    """Write a network as a new model folder, whole or not at all.

    Args:
        module: the network that ``generator`` and ``args`` build.
        path: the folder; it must not exist.
        generator: the plugin's name.
        args: its arguments, as JSON can hold them.
        summary: what the model is for, in one line.
        dtype: float32, float16 or bfloat16, on disk.

    Raises:
        ModelError: the folder exists.
    """
    from .networks import weights

    if path.exists():
        raise ModelError(f"{path} exists", "Choose another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".srzoo-") as name:
        new = Path(name) / path.name
        new.mkdir()
        file = weights.save(module, new / WEIGHTS, dtype) if module.state_dict() else None
        config = config_of(module, Use(generator, args), file, summary)
        (new / CONFIG).write_text(config.to_json(), encoding="utf-8")
        new.rename(path)
    return card.read(path)


def config_of(
    module: nn.Module, generator: Use, weights: WeightsFile | None, summary: str
) -> Config:
    """The config.json of a network that ``generator`` has built."""
    return Config(
        generator=generator.name,
        args=dict(generator.args),
        scales=tuple(cast("Any", module).scales),
        weights=weights,
        summary=summary,
        requires=_owners(module),
    )


def _owners(module: nn.Module) -> tuple[str, ...]:
    """The distributions, besides srzoo, whose plugins a network is made of."""
    packages = {type(part).__module__.partition(".")[0] for part in module.modules()}
    return tuple(
        sorted(
            {
                plugin.dist
                for registry in (kinds.generators, kinds.blocks)
                for plugin in registry
                if plugin.target.partition(":")[0].partition(".")[0] in packages
            }
            - {OWN_DIST, LOCAL_DIST}
        )
    )


def _require(dist: str, folder: ModelFolder) -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(dist)
    except PackageNotFoundError:
        raise ModelError(
            f"{folder.path} needs plugins of {dist}, which is not installed",
            f"Install it: pip install {dist}",
        ) from None
