"""What the models trained against a discriminator promise over the PSNR models they began as."""

from __future__ import annotations

import json

import pytest
from helpers import needs_torch

import srzoo
from srzoo.evaluating import results
from srzoo.models import locate

JUDGE = {  # not what trained them: that is EfficientNet-Lite0
    "name": "feature_distance",
    "backbone": "vgg16",
    "weights": "{data}/backbones/vgg16_hed_features.fp16.safetensors",
}
FLOORS = {  # PSNR in dB on luma, on Set5 and BSD100
    ("srgan-x4", "srresnet-x4"): (27.5, 24.5),
    ("edsrgan-x4", "edsr-x4"): (27.8, 24.6),
}
RELEASED = [pair for pair in FLOORS if pair[0] in locate.list_models()]


def measured(models, sets, metrics, data) -> dict[tuple[str, str, str], float]:
    """Every value, by model, set and metric."""
    report = srzoo.evaluate(list(models), [data / "benchmarks" / name for name in sets],
                            metrics=metrics, root=data)  # fmt: skip
    return {
        (row.model, row.dataset, value.label): value.value
        for row in report.rows
        for value in row.values
    }


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize(("model", "start"), RELEASED)
def test_nearer_to_the_original_than_the_psnr_model(data, model, start):
    judge = json.dumps(JUDGE)
    found = measured((model, start), ("Set14",), ("sharpness", "colour_shift", judge), data)
    distance = {name: value for (name, _, label), value in found.items() if "feature" in label}
    sharpness = {name: value for (name, _, label), value in found.items() if label == "sharpness"}
    assert distance[model] <= 0.9 * distance[start]
    assert sharpness[model] >= 1.15 * sharpness[start]
    assert found[model, "Set14", "colour_shift"] <= 1


@needs_torch
@pytest.mark.slow
@pytest.mark.skipif("edsrgan-real-x4" not in locate.list_models(), reason="not released")
def test_flawed_pictures_come_out_nearer_to_the_original(data):
    models = ("edsrgan-real-x4", "edsr-x4")
    report = srzoo.evaluate(models, [data / "benchmarks" / "Set5"], degradation="realistic",
                            metrics=("psnr_y", json.dumps(JUDGE)), root=data)  # fmt: skip
    (psnr, distance), (psnr_before, distance_before) = (
        [value.value for value in row.values] for row in report.rows
    )
    assert distance <= 0.9 * distance_before
    assert psnr > psnr_before


@pytest.mark.slow
@pytest.mark.parametrize(("model", "start"), RELEASED)
def test_psnr_is_not_thrown_away(data, model, start):
    """BSD100's is the card's, which takes a minute to measure; the card holds for these weights."""
    card = {
        result.dataset_name: result.metric_value
        for result in results.read(locate.find(model))
        if result.metric_type == "psnr_y"
    }
    found = measured((model,), ("Set5",), ("psnr_y",), data)
    assert found[model, "Set5", "psnr_y"] == pytest.approx(card["Set5"], abs=0.01)
    for name, floor in zip(("Set5", "BSD100"), FLOORS[model, start], strict=True):
        assert card[name] >= floor
