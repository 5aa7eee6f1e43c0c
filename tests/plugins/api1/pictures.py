"""A dataset, a degradation and a metric of plugin API 1."""

import numpy as np

from srzoo.contracts import Described, Sample


class Drawn:
    """Pictures that are drawn, not read."""

    def __init__(self, *, count: int = 3, side: int = 48) -> None:
        self.count, self.side = count, side

    @staticmethod
    def describe(args):
        """It has HR pictures alone."""
        return Described(own_lr=False, name="drawn pictures")

    @property
    def fingerprint(self):
        """Changes with what is drawn."""
        return f"drawn-{self.count}-{self.side}"

    def __len__(self):
        """How many."""
        return self.count

    def __getitem__(self, index):
        """One of them."""
        if not -self.count <= index < self.count:
            raise IndexError(index)
        number = index % self.count
        pixels = np.random.default_rng(number).integers(0, 256, (self.side, self.side, 3))
        return Sample(f"{number}", pixels.astype(np.uint8))


class Every:
    """Every pixel of a grid."""

    deterministic = True
    clean = False
    phrase = "thinned out"

    def __call__(self, hr, scale, rng):
        """Makes it smaller."""
        if hr.dtype != np.uint8 or hr.shape[0] % scale or hr.shape[1] % scale:
            raise ValueError("hr is not a uint8 picture of whole LR pixels")
        return np.ascontiguousarray(hr[::scale, ::scale])


class Off:
    """Mean absolute difference, in levels of 255."""

    higher_is_better = False
    reference = True
    protocol = "mean absolute difference in levels of 255, RGB, whole picture"
    unit = "levels"
    label = "off"
    tolerance = 0.5
    thread_safe = True

    def __call__(self, sr, hr, scale):
        """Levels."""
        return float(np.abs(sr.astype(float) - hr.astype(float)).mean())
