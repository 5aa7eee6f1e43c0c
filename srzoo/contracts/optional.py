"""Optional members of plugins, beyond their contracts.

**Facts** are attributes with a default, one class of them for each kind. A plugin states a fact by
an attribute of that name, and need not inherit from anything; if it inherits, type checkers check
its facts: ``class PSNR(MetricFacts)``. :func:`stated` reads them. An engine's facts are in
:class:`srzoo.engines.Facts`, as a file states them too.

**Abilities** are methods, each a small contract of its own, such as :class:`Downloadable`. The core
checks them with ``isinstance``.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
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

from ..common import strangers
from ..errors import BrokenPluginError
from ._facts import fact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Printed:
    """The figures that a paper prints for a network; cards show them beside measured ones.

    Attributes:
        name: the network and the paper, in Markdown: "EDSR x4, [Lim et al. 2017](...)".
        scale: the factor.
        figures: PSNR in dB / SSIM on Y, by set of pictures: ``{"Set5": "32.46 / .8968"}``.
        args: the generator's arguments that differ from its defaults.
        adversarial: whether it was trained against a discriminator.
    """

    name: str
    scale: int
    figures: Mapping[str, str]
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    adversarial: bool = False


@dataclass(frozen=True)
class Described:
    """Facts of a dataset for a card, which may be written on a machine without its pictures.

    Attributes:
        own_lr: whether its samples have LR pictures of their own.
        clean: whether those are HR pictures that were downscaled and not changed otherwise.
        lr: which LR pictures, such as "`track = unknown_x4`".
        phrase: how they were made; it follows the word "pictures": "shrunk by bicubic".
        name: the name of the set, such as "DIV2K", or "org/name" on the Hub; empty for a
            private folder.
    """

    own_lr: bool
    clean: bool = False
    lr: str = ""
    phrase: str = ""
    name: str = ""


class PluginFacts:
    """Optional facts of plugins of all kinds.

    Attributes:
        examples: arguments that tests build it with; ``{}`` means its defaults.
            ``()`` if it cannot be built without files.
        plugin_api: the oldest ``srzoo.PLUGIN_API`` that it works with.
    """

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    plugin_api: ClassVar[int] = 1


class GridFacts(PluginFacts):
    """Optional facts of a generator, a block or a task that works on a grid.

    Attributes:
        multiple: the period of the grid (pixel-unshuffle, windows, pooling) in LR pixels, from 1.
            Height and width of its inputs are multiples of it, and tiles start on it.
    """

    multiple: int = 1


class GeneratorFacts(GridFacts):
    """Optional facts of a generator.

    Attributes:
        linear_tail: (of a :class:`srzoo.contracts.SplitGenerator`) ``reconstruct`` is affine, and
            the same at every LR pixel: then it is folded into one convolution.
        paper: the address of its paper, for cards; on the class.
        printed: the paper's figures, shown beside a card's own; on the class.
    """

    linear_tail: bool = False
    paper: str = ""
    printed: tuple[Printed, ...] = ()


class NetworkFacts:
    """Optional facts of a network of a task.

    Attributes:
        min_size: the least side of the HR crops it gets, in pixels.
    """

    min_size: int = 1


class LossFacts(PluginFacts):
    """Optional facts of a loss.

    Attributes:
        card_args: names of arguments that a card always shows beside its name, such as a backbone,
            even if they are the defaults; on the class.
    """

    card_args: tuple[str, ...] = ()


class DegradationFacts(PluginFacts):
    """Optional facts of a degradation, for cards.

    Attributes:
        clean: whether LR is HR downscaled by a usual filter, without other flaws. None: a random
            degradation counts as not clean, and any other as unknown.
        phrase: how LR was made; it follows the word "pictures": "shrunk by bicubic".
    """

    clean: bool | None = None
    phrase: str = ""


class MetricFacts(PluginFacts):
    """Optional facts of a metric.

    Attributes:
        unit: the unit of its values, such as "dB"; on the class.
        label: a word to show above its values in a picture; on the class. Empty: its name.
        tolerance: how much worse than claimed a value may be when a card is checked, in the unit
            of its values. None: a hundredth of the claim.
        short: the ``type`` of its figures in a card. Empty: the plugin's name.
        thread_safe: threads may call it at the same time, so that several pictures are measured
            at once. False: one call at a time.
    """

    unit: str = ""
    label: str = ""
    tolerance: float | None = None
    short: str = ""
    thread_safe: bool = False


class ImporterFacts(PluginFacts):
    """Optional facts of an importer.

    Attributes:
        knows: names and shapes of the tensors of a checkpoint that it recognises, such as
            ``{"head.weight": (8, 3, 3, 3)}``; tests have it convert one of random values.
    """

    knows: Mapping[str, Sequence[int]] = MappingProxyType({})


def stated(plugin: object, facts: type[T]) -> T:
    """The facts that a plugin, or its class, states, with defaults for the others.

    ``stated(metric, MetricFacts).unit`` is "dB", or "" where the metric states no unit. A
    fact that cannot be read, or has a wrong type, is ignored with one ``PluginWarning``.
    """
    found, wrong = facts(), list[str]()
    for kind in facts.__mro__:
        for name, wanted in _types(kind).items():
            try:
                usual = getattr(found, name)
                value = read(plugin, name, usual, wanted)
            except BrokenPluginError as error:
                wrong.append(error.what)
                continue
            if value is not usual:
                items = cast("list[object]", value)
                vars(found)[name] = tuple(items) if isinstance(value, list) else value
    if wrong:
        more = f" (and {len(wrong) - 1} more of its facts)" if len(wrong) > 1 else ""
        strangers.warn(f"{wrong[0]}: it is ignored{more}")
    return found


def read(part: object, name: str, default: object, wanted: Any) -> Any:
    """A member of a plugin, or of its class; the default if it has none.

    Args:
        part: the plugin or its class.
        name: the member's name.
        default: the value if it is missing, or known only to instances.
        wanted: its annotation: classes, ``None``, unions, ``tuple`` and ``Mapping`` of any.

    Raises:
        BrokenPluginError: it cannot be read, or has a wrong type.
    """
    kind = part if isinstance(part, type) else type(part)
    who = f"{object_name(kind)} states {name}"
    try:
        value = getattr(part, name, default)
        if value is default or isinstance(value, property | cached_property | fact):
            return default
        if _fits(value, wanted):
            return value
        is_plain = value is None or type(value) in (bool, int, float, str)
        seen = repr(value) if is_plain else type(value).__name__
    except strangers.ERRORS as error:
        what = f"{who}, which cannot be read: {strangers.described(error)}"
        raise BrokenPluginError(what, "Report it to its author") from error
    words = getattr(wanted, "__name__", None) if isinstance(wanted, type) else None
    raise BrokenPluginError(
        f"{who} = {seen}, where {words or str(wanted).replace('typing.', '')} belongs",
        "Report it to its author",
    )


def object_name(kind: type) -> str:
    """``package.module.Class`` of any class."""
    facts = type.__getattribute__(kind, "__dict__")
    name = type.__getattribute__(kind, "__qualname__")
    return f"{facts.get('__module__', '')}.{name}".lstrip(".")


@cache
def _types(kind: type) -> dict[str, Any]:
    """The annotations of a class, without inherited ones."""
    own = inspect.get_annotations(kind)
    return {name: found for name, found in get_type_hints(kind).items() if name in own}


def _fits(value: object, wanted: Any) -> bool:
    """Whether a value has an annotation's type; an int passes as a float, a bool as neither."""
    inner = get_args(wanted)
    origin: Any = get_origin(wanted) or wanted
    if origin is ClassVar or origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Any:
        return True
    if origin is tuple:
        items = cast("Sequence[object]", value)
        return type(value) in (tuple, list) and all(_fits(item, inner[0]) for item in items)
    if isinstance(value, bool):
        return origin is bool
    if origin in (int, float):
        number = isinstance(value, numbers.Real if origin is float else numbers.Integral)
        return number and math.isfinite(cast("float", value))
    return isinstance(value, origin)


