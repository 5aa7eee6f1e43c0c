"""How long a step of an adversarial run takes with several backbones and discriminators.

    python tests/bench/adversarial.py --data DIR [--steps 20]

DIR holds train/ and backbones/. SRResNet, 16 HR crops of 96 x 96, on all cores; the candidates
take turns, and the median of each one's steps is printed.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import click

from srzoo import training
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.training import step
from srzoo.training.processes import accelerator_for

VGG = "vgg16_hed_features.fp16.safetensors"
LITE = "tf_efficientnet_lite0.fp16.safetensors"
CONTENT = {
    "VGG16 relu5_3": ("vgg16", ["relu5_3"], VGG),
    "VGG16 relu2_2": ("vgg16", ["relu2_2"], VGG),
    "EfficientNet-Lite0 blocks 1, 2, 4": (
        "tf_efficientnet_lite0", ["blocks.1", "blocks.2", "blocks.4"], LITE,
    ),
}  # fmt: skip
DISCRIMINATORS = ("srgan", "srgan_report", "unet_sn")


def _plan(case: tuple[str, str] | None) -> recipe.Recipe:
    """SRResNet with MSE, or SRGAN with another content loss and discriminator."""
    if case is None:
        return replace(recipe.load("srresnet-x4").each()[0], init=None)
    content, discriminator = case
    backbone, layers, file = CONTENT[content]
    use = Use("perceptual", {
        "backbone": backbone, "layers": layers, "weights": f"{{data}}/backbones/{file}",
    })  # fmt: skip
    loaded = recipe.load("srgan-x4", ["data.batch=16"]).each()[-1]
    game = replace(loaded.adversarial, discriminator=Use(discriminator))
    return replace(loaded, init=None, losses=(recipe.Weighted(use, 1.0),), adversarial=game)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True)
@click.option("--steps", default=20)
def main(data: Path, steps: int) -> None:
    """Print seconds a step."""
    cases = [None, *((content, d) for content in CONTENT for d in DISCRIMINATORS)]
    click.echo("| content | discriminator | seconds a step |\n|---|---|---|")
    for case in cases:
        loaded = _plan(case)
        parts = training.assemble(loaded, data)
        run = step.prepare(parts, accelerator_for(loaded))
        times = []
        for number in range(steps + 2):
            batch = parts.crops.batch(number)
            start = time.perf_counter()
            step.train_step(run, batch)
            times.append(time.perf_counter() - start)
        content, discriminator = case or ("MSE", "none")
        click.echo(f"| {content} | {discriminator} | {statistics.median(times[2:]):.2f} |")


if __name__ == "__main__":
    main()
