"""What tests draw and build themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from srzoo.common import kept_folders
from srzoo.contracts import Sample

ROOT = Path(__file__).parents[1]


def drawn(width: int = 45, height: int = 31, mode: str = "RGB") -> Image.Image:
    """A colourful picture with smooth areas, edges and fine detail."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 127 + 90 * np.sin(x * y / 60.0)
    planes = np.stack([x * 255 / width, wave, 255 - y * 255 / height], axis=2)
    image = Image.fromarray(planes.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(240, 30, 20))
    pen.line((0, height, width, 0), fill=(250, 250, 250))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray((x * 255 // width).astype(np.uint8)))
    return image.convert(mode)


def takes_less(seconds: float, work: Callable[[], object]) -> bool:
    """Whether a call keeps to so many CPU seconds.

    One that does not has two more tries: the collection of garbage of a long test run, and threads
    that another test left, take time in the middle of any call.
    """
    for _ in range(3):
        start = time.process_time()
        work()
        if time.process_time() - start < seconds:
            return True
    return False


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch does it")
"""A test of what cannot be done without torch, in a file whose other tests can."""
NOT_IN_LIGHT = ("torch", "torchvision", "timm", "onnx", "onnxscript")
"""What an install without extras does not bring."""


def without_torch(folder: Path) -> dict[str, str]:
    """Variables of processes that find none of it, as in an install without extras.

    Args:
        folder: gets the module that Python imports when it starts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "def found(name, *more):\n"
        f"    return None if name.partition('.')[0] in {NOT_IN_LIGHT} else find(name, *more)\n"
        "PathFinder.find_spec = found\n"
    )
    found = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, found)), "SRZOO_ENGINE": "auto"}


class Sharpen:
    """A cheap runner: nearest enlargement of a 5 x 5 mean, so its reach is 2 (or hidden)."""

    model = None
    parameters = None

    def __init__(self, reach: int | None = 2, per_pixel: int = 100) -> None:
        self.reach = reach
        self.per_pixel = per_pixel
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, x: np.ndarray, scale: int) -> np.ndarray:
        self.sizes.append(x.shape[2:])
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (2, 3))
        return views.mean((4, 5), dtype=np.float32).repeat(scale, 2).repeat(scale, 3)

    def bytes_per_pixel(self, scale: int) -> int:
        return self.per_pixel

    def bytes_aside(self, scale: int) -> int:
        return 0

    def free_memory(self) -> int | None:
        return None


def sealed_again(checkpoint: Path) -> None:
    """A checkpoint's files were changed on purpose: they are what they have to be."""
    (checkpoint / "parts.json").unlink()
    found = kept_folders.records_to_json(kept_folders.record_files(checkpoint))
    (checkpoint / "parts.json").write_bytes(kept_folders.seal({"parts": found}))


COUNT = 6


class Drawn:
    """Six small pictures; no files. ``apart`` are others, to validate on."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart

    @property
    def fingerprint(self) -> str:
        return "apart" if self.apart else "drawn-2"

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> Sample:
        picture = np.roll(np.asarray(drawn(72, 60)), 7 * index, axis=1)
        return Sample(f"drawn{index}", 255 - picture if self.apart else picture)


RECIPE = """
srzoo = 1

[generator]
name = "{generator}"
n_resblocks = 1
n_feats = 6
scale = 2

[data]
train = "drawn"
validation = {{ name = "drawn", apart = true }}
lr_crop = 12
batch = 4

[[losses]]
name = "l1"

[optimizer]
lr = 2e-3

[train]
steps = 12
seed = 3
evaluate_every = 4
checkpoint_every = 4
ema = 0.9
"""


BLOCK_FILE = '''
from __future__ import annotations
from torch import nn

class SiLU(nn.Module):
    """A convolution."""

    reach = 1
    examples = ({"channels": 8},)

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.body(x)
'''
"""A file with one class, which is a block."""
