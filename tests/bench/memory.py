"""What the planner's figures come from: memory of engines, encoders and decoders.

For each model, the bytes that a pixel takes as the engine says and as the process shows, on a tile
of 512 x 512 or so. For each format, the copies of a picture that encoding and decoding make.

Run: python tests/bench/memory.py [MODEL or FORMAT...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from srzoo import images
from srzoo.common import memory
from srzoo.errors import SrzooError
from srzoo.images import Picture

SIZE = 6000, 5000
FORMATS = ("png", "jpg", "tiff", "webp", "avif", "heic", "jxl")


class Peak:
    """The most resident memory that a block of code takes beside what there was before it.

    The kernel notes it (Linux); a thread that looks would miss what happens under Python's lock.
    """

    def __enter__(self) -> Peak:
        """Forget earlier peaks."""
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.before = memory.used()
        return self

    def __exit__(self, *_: object) -> None:
        """Look."""
        self.bytes = memory.peak() - self.before


def picture(size: tuple[int, int], channels: int, dtype: str) -> Picture:
    """Waves with some grain, each channel its own; with little memory beside it."""
    width, height = size
    dice = np.random.default_rng(0)
    planes = np.empty((height, width, channels), dtype)
    across = np.sin(np.arange(width, dtype=np.float32) / 37)[:, None]
    for row in range(height):
        wave = 0.5 + 0.2 * (across + np.cos(row / (23 + np.arange(channels))))
        grain = 0.02 * dice.standard_normal((width, channels), np.float32)
        planes[row] = np.clip(wave + grain, 0, 1) * np.iinfo(dtype).max
    colours = planes[:, :, 0] if channels < 3 else planes[:, :, :3]
    alpha = np.ascontiguousarray(planes[:, :, -1]) if channels in (2, 4) else None
    return Picture(np.ascontiguousarray(colours), alpha)


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
        try:
            with Peak() as reading:
                images.read(path)
            read = f"{reading.bytes / raw - 1:5.2f}"
        except SrzooError as error:  # libheif has limits of its own
            read = f"fails: {error}"
    colour = raw * (3 + (channels in (2, 4))) / channels
    print(
        f"{name:<5} {channels} channels {dtype:<6}  writing {writing.bytes / colour:5.2f} copies"
        f"  reading {read}"
    )


def main() -> None:
    """Each in a process of its own, since memory that was freed is not always given back."""
    if len(sys.argv) == 5 and sys.argv[1] == "--format":
        format_(sys.argv[2], int(sys.argv[3]), sys.argv[4])
        return
    if len(sys.argv) == 3 and sys.argv[1] == "--engine":
        engine(sys.argv[2])
        return
    formats = tuple(name for name in sys.argv[1:] if name in FORMATS) or FORMATS
    models = [name for name in sys.argv[1:] if name not in FORMATS] or [
        "bicubic-x2",
        "bicubic-x3",
        "bicubic-x4",
        "edsr-x4",
    ]
    runs = [["--engine", model] for model in models if not sys.argv[1:] or model in sys.argv]
    runs += [
        ["--format", name, str(channels), dtype]
        for name in formats
        if name in images.FORMATS
        for dtype in ("uint8", "uint16")
        for channels in (1, 2, 3, 4)
    ]
    for arguments in runs:
        subprocess.run([sys.executable, __file__, *arguments], check=True)


if __name__ == "__main__":
    main()
