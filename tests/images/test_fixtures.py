"""The files that Pillow and libvips test themselves with: each a right picture, or one line.

``SRZOO_FIXTURES`` names a folder of them; ``.ci/fixtures FOLDER`` gets them.
"""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from srzoo import images
from srzoo.errors import PictureError

FOLDER = Path(os.environ.get("SRZOO_FIXTURES", ""))
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file()) if FOLDER.name else []
SLOW = 20.0
"""Seconds for one file: some have 80 million pixels."""
READ = 0.6
"""The share that is read, at least; others are animated, no pictures, or broken on purpose."""


def looked_at(path: Path) -> str:
    """ "read" or "refused"; whatever is wrong is an AssertionError."""
    start = time.perf_counter()
    try:
        header, picture = images.read_header(path), images.read(path)
    except PictureError as error:
        assert time.perf_counter() - start < SLOW
        assert "\n" not in str(error).replace(str(path), "")
        return "refused"
    assert time.perf_counter() - start < SLOW, path
    channels = (1 if picture.pixels.ndim == 2 else 3) + (picture.alpha is not None)
    told = images.Header(picture.size, 8 * picture.pixels.itemsize, channels, header.pages)
    assert header == told, path
    if (wanted := by_pillow(path)) is not None and picture.pixels.dtype == np.uint8:
        found = np.asarray(images.to_pil(picture).convert("RGBA"))
        assert found.shape == wanted.shape, path
        seen = wanted[:, :, 3] > 0 if picture.alpha is not None else np.full(wanted.shape[:2], True)
        apart = np.abs(found.astype(int) - wanted)[seen][:, : 3 + (picture.alpha is not None)]
        # AVIF is decoded by formulas more exact than Pillow's, and so is JPEG in old TIFFs.
        lossy = picture.format in ("avif", "tiff")
        assert apart.max(initial=0) <= 1 or (lossy and apart.mean() < 0.6), path
    return "read"


def by_pillow(path: Path) -> np.ndarray | None:
    """What Pillow alone makes of it, RGBA; None where it knows no better."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
                    return None
                return np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    except Exception:  # noqa: BLE001
        return None


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="SRZOO_FIXTURES names no folder of public test pictures")
def test_public_fixtures():
    counts = {"read": 0, "refused": 0}
    problems: list[str] = []
    for path in FILES:
        try:
            counts[looked_at(path)] += 1
        except Exception as error:  # noqa: BLE001
            problems.append(f"{path}: {type(error).__name__}: {error}")
    assert not problems, "\n".join(problems)
    assert counts["read"] >= READ * len(FILES), counts
