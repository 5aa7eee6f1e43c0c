"""The game as a task."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import srzoo
from srzoo.testing import Case, check_task

PATCH = {"name": "patchgan", "n_feats": 1}


@given(start=st.integers(0, 9), d_steps=st.integers(1, 5))
def test_after_the_start_one_of_d_steps_is_the_generators(start, d_steps):
    game = srzoo.tasks.create("gan", discriminator=PATCH, start=start, d_steps=d_steps)
    turns = [game.turns(step) for step in range(start + 3 * d_steps)]
    moves = ["generator" in who for who in turns]
    assert moves == [False] * start + ([False] * (d_steps - 1) + [True]) * 3
    assert all("discriminator" in who for who in turns)


def test_a_loss_that_is_a_module_is_a_helper():
    """So that it is where the pictures are."""

    class Own(nn.Module):
        def __init__(self) -> None:  # nn.Module's own takes whatever it is given
            super().__init__()

        def for_generator(self, discriminator, pair):
            return -discriminator(pair.sr).mean()

        def for_discriminator(self, discriminator, pair):
            return discriminator(pair.sr).mean() - discriminator(pair.hr).mean()

    srzoo.adversarial_losses.register("own", Own)
    try:
        game = srzoo.tasks.create("gan", discriminator=PATCH, loss="own")
        assert game.helpers == {"loss": game.loss}
        check_task(Case("gan", {"discriminator": PATCH, "loss": "own"}))
    finally:
        srzoo.adversarial_losses.unregister("own")
