"""How long saving takes, beside computing: encoders at several settings, on results of a model.

Pictures are a drawn one and some photos from a folder, enlarged by the model: what is saved is
what a user saves. Each setting takes turns with the others; the best of the rounds counts.

Run: python tests/bench/saving.py [--photos DIR] [--count 3] [--model edsr-x4] [--side 128]

In the table, ``now`` marks the settings that srzoo uses. ``of computing`` is the time to save as a
share of the time to compute the same picture with the engine that ``auto`` takes.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import drawn

from srzoo import images
from srzoo.exporting import engine
from srzoo.images import Picture, vips
from srzoo.models import locate
from srzoo.upscaling import loading

Save = Callable[[np.ndarray], int]


def pillow(format: str, **options: object) -> Save:
    """Bytes that Pillow makes of a picture."""

    def save(pixels: np.ndarray) -> int:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format, **options)
        return file.tell()

    return save


def heic(preset: str) -> Save:
    """Bytes that x265 makes of a picture at one of its presets."""

    def save(pixels: np.ndarray) -> int:
        file = io.BytesIO()
        made = importlib.import_module("pillow_heif").from_pillow(Image.fromarray(pixels))
        made.save(file, quality=85, chroma=420, enc_params={"preset": preset})
        return file.tell()

    return save


def by_vips(suffix: str, **options: object) -> Save:
    """Bytes that libvips makes of a picture."""

    def save(pixels: np.ndarray) -> int:
        return len(vips.library().Image.new_from_array(pixels).write_to_buffer(suffix, **options))

    return save


def as_now(format: str) -> Save:
    """Bytes that ``images.write`` makes of a picture."""

    def save(pixels: np.ndarray) -> int:
        file = io.BytesIO()
        images.write(Picture(pixels), file, format)
        return file.tell()

    return save


def settings() -> dict[str, Save]:
    """What is tried, by name."""
    found = {f"{format}, now": as_now(format) for format in images.FORMATS}
    found |= {f"png {level}, Pillow": pillow("PNG", compress_level=level) for level in range(10)}
    filters = {"rle": 3, "huffman": 2, "filtered": 1}
    found |= {
        f"png 1 {name}, Pillow": pillow("PNG", compress_level=1, compress_type=kind)
        for name, kind in filters.items()
    }
    found |= {
        f"webp 90 method {method}": pillow("WEBP", quality=90, method=method) for method in range(7)
    }
    found["jpg 95 4:4:4 optimize"] = pillow("JPEG", quality=95, subsampling=0, optimize=True)
    found |= {f"avif 85 speed {n}": pillow("AVIF", quality=85, speed=n) for n in (6, 8, 9, 10)}
    if "heic" in images.FORMATS:
        found |= {
            f"heic 85 {preset}": heic(preset) for preset in ("slow", "medium", "fast", "ultrafast")
        }
    if vips.library():
        found |= {
            f"png {level} {name}, libvips": by_vips(".png", compression=level, filter=kind)
            for level in range(10)
            for name, kind in (("plain", "none"), ("up", "up"), ("all", "all"))
            if name == "up" or level in (1, 6)
        }
    return found


def pictures(folder: Path | None, count: int, side: int) -> list[np.ndarray]:
    """The drawn picture, and the middles of photos: side x side x 3."""
    found = [np.asarray(drawn(side, side))]
    paths = (
        sorted(p for p in folder.iterdir() if p.suffix.lower() in (".jpg", ".png"))
        if folder
        else []
    )
    for path in paths[:: max(1, len(paths) // count)][:count]:
        pixels = images.read(path).pixels
        top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
        found.append(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return [pixels if pixels.ndim == 3 else pixels[:, :, None].repeat(3, 2) for pixels in found]


def main() -> None:
    """Compute, save, tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, help="a folder of photos")
    parser.add_argument("--count", type=int, default=3, help="how many of them")
    parser.add_argument("--model", default="edsr-x4")
    parser.add_argument("--side", type=int, default=128, help="of the input, in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    name = engine.choose(locate.find(given.model)).name
    upscaler = loading.load(given.model, engine=name)
    inputs = pictures(given.photos, given.count, given.side)
    large = [upscaler.array(pixels) for pixels in inputs]
    megapixels = sum(pixels[..., 0].size for pixels in large) / 1e6
    tried, sizes = settings(), dict[str, int]()
    best = dict.fromkeys(["", *tried], float("inf"))
    for _ in range(given.rounds):
        start = time.perf_counter()
        for pixels in inputs:
            upscaler.array(pixels)
        best[""] = min(best[""], time.perf_counter() - start)
        for setting, save in tried.items():
            start = time.perf_counter()
            sizes[setting] = sum(save(pixels) for pixels in large)
            best[setting] = min(best[setting], time.perf_counter() - start)
    print(
        f"{given.model} with {name}: {best[''] / megapixels:.3f} s a megapixel of the result;"
        f" {len(inputs)} pictures, {megapixels:.1f} megapixels\n"
    )
    print(f"{'setting':<24}{'s/MP':>8}{'MB/MP':>8}{'of computing':>14}")
    for setting, size in sizes.items():
        print(
            f"{setting:<24}{best[setting] / megapixels:>8.3f}{size / 1e6 / megapixels:>8.3f}"
            f"{best[setting] / best['']:>14.1%}"
        )


if __name__ == "__main__":
    main()
