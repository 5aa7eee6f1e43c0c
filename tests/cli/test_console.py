"""Words, progress and warnings have one place; and memory is told as what this process took."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from helpers import ROOT, drawn

from srzoo.cli import _console
from srzoo.common import memory

CLI = ROOT / "srzoo/cli"
BORN_LARGE = """
import subprocess, sys
held = bytearray(300_000_000)
code = "from srzoo.common import memory; print(memory.peak())"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""


@pytest.mark.parametrize("words", ["rich.progress import", "textwrap", "formatwarning"])
def test_one_module_prints_for_all_commands(words):
    found = [path.name for path in CLI.glob("*.py") if words in _at_run_time(path.read_text())]
    assert found in (["_console.py"], [])


def _at_run_time(text: str) -> str:
    return text.replace("from rich.progress import TaskID", "")


def test_infinity_is_null(capsys):
    _console.as_json({"a": [math.inf, (1.5, -math.inf)], "b": math.nan})
    assert json.loads(capsys.readouterr().out) == {"a": [None, [1.5, None]], "b": None}


def test_the_peak_is_this_process_own():
    """Not that of who started it, which getrusage has: 0.6 GB became 3.0."""
    run = subprocess.run(
        [sys.executable, "-c", BORN_LARGE], check=True, capture_output=True, text=True
    )
    assert 0 < int(run.stdout) < 200_000_000


def test_all_ask_in_one_place():
    for path in (ROOT / "srzoo").rglob("*.py"):
        if path != ROOT / "srzoo/common/memory.py":
            assert "getrusage" not in path.read_text(), path
            assert "VmHWM" not in path.read_text(), path


def test_the_summary_tells_it(srzoo_cli, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "peak", lambda: 12_345_678_901)
    for name in "ab":
        drawn(20, 10).save(tmp_path / f"{name}.png")
    out = srzoo_cli("upscale", tmp_path, "-m", "bicubic-x2", "-o", tmp_path / "out").out
    assert out.endswith(", peak memory 12.3 GB\n")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('memory="2.1GB" or more, or tile="auto"', "--memory 2.1GB or more, or --tile auto"),
        ('Use device="cuda" or "cuda:0" or "cpu"', "Use --device cuda or cuda:0 or cpu"),
        ("Restore it, or give force_damaged=True", "Restore it, or give --force-damaged"),
        ("Give max_pixels=1395 if you trust it.", "Give --max-pixels 1395 if you trust it."),
        ('give resume="never"', "give --resume never"),
        ('Give data="DIR", or', "Give --data DIR, or"),
        ("with_exports=True makes it", "--with-exports makes it"),
        ("Choose one with page=N.", "Choose one with --page N."),
        ('Name some: models=["edsr-x4"]', "Name some: -m edsr-x4"),
        ('write a TIFF (output="NAME.tif")', "write a TIFF (-o NAME.tif)"),
        ('engine = "torch", some_page=3, page=x', 'engine = "torch", some_page=3, page=x'),
    ],
)  # fmt: skip
def test_settings_of_the_library_are_told_as_options(said, told):
    assert _console.in_options(said) == told


def test_an_error_of_the_library_is_told_in_the_commands_words(srzoo_cli, photo):
    said = srzoo_cli("upscale", photo, "-m", "bicubic-x2", "--max-pixels", 100)
    assert "Give --max-pixels 1395 if you trust it" in said.err
