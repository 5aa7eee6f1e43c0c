"""What a plugin of each kind has to be: one Protocol per kind.

Pictures inside networks are float tensors B x 3 x H x W, RGB, 0..1; pictures
outside are uint8 arrays H x W x 3. Every plugin takes keyword-only arguments
and no ``**kwargs``. One whose defaults cannot run alone, or run too slowly for
a test, has an attribute ``examples``: a tuple of argument dictionaries.
``srzoo.testing`` turns what is said here into tests.

A plugin need not inherit from its contract: type checkers compare what it has. Attributes are facts
that are read: a class attribute, one set in ``__init__`` or a property will do.

Some kinds state facts of themselves besides (a metric's ``unit``, a degradation's ``clean``): the
core asks for them, and knows no plugin by its name. All may be left out; what counts then is said
of each kind, and claims nothing. :mod:`srzoo.common.facts` asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..common.facts import Described as Described
from ..common.facts import Printed as Printed
from ..common.facts import clean_of as clean_of
from ..common.facts import phrase_of as phrase_of
from ._facts import fact
from ._module import Module, nn_module
from ._optional import Downloadable
from ._running import Engine, ExportFormat, Runner, Session
from ._training import AdversarialLoss, Loss, Pair, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from typing_extensions import TypeIs

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]

__all__ = [
    "F32",
    "U8",
    "AdversarialLoss",
    "Block",
    "Dataset",
    "Degradation",
    "Described",
    "Discriminator",
    "Downloadable",
    "Engine",
    "ExportFormat",
    "Generator",
    "Importer",
    "Loss",
    "Metric",
    "Module",
    "Pair",
    "Printed",
    "Runner",
    "Sample",
    "Session",
    "SplitGenerator",
    "Task",
    "clean_of",
    "fact",
    "has_linear_tail",
    "multiple_of",
    "nn_module",
    "on_grid",
    "phrase_of",
    "splits",
]


def __getattr__(name: str) -> object:
    """``U8`` and ``F32`` where a program asks for them; type checkers have them above."""
    if name not in ("U8", "F32"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np  # as costly as the rest of a start-up
    from numpy.typing import NDArray

    return NDArray[np.uint8] if name == "U8" else NDArray[np.float32]


class Generator(Module, Protocol):
    """An ``nn.Module`` that enlarges pictures.

    Attributes:
        scales: the factors it was built for, such as ``(4,)`` or ``(2, 3, 4)``.
        reach: how many LR pixels on each side an output pixel depends on, at most; None if
            on the whole picture. Exact tiling rests on it.

    A network that works on a grid (pixel-unshuffle, windows, pooling) states its period in LR
    pixels as ``multiple``, a positive int; without it, it is 1. Then height and width of all that
    it is given are multiples of that, and every tile starts on the grid.

    One that splits into a body and a tail may be a :class:`SplitGenerator` besides.

    Facts for cards, on the class: ``paper``, the address of the paper that it comes from, and
    ``printed``, a tuple of :class:`Printed`.
    """

    @fact
    def scales(self) -> tuple[int, ...]: ...  # noqa: D102
    @fact
    def reach(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped; H and W on the grid.

        ``scale`` is one of ``scales`` and may be None where there is only one. Whatever
        normalisation the network needs happens inside.
        """
        ...


class SplitGenerator(Generator, Protocol):
    """A generator that splits into a body at low resolution and a tail; its tail runs in blocks.

    That takes far less memory. ``linear_tail = True`` says that ``reconstruct`` is affine too, and
    the same at every LR pixel: then it is folded into one convolution.

    Attributes:
        tail_reach: how many LR pixels on each side ``reconstruct`` looks.
    """

    @fact
    def tail_reach(self) -> int: ...  # noqa: D102

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x C x H x W.

        On a grid they may be smaller than the picture by a whole factor, if there is no
        ``linear_tail``.
        """
        ...

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """Features to B x 3 x sH x sW; of ``features(x)`` it makes what ``forward(x)`` gives."""
        ...


class Discriminator(Module, Protocol):
    """An ``nn.Module`` that tells real pictures from made ones.

    Attributes:
        min_size: the least height and width it can judge; any size from there on works.
    """

    @fact
    def min_size(self) -> int: ...  # noqa: D102

    def __call__(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 or B x 1 x h' x w'; no sigmoid."""
        ...


