"""What a plugin of each kind has to be: one Protocol per kind.

Pictures inside networks are float tensors B x 3 x H x W, RGB, 0..1; pictures
outside are uint8 arrays H x W x 3. Every plugin takes keyword-only arguments
and no ``**kwargs``. One whose defaults cannot run alone, or run too slowly for
a test, has an attribute ``examples``: a tuple of argument dictionaries.
``srzoo.testing`` turns what is said here into tests.

Some kinds state facts of themselves besides (a metric's ``unit``, a degradation's ``clean``): the
core asks for them, and knows no plugin by its name. All may be left out; what counts then is said
of each kind, and claims nothing. :mod:`srzoo.common.facts` asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .common.facts import Described as Described
from .common.facts import Printed as Printed
from .common.facts import clean_of as clean_of
from .common.facts import phrase_of as phrase_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]


class Generator(Protocol):
    """An ``nn.Module`` that enlarges pictures.

    Attributes:
        scales: the factors it was built for, such as ``(4,)`` or ``(2, 3, 4)``.
        reach: how many LR pixels on each side an output pixel depends on, at most; None if
            on the whole picture. Exact tiling rests on it.

    A network that works on a grid (pixel-unshuffle, windows, pooling) states its period in LR
    pixels as ``multiple``, a positive int; without it, it is 1. Then height and width of all that
    it is given are multiples of that, and every tile starts on the grid.

    A network that splits into a body at low resolution and a tail may offer
    ``features(x, scale=None)`` and ``reconstruct(f, scale=None)``, whose composition is
    ``forward``. ``tail_reach`` says how many LR pixels on each side ``reconstruct`` looks: then
    the tail runs in blocks, which takes far less memory. ``linear_tail = True`` says that
    ``reconstruct`` is affine too, and the same at every LR pixel: then it is folded into one
    convolution. Features have the size of the picture, or a whole fraction of it on a grid
    (then there is no ``linear_tail``).

    Facts for cards, on the class: ``paper``, the address of the paper that it comes from, and
    ``printed``, a tuple of :class:`Printed`.
    """

    scales: tuple[int, ...]
    reach: int | None

    def __call__(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped; H and W on the grid.

        ``scale`` is one of ``scales`` and may be None where there is only one. Whatever
        normalisation the network needs happens inside.
        """
        ...


