"""A picture's way from the command line to its file: each step is taken once, and handed on."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers import drawn

from srzoo import images
from srzoo.models import locate
from srzoo.upscaling import planner

STEPS = [(locate, "find"), (images, "read_header"), (planner, "plans"), (images, "read"),
         (images, "write")]  # fmt: skip


@pytest.fixture
def steps(monkeypatch) -> Counter[str]:
    count: Counter[str] = Counter()

    def counted(name, real):
        def step(*arguments, **options):
            count[name] += 1
            return real(*arguments, **options)

        return step

    for module, name in STEPS:
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    return count


@pytest.mark.parametrize("pictures", [1, 5])
@pytest.mark.parametrize("options", [(), ("-v",), ("--scale", "3"), ("--strength", "0.5")])
def test_each_step_is_taken_once(srzoo_cli, tmp_path, steps, pictures, options):
    """However much is told before: the forecast and the tiles are those that are made."""
    (tmp_path / "in").mkdir()
    for i in range(pictures):
        drawn(30 + i, 20).save(tmp_path / f"in/{i}.png")
    given = tmp_path / ("in/0.png" if pictures == 1 else "in")
    run = srzoo_cli("upscale", given, "-m", "bicubic-x2", "-o", f"{tmp_path}/out/", *options)
    assert run.code == 0, run.err
    assert dict(steps) == {
        "find": 1, "read_header": pictures, "plans": pictures, "read": pictures, "write": pictures,
    }  # fmt: skip


def test_a_dry_run_looks_at_headers_once_too(srzoo_cli, tmp_path, steps):
    for name in "ab":
        drawn(30, 20).save(tmp_path / f"{name}.png")
    assert srzoo_cli("upscale", tmp_path, "-m", "bicubic-x2", "--dry-run", "-o", "out/").code == 0
    assert dict(steps) == {"find": 1, "read_header": 2, "plans": 2}
