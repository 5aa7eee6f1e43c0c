"""Checkpoints: complete model folders with the run's state, published by a rename.

``checkpoints/000001000/`` contains config.json, model.safetensors (the averaged weights),
recipe.toml, and ``state.safetensors`` with everything that the next step depends on. It contains
no pickle. ``parts.json`` records the size and checksum of each file, to detect damage.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ..common import files, kept_folders
from ..contracts import nn_module
from ..errors import FallbackWarning, SrzooError
from ..models.folder import CONFIG, Config, WeightsFile, fit_name, read_folder
from ..networks import folders, weights
from ..networks.folders import WEIGHTS
from ..recipes import pictures
from ..recipes import recipe as recipes
from ..recipes.recipe import RECIPE, Recipe
from . import optimizers
from .parts import Parts

FOLDER = "checkpoints"
STATE = "state.safetensors"
PROGRESS = "progress.json"
PARTS = "parts.json"
DAMAGED = "damaged-"
"""The prefix of folders that are no longer checkpoints."""


@dataclass(frozen=True)
class RunState:
    """The progress of a run.

    Attributes:
        step: optimiser steps done.
        best: step and first metric of the stage's best checkpoint, or None before the first.
        stage: the current stage, from 0.
        skipped: crops that are not used, each by its batch and its index there.
        rolled_back: the steps at which the run went back to a checkpoint, within the watchdog's
            window.
        evaluated: the last step that was evaluated; its checkpoint is written before.
    """

    step: int = 0
    best: tuple[int, float] | None = None
    stage: int = 0
    skipped: tuple[tuple[int, int], ...] = ()
    rolled_back: tuple[int, ...] = ()
    evaluated: int = 0

    @property
    def rollbacks(self) -> int:
        """How often the run went back to a checkpoint within the watchdog's window."""
        return len(self.rolled_back)

    @classmethod
    def read(cls, checkpoint: Path) -> RunState:
        """Read the progress from a checkpoint.

        Raises:
            OSError, ValueError, KeyError, TypeError: the checkpoint is damaged.
        """
        facts: dict[str, Any] = json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8"))
        if kept_folders.SEAL in facts and kept_folders.check_seal(checkpoint / PROGRESS) is None:
            raise ValueError(f"{PROGRESS} is damaged")
        best, step = facts["best"], int(facts["step"])
        before = [step] * int(facts.get("rollbacks", 0))  # earlier versions wrote a number
        return cls(
            step=step,
            best=(int(best[0]), float(best[1])) if best else None,
            stage=int(facts["stage"]),
            skipped=tuple((int(batch), int(place)) for batch, place in facts["skipped"]),
            rolled_back=tuple(int(at) for at in facts.get("rolled_back", before)),
            evaluated=int(facts.get("evaluated", step)),
        )

    def write(self, checkpoint: Path) -> None:
        """Write the progress to a checkpoint's folder."""
        with files.atomic_write(checkpoint / PROGRESS) as file:
            file.write(kept_folders.seal(asdict(self)))


def folder_of(run: Path, step: int) -> Path:
    """The folder of a step's checkpoint."""
    return run / FOLDER / f"{step:09d}"


Scalers = Mapping[str, torch.amp.GradScaler]
"""Loss scalers with fp16, by the network's name."""


def save(parts: Parts, run: Path, progress: RunState, scalers: Scalers | None = None) -> Path:
    """Write a checkpoint atomically, and return its folder.

    Args:
        parts: whose state is saved.
        run: the folder of the run.
        progress: the progress of the run.
        scalers: loss scalers of mixed precision with fp16, if any.
    """
    root = run / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    final = folder_of(run, progress.step)
    with kept_folders.new_folder(root) as made:
        new = made / final.name
        new.mkdir()
        file = weights.save(parts.ema, new / WEIGHTS)
        purpose = pictures.purpose(parts.run, parts.stage, parts.own_lr)
        config = folders.config_of(
            parts.ema, parts.recipe.generator, file, parts.recipe.summary, purpose
        )
        (new / CONFIG).write_text(config.to_json(), encoding="utf-8")
        (new / RECIPE).write_text(parts.run.to_toml(parts.requires), encoding="utf-8")
        (new / STATE).write_bytes(safetensors.torch.save(_state(parts, scalers or {})))
        parts_ = kept_folders.records_to_json(kept_folders.record_files(new))
        (new / PARTS).write_bytes(kept_folders.seal({"parts": parts_}))
        progress.write(new)  # not in parts.json, as a rollback changes it later
        kept_folders.move_into_place(new, final)  # the run resumed from before this step
    return final


