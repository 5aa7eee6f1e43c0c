"""What plugins may have besides their contracts: all of it may be left out.

**Facts** are attributes with a default, gathered in one class for each kind. A plugin states one by
an attribute of its name, and need not inherit from anything; one that inherits has its facts
checked by type checkers: ``class PSNR(MetricFacts)``. :func:`stated` reads them. An engine's are
in :class:`srzoo.engines.Facts`, for a file states them too.

**Abilities** are methods, each a small contract of its own, which the core asks for with
``isinstance``: :class:`Downloadable`.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Protocol,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

from ..errors import PluginWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


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


class PluginFacts:
    """What a plugin of any kind may state.

    Attributes:
        examples: arguments that tests build it with; one without arguments is its defaults.
            ``()`` where it cannot be built without files.
        plugin_api: the ``srzoo.PLUGIN_API`` that it needs at least.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    plugin_api: ClassVar[int] = 1


class GridFacts(PluginFacts):
    """What a generator, a block or a task may state that works on a grid.

    Attributes:
        multiple: the period of the grid (pixel-unshuffle, windows, pooling) in LR pixels, from 1.
            Height and width of all that it is given are multiples of it, and tiles start on it.
    """

    multiple: int = 1


class GeneratorFacts(GridFacts):
    """What a generator may state.

    Attributes:
        linear_tail: (of a :class:`srzoo.contracts.SplitGenerator`) ``reconstruct`` is affine, and
            the same at every LR pixel: then it is folded into one convolution.
        paper: the address of the paper that it comes from, for cards; on the class.
        printed: what the paper measured, to stand beside a card's own figures; on the class.
    """

    linear_tail: bool = False
    paper: str = ""
    printed: tuple[Printed, ...] = ()


class NetworkFacts:
    """What a network of a task may state.

    Attributes:
        min_size: it gets HR crops of at least as many pixels a side.
    """

    min_size: int = 1


class LossFacts(PluginFacts):
    """What a loss may state.

    Attributes:
        card_args: names of arguments without which its name says little, such as a backbone: a
            card has them where they are the defaults, too; on the class.
    """

    card_args: tuple[str, ...] = ()


class DegradationFacts(PluginFacts):
    """What a degradation may state, for cards.

    Attributes:
        clean: whether LR is HR made smaller by a usual filter, and has no other flaw. None: one
            that draws chance is not clean, and of the others nothing is known.
        phrase: how LR came about, as after "pictures": "shrunk by bicubic".
    """

    clean: bool | None = None
    phrase: str = ""


class MetricFacts(PluginFacts):
    """What a metric may state.

    Attributes:
        unit: of its values, such as "dB"; on the class.
        label: a word to stand over its values in a picture; on the class. Empty: its name.
        tolerance: how much worse than claimed a value may be when a card is checked, in the unit
            of its values. None: a hundredth of the claim.
        short: a word for the ``type`` of a card's figure. Empty: the plugin's name.
        thread_safe: threads may call it at the same time, so that several pictures are measured
            at once. False: one call at a time.
    """

    unit: str = ""
    label: str = ""
    tolerance: float | None = None
    short: str = ""
    thread_safe: bool = False


class ImporterFacts(PluginFacts):
    """What an importer may state.

    Attributes:
        knows: names and shapes of the tensors of a checkpoint that it knows, such as
            ``{"head.weight": (8, 3, 3, 3)}``; tests have it convert one of random values.
    """

    knows: Mapping[str, Sequence[int]] = MappingProxyType({})


def stated(plugin: object, facts: type[T]) -> T:
    """What a plugin, or its class, states of some facts, and the defaults of all others.

    ``stated(metric, MetricFacts).unit`` is "dB", or "" where the metric states no unit. One of
    another type than its class says counts as not stated; a :class:`srzoo.errors.PluginWarning`
    tells so, once.
    """
    found = facts()
    for name, wanted in _types(facts).items():
        try:
            value: object = getattr(plugin, name, found)
        except Exception as error:  # noqa: BLE001 - a property of somebody else's
            _tell(plugin, name, f"cannot be read: {type(error).__name__}: {error}", found)
            continue
        if value is found or inspect.isdatadescriptor(value):
            continue  # of a class, a property says nothing
        if _fits(value, wanted):
            fact = cast("list[object]", value)
            vars(found)[name] = tuple(fact) if isinstance(value, list) else value
        else:
            said = str(wanted).replace("typing.", "").replace(f"{__name__}.", "")
            said = re.sub(r"ClassVar\[(.*)\]|<class '(.*)'>", r"\1\2", said)
            _tell(plugin, name, f"is {value!r:.80}, where {said} belongs", found)
    return found


