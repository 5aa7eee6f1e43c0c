"""Steps per second of edsr-x4: srzoo folded and unfolded, and a plain loop, in one run.

All three train the same network on the same crops: batch 16, LR crops of 32. They take turns,
so that a slow moment of the machine hits all of them.

Run: SRZOO_DATA=DIR python tests/bench/training.py [--rounds 5] [--steps 8]
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import srzoo
from srzoo import training
from srzoo.recipes import recipe

CHANGES = ["data.lr_crop=32", "optimizer.lr=4e-4", "train.steps=100000", "stages=[]",
           "train.ema=0.0", "train.evaluate_every=1000000",
           "train.checkpoint_every=1000000"]  # fmt: skip


class PlainLoop:
    """Sixty lines of what anyone would write: decoded pictures in memory, crops, Adam, L1."""

    def __init__(self, parts: training.Parts) -> None:
        self.net = srzoo.generators.create("edsr")
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=4e-4)
        self.pictures = parts.crops._pixels
        self.rng = np.random.default_rng(0)

    def crop(self) -> tuple[np.ndarray, np.ndarray]:
        number = int(self.rng.integers(len(self.pictures)))
        lr, hr = self.pictures.lr(number, 4), self.pictures.hr(number)
        top = int(self.rng.integers(lr.shape[0] - 31))
        left = int(self.rng.integers(lr.shape[1] - 31))
        lr = lr[top : top + 32, left : left + 32]
        hr = hr[4 * top : 4 * top + 128, 4 * left : 4 * left + 128]
        if self.rng.integers(2):
            lr, hr = lr[:, ::-1], hr[:, ::-1]
        turns = int(self.rng.integers(4))
        return np.rot90(lr, turns), np.rot90(hr, turns)

    def steps(self, count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            pairs = [self.crop() for _ in range(16)]
            lr, hr = (
                torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() / 255
                for side in zip(*pairs, strict=True)
            )
            self.optimizer.zero_grad()
            loss = F.l1_loss(self.net(lr), hr)
            loss.backward()
            self.optimizer.step()
        return count / (time.perf_counter() - start)


def ours(count: int, fold: bool, seed: int) -> tuple[float, float]:
    """Steps per second and share of time waiting, of ``count`` steps of the real loop."""
    loaded = recipe.load("edsr-x4", [*CHANGES, f"train.fold={str(fold).lower()}",
                                   f"train.seed={seed}", "train.unfolded_share=0.0"])  # fmt: skip
    found: list[tuple[float, float]] = []

    class Done(Exception):  # noqa: N818
        """Enough steps were seen."""

    def stepped(_step: int, _losses: dict[str, float], speed: float, waiting: float) -> None:
        found.append((speed, waiting))
        if len(found) == 2:  # the first holds what warms up
            raise Done

    from srzoo.training import loop

    loop.LOG_EVERY = count
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Done):
        training.train(loaded, Path(folder) / "run", watch=training.Callbacks(on_step=stepped))
    return found[1]


def main() -> None:
    """Print medians and the ratios between them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    plain = PlainLoop(training.assemble(recipe.load("edsr-x4", CHANGES)))
    plain.steps(2)
    speeds: dict[str, list[float]] = {"plain loop": [], "unfolded": [], "folded": []}
    waits: list[float] = []
    for number in range(options.rounds):
        speeds["plain loop"].append(plain.steps(options.steps))
        for name in ("unfolded", "folded"):
            speed, wait = ours(options.steps, name == "folded", number)
            speeds[name].append(speed)
            waits.append(wait)
    for name, values in speeds.items():
        print(f"{name:<12} {statistics.median(values):.3f} steps/s (of {len(values)} rounds)")
    ratio = [f / u for f, u in zip(speeds["folded"], speeds["unfolded"], strict=True)]
    print(f"folded / unfolded     {statistics.median(ratio):.2f}")
    ratio = [u / p for u, p in zip(speeds["unfolded"], speeds["plain loop"], strict=True)]
    print(f"unfolded / plain loop {statistics.median(ratio):.2f}")
    print(f"waiting for data      {max(waits):.2%} at most")


if __name__ == "__main__":
    main()
