"""What breaks a promise without failing: it is told, too, and what to blame stands first."""

from __future__ import annotations

import random
import threading
import time

import click
import numpy as np
import torch
from broken import L1, PSNR, Block, Box, Drawn, Judge, Net, Takes
from torch import nn
from torch.nn import functional as F

from srzoo.contracts import Sample
from srzoo.errors import DeviceError, SrzooError
from srzoo.models.folder import read_folder
from srzoo.networks import folders


class BatchMean(Net):
    def forward(self, x, scale=None):
        return super().forward(x) + 0.3 * super().forward(x).mean(0, keepdim=True)


class OneAtATime(Net):
    def forward(self, x, scale=None):
        return super().forward(x).view(1, 3, 2 * x.shape[2], 2 * x.shape[3])


class FirstSize(Net):
    mask = None

    def forward(self, x, scale=None):
        self.mask = torch.ones(1, 1, *x.shape[2:]) if self.mask is None else self.mask
        return super().forward(x * self.mask)


class Moves(Net):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x, scale=None):
        self.calls += 1
        return super().forward(x)


class Dropout(Net):
    def forward(self, x, scale=None):
        return super().forward(F.dropout(x))


class Views(Net):
    def forward(self, x, scale=None):
        return super().forward(x.view(len(x), -1).view(x.shape))


class Constant(Net):
    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.full((1, 3, 1, 1), 0.5)

    def forward(self, x, scale=None):
        return super().forward(x - self.mean)


class Lock(Net):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Seeds(Net):
    def __init__(self) -> None:
        torch.manual_seed(3)
        super().__init__()


class Divides(Net):
    def forward(self, x, scale=None):
        return super().forward(x / x.sum(1, keepdim=True))


class Strided(nn.Module):
    """Half as large inside."""

    scales, reach = (2,), 3

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 48, 3, 2, 1)

    def forward(self, x, scale=None):
        return F.pixel_shuffle(self.conv(x), 4)


class Unpadded(Net):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3)


class ByName(Net):
    def forward(self, x, *, scale=None):
        return super().forward(x)


class NoForward(nn.Module):
    """It has none."""

    scales, reach = (2,), 1


class LongTail(Net):
    tail_reach = 6

    def features(self, x, scale=None):
        return self.conv(x)

    def reconstruct(self, f, scale=None):
        return F.pixel_shuffle(f, 2)


class OtherForward(LongTail):
    tail_reach = 1

    def forward(self, x, scale=None):
        return 2 * super().forward(x)


class Tuples(Net):
    def forward(self, x, scale=None):
        return (super().forward(x),) if self.training else super().forward(x)


class Lazy(Block):
    def __init__(self, *, channels: int) -> None:
        super().__init__(channels=channels)
        self.conv = nn.LazyConv2d(channels, 3, padding=1)


class Relu(Block):
    def forward(self, x):
        return self.conv(F.relu_(x))


class Skips(Block):
    def forward(self, x, skip):
        return self.conv(x) + skip


class Floats(Block):
    def forward(self, x):
        return self.conv(x).float()


class LogSigmoid(Judge):
    def forward(self, y):
        return F.logsigmoid(super().forward(y))


class Tanh(Judge):
    def forward(self, y):
        return super().forward(y).tanh()


class Scales(Judge):
    def forward(self, y):
        return super().forward(y.mul_(2))


class Double(L1):
    def __call__(self, pair):
        return super().__call__(pair).double()


class Falls(L1):
    def __call__(self, pair):
        return -super().__call__(pair)


class Clamped(L1):
    def __call__(self, pair):
        return (pair.sr.clamp(0, 1) - pair.hr).abs().mean()


class Smooth(L1):
    def __call__(self, pair):
        return pair.sr.diff(dim=3).abs().mean()


class TwoArguments(L1):
    def __call__(self, sr, hr):
        return (sr - hr).abs().mean()


class Drawn2(nn.Module):
    """Of weights that are drawn."""

    reference = True

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, pair):
        return (self.conv(pair.sr) - self.conv(pair.hr)).abs().mean()


class Trains(Drawn2):
    def __init__(self) -> None:
        super().__init__()
        nn.init.constant_(self.conv.weight, 0.1)


class Softplus:
    """An adversarial loss that is right."""

    def for_generator(self, discriminator, pair):
        return F.softplus(-discriminator(pair.sr)).mean()

    def for_discriminator(self, discriminator, pair):
        real, made = discriminator(pair.hr), discriminator(pair.sr)
        return F.softplus(-real).mean() + F.softplus(made).mean()


class OtherWay(Softplus):
    def for_generator(self, discriminator, pair):
        return F.softplus(discriminator(pair.sr)).mean()


class Adds(Softplus):
    def for_generator(self, discriminator, pair):
        return F.softplus(-discriminator(pair.sr)).sum()


class Sized(PSNR):
    def __call__(self, sr, hr, scale):
        if hr is None or sr.shape != hr.shape:
            raise SrzooError("two sizes", "Give one")
        return super().__call__(sr, hr, scale)


class Wraps(Sized):
    def __call__(self, sr, hr, scale):
        super().__call__(sr, hr, scale)
        return float(np.square(sr - hr).mean())


