"""Draw docs/pictures/strip.jpg: input pixels | bicubic-x4 | edsr-x4, made by srzoo.

Run: python docs/strip.py
"""

from pathlib import Path

from PIL import Image

import srzoo

PICTURES = Path(__file__).parent / "pictures"
CORNER, SIDE, GAP = (128, 62), 100, 8


def main() -> None:
    """Upscale the cat with both models and lay the crops side by side."""
    photo = Image.open(PICTURES / "cat.png")
    box = (*CORNER, CORNER[0] + SIDE, CORNER[1] + SIDE)
    parts = [photo.crop(box).resize((4 * SIDE, 4 * SIDE), Image.Resampling.NEAREST)]
    for name in ("bicubic-x4", "edsr-x4"):
        large = srzoo.upscale(photo, model=name)
        parts.append(large.crop(tuple(4 * side for side in box)))
    strip = Image.new("RGB", (3 * 4 * SIDE + 2 * GAP, 4 * SIDE), "white")
    for number, part in enumerate(parts):
        strip.paste(part, (number * (4 * SIDE + GAP), 0))
    strip.save(PICTURES / "strip.jpg", quality=92, subsampling=0)


if __name__ == "__main__":
    main()
