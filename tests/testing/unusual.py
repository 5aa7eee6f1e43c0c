"""Parts that are unusual and keep all promises: the suites pass them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import click
import numpy as np
import torch
from broken import Block, Box, Drawn, Net
from broken_quietly import Runs, Sized, Softplus, Task
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from srzoo.contracts import Sample


class Pooled(Net):
    reach = None

    def forward(self, x, scale=None):
        return super().forward(x * self.conv(x).mean((1, 2, 3), keepdim=True).sigmoid())


class Fourier(Net):
    reach = None

    def forward(self, x, scale=None):
        wide = x.to(torch.float32) if x.dtype is torch.bfloat16 else x
        waves = torch.fft.rfft2(wide, norm="ortho")
        return super().forward(x + torch.fft.irfft2(waves * 0.5, x.shape[2:], norm="ortho").to(x))


class Repeats(nn.Module):
    """It has no ``__init__`` of its own."""

    scales, reach = (2, 3), 0

    def forward(self, x, scale):
        return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


class Strided(nn.Module):
    """Half as large inside, and says so."""

    scales, reach, multiple = (2,), 2, 2

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, 2, 1)
        self.up = nn.ConvTranspose2d(8, 12, 2, 2)

    def forward(self, x, scale=None):
        return F.pixel_shuffle(self.up(self.down(x)), 2)


class Deep(Net):
    """Chance in training alone, and code that no compiler takes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout2d(0.3)

    def forward(self, x, scale=None):
        steps = [lambda y: self.drop(self.norm(y)), super().forward]
        return functools.reduce(lambda y, step: step(y), steps, x)


class Spectral(Net):
    def __init__(self) -> None:
        super().__init__()
        self.conv = parametrizations.spectral_norm(self.conv)


class NoMean(Net):
    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Conv2d(3, 3, 1).requires_grad_(False)

    def forward(self, x, scale=None):
        return super().forward(self.shift(x))


class Causal(Net):
    reach = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, (1, 5))

    def forward(self, x, scale=None):
        return super().forward(F.pad(x, (4, 0, 0, 0)))


def factory(*, width: int = 8) -> nn.Module:
    """A function makes it."""
    made = Net()
    made.conv = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 12, 1))
    return made


class Nothing(nn.Module):
    """It changes nothing."""

    reach = 0

    def __init__(self, *, channels: int) -> None:
        super().__init__()

    def forward(self, x):
        return x


class Normed(Block):
    reach = None

    def __init__(self, *, channels: int) -> None:
        super().__init__(channels=channels)
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x):
        return x + self.conv(F.relu_(self.norm(x)))


class Patch(nn.Module):
    """Of a norm that is bounded."""

    min_size = 8

    def __init__(self) -> None:
        super().__init__()
        convs = (nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4, 2, 1, bias=False))
        first, last = map(parametrizations.spectral_norm, convs)
        self.body = nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True), last)

    def forward(self, y):
        return self.body(y)


class Deviation(nn.Module):
    """It looks at how much a batch differs."""

    min_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, y):
        spread = (y.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(y), 1, *y.shape[2:])
        return self.conv(torch.cat([y, spread], 1))


class Frozen(nn.Module):
    """A frozen network inside."""

    reference = True

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 8, 3).requires_grad_(False)

    def forward(self, pair):
        return F.l1_loss(self.conv(pair.sr), self.conv(pair.hr))


@dataclass(frozen=True, kw_only=True)
class Charbonnier:
    """Frozen itself."""

    eps: float = 1e-3
    reference = True

    def __call__(self, pair):
        return ((pair.sr - pair.hr) ** 2 + self.eps**2).sqrt().mean()


class Penalty(Softplus):
    """It draws chance, as WGAN-GP does."""

    def for_discriminator(self, discriminator, pair):
        share = torch.rand(len(pair.hr), 1, 1, 1)
        between = (share * pair.hr + (1 - share) * pair.sr).detach().requires_grad_()
        (grad,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
        penalty = (grad.flatten(1).norm(2, 1) - 1).square().mean()
        return super().for_discriminator(discriminator, pair) + 0.1 * penalty


class Infinite(Sized):
    higher_is_better, thread_safe = True, True

    def __call__(self, sr, hr, scale):
        error = super().__call__(sr, hr, scale)
        return float(-np.log10(error)) if error else float("inf")


class Edges(Sized):
    """Blind to brightness."""

    def __call__(self, sr, hr, scale):
        super().__call__(sr, hr, scale)
        return float(np.abs(np.diff(sr.astype(float) - hr, axis=1)).mean())


class Noise(Box):
    deterministic = False

    def __init__(self) -> None:
        self.sigma = lambda rng: rng.uniform(0, 25)

    def __call__(self, hr, scale, rng):
        lr = super().__call__(hr, scale, rng)
        return np.clip(lr + rng.normal(0, self.sigma(rng), lr.shape), 0, 255).astype(np.uint8)


class One(Drawn):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        if index:
            raise IndexError(index)
        return super().__getitem__(index)


class Million(Drawn):
    """None is there before it is asked for."""

    def __len__(self):
        return 10**6

    def __getitem__(self, index):
        if index >= len(self):
            raise IndexError(index)
        hr = np.full((8, 8, 3), index % 251, np.uint8)
        hr.flags.writeable = False
        return Sample(str(index), hr)


class Late(Task):
    """Its generator waits; it has a criterion, and says its network's name twice."""

    def __init__(self) -> None:
        super().__init__()
        self.criterion, self.judge = nn.L1Loss(), self.networks["judge"]

    def turns(self, step):
        return frozenset({"judge"} if step < 10 else {"judge", "generator"})

    def terms(self, pair, networks):
        return {}


def _given(function):
    @functools.wraps(function)
    def wrapped(*args, level, **options):
        return function(*args, levels=(level,), **options)

    return click.option("--level")(wrapped)


@click.command()
@_given
@click.pass_context
def decorated(context, levels):
    """Do something."""


RIGHT = [
    ("generator", Pooled), ("generator", Fourier), ("generator", Repeats), ("generator", Strided),
    ("generator", Deep), ("generator", Spectral), ("generator", NoMean), ("generator", Causal),
    ("generator", factory), ("block", Nothing), ("block", Normed), ("discriminator", Patch),
    ("discriminator", Deviation), ("loss", Frozen), ("loss", Charbonnier),
    ("adversarial-loss", Softplus), ("adversarial-loss", Penalty), ("metric", Sized),
    ("metric", Infinite), ("metric", Edges), ("degradation", Noise), ("dataset", One),
    ("dataset", Million), ("task", Task), ("task", Late), ("engine", Runs), ("command", decorated),
]  # fmt: skip
