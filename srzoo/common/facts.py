"""What plugins state of themselves besides their contracts, and what counts where they do not.

``srzoo.contracts`` says of each kind which facts it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Printed:
    """What a paper prints for a network, to stand beside what a card measures.

    Attributes:
        name: of the network and the paper, in Markdown: "EDSR x4, [Lim et al. 2017](...)".
        scale: the factor.
        figures: PSNR in dB / SSIM on Y, by set of pictures: ``{"Set5": "32.46 / .8968"}``.
        args: of the generator, where they are not its defaults.
        adversarial: whether it was trained against a discriminator.
    """

    name: str
    scale: int
    figures: Mapping[str, str]
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    adversarial: bool = False


@dataclass(frozen=True)
class Described:
    """What a dataset tells of itself for a card, which is written where its pictures are not.

    Attributes:
        own_lr: whether its samples have LR pictures of their own.
        clean: whether those are the HR pictures made smaller, and nothing else.
        lr: which they are, such as "`track = unknown_x4`".
        phrase: how they came about, as after "pictures": "shrunk by bicubic".
        name: the set's own, such as "DIV2K", or "org/name" on the Hub; empty where it is a
            folder of somebody's.
    """

    own_lr: bool
    clean: bool = False
    lr: str = ""
    phrase: str = ""
    name: str = ""


TOLERANCE = 0.01
"""How much worse than claimed a value may be, as a part of it, where the metric does not say."""


def unit_of(metric: object) -> str:
    """What a metric's values are in, such as "dB"; empty if it states nothing."""
    return str(getattr(metric, "unit", ""))


def label_of(metric: object, name: str) -> str:
    """What stands over a metric's values in a picture; ``name``, if it states nothing."""
    return str(getattr(metric, "label", "") or name)


def tolerance_of(metric: object, claimed: float) -> float:
    """How much worse than ``claimed`` a value of a metric may be."""
    stated: float | None = getattr(metric, "tolerance", None)
    return abs(claimed) * TOLERANCE if stated is None else float(stated)


def short_of(metric: object, name: str) -> str:
    """A word for a metric, as the type of a card's figure; the plugin's ``name`` if it has none."""
    return str(getattr(metric, "short", "") or name)


def clean_of(degradation: object) -> bool | None:
    """Whether LR is HR made smaller and nothing else; None where nothing says so."""
    stated: object = getattr(degradation, "clean", None)
    if isinstance(stated, bool):
        return stated
    return None if getattr(degradation, "deterministic", False) else False


def phrase_of(degradation: object) -> str:
    """How LR came about, as after "pictures"; empty if the degradation has no words for it."""
    return str(getattr(degradation, "phrase", ""))


def described(dataset: object, args: Mapping[str, Any]) -> Described | None:
    """What a dataset's class tells of a use of it; None if it tells nothing.

    Args:
        dataset: the class.
        args: of the use, defaults among them.
    """
    describe: Any = getattr(dataset, "describe", None)
    return None if describe is None else describe(args)
