"""Builds a network from a model folder, and writes a model folder from a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..common import kept_folders
from ..contracts import Generator
from ..errors import ModelError, PluginError
from ..models import requirements
from ..models.folder import CONFIG, Config, ModelFolder, Purpose, WeightsFile, fit_name, read_folder
from ..plugins import importing, kinds, origin, spelling
from ..plugins.plugin import LOCAL_DIST, Use
from . import threads, weights

WEIGHTS = "model.safetensors"


@torch.inference_mode(False)
def build(folder: ModelFolder) -> Generator:
    """The network of a model folder, with its weights, in float32 and eval mode.

    Even if it is built in the caller's inference mode, it can be trained and folded.

    Raises:
        PluginError: the generator is not installed, broken, or takes other arguments.
        ModelError: a package that the model needs is not installed, or the network does
            not have the scales that config.json claims.
        WeightsError: the weights are missing, damaged, or do not fit.
    """
    threads.prepare()
    config = folder.config
    requirements.check_models(folder)
    try:
        model = kinds.generators.build({"name": config.generator, **config.args})
    except PluginError as error:
        if others := requirements.describe_others(config):
            error.what = f"{error.what} ({folder.path}: {others})"
        raise
    if tuple(model.scales) != config.scales:
        raise ModelError(
            f"{folder.path / CONFIG} claims scales {list(config.scales)},"
            f" its network has {list(model.scales)}",
            "Correct scales",
        )
    weights.load_into(model.eval(), folder)
    return model


def scales_of(generator: str, args: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The scales of a network, built without its weights; None if it cannot be built so."""
    try:
        with torch.device("meta"):
            return tuple(kinds.generators.build({"name": generator, **args}).scales)
    except Exception:  # noqa: BLE001  whatever a plugin raises
        return None


def save(
    module: Generator,
    path: Path,
    *,
    generator: str,
    args: dict[str, Any],
    summary: str = "",
    purpose: Purpose | None = None,
    dtype: str = "float32",
) -> ModelFolder:
    """Write a network as a new model folder, atomically.

    Args:
        module: the network that ``generator`` and ``args`` build.
        path: the folder; it must not exist.
        generator: the plugin's name.
        args: its arguments, as JSON values.
        summary: what the model is for, in one line.
        purpose: the same in a word; None if unknown.
        dtype: float32, float16 or bfloat16, on disk.

    Raises:
        ModelError: the folder exists.
    """
    if path.exists():
        raise ModelError(f"{path} exists", "Choose another folder")
    with kept_folders.new_folder(path.parent) as made:
        new = made / path.name
        new.mkdir()
        file = weights.save(module, new / WEIGHTS, dtype) if module.state_dict() else None
        config = config_of(
            module, Use(generator, args), file, summary, purpose, fit_name(path.name)
        )
        (new / CONFIG).write_text(config.to_json(), encoding="utf-8")
        kept_folders.move_into_place(new, path)
    return read_folder(path)


def config_of(
    module: Generator,
    generator: Use,
    weights: WeightsFile | None,
    summary: str,
    purpose: Purpose | None = None,
    name: str = "",
) -> Config:
    """The config.json of a network that ``generator`` has built.

    Foreign plugins are named ``distribution:name``, whatever name was used.
    """
    generator = spelling.spelled(kinds.generators, generator)
    return Config(
        generator=generator.name,
        args=dict(generator.args),
        scales=tuple(module.scales),
        weights=weights,
        summary=summary,
        requires=owners(module),
        name=name,
        purpose=purpose,
    )


def owners(module: Generator) -> tuple[str, ...]:
    """The distributions, besides srzoo, of the plugins and classes in a network."""
    parts = list(module.modules())
    homes = {type(part).__module__ for part in parts}
    tops = {home.partition(".")[0] for home in homes}
    plugins = {plugin for part in parts for plugin in origin.made_of(part)}
    for plugin in sorted(plugins, key=str):
        if plugin.dist == LOCAL_DIST and ":" not in plugin.name:  # a name with a colon is a file
            importing.warn(
                f"{plugin} exists only in this process, so others cannot load the model: make"
                f" it a package (srzoo plugin new {plugin.kind} {plugin.name})"
            )
    plugins |= {
        plugin
        for plugin in [*kinds.generators, *kinds.blocks]
        if plugin.target.partition(":")[0].partition(".")[0] in tops and plugin.is_foreign
    }
    return origin.requirements(plugins, homes)
