"""What gets more out of an hour: short training runs that differ in one thing.

    python tests/bench/short_runs.py --data DIR [--steps 200] [--only muon --only detail]

DIR holds train/. EDSR 16x64 x4 from random weights, 16 LR crops of 32 x 32 a step, L1, cosine to
zero, weights averaged with 0.99, folded; each run is ``srzoo train edsr-x4`` with the changes that
are printed. PSNR on Y of the ten held-out pictures, and the seconds of a step.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from srzoo import training
from srzoo.recipes import recipe
from srzoo.training import run_log

COMMON = [
    "stages=[]", "data.lr_crop=32", "data.batch=16", "data.draw=pictures", "optimizer.name=muon",
    "optimizer.lr=2e-3", "schedule.warmup=50", "schedule.floor=0", "train.ema=0.99",
    "train.clip=0", "train.unfolded_share=0",
]  # fmt: skip
RUNS = {
    "adam": ["optimizer.name=adam", "optimizer.momentum=0", "optimizer.lr=4e-4"],
    "muon": [],
    "area": ["data.draw=area"],
    "detail": ["data.draw=detail"],
    "small batches": ["data.batch=8", "train.steps={twice}"],
    "unfolded": ["train.fold=false"],
}
"""What differs, by name."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=200, show_default=True)
@click.option("--only", type=click.Choice(list(RUNS)), multiple=True)
def main(data: Path, steps: int, only: tuple[str, ...]) -> None:
    """Train each, one after the other."""
    for name in only or RUNS:
        changes = [f"train.steps={steps}", *COMMON, *RUNS[name]]
        changes = [change.format(twice=2 * steps) for change in changes]
        plan = recipe.load("edsr-x4", [*changes, f"train.evaluate_every={steps}"])
        with tempfile.TemporaryDirectory() as place:
            found = training.train(plan, Path(place) / "run", data=data)
            speeds = [
                line["steps_per_second"]
                for line in run_log.read(Path(place) / "run" / run_log.LOG)
                if "steps_per_second" in line
            ]
        step = len(speeds) / sum(speeds)
        click.echo(
            f"{name:<14} {found.values['psnr_y']:.3f} dB, {found.step} steps of {step:.3f} s:"
            f" {' '.join(RUNS[name])}"
        )


if __name__ == "__main__":
    main()
