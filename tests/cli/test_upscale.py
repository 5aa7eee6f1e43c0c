"""``srzoo upscale`` as its user meets it: files, exit codes, one line for each mistake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, drawn
from PIL import Image

FAST = ("-m", "bicubic-x2")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_one_picture(srzoo_cli, photo):
    result = srzoo_cli("upscale", photo, *FAST)
    assert result.code == 0
    assert result.err == ""
    assert "45x31 to 90x62" in result.out
    assert "peak memory" in result.out
    assert size(photo.with_name("photo-bicubic-x2.png")) == (90, 62)
    assert files(photo.parent) == ["photo-bicubic-x2.png", "photo.png"]


def test_the_default_model_is_edsr_x4(srzoo_cli, photo):
    assert srzoo_cli("upscale", photo).code == 0
    assert size(photo.with_name("photo-edsr-x4.png")) == (180, 124)


def test_a_second_run_over_a_folder(srzoo_cli, photo):
    assert srzoo_cli("upscale", photo.parent, *FAST).code == 0
    first = photo.with_name("photo-bicubic-x2.png").read_bytes()
    again = srzoo_cli("upscale", photo.parent, *FAST, "--overwrite")
    assert again.code == 0
    assert "1 left out (results of an earlier run)" in again.out
    assert photo.with_name("photo-bicubic-x2.png").read_bytes() == first
    assert len(files(photo.parent)) == 2


def test_a_model_folder_by_path(srzoo_cli, photo, tmp_path):
    shutil.copytree(ROOT / "cards/bicubic-x3", tmp_path / "runs/mine")
    assert srzoo_cli("upscale", photo, "-m", tmp_path / "runs/mine").code == 0
    assert size(photo.with_name("photo-mine.png")) == (135, 93)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.png"], "nope.png does not exist"),
        (["zero.png"], "zero.png is empty"),
        (["text.png"], "text.png is no picture"),
        (["cut.png"], "cannot read cut.png"),
        (["empty"], "empty holds no pictures"),
        (["photo.png", "-m", "bicubik-x2"], "Did you mean bicubic-x2"),
        (["photo.png", "-o", "photo.png", "--overwrite"], "the input itself"),
        (["photo.png", "-o", "photo.xyz"], ".xyz is no format"),
        (["photo.png", "-o", "text.png/a.png"], "cannot create the folder"),
        (["photo.png", "-o", "/proc/a.png"], "cannot write"),
        (["photo.png", "--scale", "3"], "enlarges by 2, not by 3"),
        (["photo.png", "--memory", "10MB"], "Give --memory"),
        (["photo.png", "--memory", "much"], "'much' is no amount"),
        (["photo.png", "--tile", "3"], "whole number from 16"),
        (["photo.png", "--device", "mps"], "no mps device"),
    ],
)
def test_each_mistake_is_one_line_and_exit_code_2(
    srzoo_cli, photo, monkeypatch, arguments, message
):
    folder = photo.parent
    monkeypatch.chdir(folder)
    (folder / "zero.png").write_bytes(b"")
    (folder / "text.png").write_text("I am no picture")
    (folder / "cut.png").write_bytes(photo.read_bytes()[:900])
    (folder / "empty").mkdir()
    before = files(folder)
    model = () if "-m" in arguments else FAST
    result = srzoo_cli("upscale", *arguments, *model)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == (1 if result.err.startswith("srzoo:") else 4)
    assert files(folder) == before


def test_a_bad_picture_does_not_stop_the_others(srzoo_cli, photo, tmp_path):
    (tmp_path / "a.png").write_text("I am no picture")
    (tmp_path / "z.png").write_bytes(photo.read_bytes())
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST)
    assert result.code == 1
    assert "2 pictures" in result.out
    assert "1 failed" in result.out
    assert "a.png is no picture" in result.err
    assert files(tmp_path / "out") == ["photo.png", "z.png"]


def test_json_lines(srzoo_cli, photo, tmp_path):
    (tmp_path / "a.png").write_text("I am no picture")
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST, "--json")
    bad, good = (json.loads(line) for line in result.out.splitlines())
    assert "no picture" in bad["error"]
    assert bad["output"] is None
    assert good["error"] is None
    assert good["to"] == [90, 62]


def test_what_a_format_cannot_hold_is_said(srzoo_cli, tmp_path):
    drawn(mode="RGBA").save(tmp_path / "clear.png")
    result = srzoo_cli("upscale", tmp_path / "clear.png", *FAST, "-o", tmp_path / "flat.jpg")
    assert "note: JPEG has no transparency" in result.out


def test_quality(srzoo_cli, photo, tmp_path):
    for quality in (30, 95):
        srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / f"{quality}.jpg", "--quality", quality)
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2


def test_odd_names(srzoo_cli, tmp_path):
    for name in ("Zürich am See.png", "-m.png", "写真.png", "a" * 200 + ".png"):
        drawn(9, 9).save(tmp_path / name)
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST)
    assert result.code == 0
    assert len(files(tmp_path / "out")) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_leaves_nothing_half_written(tmp_path):
    drawn(2000, 1500).save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "srzoo", "upscale", "photo.png", "-m", "bicubic-x4"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".srzoo-*")) and time.monotonic() < deadline:
        time.sleep(0.01)  # until it is writing
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.strip() == "srzoo: interrupted"
    assert files(tmp_path) == ["photo.png"]


def test_a_closed_pipe_is_no_traceback(tmp_path):
    command = f"{sys.executable} -m srzoo plugin list --json | true"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert run.stderr == ""


def test_progress_is_drawn_on_a_terminal_only(tmp_path, photo):
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "srzoo", "upscale", str(photo), *FAST, "--tile", "16"]
    subprocess.run(command, stderr=terminal, stdout=subprocess.DEVNULL, check=True)
    os.close(terminal)
    assert b"photo.png" in os.read(main_end, 100_000)
    os.close(main_end)
    again = subprocess.run([*command, "--overwrite"], capture_output=True, check=True)
    assert again.stderr == b""


def test_the_same_bytes_whatever_the_tile(srzoo_cli, photo, tmp_path):
    for tile in ("off", "16", "auto"):
        result = srzoo_cli("upscale", photo, *FAST, "--tile", tile, "-o", tmp_path / f"{tile}.png")
        assert result.code == 0
    results = [np.asarray(Image.open(tmp_path / f"{tile}.png")) for tile in ("off", "16", "auto")]
    assert all(np.array_equal(results[0], other) for other in results)
