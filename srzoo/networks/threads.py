"""torch's threads in a forked process."""

from __future__ import annotations

import torch

from ..common import forks


def prepare() -> None:
    """Make torch use one thread if a fork has lost its threads, as it would wait for them.

    Called before a network is loaded, measured and run. Training forks no process.
    """
    if forks.threads_lost():
        torch.set_num_threads(1)
    forks.note_threads()