@runtime_checkable
class NamedPictures(Protocol):
    """A dataset that names a picture without decoding it."""

    def name(self, index: int) -> str:
        """The name of the sample at ``index``."""
        ...


@runtime_checkable
class KeyedPictures(Protocol):
    """A dataset that knows which picture changed, so that only that one is decoded again."""

    def key(self, index: int) -> str:
        """A text that contains the picture's place, and changes when this picture does."""
        ...


@runtime_checkable
class SizedPictures(Protocol):
    """A dataset that reads a picture's size from the header of its file."""

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of ``hr``, in pixels."""
        ...


@runtime_checkable
class Describing(Protocol):
    """A dataset whose class describes its pictures, for cards.

    A card makes no statement about the LR pictures of a dataset without it.
    """

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """The pictures for these arguments, which include defaults; it reads no files."""
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
        """Download and unpack the dataset; existing files are kept.

        It may take keyword-only arguments of its own, which become options of the command:
        ``year: Literal["2018", "2021"] = "2021"`` is ``--year [2018|2021]``. Each has a default
        and an annotation: str, int, float, bool, Path, a Literal of str or of int, or one of them
        or None. Its text in the docstring's ``Args:`` is the option's help.

        Args:
            to: the folder for the pictures; it is created if it does not exist.
            verify: whether to check sizes and checksums.
            progress: called with a label, the bytes downloaded, and all bytes, any number of
                times.

        Returns:
            Sentences to print, such as one for each archive.

        Raises:
            SrzooError: the network, the disk or an archive failed.
        """
        ...


TOLERANCE = 0.01
"""How much worse than claimed a value may be, relative to it, if the metric states nothing."""


def tolerance_of(metric: object, claimed: float) -> float:
    """How much worse than ``claimed`` a value of a metric may be."""
    tolerance = stated(metric, MetricFacts).tolerance
    return abs(claimed) * TOLERANCE if tolerance is None else float(tolerance)


def clean_of(degradation: object) -> bool | None:
    """Whether LR is HR downscaled without other flaws; None if that is not known."""
    clean = stated(degradation, DegradationFacts).clean
    if isinstance(clean, bool):
        return clean
    return None if getattr(degradation, "deterministic", False) else False


def phrase_of(degradation: object) -> str:
    """How LR was made, which follows the word "pictures"; empty if it is not stated."""
    return str(stated(degradation, DegradationFacts).phrase)


def described(dataset: object, args: Mapping[str, Any]) -> Described | None:
    """A dataset's own description for these arguments; None if it has none.

    Args:
        dataset: the class.
        args: its arguments, which include defaults.
    """
    return dataset.describe(args) if isinstance(dataset, Describing) else None
