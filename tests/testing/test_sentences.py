"""The suites say of each broken promise what is wrong, in which line, and what mends it."""

from __future__ import annotations

import linecache
import re
from pathlib import Path

import broken
import broken_quietly
import pytest
import unusual

from srzoo.plugins import kinds
from srzoo.testing import ContractError, check_part


@pytest.fixture
def part():
    """Registers a class under the name "mine"."""
    made = []

    def register(kind, target):
        made.append(kinds.kind(kind))
        made[-1].register("mine", target)

    yield register
    for registry in made:
        registry.unregister("mine")


@pytest.mark.parametrize(
    ("kind", "target", "what", "line"), broken.BROKEN,
    ids=[f"{kind}-{getattr(it, '__name__', 'wordless')}" for kind, it, *_ in broken.BROKEN],
)  # fmt: skip
def test_what_is_broken_is_told(part, kind, target, what, line):
    part(kind, target)
    with pytest.raises(ContractError) as info:
        check_part(kind, "mine")
    assert re.search(what, info.value.what), info.value.what
    assert "mine" in info.value.what
    if line:
        assert Path(info.value.file).name == "broken.py", info.value
        assert line in linecache.getline(info.value.file, info.value.line), info.value


@pytest.mark.parametrize(
    ("kind", "target", "what"), broken_quietly.BROKEN,
    ids=[f"{kind}-{getattr(it, '__name__', 'command')}" for kind, it, _ in broken_quietly.BROKEN],
)  # fmt: skip
def test_what_is_broken_quietly_is_told_first(part, kind, target, what):
    part(kind, target)
    with pytest.raises(ContractError) as info:
        check_part(kind, "mine")
    assert re.search(what, info.value.what), info.value.what
    assert Path(info.value.file).name.startswith("broken"), info.value


@pytest.mark.parametrize(("kind", "target"), broken.RIGHT + unusual.RIGHT)
def test_what_is_right_passes(part, kind, target):
    part(kind, target)
    check_part(kind, "mine")