class HigherIsBetter(Sized):
    higher_is_better = True


class NaNs(Sized):
    def __call__(self, sr, hr, scale):
        return super().__call__(sr, hr, scale) or float("nan")


class OneBuffer(Sized):
    thread_safe = True

    def __call__(self, sr, hr, scale):
        self.sr, self.hr = sr, hr
        time.sleep(0.001)
        return super().__call__(self.sr, self.hr, scale)


class NeedsHr(PSNR):
    reference = False


class SeedsNumpy(Box):
    def __call__(self, hr, scale, rng):
        np.random.seed(0)
        return super().__call__(hr, scale, rng)


class Overflows(Box):
    deterministic = False

    def __call__(self, hr, scale, rng):
        lr = super().__call__(hr, scale, rng)
        return (lr + rng.normal(0, 25, lr.shape)).astype(np.int64).astype(np.uint8)


class Bgr(Box):
    def __call__(self, hr, scale, rng):
        return super().__call__(hr, scale, rng)[:, :, ::-1]


class Nearest(Box):
    def __call__(self, hr, scale, rng):
        super().__call__(hr, scale, rng)
        return hr[::scale, ::scale].copy()


class Locked(Box):
    def __init__(self) -> None:
        self.lock = threading.Lock()


class Shuffled(Drawn):
    def __init__(self) -> None:
        self.seed = random.randrange(1 << 60)

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return Sample(sample.name, sample.hr + np.uint8(self.seed % 249))


class Grows(Drawn):
    asked = 0

    def __len__(self):
        self.asked += 1
        return 3 if self.asked % 2 else 2


class Clock(Drawn):
    def __init__(self) -> None:
        self.fingerprint = str(time.perf_counter())


class NamedSet(Drawn):
    name = "a set"


class KeyErrors(Drawn):
    def __getitem__(self, index):
        return {n: super(KeyErrors, self).__getitem__(n) for n in range(3)}[index]


class Task:
    """A task that is right."""

    scales = None

    def __init__(self) -> None:
        self.networks, self.helpers = {"judge": Judge()}, {}

    def turns(self, step):
        return ("generator", "judge")

    def terms(self, pair, networks):
        return {"light": networks["judge"](pair.sr).mean()}

    def loss_of(self, name, network, pair):
        return {name: network(pair.hr).square().mean()}, {}


class Text(Task):
    def turns(self, step):
        return "generator"


class OneTable(Task):
    def loss_of(self, name, network, pair):
        return super().loss_of(name, network, pair)[0]


class Hidden(Task):
    def __init__(self) -> None:
        super().__init__()
        self.teacher = Judge()


class Shared(Task):
    shared = Judge()

    def __init__(self) -> None:
        super().__init__()
        self.networks = {"judge": self.shared}


class Blackens(Task):
    def terms(self, pair, networks):
        pair.hr.zero_()
        return super().terms(pair, networks)


class Runs:
    """An engine that is right."""

    devices, precisions = ("cpu",), ("fp32",)
    multiple, model, parameters = 1, None, None

    def __init__(self, *, folder, device="auto", precision="auto"):
        if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
            raise DeviceError("no such device", "Use another")
        self.net = folders.build(read_folder(folder))
        self.folder, self.reach = folder, self.net.reach

    def __call__(self, x, scale):
        with torch.no_grad():
            return self.net(torch.from_numpy(np.ascontiguousarray(x)), scale).numpy()

    def bytes_per_pixel(self, scale):
        return 4000

    def bytes_aside(self, scale):
        return 0

    def free_memory(self):
        return None


class OwnBuffer(Runs):
    kept = np.empty(0)

    def __call__(self, x, scale):
        y = super().__call__(x, scale)
        self.kept = np.empty_like(y) if self.kept.shape != y.shape else self.kept
        self.kept[:] = y
        return self.kept


class Leaks(Runs):
    def __call__(self, x, scale):
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        return super().__call__(x, scale)


class Cuts(Runs):
    def __call__(self, x, scale):
        return super().__call__(x, scale).clip(0, 1)


class Scribbles(Runs):
    def __init__(self, *, folder, device="auto", precision="auto"):
        super().__init__(folder=folder, device=device, precision=precision)
        (folder / "cache").write_bytes(random.randbytes(8))


class Knows(Takes):
    """An importer that is wrong of what it knows."""

    knows = {"head": (3,)}  # noqa: RUF012

    def recognise(self, shapes):
        return "mine" if "head" in shapes else None

    def convert(self, tensors, match):
        return {"generator": "bicubic", "args": {"scale": 2}}, dict(tensors)


class Raises(Takes):
    def recognise(self, shapes):
        return shapes["head"]


@click.command()
@click.option("--level")
def deaf():
    """Do something."""


@click.group()
def empty():
    """Do nothing."""


