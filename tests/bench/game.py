"""What the generator learns most with against a discriminator: short runs that differ in it.

    python tests/bench/game.py --data DIR [--steps 200] [--only adam --only muon]

DIR holds train/ and backbones/. Each is edsrgan-x4's recipe with STEPS steps of content loss
(the same for all, done once) and STEPS steps against the discriminator, annealed to the end. Of
the ten held-out pictures PSNR on Y, sharpness, colour shift and VGG16's feature distance; the
seconds of a step.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from srzoo import training
from srzoo.recipes import recipe
from srzoo.training import run_log

MUON = 'optimizer={name = "muon", lr = 5e-4, momentum = 0.95}'
BLOCKS = ["blocks.0", "blocks.1", "blocks.2", "blocks.4"]
RUNS = {
    "adam": ['optimizer={name = "adam", lr = 1e-4, betas = [0.9, 0.99]}'],
    "muon": [MUON],
    "muon, blocks.0 too": [MUON, f"losses.0.layers={json.dumps(BLOCKS)}"],
}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=200, show_default=True)
@click.option("--only", type=click.Choice(list(RUNS)), multiple=True)
def main(data: Path, steps: int, only: tuple[str, ...]) -> None:
    """Train each, one after the other."""
    with tempfile.TemporaryDirectory() as place:
        start = Path(place) / "content"
        _train("content loss alone", recipe.load("edsrgan-x4").each()[0], start, steps, data)
        for number, name in enumerate(only or RUNS):
            plan = replace(recipe.load("edsrgan-x4", RUNS[name]).each()[1], init=str(start))
            _train(name, plan, Path(place) / str(number), steps, data)


def _train(name: str, plan: recipe.Recipe, out: Path, steps: int, data: Path) -> None:
    plan = replace(plan, train=replace(plan.train, steps=steps, evaluate_every=steps, ema=0.99))
    found = training.train(plan, out, data=data)
    lines = run_log.read(out / run_log.LOG)
    speeds = [line["steps_per_second"] for line in lines if "steps_per_second" in line]
    values = " ".join(f"{key} {value:.4g}" for key, value in found.values.items())
    click.echo(f"{name:<20} {len(speeds) / sum(speeds):.2f} s a step  {values}")


if __name__ == "__main__":
    main()
