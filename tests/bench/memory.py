"""What the planner's figures come from: memory of engines, encoders and decoders.

For each model, the bytes that a pixel takes as the engine says and as the process shows, on a tile
of 512 x 512 or so. For each format, the copies of a picture that encoding and decoding make.

Run: python tests/bench/memory.py [MODEL...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from srzoo import images
from srzoo.images import Picture

SIZE = 3000, 2500
FORMATS = ("png", "jpg", "tiff", "webp", "avif", "heic", "jxl")


class Peak:
    """The most resident memory that a block of code takes beside what there was before it."""

    def __enter__(self) -> Peak:
        """Watch."""
        self.process = psutil.Process()
        self.before = self.most = self.process.memory_info().rss
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        """Look often."""
        while not self.done.wait(0.002):
            self.most = max(self.most, self.process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.done.set()
        self.thread.join()
        self.bytes = self.most - self.before


def picture(size: tuple[int, int], channels: int, dtype: str) -> Picture:
    """Smooth waves."""
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    wave = ((np.sin(x / 37) + np.cos(y / 23)) * 0.2 + 0.5) * np.iinfo(dtype).max
    wave = wave.astype(dtype)
    pixels = np.repeat(wave[:, :, None], 3, axis=2) if channels > 2 else wave
    return Picture(pixels, wave.copy() if channels in (2, 4) else None)


def engine(model: str) -> None:
    """Print what a pixel of a tile takes."""
    import srzoo

    upscaler = srzoo.load(model)
    scale, said = upscaler.scales[-1], 0
    said = upscaler.runner.bytes_per_pixel(scale)
    side = 128 if said > 4000 else 512
    x = np.random.default_rng(0).random((1, 3, side, side), np.float32)
    start = time.perf_counter()
    with Peak() as peak:
        upscaler.runner(x, scale)
    seconds = time.perf_counter() - start
    print(
        f"{model:<16} x{scale}  {said:>6} B a pixel said, {peak.bytes / side**2:>8.0f} seen,"
        f"  {seconds / side**2 * 1e6:.2f} us a pixel"
    )


def format_(name: str, channels: int, dtype: str) -> None:
    """Print what encoding and decoding take."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{name}"
        images.write(picture((64, 64), channels, dtype), path, name)  # what is made once
        shown = picture(SIZE, channels, dtype)
        time.sleep(0.1)
        raw = shown.pixels.nbytes + (0 if shown.alpha is None else shown.alpha.nbytes)
        with Peak() as writing:
            images.write(shown, path, name)
        del shown
        with Peak() as reading:
            images.read(path)
    colour = raw * max(channels, 3) / channels
    print(
        f"{name:<5} {channels} channels {dtype:<6}  writing {writing.bytes / colour:5.2f} copies"
        f"  reading {reading.bytes / raw - 1:5.2f}"
    )


def main() -> None:
    """Each in a process of its own, since memory that was freed is not always given back."""
    if len(sys.argv) == 5 and sys.argv[1] == "--format":
        format_(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    if len(sys.argv) == 3 and sys.argv[1] == "--engine":
        engine(sys.argv[2])
        return
    models = sys.argv[1:] or ["bicubic-x2", "bicubic-x3", "bicubic-x4", "edsr-x4"]
    runs = [["--engine", model] for model in models]
    runs += [
        ["--format", name, str(channels), dtype]
        for name in FORMATS
        if name in images.FORMATS
        for channels, dtype in ((1, "uint8"), (3, "uint8"), (4, "uint8"), (3, "uint16"))
    ]
    for arguments in runs:
        subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
