"""Memory and time of a batch of many small files.

Run: python tests/bench/batch.py [COUNT [SIDE [MODEL]]]   (1000 files of 160 x 120, bicubic-x2)
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import drawn

from srzoo.batches import batch, pipeline
from srzoo.batches.one_picture import Options, PictureMaker
from srzoo.upscaling import loading


def pictures(folder: Path, count: int, side: int) -> None:
    """Half JPEG, half PNG, in ten folders, each another picture."""
    base = np.asarray(drawn(side, side * 3 // 4))
    for i in range(count):
        path = folder / f"{i % 10}" / f"{i:05}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(base, i, axis=1)).save(path)


def main() -> None:
    """Each number of jobs in turn, in a process that has done nothing else before the first."""
    count, side = (int(text) for text in (*sys.argv[1:3], *("1000", "160")[len(sys.argv[1:3]) :]))
    model = sys.argv[3] if len(sys.argv) > 3 else "bicubic-x2"
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        pictures(Path(name) / "in", count, side)
        upscaler = loading.load(model)
        for at_a_time in dict.fromkeys((1, 2, pipeline.default_jobs())):
            out = Path(name) / f"out{at_a_time}"
            work = batch.plan_batch(
                [Path(name) / "in"], str(out), model=model, known=[], recursive=True
            )
            start = time.perf_counter()
            memory: list[int] = []
            with work.opened():
                for outcome in pipeline.run(
                    work.jobs, PictureMaker(upscaler, Options(), work), at_a_time
                ):
                    assert outcome.problem is None, str(outcome.problem)
                    memory.append(process.memory_info().rss)
            seconds = time.perf_counter() - start
            tenths = [memory[max(0, count * i // 10 - 1)] / 1e6 for i in range(1, 11)]
            print(f"--jobs {at_a_time}: {seconds:.1f} s, {1000 * seconds / count:.1f} ms a picture")
            print("  MB in memory after each tenth:", *(f"{value:.1f}" for value in tenths))


if __name__ == "__main__":
    main()
