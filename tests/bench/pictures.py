"""Time and peak memory of reading and writing a large picture: python tests/bench/pictures.py DIR.

Each step runs in a process of its own. DIR takes about 2.5 GB for a while.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from srzoo import images
from srzoo.images import vips

SIZE = (20_000, 15_000)
STEPS = ["stream big.tif", "copy big.tif big.png", "copy big.tif big.jpg"]
STEPS += [f"read big.{each}{how}" for each in ("tif", "png", "jpg") for how in ("", " pillow")]


def stream(path: Path) -> None:
    """Noise on slow steps, as a tiled BigTIFF."""
    width, height = SIZE
    steps = ((np.arange(width) // 80) % 200).astype(np.uint8)[None, :, None]
    noise = np.random.default_rng(0).integers(0, 30, (256, width, 3), np.uint8) + steps
    like = images.Picture(np.zeros((1, 1, 3), np.uint8))
    with images.streaming(path, SIZE, like) as put:
        for top in range(0, height, 256):
            put(noise[: min(256, height - top)])


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) == 2:
        for step in STEPS:
            subprocess.run([sys.executable, __file__, str(folder), *step.split()], check=True)
        return
    what, name, *more = sys.argv[2:]
    start = time.perf_counter()
    if what == "stream":
        stream(folder / name)
    elif what == "copy":
        target = folder / more[0]
        images.write(images.read(folder / name), target, images.format_of(target))
    else:
        if more:
            vips.library = lambda: None
        images.read(folder / name)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{' '.join(sys.argv[2:]):24}{time.perf_counter() - start:7.1f} s{peak:7.2f} GB")


main()
