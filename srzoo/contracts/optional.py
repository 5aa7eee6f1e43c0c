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

    ``stated(metric, MetricFacts).unit`` is "dB", or "" where the metric states no unit. What
    cannot be asked for, or is of another type, is passed over with a ``PluginWarning``, once.
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
        strangers.warn(f"{wrong[0]}: it is passed over{more}")
    return found


def read(part: object, name: str, default: object, wanted: Any) -> Any:
    """A member of somebody's part, or of its class; the default where it has none.

    Args:
        part: has it, or has not.
        name: of the member.
        default: what counts where it has none; of a class whose instances know it, too.
        wanted: its annotation: classes, ``None``, unions, ``tuple`` and ``Mapping`` of any.

    Raises:
        BrokenPluginError: it cannot be asked for, or is of another type.
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
        said = repr(value) if is_plain else type(value).__name__
    except strangers.ERRORS as error:
        what = f"{who}, which cannot be asked for: {strangers.described(error)}"
        raise BrokenPluginError(what, "Report it to its author") from error
    words = getattr(wanted, "__name__", None) if isinstance(wanted, type) else None
    raise BrokenPluginError(
        f"{who} = {said}, where {words or str(wanted).replace('typing.', '')} belongs",
        "Report it to its author",
    )


def object_name(kind: type) -> str:
    """``package.module.Class``, whatever the class is."""
    facts = type.__getattribute__(kind, "__dict__")
    name = type.__getattribute__(kind, "__qualname__")
    return f"{facts.get('__module__', '')}.{name}".lstrip(".")


@cache
def _types(kind: type) -> dict[str, Any]:
    """The annotations that a class has itself."""
    own = inspect.get_annotations(kind)
    return {name: found for name, found in get_type_hints(kind).items() if name in own}


def _fits(value: object, wanted: Any) -> bool:
    """Whether a value is of an annotation's type; a whole number is a float, True is neither."""
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
