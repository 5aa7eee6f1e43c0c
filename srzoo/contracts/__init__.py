"""The contracts that plugins meet: one Protocol per kind.

Pictures inside networks are float tensors B x 3 x H x W, RGB, 0..1; pictures
outside are uint8 arrays H x W x 3. Every plugin takes keyword-only arguments
and no ``**kwargs``. A plugin states ``examples`` if its defaults cannot run
alone, or run too slowly for a test. ``srzoo.testing`` turns these contracts into tests.

A plugin does not change its inputs. It takes random numbers only from the source that its
contract names, and does not use or seed ``random``, ``numpy.random`` or torch's global state.
Networks are the exception: they draw from torch's state while they are built and trained. In eval
mode a network returns the same result for the same picture, alone or in a batch, for any memory
layout, and keeps no state. A network can be copied (``copy.deepcopy``) and converted to float64 or
bfloat16; then it takes and returns that type.

A plugin need not inherit from its contract: type checkers compare its members. The attributes are
read-only facts: a class attribute, one set in ``__init__`` and a property are all accepted.

Optional members (a metric's ``unit``, a dataset's ``fetch``) are listed with their defaults in
:mod:`srzoo.contracts.optional`. The core reads these facts, and knows no plugin by its name.
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
    """``U8`` and ``F32`` at run time; type checkers use the definitions above."""
    if name not in ("U8", "F32"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np  # as costly as the rest of a start-up
    from numpy.typing import NDArray

    return NDArray[np.uint8] if name == "U8" else NDArray[np.float32]


class Generator(Module, Protocol):
    """An ``nn.Module`` that upscales pictures.

    Attributes:
        scales: the factors it was built for, such as ``(4,)`` or ``(2, 3, 4)``.
        reach: the largest number of LR pixels on each side that an output pixel depends on,
            exactly; None if it depends on the whole picture. Exact tiling relies on it.

    It may state :class:`GeneratorFacts`, such as its grid and its paper. A generator that splits
    into a body and a tail may also be a :class:`SplitGenerator`.
    """

    @fact
    def scales(self) -> tuple[int, ...]: ...  # noqa: D102
    @fact
    def reach(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped; H and W on the grid.

        H and W are 1 or more, and 8 or more where ``reach`` is None. ``scale`` is one of
        ``scales`` and may be None if there is only one. The network does its own normalisation.
        Values are finite, for a black picture too.
        """
        ...


class SplitGenerator(Generator, Protocol):
    """A generator that splits into a body at low resolution and a tail.

    Its tail runs in blocks, which takes far less memory. ``linear_tail = True`` states that
    ``reconstruct`` is affine and the same at every LR pixel: then it is folded into one
    convolution.

    Attributes:
        tail_reach: how many LR pixels on each side ``reconstruct`` depends on, exactly; at least 1.
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
        """Features to B x 3 x sH x sW; applied to ``features(x)`` it returns ``forward(x)``."""
        ...


class Discriminator(Module, Protocol):
    """An ``nn.Module`` that distinguishes real pictures from generated ones.

    Attributes:
        min_size: the least height and width of its input; every larger size works too.
    """

    @fact
    def min_size(self) -> int: ...  # noqa: D102

    def __call__(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 or B x 1 x h' x w'; no sigmoid, no tanh.

        The logits of a picture may depend on the other pictures of its batch.
        """
        ...


