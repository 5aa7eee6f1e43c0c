"""Checkpoints: complete model folders with a run's state, published by one rename.

``checkpoints/000001000/`` holds config.json, model.safetensors (the averaged weights),
recipe.toml, and ``state.safetensors`` with all that the next step depends on. No pickle.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from .. import card, files, weights, zoo
from .. import recipe as recipes
from ..card import CONFIG, Config
from ..errors import SrzooError
from ..recipe import RECIPE
from ..zoo import WEIGHTS
from .assemble import Parts

FOLDER = "checkpoints"
STATE = "state.safetensors"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: optimiser steps done.
        best: step and validation PSNR of the best checkpoint, or None before the first.
    """

    step: int = 0
    best: tuple[int, float] | None = None


def save(parts: Parts, run: Path, progress: Progress) -> Path:
    """Write a checkpoint whole, and give back its folder."""
    root = run / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    final = root / f"{progress.step:09d}"
    with tempfile.TemporaryDirectory(dir=root, prefix=files.TEMPORARY) as name:
        new = Path(name) / final.name
        new.mkdir()
        file = weights.save(parts.ema, new / WEIGHTS)
        config = zoo.config_of(parts.ema, parts.recipe.generator, file, parts.recipe.summary)
        (new / CONFIG).write_text(config.to_json(), encoding="utf-8")
        (new / RECIPE).write_text(parts.recipe.to_toml(), encoding="utf-8")
        (new / STATE).write_bytes(safetensors.torch.save(_state(parts)))
        facts = {"step": progress.step, "best": progress.best}
        (new / PROGRESS).write_text(json.dumps(facts) + "\n", encoding="utf-8")
        if final.exists():  # the same step again, after resuming from before it
            final.rename(Path(name) / "old")
        new.rename(final)
    return final


def publish(checkpoint: Path, run: Path) -> None:
    """Make a checkpoint's weights those of the run's own model folder.

    The new weights get a name of their own and config.json is replaced last, so the folder
    is whole at every moment.
    """
    config = card.read(checkpoint).config
    assert config.weights
    if (run / CONFIG).is_file():
        there = card.read(run).config.weights
        if there and there.sha256 == config.weights.sha256:
            return
    name = f"model-{config.weights.sha256[:12]}.safetensors"
    with files.replacing(run / name) as file:
        file.write((checkpoint / WEIGHTS).read_bytes())
    _point(run, config, name)


def rename_weights(run: Path) -> None:
    """Give the weights of a finished run the usual name, model.safetensors."""
    config = card.read(run).config
    if config.weights and config.weights.file != WEIGHTS:
        with files.replacing(run / WEIGHTS) as file:
            file.write((run / config.weights.file).read_bytes())
        _point(run, config, WEIGHTS)


def _point(run: Path, config: Config, name: str) -> None:
    assert config.weights
    entry = weights.WeightsFile(name, config.weights.sha256, config.weights.dtype)
    with files.replacing(run / CONFIG) as file:
        file.write(replace(config, weights=entry).to_json().encode())
    for old in run.glob("model*.safetensors"):
        if old.name != name:
            old.unlink()


def found(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in (run / FOLDER).glob("[0-9]*") if path.is_dir())


def prune(run: Path, keep: int, best: int | None) -> None:
    """Take away all but the last ``keep`` checkpoints and the best."""
    for old in found(run)[:-keep]:
        if int(old.name) != best:
            # Renamed first: what a kill leaves of it is no checkpoint.
            gone = old.with_name(f"{files.TEMPORARY}{old.name}")
            old.rename(gone)
            shutil.rmtree(gone)
    for left in (run / FOLDER).glob(f"{files.TEMPORARY}*"):
        shutil.rmtree(left)


def load(parts: Parts, checkpoint: Path) -> Progress:
    """Bring all parts to the state they had at a checkpoint, in place.

    Raises:
        SrzooError: the state is damaged, or belongs to another network or optimiser.
    """
    try:
        tensors = safetensors.torch.load((checkpoint / STATE).read_bytes())
        facts: dict[str, Any] = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        for name, module in _modules(parts).items():
            module.load_state_dict(_under(tensors, name), strict=True)
        before = recipes.read(checkpoint / RECIPE).optimizer.name
        if before != parts.recipe.optimizer.name:
            raise ValueError(f"its optimiser was {before}, not {parts.recipe.optimizer.name}")
        _load_optimizer(parts.optimizer, _under(tensors, "optimizer"))
        torch.set_rng_state(tensors["rng"])
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise SrzooError(
            f"cannot resume from {checkpoint}: {error}",
            "Remove it to resume from the one before, or give --resume never",
        ) from error
    best = facts["best"]
    return Progress(int(facts["step"]), (int(best[0]), float(best[1])) if best else None)


def _modules(parts: Parts) -> dict[str, nn.Module]:
    modules = {"generator": parts.generator}
    if parts.ema is not parts.generator:
        modules["ema"] = parts.ema
    return modules


def _state(parts: Parts) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
    for name, module in _modules(parts).items():
        for key, tensor in module.state_dict().items():
            tensors[f"{name}.{key}"] = tensor
    state = cast("dict[int, dict[str, Any]]", parts.optimizer.state_dict()["state"])
    for number, values in state.items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{key}"] = value
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    whole = optimizer.state_dict()
    optimizer.load_state_dict({**whole, "state": state})


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
