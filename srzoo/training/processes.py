"""One or several processes: accelerate, values that all processes share, and stopping."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..errors import SrzooError
from ..models import hub
from ..recipes.recipe import Recipe

T = TypeVar("T")
PATIENCE = timedelta(days=2)
"""How long processes wait for one that decodes a dataset, or validates. A process that has ended is
noticed at once by its closed connections, and by the launcher."""


def accelerator_for(recipe: Recipe) -> Any:  # accelerate has no types
    """Accelerate, for one stage of a run.

    Raises:
        SrzooError: accelerate is not installed, the device does not support the precision, or the
            processes cannot share a batch.
    """
    try:
        accelerate: Any = import_module("accelerate")
    except ImportError as error:
        raise SrzooError(
            "training needs the package accelerate", 'Install it: pip install "srzoo[train]"'
        ) from error
    if recipe.train.precision == "fp16" and not torch.cuda.is_available():
        raise SrzooError(
            "mixed precision with fp16 needs a CUDA GPU", 'Set train.precision = "bf16" or "fp32"'
        )
    precision = {"fp32": "no"}.get(recipe.train.precision, recipe.train.precision)
    # accelerate keeps the first precision of a process; the process group is kept too.
    accelerate.state.AcceleratorState._reset_state()
    # Each process keeps its own BatchNorm statistics: broadcasting them at every forward pass would
    # change values that the gradient of the discriminator's first pass needs.
    ddp = accelerate.DistributedDataParallelKwargs(broadcast_buffers=False)
    group = accelerate.InitProcessGroupKwargs(timeout=PATIENCE)
    accelerator = accelerate.Accelerator(
        mixed_precision=precision,
        gradient_accumulation_steps=recipe.train.accumulate,
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[ddp, group],
    )
    if recipe.data.batch % accelerator.num_processes:
        raise SrzooError(
            f"{accelerator.num_processes} processes cannot share a batch of {recipe.data.batch}",
            "Set data.batch to a multiple of the number of processes",
        )
    return accelerator


def mean(accelerator: Any, values: dict[str, float]) -> dict[str, float]:
    """Each value's mean over the processes."""
    if accelerator.num_processes == 1:
        return values
    mine = torch.tensor(list(values.values()), dtype=torch.float64)
    over: Tensor = accelerator.reduce(mine.to(accelerator.device), reduction="mean")
    return dict(zip(values, (float(value) for value in over), strict=True))


def gather(accelerator: Any, items: list[T]) -> list[T]:
    """The items of all processes, in their order."""
    if accelerator.num_processes == 1:
        return items
    utils: Any = import_module("accelerate.utils")
    return utils.gather_object(items)


def on_main_process(accelerator: Any, do: Callable[[], T]) -> T:
    """Call a function in the first process; all wait, and get its result or its error.

    Raises:
        SrzooError: the first process failed; it raises its own error.
    """
    if accelerator.num_processes == 1:
        return do()
    utils: Any = import_module("accelerate.utils")
    found: list[Any] = [None, None]
    if accelerator.is_main_process:
        try:
            found = [do(), None]
        except BaseException as error:
            fault = error.args if isinstance(error, SrzooError) else (f"{error!r}",)
            utils.broadcast_object_list([None, fault])
            raise
    value, failed = utils.broadcast_object_list(found)
    if failed:
        raise SrzooError(*failed)
    return value


@contextmanager
def main_process_first(accelerator: Any, commits: hub.Commits) -> Generator[None]:
    """The first process runs first; the others then find decoded pictures and the same commits.

    Args:
        accelerator: of these processes.
        commits: the result of :func:`srzoo.models.hub.same_commits`.
    """
    if accelerator.is_main_process:
        yield
    commits.update(on_main_process(accelerator, lambda: commits))
    if not accelerator.is_main_process:
        yield


@contextmanager
def stop_signal() -> Generator[Callable[[], bool]]:
    """A function that is true after SIGTERM or Ctrl-C; a second Ctrl-C stops at once."""
    asked = False

    def ask(number: int, _frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