class Block(Module, Protocol):
    """An ``nn.Module``, built with ``channels``, that a generator's body repeats.

    Attributes:
        reach: how many pixels on each side an output pixel depends on, or None.

    As in :class:`Generator`, one that works on a grid states ``multiple``.
    """

    @fact
    def reach(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        ...


@dataclass(frozen=True)
class Sample:
    """One whole picture of a dataset; crops are the trainer's business.

    Attributes:
        name: unique in its dataset.
        hr: uint8 H x W x 3.
        lr: uint8 H/s x W/s x 3, or None where the trainer makes it from ``hr``.
    """

    name: str
    hr: U8
    lr: U8 | None = None


class Dataset(Protocol):
    """A sequence of whole pictures; several threads may read it at the same time.

    Attributes:
        fingerprint: changes when any picture does (names, sizes, times of change), so that
            decoded pixels can be kept between runs.

    One that can tell about a picture without decoding it may offer ``name(index) -> str``, as in
    its sample; ``key(index) -> str``, which changes when this picture does and names its place,
    so that one more picture costs no second decode of the others; and ``size(index)``, height
    and width of ``hr``, from the file's header.

    One that can be downloaded is :class:`Downloadable` besides.

    A fact for cards: a static method ``describe(args) -> Described``, which gets the arguments of
    a use, defaults among them, and looks at no files. Without it nothing is known: a card does not
    say then that pictures were merely shrunk.
    """

    @fact
    def fingerprint(self) -> str: ...  # noqa: D102

    def __len__(self) -> int:
        """How many pictures."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``; the same one every time."""
        ...


class Degradation(Protocol):
    """Makes the LR picture that belongs to an HR one.

    Attributes:
        deterministic: True if ``rng`` is not used, so that whole pictures can be degraded
            once and their results kept.

    Facts for cards: ``clean = True`` where LR is HR made smaller by a usual filter, and has no
    other flaw; ``phrase``, how LR came about, as after "pictures": "shrunk by bicubic". Without
    ``clean``, one that draws chance is not clean, and of the others nothing is claimed.
    """

    @fact
    def deterministic(self) -> bool: ...  # noqa: D102

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3; all chance comes from ``rng``."""
        ...


class Metric(Protocol):
    """Judges a result.

    Attributes:
        higher_is_better: which way is up.
        reference: False for a metric that needs no HR picture.
        protocol: one line that says exactly what is measured.

    One that threads may call at the same time states ``thread_safe = True``: then several pictures
    are measured at once. Without it there is one call at a time.

    Further facts, and what counts without them. On the class: ``unit`` of its values, such as "dB"
    (none), and ``label``, a word to stand over them in a picture (its name in tables). There or on
    what is built: ``tolerance``, how much worse than claimed a value may be when a card is checked
    (a hundredth of it), and ``short``, a word for a card's ``type`` (the plugin's name).
    """

    @fact
    def higher_is_better(self) -> bool: ...  # noqa: D102
    @fact
    def reference(self) -> bool: ...  # noqa: D102
    @fact
    def protocol(self) -> str: ...  # noqa: D102

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3 of one size."""
        ...


def splits(network: object) -> TypeIs[SplitGenerator]:
    """Whether a generator is a :class:`SplitGenerator`."""
    return all(hasattr(network, name) for name in ("features", "reconstruct", "tail_reach"))


def has_linear_tail(network: object) -> bool:
    """Whether a generator is split, and its tail can be folded into one convolution."""
    return splits(network) and bool(getattr(network, "linear_tail", False))


def multiple_of(network: object) -> int:
    """The grid that a network, block or runner works on, in LR pixels; 1 if it states none."""
    return int(getattr(network, "multiple", 1))


def on_grid(length: int, multiple: int) -> int:
    """The least multiple that is no less."""
    return -(-length // multiple) * multiple


class Importer(Protocol):
    """Turns a foreign checkpoint into a model folder."""

    def recognise(self, shapes: Mapping[str, Sequence[int]]) -> object | None:
        """What kind of checkpoint has tensors of these names and shapes, or None."""
        ...

    def convert(
        self, tensors: Mapping[str, Tensor], match: object
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The config and the tensors under our names."""
        ...
