"""The metadata of an exported file in every format: one line of JSON inside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ..common import strict
from ..errors import ModelError, SrzooError

INPUT, OUTPUT = "picture", "enlarged"
"""Names of the input and output: float32 RGB, 1 x 3 x H x W and 1 x 3 x sH x sW."""


@dataclass(frozen=True)
class About:
    """The facts that a program needs to run an exported file.

    Attributes:
        model: its name.
        scale: the factor.
        range: the values of black and white in input and output; the output is not clamped.
        reach: LR pixels on each side that an output pixel depends on, or None.
        smallest: the least side of an input, in LR pixels.
        folded: whether a linear tail is folded into convolutions.
        srzoo: the version that wrote it.
        multiple: the grid: sides have to be multiples of it, in LR pixels.
    """

    model: str
    scale: int
    range: tuple[float, float]
    reach: int | None
    smallest: int
    folded: bool
    srzoo: str
    multiple: int = 1

    def to_dict(self) -> dict[str, object]:
        """The facts as JSON values."""
        return asdict(self)

    def to_json(self) -> str:
        """One line of ASCII without blanks, and short, as ncnn requires."""
        values = self.to_dict()
        if self.multiple == 1:
            del values["multiple"]
        text = json.dumps(values, separators=(",", ":"))
        return text.replace(" ", "\\u0020")


def parse(text: str, where: str) -> About:
    """Parse the text of :meth:`About.to_json`.

    Raises:
        ModelError: it is not such a text.
    """
    try:
        data: object = json.loads(text)
        return strict.parse(About, data, where)
    except (ValueError, SrzooError) as error:
        raise ModelError(f"{where} was not written by srzoo: {error}", "Export it again") from None
