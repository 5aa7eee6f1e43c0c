"""What every importer has to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor

from ..contracts import Importer
from ..plugins import kinds
from ..plugins.plugin import Use
from ._case import Case
from ._promise import built, can, run_all, suite, telling

FOREIGN: dict[str, Sequence[int]] = {
    "of.nobody.weight": (5, 3, 1, 1),
    "of.nobody.bias": (5,),
    "of.nobody.counter": (),
}
"""Names and shapes of a checkpoint that no importer knows."""


def is_an_importer(case: Case) -> None:
    """It has ``recognise`` and ``convert``."""
    made = built("importer", case)
    for name, given in (("recognise", "shapes"), ("convert", "tensors, match")):
        can(case, made, name, f"write `def {name}(self, {given})`")


def leaves_others_alone(case: Case) -> None:
    """A checkpoint that it does not know is None, not an error; what it looks at stays."""
    made: Importer = built("importer", case)
    for shapes in ({}, FOREIGN, {name: [*shape] for name, shape in FOREIGN.items()}):
        given = dict(shapes)
        found = made.recognise(given)
        what = f"{len(shapes)} tensors of nobody"
        assert found is None, f"{case} recognises {what} as {found!r}: return None"
        assert given == shapes, f"{case}.recognise changed what it looks at"


CHECKS: tuple[Callable[[Case], None], ...] = suite("importer", is_an_importer, leaves_others_alone)


def check_importer(case: Case, tensors: Mapping[str, Tensor] | None = None) -> None:
    """Run every importer check on one case.

    Args:
        case: one importer.
        tensors: of a foreign checkpoint that it knows; None leaves out what becomes of one.

    Raises:
        ContractError: the first promise that is broken.
    """
    run_all(CHECKS, case)
    if tensors is not None:
        with telling("importer", case, "converts a checkpoint"):
            _converts(case, tensors)


def _converts(case: Case, tensors: Mapping[str, Tensor]) -> None:
    """What comes out builds a generator that takes the tensors, and what goes in stays."""
    made: Importer = built("importer", case)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    match = made.recognise(shapes)
    assert match is not None, f"{case} does not recognise its own checkpoint"
    found = made.convert(tensors, match)
    pair = isinstance(cast("object", found), tuple) and len(found) == 2
    assert pair, f"{case}.convert gave {found!r}: return config, tensors"
    config, made_of = found
    for key in ("generator", "args"):
        assert key in config, f"{case}.convert gave a config without {key!r}"
    network = kinds.generators.build(Use(config["generator"], config["args"]))
    want = network.state_dict()
    missing, more = sorted(want.keys() - made_of.keys()), sorted(made_of.keys() - want.keys())
    assert not missing, f"{case}.convert gave no {missing[0]}, which {config['generator']} has"
    assert not more, f"{case}.convert gave {more[0]}, which {config['generator']} has not"
    network.load_state_dict(made_of)
    same = all(torch.equal(tensors[name], before[name]) for name in before)
    assert same, f"{case}.convert changed a tensor of the checkpoint in place"
