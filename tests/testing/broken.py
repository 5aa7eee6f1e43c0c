"""One broken promise each: what an author may write, and what the suites have to say of it."""

from __future__ import annotations

import random

import click
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from srzoo.contracts import Sample, SplitGenerator


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x, scale=None):
        return F.pixel_shuffle(self.conv(x), 2)


class Net(Bare):
    """A small generator that is right."""

    scales: object = (2,)
    reach: object = 1


class Twice(Net):
    scales = (2, 3)


class NoScales(Net):
    scales = property(lambda self: self.factors)


class ListOfScales(Net):
    scales = [2]  # noqa: RUF012


class TextScales(Net):
    scales = ("2",)


class NoReach(Bare):
    """It does not say how far it looks."""

    scales = (2,)


class TooSmall(Net):
    reach = 0


class TooLarge(Net):
    reach = 9


class FarTooLarge(Net):
    reach = 900


class OfTheWhole(Net):
    def forward(self, x, scale=None):
        return F.pixel_shuffle(self.conv(x) + self.conv(x).mean((2, 3), keepdim=True), 2)


class NoScaleAsked(Net):
    def forward(self, x):
        return super().forward(x)


class ScaleNeeded(Net):
    def forward(self, x, scale):
        return super().forward(x)


class Clamps(Net):
    def forward(self, x, scale=None):
        return (F.interpolate(x, scale_factor=2.0) + super().forward(x)).clamp(0, 1)


class NoReconstruct(Net):
    def features(self, x, scale=None):
        return self.conv(x)


class Inherits(Net, SplitGenerator):
    tail_reach = 1

    def features(self, x, scale=None):
        return self.conv(x)


class Tailless(Net):
    linear_tail = True

    def features(self, x, scale=None):
        return self.conv(x)

    def reconstruct(self, f, scale=None):
        return F.pixel_shuffle(f, 2)


class TailZero(Tailless):
    tail_reach = 0


class TailLooksFurther(Tailless):
    tail_reach = 1
    reach = 3

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(12, 12, 5, padding=2)

    def reconstruct(self, f, scale=None):
        return F.pixel_shuffle(self.last(f), 2)

    def forward(self, x, scale=None):
        return self.reconstruct(self.features(x))


class Reflects(Net):
    def forward(self, x, scale=None):
        return F.pixel_shuffle(F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.conv.weight), 2)


class Shrinks(Net):
    def forward(self, x, scale=None):
        return super().forward(x)[:, :, 1:]


class Wide(Net):
    def forward(self, x, scale=None):
        return super().forward(x).double()


class GivesNone(Net):
    def forward(self, x, scale=None):
        pass


class Fails(Net):
    def forward(self, x, scale=None):
        raise KeyError("no such layer")


class Exits(Net):
    def forward(self, x, scale=None):
        raise SystemExit(3)


class Interrupts(Net):
    def forward(self, x, scale=None):
        raise KeyboardInterrupt


class NotAModule:
    """No network at all."""

    scales, reach = (2,), 1


class GridZero(Net):
    multiple = 0


class Positional(Net):
    def __init__(self, depth: int = 1) -> None:
        super().__init__()


class Unnamed(Net):
    def __init__(self, **rest: int) -> None:
        super().__init__()


class Unannotated(Net):
    def __init__(self, *, depth=1) -> None:
        super().__init__()


class NoDocstring(Bare):
    scales, reach = (2,), 1


class NeedsArguments(Net):
    def __init__(self, *, depth: int) -> None:
        super().__init__()


class BrokenBuild(Net):
    def __init__(self) -> None:
        super().__init__()
        self.more = self.missing


class OddExamples(Net):
    examples = {"depth": 1}  # noqa: RUF012


class Silent(Net):
    def forward(self, x, scale=None):
        return super().forward(x.detach()).detach()


class Block(nn.Module):
    """A block that is right."""

    reach: object = 1

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


class Narrow(Block):
    def forward(self, x):
        return self.conv(x)[:, :4]


class InPlace(Block):
    def forward(self, x):
        return self.conv(x.mul_(2))


class Flat(nn.Module):
    """Of no channels."""

    reach = 0

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()

    def forward(self, x):
        return x


