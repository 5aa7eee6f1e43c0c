"""Sends a run's values and pictures to TensorBoard, W&B and other trackers of accelerate.

Nothing is sent unless the user names a tracker. If one fails later, a message reports it, and the
run continues.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from ..common import files, strict, troubles
from ..errors import SrzooError, did_you_mean
from ..recipes.recipe import Recipe
from .callbacks import Callbacks
from .run_log import SHEET

RUN = "trackers.json"
"""Stores, beside the log, the name of the run in a tracker, so that it can resume it."""
PROJECT = "srzoo"
TENSORBOARD, WANDB = "tensorboard", "wandb"
INSTALL = {TENSORBOARD: 'pip install "srzoo[tensorboard]"', WANDB: "pip install wandb"}
NAMES = (
    "aim",
    "clearml",
    "comet_ml",
    "dvclive",
    "mlflow",
    "swanlab",
    TENSORBOARD,
    "trackio",
    WANDB,
)


def check(names: Sequence[str]) -> None:
    """Refuse trackers that are not available, before anything else is done.

    Raises:
        SrzooError: no tracker has that name, or its package is not installed.
    """
    for name in names:
        if name not in NAMES:
            raise SrzooError(f"no tracker is called {name!r}", did_you_mean(name, NAMES))
        module = "torch.utils.tensorboard" if name == TENSORBOARD else name
        try:
            import_module(module)
        except ImportError as error:
            raise SrzooError(
                f"the tracker {name} needs the package {name}: {error}",
                f"Install it: {INSTALL.get(name, f'pip install {name}')}",
            ) from error


@contextmanager
def with_trackers(
    callbacks: Callbacks, names: Sequence[str], out: Path, recipe: Recipe, step: int
) -> Generator[Callbacks]:
    """The same callbacks, which also send to trackers; for the first process only.

    Args:
        callbacks: the other callbacks.
        names: of trackers.
        out: the run's folder, in which trackers write files.
        recipe: stored as the run's settings.
        step: the step at which the run resumes.
    """
    active = [_Tracker(name, out, recipe, step, callbacks.on_word) for name in dict.fromkeys(names)]

    def logged(line: dict[str, Any]) -> None:
        callbacks.on_log(line)
        values = _grouped(line)
        for each in active:
            each.log(values, line["step"])

    def evaluated(step: int, values: dict[str, float]) -> None:
        callbacks.on_evaluation(step, values)
        for each in active:
            each.log({f"validation/{name}": value for name, value in values.items()}, step)
            each.picture(out / SHEET, step)

    try:
        yield replace(callbacks, on_log=logged, on_evaluation=evaluated)
    finally:
        for each in active:
            each.finish()


def _grouped(line: Mapping[str, Any]) -> dict[str, float]:
    """A line of the log with names grouped by a prefix and a slash, as trackers show them."""
    found: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, dict):
            group = {"losses": "loss"}.get(name, name)
            of = cast("dict[str, float]", value)
            found |= {f"{group}/{key}": item for key, item in of.items()}
        elif name != "step":
            found[f"run/{name}"] = value
    return found


class _Tracker:
    """One of accelerate's trackers; only the first of consecutive errors is reported."""

    def __init__(
        self, name: str, out: Path, recipe: Recipe, step: int, tell: Callable[[str], None]
    ) -> None:
        self.name = name
        self._tell = tell
        self._failed = False
        self._tracker: Any = None  # accelerate has no types
        self._try(lambda: self._start(out, recipe, step))

    def _start(self, out: Path, recipe: Recipe, step: int) -> None:
        tracking: Any = import_module("accelerate.tracking")
        kind = tracking.LOGGER_TYPE_TO_CLASS[self.name]
        if self.name == TENSORBOARD:  # in out/tensorboard
            tracker = kind(TENSORBOARD, logging_dir=out, purge_step=step + 1)
        elif self.name == WANDB:
            tracker = kind(PROJECT, name=out.resolve().name, id=_id(out), resume="allow",
                           dir=os.fspath(out))  # fmt: skip
        elif kind.requires_logging_directory:
            tracker = kind(out.resolve().name, logging_dir=out)
        else:
            tracker = kind(PROJECT)
        if hasattr(tracker, "start"):  # older versions of accelerate have started it already
            tracker.start()
        self._tracker = tracker
        if self.name == TENSORBOARD:
            tracker.log({"recipe": f"```toml\n{recipe.to_toml()}\n```"}, step=step)
        else:
            tracker.store_init_configuration({"recipe": recipe.to_toml(), **_settings(recipe)})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send values by name."""
        if self._tracker is not None:
            self._try(lambda: self._tracker.log(dict(values), step=step))

    def picture(self, path: Path, step: int) -> None:
        """Send the sheet of an evaluation, if the tracker takes pictures."""
        if self._tracker is None or not hasattr(self._tracker, "log_images"):
            return

        def send() -> None:
            if not path.is_file():
                return
            with Image.open(path) as opened:
                image = opened.convert("RGB")
            if self.name == TENSORBOARD:
                planes = np.asarray(image).transpose(2, 0, 1)[None]
                self._tracker.log_images({"sheet": planes}, step=step)
            else:
                self._tracker.log_images({"sheet": [image]}, step=step)

        self._try(send)

    def finish(self) -> None:
        """Send the remaining data, and close the tracker."""
        if self._tracker is not None:
            self._try(self._tracker.finish)

    def _try(self, do: Callable[[], object]) -> None:
        try:
            do()
            self._failed = False
        except Exception as error:  # noqa: BLE001 - third-party services may raise anything
            if not self._failed:
                self._failed = True
                self._tell(
                    str(
                        troubles.explain(
                            error, f"the tracker {self.name} failed; the run continues"
                        )
                    )
                )


def _id(out: Path) -> str:
    """The name of this run for W&B; each branch has a new one."""
    path = out / RUN
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(path.read_text(encoding="utf-8"))["id"])
    made = os.urandom(4).hex()
    with files.atomic_write(path) as file:
        file.write(json.dumps({"id": made}).encode())
    return made


def _settings(recipe: Recipe) -> dict[str, str | int | float | bool]:
    """The recipe's values by key, as trackers show them in tables."""
    found: dict[str, str | int | float | bool] = {}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, item in cast("dict[str, Any]", value).items():
                walk(f"{key}.{name}" if key else name, item)
        elif isinstance(value, str | int | float):
            found[key] = value
        elif value is not None:
            found[key] = json.dumps(value)

    walk("", strict.plain(recipe))
    return found
