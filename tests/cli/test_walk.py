"""A picture's way from the command line to its file: each step is taken once, and handed on."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from helpers import drawn

from srzoo import images
from srzoo.cli import _pipe
from srzoo.errors import PictureError
from srzoo.models import locate
from srzoo.upscaling import planner

STEPS = [(locate, "find"), (images, "read_header"), (planner, "plan_passes"), (images, "read"),
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
        "find": 1, "read_header": pictures, "plan_passes": pictures, "read": pictures,
        "write": pictures,
    }  # fmt: skip


def test_a_dry_run_looks_at_headers_once_too(srzoo_cli, tmp_path, steps):
    for name in "ab":
        drawn(30, 20).save(tmp_path / f"{name}.png")
    assert srzoo_cli("upscale", tmp_path, "-m", "bicubic-x2", "--dry-run", "-o", "out/").code == 0
    assert dict(steps) == {"find": 1, "read_header": 2, "plan_passes": 2}


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "ICO", "AVIF"]
)
def test_what_comes_through_a_pipe_is_told_by_its_first_bytes(kind):
    """As reading would tell: so it is decoded once."""
    data = io.BytesIO()
    drawn(40, 30).save(data, kind)
    try:
        picture = images.read(data)
    except PictureError as error:
        pytest.skip(str(error))
    assert images.read_format(data) == picture.format


def test_a_picture_from_a_pipe_is_decoded_once(srzoo_cli, tmp_path, steps, monkeypatch):
    drawn(30, 20).save(tmp_path / "a.webp", lossless=True)
    monkeypatch.setattr(_pipe, "_stdin", (tmp_path / "a.webp").read_bytes)
    sent = io.BytesIO()
    monkeypatch.setattr(_pipe, "_stdout", lambda: sent)
    assert srzoo_cli("upscale", "-", "-m", "bicubic-x2", "-o", "-").code == 0
    assert dict(steps) == dict.fromkeys(steps, 1)
    assert sent.getvalue()[8:12] == b"WEBP"
