"""The contract tests of importers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

from ..contracts import Importer, ImporterFacts, stated
from ..errors import SrzooError
from ..plugins import kinds
from ..plugins.examples import arguments
from ..plugins.importing import described
from ..plugins.plugin import Use
from ._case import Case
from ._promise import a_kind, basic, built, can, run_all, suite, telling

FOREIGN: dict[str, Sequence[int]] = {
    "of.nobody.weight": (5, 3, 1, 1),
    "of.nobody.bias": (5,),
    "of.nobody.counter": (),
}
"""Names and shapes of a checkpoint that importers must not recognise."""


@basic
def is_an_importer(case: Case) -> None:
    """It has ``recognise`` and ``convert``."""
    made = built("importer", case)
    for name, given in (("recognise", "shapes"), ("convert", "tensors, match")):
        can(case, made, name, f"write `def {name}(self, {given})`")


@basic
def leaves_others_alone(case: Case) -> None:
    """An unknown checkpoint gives None, not an error, and the shapes are not changed."""
    made: Importer = built("importer", case)
    for shapes in ({}, FOREIGN, {name: [*shape] for name, shape in FOREIGN.items()}):
        given = dict(shapes)
        what = f"{len(shapes)} unknown tensors"
        try:
            found = made.recognise(given)
        except Exception as error:
            message = f"{case}.recognise fails on {what}: {described(error)}"
            mend = "return None for names and shapes that it does not know"
            raise AssertionError(f"{message}: {mend}") from error
        assert found is None, f"{case} recognises {what} as {found!r}: return None"
        assert given == shapes, f"{case}.recognise changed the shapes in place: work on a copy"


def converts_what_it_recognises(case: Case) -> None:
    """It converts the checkpoint of ``knows``, and those of installed generators that it knows."""
    made: Importer = built("importer", case)
    knows = stated(made, ImporterFacts).knows
    mend = "write `knows = {'head.weight': (8, 3, 3, 3)}`, names and shapes of a checkpoint"
    fine = isinstance(cast("object", knows), Mapping)
    assert fine, f"{case}.knows is {a_kind(knows)}: {mend}"
    if knows:
        _converts(case, _random(knows))
    for plugin in kinds.generators:
        shapes = _shapes(plugin.full_name)
        if shapes and made.recognise(dict(shapes)) is not None:
            _converts(case, _random(shapes))


def _random(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {name: torch.rand(tuple(shape), generator=draw) for name, shape in shapes.items()}


@cache
def _shapes(generator: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a generator's tensors; empty if it needs arguments."""
    with contextlib.suppress(Exception), torch.device("meta"):
        args = arguments(kinds.generators.find(generator), stated_first=True)
        network = kinds.generators.build(Use(generator, args or {}))
        return {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return {}


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "importer", is_an_importer, leaves_others_alone, converts_what_it_recognises
)


def check_importer(case: Case, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Run every importer check on one case.

    Args:
        case: one importer.
        tensors: a foreign checkpoint that it knows, in addition to the one in ``knows``.

        Raises:
            ContractError: the first broken rule.
    """
    run_all(CHECKS, case)
    if tensors is not None:
        with telling("importer", case, "converts a checkpoint"):
            _converts(case, tensors)


def _converts(case: Case, tensors: Mapping[str, Tensor]) -> None:
    """The result builds a generator that takes the tensors, and the inputs are not changed."""
    made: Importer = built("importer", case)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    match = made.recognise(shapes)
    assert match is not None, f"{case} does not recognise a checkpoint of its own"
    given = dict(tensors)
    found = cast("object", made.convert(given, match))
    pair = isinstance(found, tuple) and len(cast("tuple[object, ...]", found)) == 2
    assert pair, f"{case}.convert returned {a_kind(cast('object', found))}: return config, tensors"
    config, made_of = cast("tuple[dict[str, Any], dict[str, Tensor]]", found)
    for each, what in ((config, "config"), (made_of, "tensors")):
        fine = isinstance(cast("object", each), Mapping)
        assert fine, f"{case}.convert returned {a_kind(each)} as its {what}: return config, tensors"
    for key in ("generator", "args"):
        mend = "write `{'generator': NAME, 'args': {...}}`"
        assert key in config, f"{case}.convert returned a config without {key!r}: {mend}"
    try:
        network = kinds.generators.build(Use(config["generator"], config["args"]))
    except SrzooError as error:
        raise AssertionError(f"{case}.convert returned a wrong config: {error}") from error
    want = network.state_dict()
    theirs = config["generator"]
    missing, more = sorted(want.keys() - made_of.keys()), sorted(made_of.keys() - want.keys())
    assert not missing, f"{case}.convert returned no {missing[0]}, which {theirs} has"
    assert not more, f"{case}.convert returned {more[0]}, which {theirs} lacks: leave it out"
    for name, value in made_of.items():
        kind = a_kind(value)
        assert isinstance(cast("object", value), Tensor), f"{case}.convert gave {kind} for {name}"
        sizes = f"{tuple(value.shape)}, but {theirs} has {tuple(want[name].shape)}"
        assert want[name].shape == value.shape, f"{case}.convert returned {name} of {sizes}"
    network.load_state_dict(made_of)
    same = given.keys() == before.keys()
    same = same and all(torch.equal(tensors[name], before[name]) for name in before)
    assert same, f"{case}.convert changed its checkpoint in place: work on a copy"
