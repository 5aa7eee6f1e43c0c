"""The start of a run: its checkpoint, changes of its recipe, and files that are set aside."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ..common import files, kept_folders
from ..errors import SrzooError
from ..recipes import origins
from ..recipes import recipe as recipes
from ..recipes.recipe import RECIPE, Recipe
from . import averaging, checkpoint, trackers
from .checkpoint import RunState
from .run_log import CURVES, LOG, SHEET

BRANCHES = "branches"
"""The folder of files that were set aside; each branch is called STEP-N after its first step."""
FREE_KEYS = {
    "average_stages",
    "adversarial.optimizer.lr",
    "data.cache",
    "data.workers",
    "optimizer.lr",
    "stage",
    "summary",
    "task.optimizer.lr",
    "train.checkpoint_every",
    "train.compile",
    "train.cudnn_benchmark",
    "train.evaluate_every",
    "train.gradient_checkpointing",
    "train.keep",
    "train.metrics",
    "train.release",
    "train.steps",
    "watchdog",
}
"""Keys and tables that may be changed before a run resumes."""
NOTED_KEYS = 12
"""The number of changes that are listed individually."""


@dataclass(frozen=True)
class Change:
    """One key of a recipe that differs from a checkpoint's recipe.

    Attributes:
        key: such as "optimizer.lr".
        before, now: its values; None if not set.
        stage: the stage, from 0, if not all stages have the change.
        where: that stage, for messages.
    """

    key: str
    before: object
    now: object
    stage: int | None = None
    where: str = ""

    @property
    def is_free(self) -> bool:
        """Whether a checkpoint's state stays valid after the change."""
        parts = self.key.split(".")
        return any(".".join(parts[:count]) in FREE_KEYS for count in range(1, len(parts) + 1))

    def __str__(self) -> str:
        now, before = (
            "not set" if value is None else str(value) if isinstance(value, float) else repr(value)
            for value in (self.now, self.before)
        )
        return f"{self.where}{self.key} is now {now}, was {before}"


@dataclass(frozen=True)
class Start:
    """The start of a run.

    Attributes:
        checkpoint: the checkpoint to resume from, if any.
        progress: of that checkpoint.
        words: messages about it.
        was_chosen: whether the user named the checkpoint, so that later ones are set aside.
        same_validation: whether the best checkpoint's value is still comparable.
    """

    checkpoint: Path | None = None
    progress: RunState = field(default_factory=RunState)
    words: tuple[str, ...] = ()
    was_chosen: bool = False
    same_validation: bool = True


def find_start(recipe: Recipe, out: Path, resume: str | Path) -> Start:
    """Decide where a run begins, without moving files.

    Raises:
        SrzooError: ``out`` has a run that must not be resumed, the named checkpoint does not exist,
            or the recipe differs in something that a checkpoint depends on.
    """
    if resume == "never":
        if there := checkpoint.list_checkpoints(out):
            raise SrzooError(
                f"{out} already contains a run, at step {int(there[-1].name)}",
                'Choose another folder, or give resume="auto" to resume it',
            )
        return Start()
    chosen = resume != "auto"
    if not chosen:
        there = next(checkpoint.intact_checkpoints(out), None)
        if there is None:
            return Start()
    else:
        there = Path(resume)
        if not (there / checkpoint.STATE).is_file():
            raise SrzooError(f"{resume} is not a checkpoint", f"Name a folder of {out}/checkpoints")
    progress = checkpoint.read_progress(there)
    if progress.stage >= len(recipe.each()):
        raise SrzooError(
            f"{there} was made in stage {progress.stage + 1}, but the recipe has"
            f" {len(recipe.each())}",
            "Choose another folder, or the recipe that made it",
        )
    before = _recipe_of(there) if chosen else recipes.read(there / RECIPE)
    changes = list(differences(before, recipe)) if before else []
    refused = [change for change in changes if not _is_allowed(change, progress)]
    if refused and not chosen:
        raise SrzooError(
            f"the run in {out} was made with another recipe: {_list_changes(refused)}",
            f'Choose another folder, or give resume="{there}" to resume it nevertheless',
        )
    _check_steps(recipe, progress)
    return Start(
        checkpoint=there,
        progress=progress,
        words=tuple(map(str, changes)) if len(changes) <= NOTED_KEYS else (_list_changes(changes),),
        was_chosen=chosen,
        same_validation=before is None
        or _validation_of(before, progress) == _validation_of(recipe, progress),
    )


def _recipe_of(there: Path) -> Recipe | None:
    """A checkpoint's recipe; None if it is damaged, which loading reports."""
    try:
        return recipes.read(there / RECIPE)
    except SrzooError:
        return None


def _is_allowed(change: Change, progress: RunState) -> bool:
    # The steps of a finished stage determine at which step the next one began.
    over = change.key == "train.steps" and progress.stage > (change.stage or 0)
    return change.is_free and not over


def _list_changes(changes: list[Change]) -> str:
    more = f"; and {len(changes) - NOTED_KEYS} more" if len(changes) > NOTED_KEYS else ""
    return "; ".join(map(str, changes[:NOTED_KEYS])) + more


