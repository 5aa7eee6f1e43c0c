"""What an exported file tells about itself, in every format: one line of JSON inside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from ..common import strict
from ..errors import ModelError, SrzooError

INPUT, OUTPUT = "picture", "enlarged"
"""Names of the tensors: float32 RGB, 1 x 3 x H x W and 1 x 3 x sH x sW."""


@dataclass(frozen=True)
class About:
    """What whoever runs an exported file has to know.

    Attributes:
        model: its name.
        scale: the factor.
        range: the values of black and white, in and out; what comes out is not clamped.
        reach: LR pixels on each side that an output pixel depends on, or None.
        smallest: the least side, in LR pixels, that the file can take.
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
        """As JSON can hold it."""
        return asdict(self)

    def to_json(self) -> str:
        """One line of ASCII without blanks: ncnn takes nothing else, and no long ones."""
        values = self.to_dict()
        if self.multiple == 1:
            del values["multiple"]
        text = json.dumps(values, separators=(",", ":"))
        return text.replace(" ", "\\u0020")


def parse(text: str, where: str) -> About:
    """What :meth:`About.to_json` wrote.

    Raises:
        ModelError: it is none of that.
    """
    try:
        data: object = json.loads(text)
        return strict.parse(About, data, where)
    except (ValueError, SrzooError) as error:
        raise ModelError(f"{where} was not written by srzoo: {error}", "Export it again") from None
