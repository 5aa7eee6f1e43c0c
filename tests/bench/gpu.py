"""What a CUDA card does, in five minutes: steps a second of training, pictures a second.

The lines that tell most come first; what does not fit into the time is left out, and said.

* srzoo's own loop, as a recipe says and with one option changed at a time: steps a second and the
  share of the time that it waited for crops.
* A plain loop of torch: crops of arrays in memory, floats, Adam, ``loss.item()`` now and then.
* BasicSR's step re-stated (``SRModel.optimize_parameters`` and ``model_ema``): the averaged weights
  moved one parameter at a time, and the loss fetched in every step.
* srzoo's enlargement of a picture of 512x512, in each precision.

All train the same EDSR (16 blocks, 64 channels, x4) on batches of 16 crops of 48.

Run: SRZOO_DATA=DIR python tests/bench/gpu.py [--seconds 4] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import srzoo
from srzoo import training
from srzoo.recipes import recipe

BASE = [
    "data.lr_crop=48", "data.batch=16", "train.steps=10000000", "train.evaluate_every=10000000",
    "train.checkpoint_every=10000000", "train.metrics=['psnr_y']",
]  # fmt: skip
ADAM = "optimizer={name='adam', lr=1e-4}"
MUON = "optimizer={name='muon', lr=1e-3, momentum=0.95}"
FOLD, WHOLE = "train.fold=true", "train.fold=false"
BF16 = "train.precision=bf16"
RUNS = {
    "edsr adam fp32": [ADAM, WHOLE],
    "edsr adam bf16": [ADAM, WHOLE, BF16],
    "edsr muon bf16": [MUON, WHOLE, BF16],
    "edsr adam bf16, realistic": [ADAM, WHOLE, BF16, "data.degradation=realistic"],
    "edsr adam bf16, compile graphs": [ADAM, WHOLE, BF16, "train.compile=reduce-overhead"],
    "edsr adam bf16, no workers": [ADAM, WHOLE, BF16, "data.workers=0"],
    "edsr adam bf16, checkpointing": [ADAM, WHOLE, BF16, "train.gradient_checkpointing=true"],
    "edsr muon bf16, batch of 64": [MUON, WHOLE, BF16, "data.batch=64"],
    "edsr adam fp32, folded": [ADAM, FOLD],
    "edsr adam bf16, folded": [ADAM, FOLD, BF16],
    "edsr adam bf16, compile": [ADAM, WHOLE, BF16, "train.compile=default"],
    "edsr adam bf16, contiguous": [ADAM, WHOLE, BF16, "train.channels_last=false"],
    "edsr adam bf16, no cudnn.benchmark": [ADAM, WHOLE, BF16, "train.cudnn_benchmark=false"],
    "edsr adam bf16, no fused": [ADAM[:-1] + ", args={fused=false}}", WHOLE, BF16],
    "edsr muon bf16, detail": [MUON, WHOLE, BF16, "data.draw=detail"],
    "edsr muon bf16, compile": [MUON, WHOLE, BF16, "train.compile=default"],
    "edsr adam bf16, realistic, no workers":
        [ADAM, WHOLE, BF16, "data.degradation=realistic", "data.workers=0"],
    "edsr adam bf16, no clip, no ema": [ADAM, WHOLE, BF16, "train.clip=1e9", "train.ema=0.0"],
}  # fmt: skip


def pictures(folder: Path) -> None:
    """Draw a few pictures where there is no data."""
    rng = np.random.default_rng(0)
    for number in range(12):
        small = Image.fromarray(rng.integers(0, 256, (60, 90, 3), np.uint8))
        small.resize((1080, 720), Image.Resampling.BICUBIC).save(folder / f"{number}.png")


def plan_of(changes: list[str], folder: str | None) -> recipe.Recipe:
    """EDSR's own recipe as the report has it, changed."""
    data = [
        f"data.{name}={{name='folder', path='{folder}'}}"
        for name in ("train", "validation") if folder
    ]  # fmt: skip
    whole = ["generator={name='edsr', n_resblocks=16, n_feats=64, scale=4}"]
    return recipe.load("edsr-report-x4", [*whole, *BASE, *data, *changes])


LINE = 30.0
"""Seconds that a line may take, with what warms up and compiles."""


class Done(Exception):  # noqa: N818
    """Enough steps were seen."""


