"""Threads that share one model: each result has to be the one that a single thread gets.

Each of 8 threads enlarges 100 pictures of different sizes, in an order of its own.

Run: python tests/bench/threads.py [--threads 8] [--pictures 100] [--engine auto]
"""

from __future__ import annotations

import argparse
import random
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import srzoo


def main() -> None:
    """Parse, run, and print what came out; exit 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--model", default="edsr-x4")
    parser.add_argument("--engine", default="auto")
    asked = parser.parse_args()
    chance = np.random.default_rng(0)
    sizes = [tuple(chance.integers(5, 60, 2)) for _ in range(asked.pictures)]
    pictures = [chance.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    model = srzoo.load(asked.model, engine=asked.engine)
    start = time.perf_counter()
    want = [model(picture) for picture in pictures]
    alone = time.perf_counter() - start

    def all_of_them(seed: int) -> int:
        order = list(range(len(pictures)))
        random.Random(seed).shuffle(order)
        return sum(np.array_equal(model(pictures[at]), want[at]) for at in order)

    start = time.perf_counter()
    with ThreadPoolExecutor(asked.threads) as pool:
        right = sum(pool.map(all_of_them, range(asked.threads)))
    together = time.perf_counter() - start
    total = asked.threads * asked.pictures
    print(
        f"{asked.model}, {model.engine}: {right} of {total} right, {len(set(sizes))} sizes;"
        f" {together:.1f} s in {asked.threads} threads, {asked.threads * alone:.1f} s in one"
    )
    raise SystemExit(right != total)


if __name__ == "__main__":
    main()
