"""A model and a cache of their own, and a format and an engine in this process alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pairs import Pair, PairEngine, saved

from srzoo.exporting import measure
from srzoo.plugins import kinds


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SRZOO_ENGINE", raising=False)
    return tmp_path / "cache/exports"


@pytest.fixture
def model(tmp_path, cache):
    return saved(tmp_path / "small")


@pytest.fixture
def pair(monkeypatch):
    """A format and an engine of somebody else, in this process."""
    kinds.export_formats.register("pair", Pair)
    kinds.engines.register("pair", PairEngine)
    monkeypatch.setattr(Pair, "written", 0)
    monkeypatch.setattr(Pair, "brighter", 0.0)
    monkeypatch.setattr(measure, "in_own_process", lambda *_: (1000, 2000))
    yield Pair
    kinds.export_formats.unregister("pair")
    kinds.engines.unregister("pair")