def publish(checkpoint: Path, run: Path) -> None:
    """Copy a checkpoint's weights to the run's own model folder.

    The new weights get a new name and config.json is replaced last, so the folder is complete at
    every moment.
    """
    config = read_folder(checkpoint).config
    assert config.weights
    there = _weights_file(run)
    if there and there.sha256 == config.weights.sha256:
        return
    name = f"model-{config.weights.sha256[:12]}.safetensors"
    content = (checkpoint / WEIGHTS).read_bytes()
    with files.atomic_write(run / name) as file:
        file.write(content)
    _point_config(run, config, name)


def rename_weights(run: Path) -> None:
    """Rename the weights of a finished run to model.safetensors."""
    config = read_folder(run).config
    if config.weights and config.weights.file != WEIGHTS:
        with files.atomic_write(run / WEIGHTS) as file:
            file.write((run / config.weights.file).read_bytes())
        _point_config(run, config, WEIGHTS)


def _point_config(run: Path, config: Config, name: str) -> None:
    """Write other weights into config.json; delete the previous weights and their exports."""
    assert config.weights
    before, carried = _weights_file(run), _carried_files(run)
    entry = WeightsFile(name, config.weights.sha256, config.weights.dtype)
    model = replace(config, weights=entry, name=fit_name(run.resolve().name))
    with files.atomic_write(run / CONFIG) as file:
        file.write(model.to_json().encode())
    if before and before.file != name:
        (run / before.file).unlink(missing_ok=True)
    for file in carried - {one.file for one in model.exports}:  # of the previous weights
        (run / file).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the folder contains other files
            (run / file).parent.rmdir()


def _weights_file(run: Path) -> WeightsFile | None:
    """The weights that a folder's config.json names; None if it is damaged or has no file."""
    with contextlib.suppress(SrzooError, OSError, ValueError, RecursionError):
        named = read_folder(run).config.weights  # refuses files outside the folder
        if named and Path(named.file).suffix == Path(WEIGHTS).suffix:
            return named if (run / named.file).is_file() else None
    return None


def _carried_files(run: Path) -> set[str]:
    """The exports that a folder's config.json names; none if it is damaged."""
    with contextlib.suppress(SrzooError, OSError, ValueError, RecursionError):
        return {one.file for one in read_folder(run).config.exports}
    return set()


def list_checkpoints(run: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in (run / FOLDER).glob("[0-9]*") if path.is_dir())


def with_existing_best(run: Path, progress: RunState) -> RunState:
    """Drop a best checkpoint that is missing: it was another run's, or was set aside."""
    if progress.best is None or progress.best[0] == progress.step:
        return progress
    return progress if folder_of(run, progress.best[0]).is_dir() else replace(progress, best=None)


