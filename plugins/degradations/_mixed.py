"""One of several degradations for each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, MinLen

from srzoo import degradations
from srzoo.contracts import clean_of, phrase_of
from srzoo.errors import ArgumentError

if TYPE_CHECKING:
    from srzoo.contracts import U8


class Mixed:
    """Draws one of several registered degradations for each picture.

    A network trained on many degradations can handle photos of unknown history. The report that
    this zoo reproduces (docs/reference/figures.md) names it as future work.

    Args:
        choices: names, or mappings with ``name`` and the degradation's arguments beside it.
        weights: how often each is drawn, relative to the others; None for equally often.
    """

    examples = (
        {},
        {"choices": ["mild", {"name": "unknown", "sigma": [0.4, 0.6]}], "weights": [1, 3]},
    )

    def __init__(
        self,
        *,
        choices: Annotated[Sequence[str | Mapping[str, Any]], MinLen(1)] = (
            "bicubic",
            "mild",
            "realistic",
        ),
        weights: Sequence[Annotated[float, Ge(0)]] | None = None,
    ) -> None:
        given = list(weights) if weights is not None else [1.0] * len(choices)
        if len(given) != len(choices) or not 0 < sum(given) < float("inf"):
            raise ArgumentError(
                f"degradation 'mixed' has {len(choices)} choices and the weights {given}",
                "Give each choice a weight from 0, and one of them more than 0",
            )
        self.choices = [degradations.build(choice) for choice in choices]
        self.chances = np.array(given) / sum(given)
        self.clean = all(clean_of(choice) is True for choice in self.choices)
        self.phrase = " or ".join(dict.fromkeys(filter(None, map(phrase_of, self.choices))))
        self.deterministic = len(self.choices) == 1 and self.choices[0].deterministic

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        if self.deterministic:
            return self.choices[0](hr, scale, rng)
        return self.choices[int(rng.choice(len(self.choices), p=self.chances))](hr, scale, rng)
