"""What somebody else's package may write: type checkers have nothing against any of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

import srzoo
from srzoo import building
from srzoo.contracts import (
    F32,
    U8,
    AdversarialLoss,
    Block,
    Dataset,
    Degradation,
    Described,
    Describing,
    Discriminator,
    Downloadable,
    Engine,
    Generator,
    GeneratorFacts,
    KeyedPictures,
    Loss,
    Metric,
    MetricFacts,
    Module,
    NamedPictures,
    Pair,
    Sample,
    SizedPictures,
    SplitGenerator,
    Task,
    multiple_of,
    nn_module,
    splits,
    stated,
)


class SiLU(nn.Module):
    """A block that states its reach for the class."""

    reach = 2

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """As any block."""
        y: Tensor = self.body(x)
        return x + y


class Attention(nn.Module):
    """A block that finds out its reach."""

    def __init__(self, *, channels: int, window: int = 0) -> None:
        super().__init__()
        self.reach = window or None
        self.multiple = max(1, window)
        self.body = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """As any block."""
        y: Tensor = self.body(x)
        return y


class Inherited(nn.Module, Block):
    """A block that inherits from its contract."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels, channels, 3, padding=1)

    @property
    def reach(self) -> int:
        """One pixel."""
        return 1

    def forward(self, x: Tensor) -> Tensor:
        """As any block."""
        y: Tensor = self.body(x)
        return y


class Net(nn.Module):
    """A generator in two parts."""

    scales = (2,)
    reach: int | None = 2
    tail_reach = 1
    linear_tail = True

    def __init__(self, *, block: str = "silu") -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(*building.blocks(2, block, channels=8))
        self.tail = building.upsampler(8, 2)

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """The body."""
        del scale
        f: Tensor = self.body(self.head(x))
        return f

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """The tail."""
        del scale
        y: Tensor = self.tail(f)
        return y

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """Both."""
        return self.reconstruct(self.features(x, scale), scale)


class Judge(nn.Module):
    """A discriminator."""

    min_size = 8

    def forward(self, y: Tensor) -> Tensor:
        """One logit."""
        return y.mean((1, 2, 3), keepdim=True)[:, :, 0, 0]


class L1:
    """A loss."""

    reference = True

    def __call__(self, pair: Pair) -> Tensor:
        """The mean."""
        return (pair.sr - pair.hr).abs().mean()