def ours(loaded: recipe.Recipe, seconds: float) -> dict[str, float]:
    """Steps a second and share of waiting of the real loop, after what warms up."""
    begun = time.perf_counter()
    found: list[tuple[int, float]] = []
    counted: list[tuple[float, float, int]] = []

    def stepped(step: int, _losses: dict[str, float], speed: float, waiting: float) -> None:
        now = time.perf_counter()
        found.append((step, now))
        if len(found) > 2:
            counted.append((speed, waiting, step))
        if (len(found) > 4 and now - found[2][1] > seconds) or now - begun > 12 * seconds:
            raise Done

    with tempfile.TemporaryDirectory() as out, contextlib.suppress(Done):
        training.train(loaded, Path(out) / "run", watch=training.Callbacks(on_step=stepped))
    (first, start), (last, end) = found[min(2, len(found) - 2)], found[-1]
    return {
        "steps_per_second": (last - first) / (end - start),
        "waiting": float(np.mean([waiting for _, waiting, _ in counted])) if counted else 0.0,
    }


class Plain:
    """What anyone would write: decoded pictures in memory, float crops, Adam, L1."""

    def __init__(self, loaded: recipe.Recipe, basicsr: bool) -> None:
        self.basicsr = basicsr
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = srzoo.generators.create("edsr").to(self.device)
        self.ema = srzoo.generators.create("edsr").to(self.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-4)
        crops = training.assemble(loaded).crops
        batches = [crops.batch(number) for number in range(32)]  # as if loading took no time
        self.batches = [
            [torch.from_numpy(side.transpose(0, 3, 1, 2).astype(np.float32) / 255)
             for side in (batch.lr, batch.hr)]
            for batch in batches
        ]  # fmt: skip
        self.log: dict[str, float] = {}

    def step(self, number: int) -> None:
        lr, hr = (side.to(self.device) for side in self.batches[number % len(self.batches)])
        self.optimizer.zero_grad()
        loss = F.l1_loss(self.net(lr), hr)
        loss.backward()
        self.optimizer.step()
        if not self.basicsr:
            if not number % 50:
                self.log["l1"] = loss.item()
            return
        self.log["l_pix"] = loss.detach().mean().item()
        with torch.no_grad():
            mean = dict(self.ema.named_parameters())
            for name, parameter in self.net.named_parameters():
                mean[name].data.mul_(0.999).add_(parameter.data, alpha=0.001)

    def speed(self, seconds: float) -> float:
        for number in range(20):
            self.step(number)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        start, number = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self.step(number)
            number += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return number / (time.perf_counter() - start)


def enlarging(precision: str, seconds: float) -> float:
    """Pictures of 512x512 a second, each from the host and back to it."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    upscaler = srzoo.load("edsr-x4", engine="torch", device=device, precision=precision)
    picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    for _ in range(2):
        upscaler.array(picture)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        upscaler.array(picture)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print a table, and write it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4, help="for each line")
    parser.add_argument("--minutes", type=float, default=5, help="for all; the last lines wait")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="lines with this in their name")
    options = parser.parse_args()
    begun = time.perf_counter()
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no card"
    rows: dict[str, dict[str, Any]] = {}

    def said(name: str, row: dict[str, Any]) -> None:
        rows[name] = row
        values = "  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                           for key, value in row.items())  # fmt: skip
        print(f"{name:<40} {values}", flush=True)
        if options.json:
            whole = {"card": card, "torch": torch.__version__, "cores": os.cpu_count(),
                     "lines": rows}  # fmt: skip
            options.json.write_text(json.dumps(whole, indent=1))

    with tempfile.TemporaryDirectory() as drawn:
        folder = None if os.environ.get("SRZOO_DATA") else drawn
        if folder:
            pictures(Path(drawn))
        print(f"{card}, torch {torch.__version__}, {os.cpu_count()} cores")
        for name, basicsr in (("plain loop, fp32", False), ("BasicSR's step, fp32", True)):
            if options.only in name:
                plain = Plain(plan_of([], folder), basicsr)
                said(name, {"steps_per_second": plain.speed(options.seconds)})
        for precision in ("fp32", "fp16", "bf16"):
            if options.only in f"enlarge {precision}":
                speed = enlarging(precision, options.seconds)
                said(f"enlarge 512x512, {precision}", {"pictures_per_second": speed})
        for name, changes in RUNS.items():
            if options.only not in name:
                continue
            if time.perf_counter() - begun > 60 * options.minutes - LINE:
                said(name, {"left_out": "no time"})
                continue
            try:
                said(name, ours(plan_of(changes, folder), options.seconds))
            except Exception as error:  # noqa: BLE001 - one line's failure is no other's
                said(name, {"failed": f"{type(error).__name__}: {error}"[:300]})


if __name__ == "__main__":
    main()
