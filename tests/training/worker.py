"""One of several training processes: ``worker.py RECIPE OUT [CHANGE...]``, started by a test.

STOP_AT=N sends this process a SIGTERM after N steps; POISON=N makes its loss at the Nth call
not a number; FULL_AT=N lets the disk be full when step N is saved.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import click
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers import Drawn

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checkpoint, loop


class Poison:
    """Zero, but for one call."""

    reference = True

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pair):
        """A scalar that is not a number at the call that POISON names."""
        self.calls += 1
        bad = self.calls == int(os.environ.get("POISON", "-1"))
        return 0 * pair.sr.mean() + (torch.nan if bad else 0.0)


def stop_at(place: int) -> None:
    average, steps = loop._average, iter(range(1, 10**6))

    def stop(parts, now):
        average(parts, now)
        if next(steps) == place:
            os.kill(os.getpid(), signal.SIGTERM)

    loop._average = stop


def full_at(step: int) -> None:
    save = checkpoint.save

    def full(parts, run, progress, scaler=None):
        if progress.step == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(run))
        return save(parts, run, progress, scaler)

    checkpoint.save = full


def main(path: str, out: str, *changes: str) -> None:
    torch.set_num_threads(1)
    srzoo.datasets.register("drawn", Drawn)
    srzoo.losses.register("poison", Poison)
    stop_at(int(os.environ.get("STOP_AT", "-1")))
    full_at(int(os.environ.get("FULL_AT", "-1")))
    watch = training.Callbacks(on_word=click.echo)
    click.echo(training.train(recipe.load(path, changes), Path(out), watch=watch).step)
    group = torch.distributed.distributed_c10d._get_default_group()
    options = group._get_backend(torch.device("cpu")).options
    click.echo(f"waits {options._timeout.total_seconds() / 3600} hours")


if __name__ == "__main__":
    code = 0
    try:
        main(*sys.argv[1:])
    except SrzooError as error:
        click.echo(error)
        code = 1
    sys.stdout.flush()
    os._exit(code)  # the work is done and checked by the test: nothing may hang on the way out
