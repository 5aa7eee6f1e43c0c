"""Knowledge distillation: a small generator learns from the results of a trained generator.

He et al., "FAKD: Feature-Affinity Based Knowledge Distillation for Efficient Image
Super-Resolution", ICIP 2020, https://doi.org/10.1109/ICIP40778.2020.9190917. With the student S
and the teacher T, on LR pictures x:

    L = sum of the recipe's losses + weight * loss(S(x), T(x))

With ``l1`` both ways that is the paper's data supervision and teacher supervision. One difference:
the paper also compares affinity matrices of the two networks' inner features, which ties a
student to a teacher of a similar body. Here features are those of a loss that compares pictures by
them (``loss = "perceptual"``), so that any two networks can be combined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor, nn

from srzoo import building, losses
from srzoo.contracts import Module, Pair, multiple_of
from srzoo.errors import ArgumentError


class Distillation:
    """A trained model is the teacher; its pictures are compared with the generator's.

    Args:
        teacher: any model: a released name, a folder, or one on the Hub; of the generator's scales.
        loss: a loss plugin, or several with their weights, ``[{name = "l1", weight = 1}, ...]``;
            each compares with the teacher's picture instead of HR.
        weight: of their sum, beside the recipe's own losses.

    The teacher sees the same LR crops, with its own padding at their edges. Where the recipe
    trains through a folded tail, it sees their interior.
    """

    examples = (
        {"teacher": "bicubic-x4"},
        {"teacher": "bicubic-x2", "loss": [{"name": "mse", "weight": 2.0}, "l1"], "weight": 0.5},
    )

    def __init__(
        self,
        *,
        teacher: str,
        loss: str | Mapping[str, Any] | list[str | Mapping[str, Any]] = "l1",
        weight: Annotated[float, Ge(0)] = 1.0,
    ) -> None:
        self.networks: dict[str, Any] = {}
        network = building.network(teacher)
        self.helpers: dict[str, Module] = {"teacher": network}
        self.scales = tuple(network.scales)
        self.multiple = multiple_of(network)
        self._teacher, self._weight = network, weight
        self._losses = [_loss(one) for one in (loss if isinstance(loss, list) else [loss])]
        for number, (_, judge) in enumerate(self._losses):
            if not judge.reference:
                raise ArgumentError(
                    f"the loss {loss!r} does not look at the teacher's picture", "Take another"
                )
            if isinstance(judge, nn.Module):
                self.helpers[f"loss_{number}"] = judge

    def turns(self, step: int) -> tuple[str, ...]:
        """The generator's is every step."""
        return ("generator",)

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """How far the generator's pictures are from the teacher's."""
        scale = pair.sr.shape[-1] // pair.lr.shape[-1]
        with torch.no_grad():
            wanted = self._teacher(pair.lr, scale).float()
        taught = Pair(lr=pair.lr, hr=wanted, sr=pair.sr)
        parts = [weight * judge(taught) for weight, judge in self._losses]
        return {"distillation": self._weight * torch.stack(parts).sum()}

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Nothing is trained beside the generator."""
        raise KeyError(name)


def _loss(use: str | Mapping[str, Any]) -> tuple[float, Any]:
    """A loss with its weight."""
    table = {"name": use} if isinstance(use, str) else dict(use)
    weight = table.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0:
        raise ArgumentError(
            f"the weight of the distillation's loss {table.get('name')!r} is {weight!r}",
            "Give 0 or more",
        )
    return float(weight), losses.build(table)
