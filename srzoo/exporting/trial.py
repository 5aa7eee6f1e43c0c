"""The test picture for exports and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..contracts import F32


def trial_picture(height: int, width: int) -> F32:
    """A picture with slopes, edges, lines and grain: 1 x 3 x H x W, the same every time."""
    rng = np.random.default_rng(height * 1000 + width)
    down: F32 = np.arange(height, dtype=np.float32)[:, None]
    across: F32 = np.arange(width, dtype=np.float32)[None, :]
    slopes = (down / height, across / width, (down + across) / (height + width))
    x = np.stack([np.broadcast_to(slope, (height, width)) for slope in slopes]).astype(np.float32)
    for _ in range(8):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        colour = rng.random((3, 1, 1), np.float32)
        x[:, top : top + height // 4 + 1, left : left + width // 4 + 1] = colour
    x += 0.3 * np.sin(across * (0.3 + down / height))
    x += 0.05 * rng.standard_normal(x.shape, np.float32)
    return np.clip(x, 0, 1, dtype=np.float32)[None]
