"""A folder of photos through the command, beside the time that computing alone takes.

The photos are pieces of about 300 x 200 pixels, as JPEGs, in a temporary folder. ``srzoo upscale``
and the pure computing (``Upscaler.array`` on the decoded pictures, in a process of its own) take
turns; the best of each counts.

Run: python tests/bench/folder.py --data DIR [--count 50] [--model edsr-x4] [--engine NAME]

The command's start is in its time: with few pictures the ratio says little. To be at most 1.10.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from srzoo import images
from srzoo.exporting import engine
from srzoo.models import locate
from srzoo.upscaling import loading


def pieces(source: Path, folder: Path, count: int, size: tuple[int, int]) -> None:
    """Pieces of photos, each from another photo or another place of it."""
    paths = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        sys.exit(f"there are no photos in {source}")
    for number in range(count):
        turn, at = divmod(number, len(paths))
        with Image.open(paths[at]) as photo:
            width, height = (min(side, own) for side, own in zip(size, photo.size, strict=True))
            left = (photo.width - width) * (turn % 4) // 3
            top = (photo.height - height) * (turn // 4 % 4) // 3
            piece = photo.convert("RGB").crop((left, top, left + width, top + height))
            piece.save(folder / f"{number:03}.jpg", quality=92)


def compute(folder: Path, model: str, name: str) -> None:
    """Print the seconds that the pictures of a folder take, decoded before."""
    upscaler = loading.load(model, engine=name)
    pictures = [images.read(path).pixels for path in sorted(folder.iterdir())]
    upscaler.array(pictures[0])  # what the first call prepares is no computing
    start = time.perf_counter()
    for pixels in pictures:
        upscaler.array(pixels)
    print(time.perf_counter() - start)


def command(folder: Path, out: Path, model: str, name: str) -> float:
    """Seconds of the whole command."""
    arguments = ["upscale", str(folder), "-o", str(out), "-m", model, "--engine", name, "--json"]
    start = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-m", "srzoo", *arguments], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(lines) == len(list(folder.iterdir()))
    assert not any(line["error"] for line in lines)
    return seconds


def main() -> None:
    """Cut, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of photos")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--model", default="edsr-x4")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--size", default="300x200", help="of a piece, in pixels")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--compute", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    name = engine.choose(locate.find(given.model), given.engine).name
    if given.compute:
        compute(given.data, given.model, name)
        return
    width, height = (int(side) for side in given.size.split("x"))
    loading.load(given.model, engine=name)  # exported before anything is measured
    whole: list[float] = []
    pure: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        pieces(given.data, folder, given.count, (width, height))
        again = [sys.executable, __file__, "--data", str(folder), "--compute"]
        again += ["--model", given.model, "--engine", name]
        for number in range(given.rounds):
            told = subprocess.run(again, capture_output=True, text=True, check=True)
            pure.append(float(told.stdout.split()[-1]))
            whole.append(command(folder, Path(place) / f"out{number}", given.model, name))
    print(f"{given.count} photos of about {given.size}, {given.model} with {name}")
    print(f"srzoo upscale   {min(whole):.2f} s")
    print(f"computing alone {min(pure):.2f} s")
    print(f"ratio           {min(whole) / min(pure):.3f}")


if __name__ == "__main__":
    main()