class BlockReach(Block):
    reach = 2


class NoSize(nn.Module):
    """It does not say what it can judge."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, y):
        return self.conv(y)


class Judge(NoSize):
    """A discriminator that is right."""

    min_size: object = 4


class Sigmoid(Judge):
    def forward(self, y):
        return torch.sigmoid(self.conv(y))


class LargerThanSaid(Judge):
    def forward(self, y):
        return self.conv(F.conv2d(y, torch.ones(3, 3, 7, 7)))


class OneLogit(Judge):
    def forward(self, y):
        return self.conv(y).mean()


class L1:
    """A loss that is right."""

    reference: object = True

    def __call__(self, pair):
        return (pair.sr - pair.hr).abs().mean()


class Sums(L1):
    def __call__(self, pair):
        return (pair.sr - pair.hr).abs().sum()


class SumsTheBatch(L1):
    def __call__(self, pair):
        return (pair.sr - pair.hr).abs().mean((1, 2, 3)).sum()


class Mutates(L1):
    def __call__(self, pair):
        pair.hr.clamp_(0.2, 0.8)
        return super().__call__(pair)


class Random(L1):
    def __call__(self, pair):
        return super().__call__(pair) * (1 + random.random())


class Number(L1):
    def __call__(self, pair):
        return super().__call__(pair).item()


class Detached(L1):
    def __call__(self, pair):
        return super().__call__(pair.detach())


class NoReference:
    """It does not say what it looks at."""

    __call__ = L1.__call__


class PSNR:
    """A metric that is right."""

    higher_is_better, reference, protocol = False, True, "Mean square."

    def __call__(self, sr, hr, scale):
        return float(np.square(sr - hr.astype(float)).mean())


class MetricMutates(PSNR):
    def __call__(self, sr, hr, scale):
        sr[:4] = 0
        return super().__call__(sr, hr, scale)


class MetricRandom(PSNR):
    def __call__(self, sr, hr, scale):
        return super().__call__(sr, hr, scale) + random.random()


class MetricNumpy(PSNR):
    def __call__(self, sr, hr, scale):
        return np.float32(1)


class MetricSizes(PSNR):
    pass


class NoProtocol:
    """It does not say what it measures."""

    higher_is_better, reference, __call__ = False, True, PSNR.__call__


class Box:
    """A degradation that is right."""

    deterministic = True

    def __call__(self, hr, scale, rng):
        height, width, _ = hr.shape
        if height % scale or width % scale:
            raise ValueError("no multiple")
        parts = hr.reshape(height // scale, scale, width // scale, scale, 3)
        return parts.mean((1, 3)).round().astype(np.uint8)


class OwnChance(Box):
    deterministic = False

    def __call__(self, hr, scale, rng):
        return super().__call__(hr, scale, rng) // random.choice((1, 2, 3))


class Hr(Box):
    def __call__(self, hr, scale, rng):
        hr[:1] = 0
        return super().__call__(hr, scale, rng)


class Floats(Box):
    def __call__(self, hr, scale, rng):
        return super().__call__(hr, scale, rng) / 255


class Same(Box):
    def __call__(self, hr, scale, rng):
        return hr.copy()


class Guesses(Box):
    def __call__(self, hr, scale, rng):
        high, wide = (each // scale * scale for each in hr.shape[:2])
        return super().__call__(hr[:high, :wide], scale, rng)


class NotSaid:
    """It does not say whether it uses random numbers."""

    __call__ = Box.__call__


class Drawn:
    """A dataset that is right."""

    fingerprint: object = "drawn"

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index >= 3:
            raise IndexError(index)
        return Sample(str(index), np.full((8, 8, 3), index, np.uint8))


class Changes(Drawn):
    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return Sample(sample.name, sample.hr + np.uint8(random.randrange(100)))


class NoFingerprint(Drawn):
    fingerprint = property(lambda self: self.missing)


class Tuples(Drawn):
    def __getitem__(self, index):
        return super().__getitem__(index).hr, None


class Game:
    """Without the other half."""

    def for_generator(self, discriminator, pair):
        return -discriminator(pair.sr).mean()


class Job:
    """Without turns."""

    scales, networks, helpers = None, {}, {}


class Engine:
    """An engine without methods."""

    devices, precisions = ("cpu",), ("fp32",)
    reach, multiple, model, parameters = 3, 1, None, None

    def __init__(self, *, folder, device="auto", precision="auto"):
        pass

    def __call__(self, x, scale):
        return x


class Format:
    """A format without a suffix."""

    beside, packages, extra = (), {}, ""


class Takes:
    """An importer that takes everything."""

    def recognise(self, shapes):
        return "mine"

    def convert(self, tensors, match):
        return {}, {}


@click.command()
def wordless():
    pass


BROKEN: list[tuple[str, object, str, str]] = [
    # kind, class, what is said, and a piece of the line that is shown
    ("generator", Twice, r"x3 returned .*that is x2; does it use `scale`", "class Twice"),
    ("generator", NoScales, r"states no scales.*write `scales = \(2,\)`, the factors", "scales ="),
    ("generator", ListOfScales, r"scales is \[2\], not a tuple: write", "scales = [2]"),
    ("generator", TextScales, r"scales is \('2',\), not whole numbers", 'scales = ("2",)'),
    ("generator", NoReach, r"states no reach: write `reach = 1`", "class NoReach"),
    ("generator", TooSmall, r"reach is 1, but it states 0: write `reach = 1`", "reach = 0"),
    ("generator", TooLarge, r"reach is 1, but it states 9: write `reach = 1`", "reach = 9"),
    ("generator", FarTooLarge, r"reach is 1, but it states 900: write `reach = 1`", "reach = 900"),
    ("generator", OfTheWhole, r"reach is the whole picture, but it states 1: write `reach = None`",
     "reach: object = 1"),
    ("generator", NoScaleAsked, r"takes \(x\), but no scale: write `def forward\(self, x, scale",
     "def forward(self, x):"),
    ("generator", ScaleNeeded, "cannot be called without its one scale", "def forward"),
    ("generator", Clamps, "clips .* % of its values: leave out the clamp", "class Clamps"),
    ("generator", NoReconstruct, "has no method reconstruct", "class NoReconstruct"),
    ("generator", Inherits, "has no method reconstruct of its own", "class Inherits"),
    ("generator", Tailless, "linear_tail without .*write `tail_reach = N`", "class Tailless"),
    ("generator", TailZero, r"tail_reach is 0: write `tail_reach = N`.*from 1", "tail_reach = 0"),
    ("generator", TailLooksFurther, "tail_reach is 2, but it states 1: write `tail_reach = 2`",
     "tail_reach = 1"),
    ("generator", Reflects, "fails on 1x\\d pixels: .*Reflection needs more pixels.*zeros",
     "reflect"),
    ("generator", Shrinks, r"returned \(2, 3, 13, 10\), not \(2, 3, 14, 10\)", "class Shrinks"),
    ("generator", Wide, r"turned torch.float32 into torch.float64", "class Wide"),
    ("generator", GivesNone, "returned None: return the picture, a tensor", "class GivesNone"),
    ("generator", Fails, "fails at 'shape at each scale': KeyError: 'no such layer'", "KeyError"),
    ("generator", Exits, "fails at .*: SystemExit: 3", "raise SystemExit"),
    ("generator", Interrupts, "fails at .*: KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("generator", NotAModule, r"write `class NotAModule\(nn.Module\)`", "class NotAModule"),
    ("generator", GridZero, "is 0, not a whole number of at least 1: write", "multiple = 0"),
    ("generator", Positional, "depth is not keyword-only: write \\* before it", "class Positional"),
    ("generator", Unnamed, "takes \\*\\*rest: name every argument", "class Unnamed"),
    ("generator", Unannotated, "depth has no annotation: write `depth: int`", "class Unannot"),
    ("generator", NoDocstring, "has no docstring: describe it", "class NoDocstring"),
    ("generator", NeedsArguments, "cannot be built: .*needs depth.*write `examples = ",
     "class NeedsArguments"),
    ("generator", BrokenBuild, "cannot be built: AttributeError: .*'missing'", "self.missing"),
    ("generator", OddExamples, "examples is {'depth': 1}: write `examples = ", "examples = {"),
    ("generator", Silent, "gives its weights no gradient: leave out detach", "class Silent"),
    ("block", Narrow, r"returned \(2, 4, 6, 5\) of \(2, 16, 6, 5\): a block keeps", "class Narrow"),
    ("block", InPlace, "changed its input in place", "class InPlace"),
    ("block", Flat, "is not built with channels: write `def __init__", "def __init__"),
    ("block", BlockReach, "reach is 1, but it states 2: write `reach = 1`", "reach = 2"),
    ("discriminator", Sigmoid, "gives no value below zero: leave out its sigmoid", "class Sigm"),
    ("discriminator", NoSize, "states no min_size: write `min_size = N`", "class NoSize"),
    ("discriminator", LargerThanSaid, "fails on 4x4 pixels: .*min_size is 4", "F.conv2d"),
    ("discriminator", OneLogit, r"returned \(\) for 4x4: logits are B x 1", "class OneLogit"),
    ("loss", Sums, "is 2.0 times as large for a batch twice as large: average", "class Sums"),
    ("loss", SumsTheBatch, "is 2.0 times as large for a batch", "class SumsTheBatch"),
    ("loss", Mutates, "changed pair.hr in place: work on a copy", "class Mutates"),
    ("loss", Random, "it uses random numbers", "class Random"),
    ("loss", Number, "returned a float: return a tensor", "class Number"),
    ("loss", Detached, "gives no gradient: compute it from pair.sr", "class Detached"),
    ("loss", NoReference, "states no reference: write `reference = True`", "class NoReference"),
    ("metric", MetricMutates, "changed sr in place: work on a copy", "class MetricMutates"),
    ("metric", MetricRandom, "random state of random: .*of its own", "class MetricRandom"),
    ("metric", MetricNumpy, "returned a float32: return `float", "class MetricNumpy"),
    ("metric", MetricSizes, "two sizes: ValueError: .*raise a srzoo.errors.SrzooError", "hr.ast"),
    ("metric", NoProtocol, "states no protocol: write `protocol = ", "class NoProtocol"),
    ("degradation", OwnChance, "random state of random: draw from rng alone", "class OwnCh"),
    ("degradation", Hr, "changed hr in place: work on a copy", "class Hr"),
    ("degradation", Floats, "returned float64, not uint8", "class Floats"),
    ("degradation", Same, r"returned \(48, 34, 3\), not \(24, 17, 3\)", "class Same"),
    ("degradation", Guesses, "without a ValueError: raise a ValueError where", "class Guesses"),
    ("degradation", NotSaid, "states no deterministic: write `deterministic = ", "class NotSaid"),
    ("dataset", Changes, "random state of random: return the whole", "class Changes"),
    ("dataset", NoFingerprint, "states no fingerprint: write `fingerprint`", "class NoFinger"),
    ("dataset", Tuples, r"dataset\[0\] is a tuple", "class Tuples"),
    ("adversarial-loss", Game, "no method for_discriminator: write `def for_dis", "class Game"),
    ("task", Job, "has no method turns: write `def turns", "class Job"),
    ("engine", Engine, "has no method bytes_per_pixel: write `def bytes_per", "class Engine"),
    ("export-format", Format, "states no suffix: write `suffix = ", "class Format"),
    ("importer", Takes, "recognises 0 unknown tensors as 'mine': return None", "class Takes"),
    ("command", wordless, "has no help: write a docstring", ""),
]  # fmt: skip


class Modulated(Net):
    """As SAFMN: what is pooled to an eighth of the picture modulates its features."""

    reach = None

    def forward(self, x, scale=None):
        height, width = x.shape[2:]
        f = self.conv(x)
        low = F.adaptive_max_pool2d(f, (height // 8, width // 8))
        return F.pixel_shuffle(f * torch.sigmoid(F.interpolate(low, size=(height, width))), 2)


RIGHT = [("generator", Modulated), ("generator", Net), ("block", Block), ("discriminator", Judge),
         ("loss", L1), ("degradation", Box), ("dataset", Drawn)]  # fmt: skip
