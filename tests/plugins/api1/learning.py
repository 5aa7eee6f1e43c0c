"""A loss, an adversarial loss and a task of plugin API 1."""

import torch
from torch import nn


class Loss:
    """Mean absolute difference."""

    reference = True

    def __init__(self, *, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, pair):
        """A scalar."""
        return self.factor * (pair.sr - pair.hr).abs().mean()


class Game:
    """Squares, as in LSGAN."""

    def for_generator(self, discriminator, pair):
        """A scalar."""
        return (discriminator(pair.sr) - 1).square().mean()

    def for_discriminator(self, discriminator, pair):
        """A scalar."""
        real, made = discriminator(pair.hr), discriminator(pair.sr)
        return (real - 1).square().mean() + made.square().mean()


class Gray(nn.Module):
    """Guesses how bright a picture is."""

    min_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        """One number a picture."""
        return self.slope * x.mean((1, 2, 3))


class Brightness:
    """The generator's pictures are as bright as a network says that HR is."""

    scales = None

    def __init__(self, *, weight: float = 0.1) -> None:
        self.networks = {"judge": Gray()}
        self.helpers = {}
        self.weight = weight

    def turns(self, step):
        """Both, always."""
        return ("generator", "judge")

    def terms(self, pair, networks):
        """Beside the losses."""
        wrong = networks["judge"](pair.lr) - pair.sr.mean((1, 2, 3))
        return {"light": self.weight * wrong.abs().mean()}

    def loss_of(self, name, network, pair):
        """What the judge learns."""
        wrong = network(pair.lr) - pair.hr.mean((1, 2, 3))
        return {name: wrong.square().mean()}, {"brightness_off": wrong.detach().mean()}
