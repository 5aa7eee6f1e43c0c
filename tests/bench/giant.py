"""A giant picture through the command line, within a memory limit: its peak memory and time.

A synthetic picture is made strip by strip in a temporary folder; ``srzoo upscale`` turns it into
a BigTIFF there, and is killed if its resident memory ever passes the limit. At the end a
few windows of the result are read back and compared with those windows enlarged alone.

Run, for example:

    python tests/bench/giant.py                                 # bicubic-x2, 20000x15000
    python tests/bench/giant.py edsr-x4 4000x3000
    python tests/bench/giant.py edsr-x4 4000x600 --memory 1.5GB

Needs pyvips (the extra ``photo``), and disk for the result: 3 bytes for each of its pixels at
most. Exit code 1 if the limit was passed, the command failed, or a window differs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

import srzoo
from srzoo import images
from srzoo.common.amounts import memory_size
from srzoo.images import Picture

BAND = 250
WINDOW = 96
"""Side of a window that is compared, in LR pixels."""
BORDER = 44
"""LR pixels around it that the networks of this size see."""


def rows(size: tuple[int, int], top: int, bottom: int) -> np.ndarray:
    """Some rows of the synthetic picture: waves, edges, and flat parts."""
    width, height = size
    y = np.arange(top, min(bottom, height), dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32)[None]
    wave = 127 + 80 * np.sin(x / 9 + y / 31) * np.cos(y / 13)
    block = ((x // 97 + y // 61) % 3 == 0) * np.float32(200)
    planes = [np.maximum(wave, block), wave, 255 - np.maximum(block, wave / 2)]
    return np.stack(planes, axis=2).astype(np.uint8)


def make(path: Path, size: tuple[int, int]) -> None:
    """Write the picture in constant memory."""
    like = Picture(np.zeros((1, 1, 3), np.uint8))
    with images.streaming(path, size, like, np.uint8) as put:
        for top in range(0, size[1], BAND):
            put(rows(size, top, top + BAND))


def run(command: list[str], limit: int) -> tuple[int, float, float]:
    """Run a command; its exit code (-9 if it passed the limit), peak memory and seconds."""
    start = time.perf_counter()
    child = subprocess.Popen(command)
    done = threading.Event()

    def watch() -> None:
        process = psutil.Process(child.pid)
        while not done.wait(0.02):
            try:
                if process.memory_info().rss > limit:
                    process.kill()
            except psutil.NoSuchProcess:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    done.set()
    watcher.join()
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_maxrss * 1024, time.perf_counter() - start


def windows(model: str, size: tuple[int, int], result: Path, count: int = 4) -> int:
    """The largest difference between windows of the result and the same enlarged alone."""
    import pyvips

    upscaler = srzoo.load(model)
    scale = upscaler.scales[0]
    opened = pyvips.Image.new_from_file(str(result))
    assert (opened.width, opened.height) == (size[0] * scale, size[1] * scale)
    rng, worst = np.random.default_rng(0), 0
    for _ in range(count):
        left = int(rng.integers(0, max(1, size[0] - WINDOW)))
        top = int(rng.integers(0, max(1, size[1] - WINDOW)))
        x0, y0 = max(0, left - BORDER), max(0, top - BORDER)
        x1, y1 = min(size[0], left + WINDOW + BORDER), min(size[1], top + WINDOW + BORDER)
        alone = upscaler.array(rows(size, y0, y1)[:, x0:x1])
        inside = np.s_[
            (top - y0) * scale : (min(top + WINDOW, size[1]) - y0) * scale,
            (left - x0) * scale : (min(left + WINDOW, size[0]) - x0) * scale,
        ]
        want = alone[inside]
        got = opened.crop(left * scale, top * scale, want.shape[1], want.shape[0]).numpy()
        worst = max(worst, int(np.abs(got.astype(int) - want).max()))
    return worst


def main() -> None:
    """Make, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", nargs="?", default="bicubic-x2")
    parser.add_argument("size", nargs="?", default="20000x15000")
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--folder", type=Path, help="where to make the temporary folder")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        source, target = Path(name) / "giant.tif", Path(name) / "result.tif"
        make(source, (width, height))
        command = [sys.executable, "-m", "srzoo", "upscale", str(source), "-m", given.model,
                   "-o", str(target), "--memory", given.memory, "--verbose"]  # fmt: skip
        print("$", shlex.join(command), flush=True)
        code, peak, seconds = run(command, memory_size(given.memory))
        print(
            f"{given.model} {width}x{height}: exit code {code}, peak {peak / 1e9:.2f} GB of"
            f" {given.memory}, {seconds:.0f} s, {width * height / seconds:,.0f} input pixels/s"
        )
        if code == 0:
            written = target.stat().st_size
            off = windows(given.model, (width, height), target)
            print(f"{written / 1e9:.2f} GB written; windows are off by {off} at most")
            code = 1 if off else 0
    sys.exit(1 if code else 0)


if __name__ == "__main__":
    main()
