"""A Hub of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub on the loopback interface, with the token hf_test of the user tester."""
    with Hub(tmp_path / "hub") as running:
        yield running