@runtime_checkable
class Block(Module, Protocol):
    """An ``nn.Module``, built with ``channels``, that a generator's body repeats.

    Attributes:
        reach: how many pixels on each side an output pixel depends on, or None.

    A block that works on a grid states the grid, as in :class:`GridFacts`.
    """

    @fact
    def reach(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        ...


@dataclass(frozen=True)
class Sample:
    """One whole picture of a dataset; the trainer crops it.

    Attributes:
        name: unique in its dataset.
        hr: uint8 H x W x 3.
        lr: uint8 H/s x W/s x 3, or None if the trainer makes it from ``hr``.
    """

    name: str
    hr: U8
    lr: U8 | None = None


class Dataset(Protocol):
    """A sequence of whole pictures; several threads may read it at the same time.

    Attributes:
        fingerprint: a text that changes when any picture does (names, sizes, modification times),
            and is the same when the dataset is built again, so that decoded pixels can be kept
            between runs.

    A dataset that knows facts of a picture without decoding it may also be
    :class:`NamedPictures`, :class:`KeyedPictures` and :class:`SizedPictures`. If its class
    describes its pictures for cards it is :class:`Describing`, and if it can be downloaded
    :class:`Downloadable`. The method names (``name``, ``key``, ``size``, ``describe``, ``fetch``)
    are reserved. Every dataset can be pickled.
    """

    @fact
    def fingerprint(self) -> str: ...  # noqa: D102

    def __len__(self) -> int:
        """The number of pictures."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``; always the same one, also when the dataset is built again.

        Raises:
            IndexError: ``index`` is not below ``len``.
        """
        ...


class Degradation(Protocol):
    """Makes an LR picture from an HR picture.

    Attributes:
        deterministic: True if ``rng`` is not used, so that whole pictures can be degraded
            once and their results kept.

    On average a flat colour stays that colour, and LR is not shifted against HR. A degradation can
    be pickled by cloudpickle, which sends it to other processes.

    It may state :class:`DegradationFacts`, for cards.
    """

    @fact
    def deterministic(self) -> bool: ...  # noqa: D102

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3; all randomness comes from ``rng``.

        It does not change ``hr``, which may be a read-only view.

        Raises:
            ValueError: H or W is not a multiple of ``scale``.
        """
        ...


class Metric(Protocol):
    """Measures a result.

    Attributes:
        higher_is_better: whether a higher value is better.
        reference: False for a metric that needs no HR picture.
        protocol: one line that states exactly what is measured.

    It may state :class:`MetricFacts`: its unit, its names, whether threads may call it.
    """

    @fact
    def higher_is_better(self) -> bool: ...  # noqa: D102
    @fact
    def reference(self) -> bool: ...  # noqa: D102
    @fact
    def protocol(self) -> str: ...  # noqa: D102

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3 of one size; it changes neither.

        The value is the same for the same pictures, and never NaN; it may be infinite for equal
        pictures. More noise gives a worse value.

        Raises:
            SrzooError: the sizes differ, or ``hr`` is None and the metric needs it.
        """
        ...


def splits(network: object) -> TypeIs[SplitGenerator]:
    """Whether a generator is a :class:`SplitGenerator`."""
    return all(hasattr(network, name) for name in ("features", "reconstruct", "tail_reach"))


def has_linear_tail(network: object) -> TypeGuard[SplitGenerator]:
    """Whether a generator is split, and its tail can be folded into one convolution."""
    return splits(network) and stated(network, GeneratorFacts).linear_tail


def multiple_of(network: object) -> int:
    """The grid of a network, block or runner, in LR pixels; 1 if it states none.

    Raises:
        BrokenPluginError: it states one that is not a whole number from 1.
    """
    found: int = read(network, "multiple", GridFacts.multiple, int)
    if found < 1:
        name = object_name(type(network))
        raise BrokenPluginError(f"{name} states multiple = {found}", "Make it 1 or more")
    return int(found)


def on_grid(length: int, multiple: int) -> int:
    """The least multiple of ``multiple`` that is at least ``length``."""
    return -(-length // multiple) * multiple


class Importer(Protocol):
    """Turns a foreign checkpoint into a model folder.

    It may state :class:`ImporterFacts`: a checkpoint that it recognises.
    """

    def recognise(self, shapes: Mapping[str, Sequence[int]]) -> object | None:
        """The kind of checkpoint with tensors of these names and shapes; None if unknown.

        The method raises no error, whatever the names are.
        """
        ...

    def convert(
        self, tensors: Mapping[str, Tensor], match: object
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """The config and the tensors under srzoo's names, of a recognised checkpoint.

        The config has ``generator`` and ``args``; the tensors fit the network that these build.
        It does not change its inputs.
        """
        ...
