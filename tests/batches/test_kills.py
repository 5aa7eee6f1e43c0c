"""Pictures of eight kinds through one batch that is killed nine times; and Ctrl-C, twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import drawn
from PIL import Image

from srzoo import images
from srzoo.batches import ledger
from srzoo.common import files

SRZOO = (sys.executable, "-m", "srzoo", "upscale")
FAST = ("-m", "bicubic-x2")
KILLS = 9

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def kinds(folder: Path, count: int) -> Path:
    """JPEG, PNG of 8 and 16 bits, gray, with alpha, WebP, TIFF, AVIF and BMP, in three folders."""
    base = drawn(300, 220)
    for i in range(count):
        place = folder / "abc"[i % 3]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.roll(np.asarray(base), 3 * i, axis=1))
        kind = i % 8
        if kind == 1:
            pixels = np.asarray(image).astype(np.uint16) * 257
            images.write(images.Picture(pixels), place / f"{i:02}.png", "png")
            continue
        if kind == 3:
            image.putalpha(Image.fromarray(np.asarray(image.convert("L"))))
        suffix = ("jpg", "", "png", "png", "webp", "tif", "avif", "bmp")[kind]
        (image.convert("L") if kind == 2 else image).save(place / f"{i:02}.{suffix}")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the ledger, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ledger.NAME
    }


@pytest.mark.slow
def test_killed_nine_times_nothing_is_lost_and_nothing_is_there_twice(tmp_path, srzoo_cli):
    inputs, out, dice = kinds(tmp_path / "in", 50), tmp_path / "out", random.Random(0)
    command = [*SRZOO, str(inputs), "-r", "-o", str(out), *FAST, "--jobs", "3"]
    assert srzoo_cli("upscale", inputs, "-r", "-o", tmp_path / "whole", *FAST).code == 0
    right = contents(tmp_path / "whole")
    assert len(right) == 50
    before: dict[str, tuple[int, bytes]] = {}
    for turn in range(KILLS):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        lines = len(ledger.Ledger(out).targets) if out.exists() else 0
        deadline = time.monotonic() + 60
        # Some pictures further, so that each run gets somewhere, and none to the end.
        while run.poll() is None and time.monotonic() < deadline:
            if out.exists() and len(ledger.Ledger(out).targets) > lines + dice.randrange(4):
                break
            time.sleep(0.005)
        time.sleep(dice.random() * 0.05)
        run.kill()
        run.communicate()
        found = contents(out)
        whole = {name: data for name, data in found.items() if files.TEMPORARY not in name}
        assert whole.items() <= right.items()  # nothing half under a real name
        for name, (inode, data) in before.items():  # nothing made twice
            assert ((out / name).stat().st_ino, whole[name]) == (inode, data)
        before = {name: ((out / name).stat().st_ino, data) for name, data in whole.items()}
        assert len(before) < 50, f"it was done after {turn} kills"
    result = srzoo_cli("upscale", inputs, "-r", "-o", out, *FAST, "--json")
    assert result.code == 0
    told = [json.loads(line) for line in result.out.splitlines()]
    assert len(told) == 50
    assert sum(line["skipped"] == "done before" for line in told) >= len(before)
    assert contents(out) == right  # no litter, either
    assert ledger.Ledger(out).targets == set(right)


def slow_writer(tmp_path: Path) -> list[str]:
    """A command whose results take two seconds to write."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\n"
        "from srzoo.common import files\n"
        "from srzoo.cli import main\n"
        "real = files.sync\n"
        "def sync(handle):\n"
        "    print('WRITING', file=sys.stderr, flush=True)\n"
        "    time.sleep(2)\n"
        "    real(handle)\n"
        "files.sync = sync\n"
        "main()\n"
    )
    return [sys.executable, str(tmp_path / "slow.py"), "upscale"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_again_while_it_clears_up(tmp_path, number):
    """The second signal leaves what is being written alone; the third ends it at once."""
    inputs = kinds(tmp_path / "in", 6)
    command = [*slow_writer(tmp_path), str(inputs), "-r", *FAST, "--jobs", "2"]
    for times in (2, 3) if number == signal.SIGINT else (2,):
        out = tmp_path / f"out{times}"
        run = subprocess.Popen([*command, "-o", str(out)], stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True)  # fmt: skip
        for line in run.stderr:
            if "WRITING" in line:
                break
        start = time.monotonic()
        for _ in range(times):
            run.send_signal(number)
            time.sleep(0.2)
        err = run.communicate(timeout=60)[1]
        assert run.returncode == 130
        assert "Traceback" not in err
        made = {name: data for name, data in contents(out).items() if ".srzoo" not in name}
        for name in made:
            assert images.read(out / name).size == (600, 440)
        if times == 3:
            assert time.monotonic() - start < 1.9
        else:
            assert made
            assert not list(out.rglob(".srzoo-part*"))
            assert "interrupted" in err


def test_nohup_is_heeded(tmp_path, photo):
    command = ["nohup", *slow_writer(tmp_path), str(photo), *FAST]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        if "WRITING" in line:
            break
    run.send_signal(signal.SIGHUP)
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert images.read_size(photo.with_name("photo-bicubic-x2.png")) == (90, 62)


def test_litter_of_a_killed_single_run_is_taken_away(tmp_path, photo, srzoo_cli):
    run = subprocess.Popen([*slow_writer(tmp_path), str(photo), *FAST], stderr=subprocess.PIPE,
                           stdout=subprocess.DEVNULL, text=True)  # fmt: skip
    for line in run.stderr:
        if "WRITING" in line:
            break
    assert list(tmp_path.glob(".srzoo-*"))
    # While it is alive, nobody takes its file away.
    assert srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / "other.png").code == 0
    assert list(tmp_path.glob(".srzoo-*"))
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    assert srzoo_cli("upscale", photo, *FAST).code == 0
    assert not list(tmp_path.glob(".srzoo-*"))
