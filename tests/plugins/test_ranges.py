"""What the zoo's own signatures state: types and ranges that are true."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import torch
from annotated_types import Ge

from srzoo.errors import ArgumentError
from srzoo.plugins import kinds, schema
from srzoo.plugins.plugin import OWN_DIST, Use

KINDS = (
    "generator", "discriminator", "block", "loss", "adversarial-loss", "task", "dataset",
    "degradation", "metric",
)  # fmt: skip
PARTS = [
    (kind, plugin.name) for kind in KINDS for plugin in kinds.KINDS[kind] if plugin.dist == OWN_DIST
]
SMALL = {
    "edsr": {"n_resblocks": 1, "n_feats": 4}, "mdsr": {"n_resblocks": 1, "n_feats": 4},
    "rrdbnet": {"n_blocks": 1, "n_feats": 4, "growth": 2}, "srcnn": {"n_feats": 4},
    "srgan_rrdb": {"n_rrdbs": 1, "n_feats": 4, "growth": 2},
    "srresnet": {"n_resblocks": 1, "n_feats": 4}, "wdsr": {"n_resblocks": 1, "n_feats": 4},
}  # fmt: skip
COUNTS = "d_steps", "start", "weight", "res_scale", "layer_weights", "eps", "delta", "weights"
"""What no end makes safer: steps, and factors."""


def arguments(kind: str, name: str) -> dict[str, Any]:
    """The types of a part's arguments."""
    found = kinds.KINDS[kind].signature(name).parameters
    return {key: one.annotation for key, one in found.items()}


def takes(kind: str, name: str, **given: Any) -> bool:
    """Whether a use is accepted; other arguments are not looked at."""
    try:
        schema.fitted(name, kinds.KINDS[kind].signature(name).parameters, given)
    except ArgumentError:
        return False
    return True


def leaves(annotation: Any) -> Iterator[Any]:
    """An annotation's plain types, and what is said of each."""
    if typing.get_origin(annotation) is Annotated:
        inner, *facts = typing.get_args(annotation)
        if inner in (int, float):
            yield inner, facts
        else:
            yield from leaves(inner)
    elif annotation in (int, float):
        yield annotation, []
    else:
        for one in typing.get_args(annotation):
            yield from leaves(one)


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=lambda one: one)
def test_every_argument_says_what_it_is(kind, name):
    found = arguments(kind, name)
    defaults = kinds.KINDS[kind].signature(name).parameters
    for key, annotation in found.items():
        assert annotation is not defaults[key].empty
        assert not isinstance(annotation, str), f"{key}: {annotation} cannot be read"
        assert not takes(kind, name, **{key: object()}), key
        assert not takes(kind, name, **{key: -math.inf}), key
        assert not takes(kind, name, **{key: -4}) or key == "res_scale", key
        assert not takes(kind, name, **{key: 2**40}) or key in COUNTS, f"{key} has no end"
        for plain, facts in leaves(annotation):
            assert plain is not int or facts, f"{key} takes any whole number"
        if (default := defaults[key].default) is not defaults[key].empty:
            assert takes(kind, name, **{key: default}), key
            if isinstance(default, tuple):
                assert takes(kind, name, **{key: list(default)}), f"{key}: as JSON has it"


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=lambda one: one)
def test_its_examples_fit(kind, name):
    for example in getattr(kinds.KINDS[kind].get(name), "examples", ({},)):
        kinds.KINDS[kind].check_use(Use(name, example))


@pytest.mark.parametrize("name", [name for kind, name in PARTS if kind == "generator"])
def test_what_a_generator_takes_it_can_do(name):
    """Every scale that is not refused is a scale, and so is the least of each count."""
    small, known = SMALL.get(name, {}), arguments("generator", name)
    for scale in (1, 2, 3, 4, 5, 6, 8, 12, 16):
        if "scale" in known and takes("generator", name, scale=scale):
            enlarges(name, small | {"scale": scale}, scale)
        if "scales" in known and takes("generator", name, scales=[scale]):
            enlarges(name, small | {"scales": [scale]}, scale)
    for key, annotation in known.items():
        for plain, facts in leaves(annotation):
            for fact in facts:
                if plain is int and isinstance(fact, Ge) and key != "scale":
                    enlarges(name, small | {key: fact.ge}, 4)


def enlarges(name: str, given: dict[str, Any], scale: int) -> None:
    """Build a generator, and hold the size and the numbers of what it makes."""
    made = kinds.generators.build({"name": name, **given}).eval()
    with torch.inference_mode():
        large = made(torch.rand(1, 3, 12, 12), scale)
    assert large.shape == (1, 3, 12 * scale, 12 * scale), given
    assert large.isfinite().all(), given


@pytest.mark.parametrize("kind", ["block", "discriminator"])
def test_the_least_of_each_count_works(kind):
    for name in [name for one, name in PARTS if one == kind]:
        target = kinds.KINDS[kind].get(name)
        for key, annotation in arguments(kind, name).items():
            for plain, facts in leaves(annotation):
                if plain is int and facts:
                    given = {**target.examples[0], key: facts[0].ge}
                    made = kinds.KINDS[kind].build({"name": name, **given}).eval()
                    side = made.min_size if kind == "discriminator" else 8
                    channels = 3 if kind == "discriminator" else given["channels"]
                    assert made(torch.rand(1, channels, side, side)).isfinite().all(), given


def test_python_is_held_to_it_too():
    with pytest.raises(ArgumentError, match="scale is 5. It should be 2, 3, 4 or 8"):
        kinds.generators.create("edsr", scale=5)
