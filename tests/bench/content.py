"""Which content loss gets more out of an hour: short runs from edsr-x4 that differ in it.

    python tests/bench/content.py --data DIR [--steps 100] [--only vgg16 --only lite0]

DIR holds train/ and backbones/. Each is the first stage of edsrgan-x4's recipe (L1 with a tenth of
the weight, no discriminator), shortened, with another content loss. Of the ten held-out pictures
PSNR on Y, sharpness (HR has what the last line says) and the feature distances, VGG16 first; the
seconds of a step.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from srzoo import images, training
from srzoo.plugins import kinds
from srzoo.recipes import recipe
from srzoo.training import run_log

FILES = {
    "vgg16": "{data}/backbones/vgg16_hed_features.fp16.safetensors",
    "tf_efficientnet_lite0": "{data}/backbones/tf_efficientnet_lite0.fp16.safetensors",
}
LAYERS = {
    "vgg16": ["relu1_2", "relu2_2", "relu3_3"],
    "tf_efficientnet_lite0": ["blocks.0", "blocks.1", "blocks.2", "blocks.4"],
}
RUNS = {
    "vgg16": ("vgg16", 0, 1),
    "vgg16, checkerboard": ("vgg16", 50, 1),
    "lite0": ("tf_efficientnet_lite0", 0, 1),
    "lite0, checkerboard": ("tf_efficientnet_lite0", 50, 1),
    "lite0, checkerboard, shift": ("tf_efficientnet_lite0", 50, 4),
}
"""The backbone, the weight of ``checkerboard``, and the shift, by name."""
METRICS = ["psnr_y", "sharpness", *(
    {"name": "feature_distance", "backbone": name, "weights": file} for name, file in FILES.items()
)]  # fmt: skip


def changes(backbone: str, grid: float, shift: int) -> list[str]:
    """What is set in edsrgan-x4's recipe."""
    losses = [
        {"name": "perceptual", "backbone": backbone, "layers": LAYERS[backbone],
         "weights": FILES[backbone], "unit": True, "shift": shift},
        {"name": "l1", "weight": 0.1},
    ]  # fmt: skip
    if grid:
        losses.append({"name": "checkerboard", "weight": grid})
    return [f"losses={_toml(losses)}", f"train.metrics={_toml(METRICS)}"]


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=100, show_default=True)
@click.option("--only", type=click.Choice(list(RUNS)), multiple=True)
def main(data: Path, steps: int, only: tuple[str, ...]) -> None:
    """Train each, one after the other."""
    for name in only or RUNS:
        plan = recipe.load("edsrgan-x4", changes(*RUNS[name])).each()[0]
        plan = replace(plan, train=replace(plan.train, steps=steps, evaluate_every=steps))
        with tempfile.TemporaryDirectory() as place:
            found = training.train(plan, Path(place) / "run", data=data)
            lines = run_log.read(Path(place) / "run" / run_log.LOG)
        speeds = [line["steps_per_second"] for line in lines if "steps_per_second" in line]
        values = " ".join(f"{key} {value:.4g}" for key, value in found.values.items())
        click.echo(f"{name:<26} {len(speeds) / sum(speeds):.2f} s a step  {values}")
    sharpness = kinds.metrics.create("sharpness")
    names = (data / "train/validation.txt").read_text().split()
    real = [images.read(data / "train" / name).pixels for name in names]
    click.echo(f"{'HR':<26} sharpness {np.mean([sharpness(x, None, 4) for x in real]):.4g}")


if __name__ == "__main__":
    main()
