"""What tests of training share."""

from __future__ import annotations

import pytest
import torch

from srzoo.training import run_log


@pytest.fixture
def quick(monkeypatch):
    """One thread, and no curves: neither matters here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(run_log, "draw_curves", lambda *_: None)
    yield
    torch.set_num_threads(threads)
