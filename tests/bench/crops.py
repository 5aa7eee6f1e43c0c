"""Crops a second, of a thread and of worker processes, in paired rounds; JSON too.

Every round measures each number of workers in turn, so that a slow moment of the machine hits all
of them; ratios are of one round, and their median is printed. ``first`` is the time from the start
of the pool to its first batch: workers that start one after another would take
several times as long.

Run: python tests/bench/crops.py [--workers 0,1,2,8] [--rounds 5] [--seconds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

import srzoo
from srzoo.contracts import Sample
from srzoo.plugins.plugin import Use
from srzoo.recipes.recipe import Data
from srzoo.training.crops import Crops
from srzoo.training.pixels import open_pixels
from srzoo.training.sets import guarded_datasets
from srzoo.training.supply import ready_batches

KINDS = {
    "kept": {},
    "detail": {"draw": "detail"},
    "mixed": {"degradation": Use("mixed")},
    "waits": {"degradation": Use("waits"), "batch": 4},
}
PICTURES, SIDE, SCALE = 8, 480, 4


class Noise:
    """Pictures without a file."""

    fingerprint = "bench-crops-1"

    def __len__(self) -> int:
        return PICTURES

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)).astype(np.uint8)
        return Sample(f"noise{index}", coarse.repeat(8, 0).repeat(8, 1))


class Waits:
    """A degradation that takes time and no core."""

    deterministic = False

    def __call__(self, hr: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
        """Every scale-th pixel."""
        time.sleep(0.01)
        return np.ascontiguousarray(hr[::scale, ::scale])


def crops_of(kind: str) -> Crops:
    """Batches of 16 crops of 48 x 48, as EDSR's paper has them."""
    data = Data(**{"train": Use("noise"), "validation": Use("noise"), **KINDS[kind]})
    degradation = srzoo.degradations.create(data.degradation.name)
    pixels = open_pixels(
        guarded_datasets(data.train, None, "data.train"), degradation=data.degradation,
        scales=(SCALE,), lr_crop=data.lr_crop,
    )  # fmt: skip
    return Crops(pixels, data, (SCALE,), degradation, 0)


def measured(crops: Crops, workers: int, seconds: float) -> tuple[float, float]:
    """Batches a second, and seconds to the first batch."""
    start = time.perf_counter()
    with ready_batches(crops, 0, 10**9, workers=workers) as batches:
        next(batches)
        first = time.perf_counter() - start
        for _ in range(4 * max(1, workers)):  # those that were made ahead, and late workers
            next(batches)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            next(batches)
            count += 1
        return count / (time.perf_counter() - start), first


def main() -> None:
    """Print a line for each kind of crops and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="0,1,2,8")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    counts = [int(text) for text in options.workers.split(",")]
    srzoo.datasets.register("noise", Noise)
    srzoo.degradations.register("waits", Waits)
    lines = []
    for kind in options.kinds.split(","):
        crops = crops_of(kind)
        rounds = [
            {count: measured(crops, count, options.seconds) for count in counts}
            for _ in range(options.rounds)
        ]
        for count in counts:
            rates = [each[count][0] for each in rounds]
            line = {
                "crops": kind,
                "workers": count,
                "batches_per_second": statistics.median(rates),
                "first_batch_seconds": statistics.median(each[count][1] for each in rounds),
            }
            if 1 in counts:
                ratios = [each[count][0] / each[1][0] for each in rounds]
                line["times_one_worker"] = statistics.median(ratios)
            lines.append(line)
            print("  ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}"
                            for k, v in line.items()), flush=True)  # fmt: skip
    if options.json:
        found = {"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "lines": lines}
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
