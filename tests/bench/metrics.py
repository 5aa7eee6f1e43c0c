"""What PSNR and SSIM of one picture cost, in seconds of a core, and several pictures in threads.

Run: python tests/bench/metrics.py [--size 2040x1404] [--pictures 8]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import srzoo
from srzoo.common import memory
from srzoo.evaluating.judging import MetricQueue

NAMES = ("psnr_y", "ssim_y")


def main() -> None:
    """Print one line for each metric, and one for all in threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="2040x1404")
    parser.add_argument("--pictures", type=int, default=8)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    sr = np.clip(hr + rng.integers(-20, 21, hr.shape), 0, 255).astype(np.uint8)
    metrics = {name: srzoo.metrics.create(name) for name in NAMES}
    total = 0.0
    for name, metric in metrics.items():
        took = []
        for _ in range(5):
            start = time.process_time()
            metric(sr, hr, 4)
            took.append(time.process_time() - start)
        total += min(took)
        print(f"{name}: {min(took):.3f} core-seconds")
    print(f"together: {total:.3f} core-seconds for {options.size}")
    for workers in (1, memory.cores()):
        start = time.perf_counter()
        with MetricQueue(metrics, workers) as judging:
            judged = [judging.add(sr, hr, 4) for _ in range(options.pictures)]
            for each in judged:
                each.values()
        rate = options.pictures / (time.perf_counter() - start)
        print(f"{workers} thread{'s' * (workers > 1)}: {rate:.1f} pictures/s")


if __name__ == "__main__":
    main()
