"""Adversarial training of two networks as a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Ge, Le
from torch import Tensor, nn

from srzoo import adversarial_losses, discriminators
from srzoo.contracts import Pair

DISCRIMINATOR = "discriminator"


class GAN:
    """Adversarial training with a discriminator: the table ``[adversarial]`` of a recipe.

    Goodfellow et al., "Generative Adversarial Nets", 2014, https://arxiv.org/abs/1406.2661; for
    pictures SRGAN, Ledig et al. 2017, https://arxiv.org/abs/1609.04802: its equation 3 is the sum
    of the content losses and ``weight`` (1e-3 there) times the generator's half.

    Args:
        discriminator: a discriminator plugin.
        loss: an adversarial loss plugin, for both networks.
        weight: factor of the generator's adversarial loss in the sum with its other losses.
        d_steps: the discriminator is updated in every step, the generator once in this many.
        start: steps at the start of a stage that update the discriminator alone.
    """

    examples = (
        {"discriminator": {"name": "patchgan", "n_feats": 4}},
        {
            "discriminator": {"name": "unet_sn", "n_feats": 4},
            "loss": "relativistic",
            "d_steps": 2,
            "start": 3,
        },
    )
    scales = None

    def __init__(
        self,
        *,
        discriminator: str | Mapping[str, Any],
        loss: str | Mapping[str, Any] = "vanilla",
        weight: Annotated[float, Ge(0)] = 1e-3,
        d_steps: Annotated[int, Ge(1), Le(1_000_000_000)] = 1,
        start: Annotated[int, Ge(0), Le(1_000_000_000)] = 0,
    ) -> None:
        self.networks = {DISCRIMINATOR: discriminators.build(discriminator)}
        self.loss = adversarial_losses.build(loss)
        self.helpers = {"loss": self.loss} if isinstance(self.loss, nn.Module) else {}
        self.weight, self.d_steps, self.start = weight, d_steps, start

    def turns(self, step: int) -> tuple[str, ...]:
        """The discriminator at every step; the generator once in ``d_steps`` after ``start``."""
        since = step - self.start
        moves = since >= 0 and (since + 1) % self.d_steps == 0
        return ("generator", DISCRIMINATOR) if moves else (DISCRIMINATOR,)

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """The generator's adversarial loss."""
        value = self.loss.for_generator(networks[DISCRIMINATOR], pair)
        return {"adversarial": self.weight * value}

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The discriminator's loss, and its mean outputs for the log."""
        recording = RecordingDiscriminator(network, self.networks[name].min_size, pair)
        return {name: self.loss.for_discriminator(recording, pair)}, recording.facts()


class RecordingDiscriminator(nn.Module):
    """A discriminator that records its logits of real and of generated pictures.

    Args:
        discriminator: the discriminator to call.
        min_size: the discriminator's, as a wrapper lacks the attribute.
        pair: the real and the generated pictures.
    """

    def __init__(self, discriminator: Any, min_size: int, pair: Pair) -> None:
        super().__init__()
        self.min_size = min_size
        self._discriminator = discriminator
        self._pair = pair
        self._logits: dict[str, Tensor] = {}

    def forward(self, y: Tensor) -> Tensor:
        """The logits of the discriminator."""
        logits: Tensor = self._discriminator(y)
        if y is self._pair.hr:
            self._logits["real"] = logits.detach()
        elif y is self._pair.sr:
            self._logits["made"] = logits.detach()
        return logits

    def facts(self) -> dict[str, Tensor]:
        """Mean logits, D(real) and D(fake), and the share of pictures on the correct side.

        The share is 1 if every real picture is above the mean of the generated ones and every
        generated one below the mean of the real ones, and about a half if D cannot distinguish
        them.
        """
        if self._logits.keys() != {"real", "made"}:
            return {}
        real, made = self._logits["real"].float(), self._logits["made"].float()
        right = (real > made.mean()).float().mean() + (made < real.mean()).float().mean()
        return {"d_real": real.mean(), "d_fake": made.mean(), "d_right": right / 2}
