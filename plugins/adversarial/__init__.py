"""Adversarial losses: those of the generator and of the discriminator.

With D's logits r for real and f for generated pictures, and softplus(x) = log(1 + exp(x)):

* ``vanilla``, Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, with the non-saturating
  generator loss (as in SRGAN, equation 6): G: softplus(-f); D: softplus(-r) + softplus(f).
* ``lsgan``, Mao et al. 2017, https://arxiv.org/abs/1611.04076 (equation 9):
  G: (f - 1)^2 / 2; D: (r - 1)^2 / 2 + f^2 / 2.
* ``hinge``, Lim and Ye 2017, https://arxiv.org/abs/1705.02894: G: -f;
  D: max(0, 1 - r) + max(0, 1 + f).
* ``relativistic``, the average form, Jolicoeur-Martineau 2018,
  https://arxiv.org/abs/1807.00734, as in ESRGAN: the vanilla terms on r - mean(f) and
  f - mean(r), for both networks.

``gan`` is adversarial training as a task.

Every term is a mean over the batch and over the positions of D's output. The trainer freezes D's
parameters for the generator's turn, and detaches SR for the discriminator's.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Discriminator, Pair

from ._task import GAN as GAN


class Vanilla:
    """Cross-entropy with the non-saturating generator loss."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; softplus(-f)."""
        return F.softplus(-discriminator(pair.sr)).mean()

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; softplus(-r) + softplus(f)."""
        real, made = discriminator(pair.hr), discriminator(pair.sr)
        return F.softplus(-real).mean() + F.softplus(made).mean()


class LeastSquares:
    """Least squares: real is 1 and generated is 0."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; (f - 1)^2 / 2."""
        return 0.5 * (discriminator(pair.sr) - 1).square().mean()

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; (r - 1)^2 / 2 + f^2 / 2."""
        real, made = discriminator(pair.hr), discriminator(pair.sr)
        return 0.5 * ((real - 1).square().mean() + made.square().mean())


class Hinge:
    """Hinge: D's loss is zero beyond a margin of one on each side."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar of any sign; -f."""
        return -discriminator(pair.sr).mean()

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; max(0, 1 - r) + max(0, 1 + f)."""
        real, made = discriminator(pair.hr), discriminator(pair.sr)
        return F.relu(1 - real).mean() + F.relu(1 + made).mean()


class Relativistic:
    """Relativistic average: real pictures should look more real than generated ones on average."""

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; softplus(mean(r) - f) + softplus(r - mean(f))."""
        real, made = discriminator(pair.hr).detach(), discriminator(pair.sr)
        return _more_real(made, real)

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar from 0; softplus(mean(f) - r) + softplus(f - mean(r))."""
        return _more_real(discriminator(pair.hr), discriminator(pair.sr))


def _more_real(better: Tensor, worse: Tensor) -> Tensor:
    """Small if each of ``better`` is above the mean of ``worse``, and vice versa."""
    above, below = better - worse.mean(), worse - better.mean()
    return F.softplus(-above).mean() + F.softplus(below).mean()