def _validation_of(recipe: Recipe, progress: RunState) -> object:
    """The settings that determine a checkpoint's validation value."""
    stages = recipe.each()
    part = origins.comparable(stages[min(progress.stage, len(stages) - 1)])
    data = part["data"]
    return part["train"]["metrics"][:1], data["validation"], data["degradation"]


def _check_steps(recipe: Recipe, progress: RunState) -> None:
    stages = recipe.each()
    done = progress.step - sum(part.train.steps for part in stages[: progress.stage])
    steps = stages[progress.stage].train.steps
    if done > steps:
        of = f" of stage {recipe.stages[progress.stage].name!r}" if recipe.stages else ""
        raise SrzooError(
            f"train.steps{of} is {steps}, but {done} are done",
            f"Set train.steps to {done} or more, or resume an earlier checkpoint",
        )


def differences(before: Recipe, now: Recipe) -> Iterator[Change]:
    """The differences between two recipes, key by key, in the form that their stages use."""
    stages = before.each(), now.each()
    if len(stages[0]) != len(stages[1]):
        yield Change("stages", len(before.stages), len(now.stages))
        return
    if before.average_stages != now.average_stages:
        yield Change("average_stages", before.average_stages, now.average_stages)
    for number, pair in enumerate(zip(before.stages, now.stages, strict=False)):
        if pair[0].name != pair[1].name:
            yield Change("stage", pair[0].name, pair[1].name, number)
    found = [_differing(*map(_flat, pair)) for pair in zip(*stages, strict=True)]
    for number, each in enumerate(found):
        for key, (then, new) in each.items():
            everywhere = all(other.get(key) == (then, new) for other in found)
            if not everywhere:
                where = f"stage {now.stages[number].name!r}: "
                yield Change(key, then, new, number, where)
            elif number == 0:
                yield Change(key, then, new)


def _differing(
    before: dict[str, object], now: dict[str, object]
) -> dict[str, tuple[object, object]]:
    keys = dict.fromkeys([*before, *now])
    pairs = {key: (before.get(key), now.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _flat(recipe: Recipe) -> dict[str, object]:
    plain = origins.comparable(recipe)
    del plain["average_stages"], plain["stages"], plain["requires"]
    return dict(_leaves("", plain))


def _leaves(key: str, value: Any) -> Iterator[tuple[str, object]]:
    """The values of nested tables; items of a list of tables are counted."""
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value).items()
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):  # pyright: ignore[reportUnknownVariableType]
        inner = [(str(place), item) for place, item in enumerate(cast("list[Any]", value))]
    else:
        yield key, value
        return
    for name, item in inner:
        yield from _leaves(f"{key}.{name}" if key else name, item)


def set_aside(out: Path, there: Path, progress: RunState) -> tuple[str, ...]:
    """Move the run's files after a checkpoint to a branch.

    If the checkpoint is not the run's own, all files of the run are moved.

    Args:
        out: the run's folder.
        there: the checkpoint from which the run resumes.
        progress: of that checkpoint.

    Returns:
        Messages about it; empty if nothing was moved.

    Raises:
        OSError: a file cannot be moved; nothing is lost.
    """
    own = there.resolve().parent == (out / checkpoint.FOLDER).resolve()
    later = [
        path
        for path in checkpoint.list_checkpoints(out)
        if not own or int(path.name) > progress.step
    ]  # fmt: skip
    if not later:
        return ()
    branch = _branch(out, progress.step)
    stages = [averaging.folder_of(out, stage) for stage in range(progress.stage, 100)]
    for folder in [*stages, out / averaging.FOLDER / "mean"]:
        if folder.is_dir():
            (branch / averaging.FOLDER).mkdir(exist_ok=True)
            folder.rename(branch / averaging.FOLDER / folder.name)
    with contextlib.suppress(FileNotFoundError):  # trackers treat the rest as another run
        (out / trackers.RUN).rename(branch / trackers.RUN)
    (branch / checkpoint.FOLDER).mkdir()
    for path in reversed(later):  # so that a kill leaves no gap
        path.rename(branch / checkpoint.FOLDER / path.name)
    if not own:
        _restore_log(out, there)
    count = f"{len(later)} later checkpoints are" if len(later) > 1 else "a later checkpoint is"
    newest = branch / checkpoint.FOLDER / later[-1].name
    return (f"{count} kept in {branch}; to resume: --resume {newest}",)


def _branch(out: Path, step: int) -> Path:
    """A new folder for a branch, with copies of the files that the run rewrites."""
    root = out / BRANCHES
    number = 1
    while (branch := root / f"{step:09d}-{number}").exists():
        number += 1
    with kept_folders.new_folder(root) as made:
        new = made / branch.name
        new.mkdir()
        for name in (LOG, CURVES, SHEET, RECIPE):
            if (out / name).is_file():
                shutil.copy2(out / name, new / name)
        kept_folders.move_into_place(new, branch)
    return branch


def _restore_log(out: Path, there: Path) -> None:
    """Restore the log of the branch that contains a checkpoint, or begin a new one."""
    log = there.resolve().parent.parent / LOG
    known = out.resolve() in log.parents and log.is_file()
    with files.atomic_write(out / LOG) as file:
        file.write(log.read_bytes() if known else b"")