BROKEN: list[tuple[str, object, str]] = [
    ("generator", BatchMean, "other values for a picture in a batch than alone: in eval mode"),
    ("generator", OneAtATime, r"It works for a single picture: write `x.shape\[0\]`"),
    ("generator", FirstSize, "A newly built one does not fail: keep no state"),
    ("generator", Moves, "changes calls in eval mode: do so where `self.training`"),
    (
        "generator",
        Dropout,
        "random state of torch.random: in eval mode a network uses no random",
    ),
    ("generator", Views, "view: write `reshape` for `view`"),
    ("generator", Constant, r"fails after conversion to bfloat16: .*`x.new_tensor\(...\)`"),
    ("generator", Lock, "cannot be copied: .*keep no locks, files"),
    ("generator", Seeds, "sets torch's seed: leave out manual_seed"),
    ("generator", Divides, "not finite for a black picture: it may divide by zero"),
    ("generator", Strided, r"returned \(2, 3, 16, 12\), not .*write multiple = 2,"),
    ("generator", Unpadded, r"not \(2, 3, 14, 10\): pad its convolutions"),
    ("generator", ByName, r"takes no positional scale: write `def forward\(self, x, scale=None\)`"),
    ("generator", NoForward, r"has no forward: write `def forward"),
    ("generator", LongTail, "tail_reach is 1, but it states 6: write `tail_reach = 1`"),
    ("generator", OtherForward, r"is not forward\(x\): in forward, write `return self.recon"),
    ("generator", Tuples, "returned a tuple in training mode"),
    ("block", Lazy, "has lazy layers: give them their sizes"),
    ("block", Relu, "changed its input in place: work on a copy, no `inplace=True`"),
    ("block", Skips, r"takes \(x, skip\), but is called with \(x\): write `def forward"),
    ("block", Floats, "turned torch.float64 into torch.float32: leave out `.float"),
    ("discriminator", LogSigmoid, "gives no value above zero: leave out its sigmoid"),
    ("discriminator", Tanh, "gives values from -1 to 1 only: leave out its tanh"),
    ("discriminator", Scales, "changed its picture in place: work on a copy"),
    ("loss", Double, "returned torch.float64, not torch.float32: return it in the type of"),
    ("loss", Falls, "for growing noise: .*is its sign wrong"),
    ("loss", Clamped, "no gradient where sr is outside 0..1: leave out the clamp"),
    ("loss", Smooth, "the same value for every HR.*write `reference = False`"),
    ("loss", TwoArguments, r"takes \(sr, hr\), but is called with \(pair\): write `def"),
    ("loss", Drawn2, "a new one has other weights: load them, or seed them"),
    ("loss", Trains, "gives its own conv.weight a gradient: .*write `requires_grad_"),
    ("adversarial-loss", OtherWay, "as SR looks more real: .*is its sign wrong"),
    ("adversarial-loss", Adds, "for maps, .* for one logit: average"),
    ("metric", Wraps, "do not compute with uint8, as it wraps around"),
    ("metric", HigherIsBetter, "rates noise as an improvement, .*`higher_is_better = False`"),
    ("metric", NaNs, "returned nan for equal pictures: avoid 0 / 0"),
    ("metric", OneBuffer, "when several threads call it: keep no state"),
    ("metric", NeedsHr, "is given no HR picture: AttributeError.*write `reference = True`"),
    ("degradation", SeedsNumpy, "uses or seeds .*numpy.random.*: draw from rng alone"),
    ("degradation", Overflows, "changes the level 0 by .*values wrap around: `np.clip"),
    ("degradation", Bgr, "changes a flat colour by .*it swaps red and blue"),
    ("degradation", Nearest, r"shifts pictures by \(.*no `hr\[::scale"),
    ("degradation", Locked, "cannot be pickled: TypeError: .*locks"),
    ("dataset", Shuffled, r"dataset\[0\] is another picture when it is built again: sort"),
    ("dataset", Grows, r"len\(dataset\) changes between calls: \[2, 3\]"),
    ("dataset", Clock, "it has another fingerprint when it is built again: make"),
    ("dataset", NamedSet, r"NamedSet.name is a str, not a method: .*rename yours"),
    ("dataset", KeyErrors, r"dataset\[3\] of 3 pictures is KeyError: 3: raise an IndexError"),
    ("task", Text, r"returned 'generator': return names, as in `return \('generator',\)`"),
    ("task", OneTable, "loss_of returned a dict: return two tables"),
    ("task", Hidden, "teacher is a network that the task does not list: write `self.helpers"),
    ("task", Shared, "two tasks share the network judge: build it in `__init__`"),
    ("task", Blackens, "changed pair.hr in place: work on a copy"),
    ("engine", OwnBuffer, r"overwrote a result that it had returned: .*`y.copy\(\)`"),
    ("engine", Leaks, "leaves 12 threads behind after 12 calls: start threads once"),
    ("engine", Cuts, "clips values outside 0..1: leave out the clamp"),
    ("engine", Scribbles, "writes to the model's folder: write elsewhere"),
    ("importer", Knows, "convert returned head, which bicubic lacks: leave it out"),
    ("importer", Raises, "recognise fails on 0 unknown tensors: KeyError: 'head': return None"),
    ("command", deaf, r"has level, not taken by it: write `def deaf\(level\)`"),
    ("command", empty, "is a group without commands: write"),
]
