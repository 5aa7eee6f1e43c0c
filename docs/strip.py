"""Draw README's pictures, with srzoo: strip.jpg, and a row of the chooser for each kind of photo.

Run: python docs/strip.py
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import srzoo

PICTURES = Path(__file__).parent / "pictures"
SIDE, GAP = 300, 6
FONT = ImageFont.load_default(18)


def shrunk(photo: Image.Image, quality: int | None = None) -> Image.Image:
    """A quarter of the photo's size; with a quality, a JPEG of it with some noise, as phones send.

    Args:
        photo: RGB, sides that 4 divides.
        quality: of the JPEG.
    """
    small = photo.resize((photo.width // 4, photo.height // 4), Image.Resampling.BICUBIC)
    if quality is None:
        return small
    noise = np.random.default_rng(0).normal(0, 4, (small.height, small.width, 3))
    pixels = np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def row(parts: list[tuple[str, Image.Image]], name: str) -> None:
    """Lay squares side by side, each with a word in its corner."""
    width = len(parts) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, SIDE), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (word, part) in enumerate(parts):
        left = number * (SIDE + GAP)
        sheet.paste(part.resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, 0))
        wide = draw.textlength(word, font=FONT)
        draw.rectangle((left, SIDE - 28, left + wide + 14, SIDE), fill=(0, 0, 0))
        draw.text((left + 7, SIDE - 25), word, font=FONT, fill="white")
    sheet.save(PICTURES / name, quality=88, subsampling=0)


def main() -> None:
    """Enlarge crops of three photos, and lay them beside what went in."""
    cat = Image.open(PICTURES / "cat.png").convert("RGB")
    cat = cat.crop((0, 0, cat.width // 4 * 4, cat.height // 4 * 4))
    coffee = Image.open(PICTURES / "coffee.png").convert("RGB")
    coffee = coffee.crop((0, 0, coffee.width // 4 * 4, coffee.height // 4 * 4))
    dandelion = Image.open(PICTURES / "dandelion.jpg").convert("RGB")
    dandelion = dandelion.crop((0, 0, dandelion.width // 4 * 4, dandelion.height // 4 * 4))

    def cut(photo: Image.Image, corner: tuple[int, int], side: int) -> Image.Image:
        return photo.crop((*corner, corner[0] + side, corner[1] + side))

    def pair(name: str, small: Image.Image, corner: tuple[int, int], model: str) -> None:
        large = srzoo.upscale(small, model)
        before = small.resize(large.size, Image.Resampling.NEAREST)
        row([("before", cut(before, corner, SIDE)), (model, cut(large, corner, SIDE))], name)

    corner, side = (132, 66), 150
    small = shrunk(cat)
    parts = [("LR", small.resize(cat.size, Image.Resampling.NEAREST))]
    parts += [(name, srzoo.upscale(small, name)) for name in ("bicubic-x4", "edsr-x4")]
    parts += [("HR", cat)]
    row([(word, cut(part, corner, side)) for word, part in parts], "strip.jpg")
    pair("chooser-clean.jpg", shrunk(coffee), (140, 60), "edsr-x4")
    pair("chooser-phone.jpg", shrunk(dandelion, 60), (150, 0), "edsrgan-real-x4")
    pair("chooser-texture.jpg", shrunk(cat), (60, 0), "srgan-x4")


if __name__ == "__main__":
    main()
