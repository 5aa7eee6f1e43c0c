"""Saves networks as model folders: atomically, and checked to load again."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from ..common import arguments, kept_folders
from ..contracts import Generator
from ..errors import ModelError, WeightsError
from ..models.folder import CONFIG, ModelFolder, Purpose, read_folder
from ..models.hub import OTHER_FILES
from ..networks import folders, weights
from ..networks.inference import InferenceNetwork
from ..plugins import kinds, origin
from ..plugins.plugin import Use
from . import carrying
from .exports import require_making

DType = Literal["float32", "float16", "bfloat16"]


def save(
    module: Generator,
    folder: str | Path,
    *,
    generator: str | None = None,
    args: Mapping[str, Any] | None = None,
    summary: str = "",
    purpose: Purpose | None = None,
    dtype: DType = "float32",
    exports: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a network as a model folder: for ``srzoo.load(folder)`` and ``srzoo.push``.

    >>> net = srzoo.generators.create("edsr", n_resblocks=8, scale=2)   # doctest: +SKIP
    >>> srzoo.save(net, "models/mine")                                  # doctest: +SKIP

    Args:
        module: a network of a registered generator. Networks from :func:`srzoo.network` or from a
            registry record their generator and its arguments, and so do their copies.
        folder: the target; it is created.
        generator: the plugin's name, for a module built without a registry.
        args: its arguments, as JSON values.
        summary: the purpose of the model, in one line.
        purpose: "faithful", "perceptual" or "real photos"; None if it is not known.
        dtype: type of the weights on disk. float32 keeps them exactly.
        exports: add the exports that run without torch.
        overwrite: replace the model in ``folder``. Its card, recipe and log are kept: measure
            again.

    Returns:
        The folder. It is written completely or not at all.

    Raises:
        ModelError: the folder exists or cannot be written, the module's generator is not known, or
            the module differs from what its generator builds.
        WeightsError: weights are not finite, or too large for ``dtype``.
        PluginError: the generator is not installed, or has other arguments.
        DeviceError: ``exports`` need a package that is missing.
    """
    arguments.check_path("folder", folder)
    arguments.check_type("summary", summary, (str,))
    if generator is not None:
        arguments.check_type("generator", generator, (str,))
    if args is not None:
        arguments.check_type("args", args, (Mapping,))
        for key in args:
            arguments.check_type("a name in args", key, (str,))
    path = Path(folder).absolute()
    use = _use(module, generator, args)
    if purpose is not None and purpose not in get_args(Purpose):
        raise ModelError(f"purpose is {purpose!r}", f"It is {' or '.join(get_args(Purpose))}")
    dtype = _dtype(dtype)
    kept = _kept_of(path, overwrite)
    _check_fit(module, use)
    _check_finite(module, dtype)
    if exports:
        require_making(path.name)
    try:
        with kept_folders.new_folder(path.parent) as place:
            new = folders.save(
                module, place / path.name, generator=use.name, args=dict(use.args),
                summary=summary, purpose=purpose, dtype=dtype,
            )  # fmt: skip
            if exports:
                carrying.add_exports(new)
            for file in kept:
                shutil.copy2(file, new.path / file.name)
            kept_folders.move_into_place(new.path, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return Path(folder)


def _use(module: object, generator: str | None, args: Mapping[str, Any] | None) -> Use:
    """The generator and arguments of a module: the given ones, or those recorded in it."""
    if isinstance(module, InferenceNetwork):
        raise ModelError(
            "this network was prepared for inference, and differs from the trained one",
            "Use the network that srzoo.network returns",
        )
    if not isinstance(module, torch.nn.Module):
        raise ModelError(f"a {type(module).__name__} is not an nn.Module", "Give a network")
    if generator is not None:
        return Use(generator, dict(args or {}))
    known = origin.use_of(module)
    if known is None:
        raise ModelError(
            f"no generator is known that builds this {type(module).__name__}",
            "Give generator= and args=, or build it with srzoo.generators.create",
        )
    return known if args is None else Use(known.name, dict(args))


def _dtype(dtype: object) -> DType:
    name = str(dtype).removeprefix("torch.")
    for known in get_args(DType):
        if name == known:
            return known
    raise ModelError(f"dtype is {dtype!r}", f"It is {', '.join(get_args(DType))}")


def _kept_of(path: Path, overwrite: bool) -> list[Path]:
    try:
        return _kept(path, overwrite)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"cannot write {path}: {error.strerror or error}", "Choose another folder")


def _kept(path: Path, overwrite: bool) -> list[Path]:
    """The files to keep of a model that is replaced.

    Raises:
        ModelError: the folder exists and must not be replaced, or contains more than a model.
    """
    if not path.exists() and not path.is_symlink():
        return []
    if not overwrite:
        raise ModelError(f"{path} exists", "Choose another folder, or give overwrite=True")
    if not path.is_dir() or path.is_symlink():
        raise ModelError(f"{path} is not a folder", "Choose another one")
    there = sorted(path.iterdir())
    if not there:
        return []
    old = read_folder(path)
    if more := [file.name for file in there if file.name not in _model_files(old)]:
        raise ModelError(
            f"{path} contains more than a model, such as {more[0]}, which would be lost",
            "Choose another folder",
        )
    return [file for file in there if file.name in OTHER_FILES]


def _model_files(folder: ModelFolder) -> set[str]:
    config = folder.config
    own = {CONFIG, *OTHER_FILES, *(one.file.partition("/")[0] for one in config.exports)}
    return own | ({config.weights.file} if config.weights else set())


@torch.inference_mode(False)
def _check_fit(module: Generator, use: Use) -> None:
    """Refuse a module that differs from what its generator builds, as it could not be loaded."""
    state = torch.get_rng_state()  # building must not change the random numbers of training
    try:
        twin = kinds.generators.build(use)
    finally:
        torch.set_rng_state(state)
    fix = "Give its generator= and args="
    if tuple(twin.scales) != tuple(module.scales):
        raise ModelError(
            f"the network enlarges by {list(module.scales)}, but {use.name!r} with these arguments"
            f" by {list(twin.scales)}",
            fix,
        )
    own, others = dict(module.state_dict()), dict(twin.state_dict())
    for name in [*others, *own]:
        shapes = [tuple(each[name].shape) if name in each else "none" for each in (own, others)]
        if shapes[0] != shapes[1]:
            raise ModelError(
                f"the network is not what {use.name!r} builds with these arguments: its {name!r}"
                f" has the shape {shapes[0]}, but that of the generator {shapes[1]}",
                fix,
            )


def _check_finite(module: Generator, dtype: DType) -> None:
    for name, tensor in module.state_dict().items():
        if tensor.is_meta:
            raise WeightsError(
                f"{name!r} is on the meta device, without values", "Load its weights first"
            )
        if not tensor.is_floating_point():
            continue
        if not torch.isfinite(tensor).all():
            raise WeightsError(
                f"{name!r} contains values that are not finite",
                "Use weights from before the training diverged",
            )
        if not torch.isfinite(tensor.to(weights.DTYPES[dtype])).all():
            raise WeightsError(f"{name!r} contains values too large for {dtype}", "Save as float32")