def intact_checkpoints(run: Path) -> Iterator[Path]:
    """The undamaged checkpoints of a run, newest first.

    A damaged checkpoint is renamed, with a FallbackWarning.
    """
    for there in reversed(list_checkpoints(run)):
        if _is_whole(there):
            yield there
            continue
        aside = there.with_name(f"{DAMAGED}{there.name}")
        warnings.warn(
            f"{there} is damaged, and was renamed to {aside.name}: the previous checkpoint is used",
            FallbackWarning,
            stacklevel=2,
        )
        with contextlib.suppress(OSError):  # another process of this run renamed it
            shutil.rmtree(aside, ignore_errors=True)
            there.rename(aside)


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint is complete; True for earlier versions, which recorded nothing."""
    sealed = kept_folders.check_seal(checkpoint / PROGRESS) is not None
    facts = kept_folders.check_seal(checkpoint / PARTS)
    if facts is None:
        return not sealed and not (checkpoint / PARTS).exists() and _is_old(checkpoint)
    parts = kept_folders.records_from_json(facts.get("parts"))
    return sealed and parts is not None and kept_folders.intact(checkpoint, parts)


def _is_old(checkpoint: Path) -> bool:
    try:
        text = (checkpoint / PROGRESS).read_text(encoding="utf-8")
        RunState.read(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return kept_folders.SEAL not in text


def prune(run: Path, keep: int, best: int | None) -> None:
    """Delete all but the last ``keep`` checkpoints and the best."""
    for old in list_checkpoints(run)[:-keep]:
        if int(old.name) != best:
            # Rename it first, so that a half-deleted folder is not a checkpoint.
            with kept_folders.new_folder(old.parent) as gone:
                old.rename(gone / old.name)
    kept_folders.sweep(run / FOLDER)


def read_progress(checkpoint: Path) -> RunState:
    """The progress of a run at a checkpoint.

    Raises:
        SrzooError: the checkpoint is damaged.
    """
    try:
        return RunState.read(checkpoint)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_resuming(checkpoint, error) from error


def _no_resuming(checkpoint: Path, error: Exception) -> SrzooError:
    return SrzooError(
        f"cannot resume from {checkpoint}: {error}",
        'Remove it to resume from the one before, or give resume="never"',
    )


def load(parts: Parts, checkpoint: Path, scalers: Scalers | None = None) -> RunState:
    """Restore the state of all parts from a checkpoint, in place.

    Args:
        parts: of the checkpoint's stage.
        checkpoint: its folder.
        scalers: loss scalers of mixed precision with fp16, if any.

    Raises:
        SrzooError: the state is damaged, or belongs to another network or optimiser.
    """
    try:
        if not _is_whole(checkpoint):
            raise ValueError("it is damaged")
        tensors = safetensors.torch.load((checkpoint / STATE).read_bytes())
        there = RunState.read(checkpoint)
        if there.stage != parts.stage or there.step < parts.start:
            raise ValueError(f"it was made in stage {there.stage + 1} of another recipe")
        before = recipes.read(checkpoint / RECIPE).each()[there.stage]
        for name, then, now in _optimizers_named(before, parts.recipe):
            if then != now:
                raise ValueError(f"its {name} was {then}, not {now}")
        for name, module in _modules(parts).items():
            module.load_state_dict(_with_prefix(tensors, name), strict=True)
        for name, optimizer in parts.optimizers.items():
            optimizers.restore(optimizer, _with_prefix(tensors, name))
        torch.set_rng_state(tensors["rng"])
        _set_cuda_state(_with_prefix(tensors, "cuda"), parts.device)
        for name, scaler in (scalers or {}).items():
            # Earlier versions had one for all networks.
            found = tensors.get(f"scaler.{name}", tensors.get("scaler"))
            if found is not None:
                numbers = (float(number) for number in found)
                scaler.load_state_dict(dict(zip(sorted(scaler.state_dict()), numbers, strict=True)))
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _no_resuming(checkpoint, error) from error
    return there


def _optimizers_named(before: Recipe, now: Recipe) -> list[tuple[str, str, str]]:
    """Each optimiser, with its names in two recipes."""
    names = [("optimiser", before.optimizer.name, now.optimizer.name)]
    if before.beside and now.beside:
        names.append(("task's optimiser", before.opponent.name, now.opponent.name))
    return names


def _modules(parts: Parts) -> dict[str, nn.Module]:
    modules = {"generator": nn_module(parts.generator)}
    if parts.ema is not parts.generator:
        modules["ema"] = nn_module(parts.ema)
    return modules | {name: nn_module(one) for name, one in parts.task.networks.items()}


def _state(parts: Parts, scalers: Scalers) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {"rng": torch.get_rng_state()}
    if parts.device.type == "cuda":
        tensors["cuda.0"] = torch.cuda.get_rng_state(parts.device)
    for name, scaler in scalers.items():
        facts = scaler.state_dict()
        numbers = [facts[key] for key in sorted(facts)]
        tensors[f"scaler.{name}"] = torch.tensor(numbers, dtype=torch.float64)
    for name, module in _modules(parts).items():
        for key, tensor in module.state_dict().items():
            tensors[f"{name}.{key}"] = tensor
    for name, optimizer in parts.optimizers.items():
        for key, value in optimizers.state_of(optimizer).items():
            tensors[f"{name}.{key}"] = value
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _set_cuda_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore the state of a GPU's random generator, if there is a GPU: this one's, or the first.

    Checkpoints of earlier versions contain the states of all GPUs of a machine.
    """
    if device.type == "cuda" and states:
        mine = str(device.index or 0)
        torch.cuda.set_rng_state(states.get(mine, states[min(states)]), device)


def _with_prefix(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}
