"""torch's threads in a process that was forked."""

from __future__ import annotations

import torch

from ..common import forks


def prepare() -> None:
    """Have torch compute in one thread where a fork has lost its threads: it would wait for them.

    Is called before a network is filled, measured and run. Training forks no process.
    """
    if forks.threads_lost():
        torch.set_num_threads(1)
    forks.note_threads()
