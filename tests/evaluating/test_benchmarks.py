"""The released figures, measured again through the command line on the real benchmarks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


def luma(path) -> np.ndarray:
    """Y of ITU-R BT.601 in 16..235, as in the papers; a gray picture counts as R = G = B."""
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB")).astype(np.float64)
    return 16 + rgb @ [65.481, 128.553, 24.966] / 255


def psnr(folder, hr_folder, scale) -> float:
    """Mean PSNR of Y over the pictures of a folder, ``scale`` pixels shaved off each side."""
    values = []
    for path in sorted(folder.glob("*.png")):
        sr, hr = luma(path), luma(hr_folder / path.name)
        error = (sr - hr)[scale:-scale, scale:-scale]
        values.append(10 * np.log10(255**2 / np.mean(error**2)))
    assert values
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("model", "scale", "expected"),
    [
        ("bicubic", 2, 33.67),
        ("bicubic", 3, 30.40),
        ("bicubic", 4, 28.43),
        ("edsr", 4, 31.51),
        ("srresnet", 4, 31.48),
    ],
)
def test_set5(srzoo_cli, data, tmp_path, model, scale, expected):
    folder = data / f"benchmarks/Set5/x{scale}"
    out = tmp_path / "out"
    assert srzoo_cli("upscale", folder / "LR", "-o", out, "-m", f"{model}-x{scale}").code == 0
    assert psnr(out, folder / "HR", scale) >= expected - 0.02