class Game:
    """An adversarial loss."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """D takes SR for real."""
        return -discriminator(pair.sr).mean()

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """D does not."""
        return discriminator(pair.sr).mean() - discriminator(pair.hr).mean()


class Play:
    """A task with a network of its own and one of the zoo's."""

    scales = None

    def __init__(self) -> None:
        self.networks = {"judge": srzoo.discriminators.create("patchgan"), "own": Judge()}
        self.helpers: dict[str, nn.Module] = {}

    def turns(self, step: int) -> Collection[str]:
        """By turns."""
        return ("generator", "judge") if step % 2 else ("own",)

    def terms(self, pair: Pair, networks: Mapping[str, Module]) -> dict[str, Tensor]:
        """None."""
        del pair, networks
        return {}

    def loss_of(
        self, name: str, network: Module, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """None."""
        del name, network
        return {"d": pair.sr.mean()}, {}


class Noise(Dataset):
    """A data set that inherits from its contract."""

    @property
    def fingerprint(self) -> str:
        """It never changes."""
        return building.fingerprint([], "noise")

    def __len__(self) -> int:
        """One picture."""
        return 1

    def __getitem__(self, index: int) -> Sample:
        """Of noise."""
        return Sample(f"{index}", np.zeros((32, 32, 3), np.uint8))


class Photos(Noise):
    """One with every ability."""

    def name(self, index: int) -> str:
        """A number."""
        return f"{index}"

    def key(self, index: int) -> str:
        """The same."""
        return f"{index}"

    def size(self, index: int) -> tuple[int, int]:
        """Of noise."""
        del index
        return 32, 32

    @staticmethod
    def describe(args: Mapping[str, object]) -> Described:
        """Noise."""
        return Described(own_lr=False, name=str(args["name"]))

    @staticmethod
    def fetch(
        *,
        to: Path,
        verify: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
        year: Literal["2018", "2021"] = "2021",
    ) -> list[str]:
        """Nothing."""
        del verify, progress
        return [f"{to} {year}"]


class Nearest:
    """A degradation."""

    deterministic = True

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Every so many pixels."""
        del rng
        return hr[::scale, ::scale]


class Off:
    """A metric."""

    def __init__(self, *, border: int = 0) -> None:
        self.border = border
        self.protocol = f"mean error, {border} pixels cut off"

    higher_is_better = False
    reference = True

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """In levels."""
        assert hr is not None
        return float(np.abs(sr.astype(float) - hr).mean()) * scale


class Stating(MetricFacts):
    """A metric that states facts, and is checked."""

    unit = "dB"
    thread_safe = True
    higher_is_better = True
    reference = False
    protocol = "a constant"

    def __init__(self, *, tolerance: float = 0.1) -> None:
        self.tolerance = tolerance

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Constant."""
        del sr, hr, scale
        return 1.0


class Gridded(Net, GeneratorFacts):
    """A generator that states a grid, and is checked."""

    multiple = 2


class Fast:
    """An engine."""

    devices = ("cuda",)
    precisions = ("fp16", "fp32")
    speed = 3.0
    reach = 4
    multiple = 1
    model = None
    parameters = None

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        self.folder, self.device, self.precision = folder, device, precision

    def __call__(self, x: F32, scale: int) -> F32:
        """Every pixel repeated."""
        return x.repeat(scale, 2).repeat(scale, 3)

    def bytes_per_pixel(self, scale: int) -> int:
        """Of the result."""
        return 12 * scale**2

    def bytes_aside(self, scale: int) -> int:
        """None."""
        del scale
        return 0

    def free_memory(self) -> int | None:
        """That of the host."""
        return None


block: Block = SiLU(channels=8)
block = Attention(channels=8, window=4)
block = Inherited(channels=8)
generator: Generator = Net()
split: SplitGenerator = Net()
discriminator: Discriminator = Judge()
loss: Loss = L1()
game: AdversarialLoss = Game()
task: Task = Play()
dataset: Dataset = Noise()
degradation: Degradation = Nearest()
named: NamedPictures = Photos()
keyed: KeyedPictures = Photos()
sized: SizedPictures = Photos()
describing: Describing = Photos()
describing_class: Describing = Photos
downloadable: Downloadable = Photos()
metric: Metric = Off()
metric = Stating()
unit: str = stated(metric, MetricFacts).unit
generator = Gridded()
engine: Engine = Fast(folder=Path())

edsr = srzoo.generators.create("edsr")
adam = torch.optim.Adam(edsr.parameters())
weights: dict[str, Tensor] = edsr.eval().to("cpu").state_dict()
enlarged: Tensor = edsr(torch.zeros(1, 3, 8, 8), 4)
furthest: int | None = edsr.reach
chain = nn.Sequential(nn_module(edsr), Judge())
grid: int = multiple_of(edsr)
if splits(edsr):
    seen: Tensor = edsr.reconstruct(edsr.features(enlarged))
picture = np.zeros((8, 8, 3), np.uint8)
number: float = srzoo.metrics.build({"name": "psnr_rgb"})(picture, picture, 1)
sample: Sample = srzoo.datasets.create("folder", path="photos")[0]
srzoo.blocks.register("silu", SiLU)
srzoo.metrics.register("off", Off)
srzoo.engines.register("fast", Fast)
trained: Generator = building.network("edsr-x4")
told = srzoo.Callbacks(on_word=print)
ended: srzoo.Outcome = srzoo.train("edsr-x4", watch=told)
place: Path = srzoo.Network.save_pretrained(trained, "models/mine", dtype="float16")
page: str = srzoo.Network.push_to_hub(srzoo.network(place), "me/name", card=place)
