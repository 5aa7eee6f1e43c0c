"""What a plugin of each kind has to be: one Protocol per kind.

Pictures inside networks are float tensors B x 3 x H x W, RGB, 0..1; pictures
outside are uint8 arrays H x W x 3. Every plugin takes keyword-only arguments
and no ``**kwargs``. One whose defaults cannot run alone, or run too slowly for
a test, states ``examples``. ``srzoo.testing`` turns what is said here into tests.

Whatever it is given stays as it is. Chance comes from where the contract says; nobody draws from
``random``, ``numpy.random`` or torch's own state, or seeds them, but networks while they are built
and trained: they draw from torch as it is. In eval mode a network gives the same for the same
picture, alone and in a batch, however it lies in memory; it keeps nothing of it. It can be copied
(``copy.deepcopy``), and made float64 or bfloat16, when it takes and gives that.

A plugin need not inherit from its contract: type checkers compare what it has. Attributes are facts
that are read: a class attribute, one set in ``__init__`` or a property will do.

What a plugin may have besides (a metric's ``unit``, a dataset's ``fetch``) stands in
:mod:`srzoo.contracts.optional`, with what counts without it. The core asks for it, and knows no
plugin by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..errors import BrokenPluginError
from ._facts import fact
from ._module import Module, nn_module
from ._running import Engine, ExportFormat, Runner, Session
from ._training import AdversarialLoss, Loss, Pair, Task
from .optional import (
    DegradationFacts,
    Described,
    Describing,
    Downloadable,
    GeneratorFacts,
    GridFacts,
    ImporterFacts,
    KeyedPictures,
    LossFacts,
    MetricFacts,
    NamedPictures,
    NetworkFacts,
    PluginFacts,
    Printed,
    SizedPictures,
    clean_of,
    object_name,
    phrase_of,
    read,
    stated,
)

if TYPE_CHECKING:
    from typing import TypeGuard

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
    "DegradationFacts",
    "Described",
    "Describing",
    "Discriminator",
    "Downloadable",
    "Engine",
    "ExportFormat",
    "Generator",
    "GeneratorFacts",
    "GridFacts",
    "Importer",
    "ImporterFacts",
    "KeyedPictures",
    "Loss",
    "LossFacts",
    "Metric",
    "MetricFacts",
    "Module",
    "NamedPictures",
    "NetworkFacts",
    "Pair",
    "PluginFacts",
    "Printed",
    "Runner",
    "Sample",
    "Session",
    "SizedPictures",
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
    "stated",
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
        reach: how many LR pixels on each side an output pixel depends on, at most, and no more
            than one does; None if on the whole picture. Exact tiling rests on it.

    It may state :class:`GeneratorFacts`: the grid that it works on, and its paper. One that splits
    into a body and a tail may be a :class:`SplitGenerator` besides.
    """

    @fact
    def scales(self) -> tuple[int, ...]: ...  # noqa: D102
    @fact
    def reach(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped; H and W on the grid.

        H and W are 1 or more, and 8 or more where ``reach`` is None. ``scale`` is one of
        ``scales`` and may be None where there is only one. Whatever normalisation the network
        needs happens inside. Values are finite, of a black picture too.
        """
        ...


class SplitGenerator(Generator, Protocol):
    """A generator that splits into a body at low resolution and a tail; its tail runs in blocks.

    That takes far less memory. ``linear_tail = True`` says that ``reconstruct`` is affine too, and
    the same at every LR pixel: then it is folded into one convolution.

    Attributes:
        tail_reach: how many LR pixels on each side ``reconstruct`` looks, and no more; 1 at least.
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
        """B x 3 x h x w in 0..1 to logits B x 1 or B x 1 x h' x w'; no sigmoid, no tanh.

        What it makes of a picture may depend on the others of its batch.
        """
        ...


@runtime_checkable
class Block(Module, Protocol):
    """An ``nn.Module``, built with ``channels``, that a generator's body repeats.

    Attributes:
        reach: how many pixels on each side an output pixel depends on, or None.

    One that works on a grid states it, as in :class:`GridFacts`.
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
        fingerprint: a text that changes when any picture does (names, sizes, times of change), and
            is the same when the dataset is built again, so that decoded pixels can be kept
            between runs.

    One that can tell about a picture without decoding it may be :class:`NamedPictures`,
    :class:`KeyedPictures` and :class:`SizedPictures` besides; one whose class tells cards what it
    holds is :class:`Describing`, and one that can be downloaded :class:`Downloadable`. Their names
    (``name``, ``key``, ``size``, ``describe``, ``fetch``) are for nothing else. It can be pickled.
    """

    @fact
    def fingerprint(self) -> str: ...  # noqa: D102

    def __len__(self) -> int:
        """How many pictures."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``; the same one every time, of a dataset built again, too.

        Raises:
            IndexError: there are not so many.
        """
        ...


class Degradation(Protocol):
    """Makes the LR picture that belongs to an HR one.

    Attributes:
        deterministic: True if ``rng`` is not used, so that whole pictures can be degraded
            once and their results kept.

    A flat colour stays that colour, on the average, and LR lies over HR without a shift. It goes to
    other processes, by cloudpickle.

    It may state :class:`DegradationFacts`, for cards.
    """

    @fact
    def deterministic(self) -> bool: ...  # noqa: D102

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3; all chance comes from ``rng``.

        ``hr`` stays as it is, and may be a view that cannot be written.

        Raises:
            ValueError: H or W is not a multiple of ``scale``.
        """
        ...


class Metric(Protocol):
    """Judges a result.

    Attributes:
        higher_is_better: which way is up.
        reference: False for a metric that needs no HR picture.
        protocol: one line that states exactly what is measured.

    It may state :class:`MetricFacts`: its unit, how it is written, whether threads may call it.
    """

    @fact
    def higher_is_better(self) -> bool: ...  # noqa: D102
    @fact
    def reference(self) -> bool: ...  # noqa: D102
    @fact
    def protocol(self) -> str: ...  # noqa: D102

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3 of one size; both stay as they are.

        The same for the same pictures, and never not a number; infinity is one for equal pictures.
        More noise is worse.

        Raises:
            SrzooError: they are of two sizes, or ``hr`` is None and it needs one.
        """
        ...


def splits(network: object) -> TypeIs[SplitGenerator]:
    """Whether a generator is a :class:`SplitGenerator`."""
    return all(hasattr(network, name) for name in ("features", "reconstruct", "tail_reach"))


def has_linear_tail(network: object) -> TypeGuard[SplitGenerator]:
    """Whether a generator is split, and its tail can be folded into one convolution."""
    return splits(network) and stated(network, GeneratorFacts).linear_tail


def multiple_of(network: object) -> int:
    """The grid that a network, block or runner works on, in LR pixels; 1 if it states none.

    Raises:
        BrokenPluginError: it states one that is not a whole number from 1.
    """
    found: int = read(network, "multiple", GridFacts.multiple, int)
    if found < 1:
        name = object_name(type(network))
        raise BrokenPluginError(f"{name} states multiple = {found}", "It has to be 1 or more")
    return int(found)


def on_grid(length: int, multiple: int) -> int:
    """The least multiple that is no less."""
    return -(-length // multiple) * multiple


class Importer(Protocol):
    """Turns a foreign checkpoint into a model folder.

    It may state :class:`ImporterFacts`: a checkpoint that it knows.
    """

    def recognise(self, shapes: Mapping[str, Sequence[int]]) -> object | None:
        """What kind of checkpoint has tensors of these names and shapes; None if unknown.

        It raises nothing, whatever the names are.
        """
        ...

    def convert(
        self, tensors: Mapping[str, Tensor], match: object
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The config and the tensors under our names, for all that :meth:`recognise` knows.

        The config has ``generator`` and ``args``; the network of those takes the tensors. What is
        given stays as it is.
        """
        ...