@cache
def _types(facts: type) -> dict[str, Any]:
    return get_type_hints(facts)


def _fits(value: object, wanted: Any) -> bool:
    """Whether a fact is of its type; True is no number, and no number is infinite."""
    inner = get_args(wanted)
    kind: Any = get_origin(wanted) or wanted
    if kind is ClassVar:
        return _fits(value, inner[0])
    if kind in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if kind is tuple:
        items = isinstance(value, tuple | list)
        return items and all(_fits(one, inner[0]) for one in cast("list[object]", value))
    if kind in (int, float):
        number = isinstance(value, int if kind is int else int | float)
        return number and not isinstance(value, bool) and math.isfinite(cast("float", value))
    return isinstance(value, kind)


_TOLD: dict[str | tuple[str, type[Warning], int], int] = {}


def _tell(plugin: object, name: str, what: str, defaults: object) -> None:
    kind: Any = plugin if inspect.isclass(plugin) or inspect.isfunction(plugin) else type(plugin)
    said = (
        f"{kind.__module__}.{kind.__qualname__}: {name} {what}; {getattr(defaults, name)!r} counts"
    )
    warnings.warn_explicit(said, PluginWarning, __file__, 0, registry=_TOLD)


@runtime_checkable
class NamedPictures(Protocol):
    """A dataset that names a picture without decoding it."""

    def name(self, index: int) -> str:
        """As in the sample at ``index``."""
        ...


@runtime_checkable
class KeyedPictures(Protocol):
    """A dataset that notices which picture changed; one more costs no decode of the others."""

    def key(self, index: int) -> str:
        """A text that names the picture's place, and changes when this picture does."""
        ...


@runtime_checkable
class SizedPictures(Protocol):
    """A dataset that has a picture's size from its file's header."""

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of ``hr``, in pixels."""
        ...


@runtime_checkable
class Describing(Protocol):
    """A dataset whose class tells what its pictures are, for cards.

    Without it nothing is known: a card does not say then that pictures were merely shrunk.
    """

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """What a use of it gives, from the arguments, defaults among them; no files are read."""
        ...


@runtime_checkable
class Downloadable(Protocol):
    """A dataset that ``srzoo data get NAME`` downloads: its class has ``fetch``."""

    @staticmethod
    def fetch(
        *,
        to: Path,
        verify: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> list[str]:
        """Download and unpack the dataset; what is there already stays as it is.

        It may take keyword-only arguments of its own, which become options of the command:
        ``year: Literal["2018", "2021"] = "2021"`` is ``--year [2018|2021]``. Each has a default
        and an annotation: str, int, float, bool, Path, a Literal of str or of int, or one of them
        or None. What the docstring's ``Args:`` say of it is the option's help.

        Args:
            to: the folder that the pictures come into; made if need be.
            verify: whether sizes and checksums have to be the known ones.
            progress: called with a label, the bytes that are there, and all bytes, as often as
                it pleases.

        Returns:
            Sentences that are printed, such as one for each archive.

        Raises:
            SrzooError: the network, the disk or an archive is at fault.
        """
        ...


TOLERANCE = 0.01
"""How much worse than claimed a value may be, as a part of it, where the metric does not say."""


def tolerance_of(metric: object, claimed: float) -> float:
    """How much worse than ``claimed`` a value of a metric may be."""
    tolerance = stated(metric, MetricFacts).tolerance
    return abs(claimed) * TOLERANCE if tolerance is None else float(tolerance)


def clean_of(degradation: object) -> bool | None:
    """Whether LR is HR made smaller and nothing else; None where nothing says so."""
    clean = stated(degradation, DegradationFacts).clean
    if isinstance(clean, bool):
        return clean
    return None if getattr(degradation, "deterministic", False) else False


def phrase_of(degradation: object) -> str:
    """How LR came about, as after "pictures"; empty if the degradation has no words for it."""
    return str(stated(degradation, DegradationFacts).phrase)


def described(dataset: object, args: Mapping[str, Any]) -> Described | None:
    """What a dataset's class tells of a use of it; None if it tells nothing.

    Args:
        dataset: the class.
        args: of the use, defaults among them.
    """
    return dataset.describe(args) if isinstance(dataset, Describing) else None
