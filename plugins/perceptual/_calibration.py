"""Synthetic pictures that calibrate the distance in any layer to one scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

COUNT, SIDE = 4, 96
LEAVES = 40
CONTRAST, TEXTURE = 0.2, 0.2
SMALLEST, LARGEST = 2.0, 40.0


def pictures() -> Tensor:
    """Four fixed pictures, float 4 x 3 x 96 x 96 in 0..1.

    Dead leaves (Lee, Mumford and Huang 2001, https://doi.org/10.1023/A:1011109015675): discs
    that occlude each other, radii r with a density of r^-3, which have the edges of natural
    pictures at every scale; each has its own gradient, texture and softness. ``blurred`` changes
    them as much as photos (an MSE of about 0.02 in -1..1), as features of deep layers are not
    proportional to the difference of the pixels.
    """
    rng = np.random.default_rng(0)
    drawn = np.stack([_dead_leaves(rng) for _ in range(COUNT)])
    return torch.from_numpy(drawn.astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def blurred(x: Tensor) -> Tensor:
    """The same pictures, downscaled by 4 (bicubic, antialiased) and enlarged again."""
    small = F.interpolate(x, scale_factor=1 / 4, mode="bicubic", antialias=True)
    return F.interpolate(small, scale_factor=4, mode="bicubic").clamp(0, 1)


def _dead_leaves(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    canvas = np.zeros((SIDE, SIDE, 3))
    # From back to front. The inverse of the cumulative distribution of the radii:
    share = rng.random(LEAVES)
    radii = (share * LARGEST**-2 + (1 - share) * SMALLEST**-2) ** -0.5
    for radius in [SIDE * 2.0, *radii]:
        across, down = rng.random(2)
        inside = np.hypot(x - across, y - down) * SIDE - radius
        softness = rng.uniform(1, 4)  # width of the edge in pixels
        cover = np.clip(0.5 - inside / softness, 0, 1)[:, :, None]
        # Brightness varies more than hue, as in photos.
        colour = 0.5 + CONTRAST * rng.standard_normal() + 0.3 * CONTRAST * rng.standard_normal(3)
        slope = CONTRAST * (rng.standard_normal() * x + rng.standard_normal() * y)
        shade = slope + TEXTURE * rng.random() * _texture(rng)
        canvas += cover * (np.clip(colour + shade[:, :, None], 0, 1) - canvas)
    return canvas


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance whose amplitude falls as 1 / frequency, SIDE x SIDE."""
    v, u = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    noise = np.fft.irfft2(spectrum / np.maximum(np.hypot(u, v), 1 / SIDE), s=(SIDE, SIDE))
    return (noise - noise.mean()) / noise.std()