class Discriminator(Protocol):
    """An ``nn.Module`` that tells real pictures from made ones.

    Attributes:
        min_size: the least height and width it can judge; any size from there on works.
    """

    min_size: int

    def __call__(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 or B x 1 x h' x w'; no sigmoid."""
        ...


class Block(Protocol):
    """An ``nn.Module``, built with ``channels``, that a generator's body repeats.

    Attributes:
        reach: how many pixels on each side an output pixel depends on, or None.

    As in :class:`Generator`, one that works on a grid states ``multiple``.
    """

    reach: int | None

    def __call__(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        ...


@dataclass(frozen=True)
class Pair:
    """What a loss sees: B x 3 x H x W each, float, 0..1, ``sr`` unclamped."""

    lr: Tensor
    hr: Tensor
    sr: Tensor

    def detach(self) -> Pair:
        """The same with no gradient to the generator."""
        return Pair(self.lr, self.hr, self.sr.detach())


class Loss(Protocol):
    """A number that training makes small.

    Attributes:
        reference: False for a loss that does not look at ``pair.hr``.

    A fact for cards, on the class: ``card_args``, the names of arguments without which its name
    says little, such as a backbone: a card has them where they are the defaults, too.
    """

    reference: bool

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar, averaged over the batch."""
        ...


class AdversarialLoss(Protocol):
    """The two halves of a game between generator and discriminator."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator takes ``pair.sr`` for real."""
        ...

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator tells ``pair.sr`` from ``pair.hr``."""
        ...


class Task(Protocol):
    """What is trained beside a generator, and what a step does with it.

    A step enlarges a batch, and then each network that has a turn moves: the generator by the
    recipe's losses and :meth:`terms`, each further one by :meth:`loss_of`. The trainer gives each
    an optimiser, a loss scale, a place on the device, and a part of every checkpoint; it puts
    ``networks`` into train mode and ``helpers`` into eval mode.

    Attributes:
        networks: the ``nn.Module`` that are trained beside the generator, by name, in the order
            of their turns. A name holds no dot; it is the network's in logs and checkpoints. One
            that has ``min_size`` gets HR crops of at least as many pixels a side.
        helpers: every other ``nn.Module`` that it calls, by name, such as a teacher or a loss:
            never trained, and in no checkpoint.
        scales: those that it can work at; None for any.

    One that calls networks on a grid states it as ``multiple``, as in :class:`Generator`: LR crops
    are whole cells of it.
    """

    networks: Mapping[str, Any]
    helpers: Mapping[str, Any]
    scales: tuple[int, ...] | None

    def turns(self, step: int) -> Collection[str]:
        """Who moves at a step, from 0 in each stage: names of networks, and "generator".

        A function of the step alone, and never empty, so that a run resumes as it was.
        """
        ...

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """What the generator's loss has besides the recipe's: scalars, weighted, by name.

        ``networks`` are frozen meanwhile; the gradient goes through them.
        """
        ...

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses that a network follows in its turn, and facts to log, scalars by name.

        ``network`` is ``networks[name]``, or what wraps it on several devices; call nothing else
        of it. ``pair.sr`` has no gradient. Facts called ``d_real``, ``d_fake`` and ``d_right``
        are drawn, and watched: see :mod:`srzoo.training.watchdog`.
        """
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

    A fact for cards: a static method ``describe(args) -> Described``, which gets the arguments of
    a use, defaults among them, and looks at no files. Without it nothing is known: a card does not
    say then that pictures were merely shrunk.
    """

    @property
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

    deterministic: bool

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

    higher_is_better: bool
    reference: bool
    protocol: str

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3 of one size."""
        ...


class Runner(Protocol):
    """A model made ready by an engine; numpy at its edges.

    Attributes:
        reach: as in :class:`Generator`.
        multiple: likewise. A runner of before there were grids lacks it; it is 1 then.
        model: the ``nn.Module`` that runs, or None where the engine has none.
        parameters: of the network as it was trained; None where the engine does not show it.
    """

    @property
    def reach(self) -> int | None: ...  # noqa: D102
    @property
    def multiple(self) -> int: ...  # noqa: D102
    @property
    def model(self) -> Any: ...  # noqa: D102
    @property
    def parameters(self) -> int | None: ...  # noqa: D102

    def __call__(self, x: F32, scale: int) -> F32:
        """Float32 1 x 3 x H x W in 0..1 to 1 x 3 x sH x sW, unclamped; H and W on the grid.

        The result is the caller's, to be written over. Threads may call it at the same time.
        """
        ...

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory, in bytes, that each LR pixel of a call needs at its peak."""
        ...

    def bytes_aside(self, scale: int) -> int:
        """Working memory, in bytes, that a call needs besides, whatever its size."""
        ...

    def free_memory(self) -> int | None:
        """Bytes free on the device it runs on; None where that is the host."""
        ...


def multiple_of(network: object) -> int:
    """The grid that a network, block or runner works on, in LR pixels; 1 if it states none."""
    return int(getattr(network, "multiple", 1))


def on_grid(length: int, multiple: int) -> int:
    """The least multiple that is no less."""
    return -(-length // multiple) * multiple


class Session(Protocol):
    """An exported file, opened."""

    def __call__(self, x: F32) -> F32:
        """Float32 1 x 3 x H x W to 1 x 3 x sH x sW, any size on its grid from its smallest.

        There is one call at a time. The result may lie in the engine's memory until the next.
        """
        ...


class Format(Protocol):
    """A file format that other programs run networks in; built without arguments.

    Attributes:
        suffix: of the file, like ".onnx".
        beside: suffixes of the files that stand beside it, alike in name; most formats: ``()``.
        packages: what has to be installed besides onnx and onnxscript: distributions, and the
            module each one brings.
        extra: the extra of srzoo, or of the plugin's own package, that brings them.
    """

    suffix: str
    beside: tuple[str, ...]
    packages: Mapping[str, str]
    extra: str

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Write ``path``, and what stands beside, from an ONNX file; ``about`` goes inside.

        Raises:
            ModelError: the converter does not take the network; this is remembered for a week.
            UnfinishedError: (of ``srzoo.exporting.exports``) it failed for another reason, as
                when its program was killed.
        """
        ...

    def about(self, path: Path) -> str:
        """The line that :meth:`write` put into the file; no torch."""
        ...

    def open(self, path: Path, threads: int) -> Session:
        """Make the file ready to run on a CPU, in float32; no torch."""
        ...


class Engine(Protocol):
    """A way to run a model folder on some hardware."""

    def __call__(self, *, folder: Path, device: str, precision: str) -> Runner:
        """Make the model folder at ``folder`` ready.

        ``device`` is auto, cpu, cuda, cuda:N or mps; ``precision`` is auto, fp32, bf16 or fp16.
        """
        ...


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
