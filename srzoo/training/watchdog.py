"""The watchdog of a run: values that are not finite, and adversarial training that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..contracts import Pair
from .parts import Term

OUTSIDE = 0.01
"""The mean distance of SR from 0..1 that is reported (2.5 levels of 255)."""
DRIFT = 2 / 255
"""The difference between the mean colours of SR and LR that is reported."""
WON = 0.99
"""From this share of right answers the discriminator is too strong."""
LOST = 0.52
"""Up to this share the discriminator does no better than guessing."""


class NotFinite(Exception):  # noqa: N818 - the loop catches it, and rolls back
    """A loss or a gradient was not finite.

    Attributes:
        step: of the run, from 0.
        batch: of the run, from 0.
        term: the name of the value; None in a process in which all values were finite.
        pair: the batch.
        culprits: indices in the batch that cause it alone; all of them if none does.
    """

    def __init__(
        self, step: int, batch: int, term: str | None, pair: Pair, culprits: list[int]
    ) -> None:
        super().__init__(term or "")
        self.step = step
        self.batch = batch
        self.term = term
        self.pair = pair
        self.culprits = culprits


class FiniteFlags:
    """Whether the values of a batch are finite in all processes; the result is read later.

    Args:
        flags: a boolean on the device for each name, in the order of their computation.
        accelerator: connects the processes.
        stop: whether this process was asked to stop.
    """

    def __init__(self, flags: dict[str, Tensor], accelerator: Any, stop: bool = False) -> None:
        self._names = list(flags)
        mine = torch.stack(list(flags.values())) if flags else torch.ones(0, dtype=torch.bool)
        # Created on the device: a copy from pageable memory would wait for the GPU's queue.
        asked = torch.full((), stop, dtype=torch.bool, device=mine.device)
        bad = torch.stack([~mine.all(), asked])
        if accelerator.num_processes > 1:
            bad = accelerator.reduce(bad.float(), reduction="sum") > 0
        flat = torch.cat([mine, bad])
        self._event: torch.cuda.Event | None = None
        if flat.device.type == "cuda":
            flat = flat.to("cpu", non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()
        self._flags = flat

    def read(self) -> tuple[str | None, bool, bool]:
        """The first value here that is not finite, if any process has one, and whether to stop.

        It waits until the device has computed them.
        """
        if self._event:
            self._event.synchronize()
        flags: list[bool] = self._flags.cpu().numpy().tolist()
        *mine, bad, stop = flags
        named = zip(self._names, mine, strict=True)
        return next((name for name, good in named if not good), None), bad, stop


class PendingChecks:
    """Batches whose values have not been checked yet.

    On a CUDA device one batch stays unchecked while the next is computed, so that the GPU always
    has work. Elsewhere each batch is checked at once.

    Args:
        terms: of the loss, to find the pictures that cause it.
        device: of the computation.

    Attributes:
        stop: whether a process was asked to stop.
    """

    def __init__(self, terms: Sequence[Term], device: torch.device) -> None:
        self.stop = False
        self._terms = terms
        self._most = 1 if device.type == "cuda" else 0
        self._open: deque[tuple[int, int, FiniteFlags, Pair]] = deque()

    def add(self, step: int, batch: int, finite: FiniteFlags, pair: Pair) -> None:
        """Add a batch, and check the oldest if too many are waiting.

        Raises:
            NotFinite: a value is not finite; in all processes at the same batch.
        """
        self._open.append((step, batch, finite, pair))
        self.settle(self._most)

    def settle(self, left: int = 0) -> None:
        """Check all but the last ``left`` batches.

        Raises:
            NotFinite: a value is not finite; in all processes at the same batch.
        """
        while len(self._open) > left:
            step, batch, finite, pair = self._open.popleft()
            odd, anywhere, stop = finite.read()
            self.stop = self.stop or stop
            if anywhere:
                to_blame = find_culprits(self._terms, pair) if odd else []
                raise NotFinite(step, batch, odd, pair, to_blame)


@torch.no_grad()
def find_culprits(terms: Sequence[Term], pair: Pair) -> list[int]:
    """The indices in a batch whose picture, or whose own loss, is not finite."""

    def odd(place: int) -> bool:
        lr, hr, sr = (x[place : place + 1] for x in (pair.lr, pair.hr, pair.sr))
        alone = Pair(lr=lr, hr=hr, sr=sr)
        values = (sr, *(term.of(alone) for term in terms))
        return not all(bool(value.isfinite().all()) for value in values)

    places = list(range(len(pair.sr)))
    return [place for place in places if odd(place)] or places


@torch.no_grad()
def picture_facts(pair: Pair) -> dict[str, Tensor]:
    """The mean distance of SR from 0..1, and its mean colour minus LR's."""
    sr = pair.sr.detach()
    drift = sr.mean((0, 2, 3)) - pair.lr.mean((0, 2, 3))
    names = ("red_drift", "green_drift", "blue_drift")
    outside = (sr - sr.clamp(0, 1)).abs().mean()
    return {"outside": outside, **dict(zip(names, drift, strict=True))}


class Watchdog:
    """Reports anomalies that last.

    Args:
        patience: steps that an anomaly lasts before it is reported, and reported again.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._since: dict[str, int] = {}

    def check(self, before: int, step: int, facts: dict[str, float]) -> list[str]:
        """Check the mean facts of the steps from ``before`` to ``step``; return sentences."""
        messages: list[str] = []
        found = _find_oddities(facts)
        self._since = {name: self._since.get(name, before) for name in found}
        for name, sentence in found.items():
            if step - self._since[name] >= self._patience:
                messages.append(f"for {step - self._since[name]} steps {sentence}")
                self._since[name] = step
        return messages


def _find_oddities(facts: dict[str, float]) -> dict[str, str]:
    """The anomalies in mean facts: for each a name, and the rest of a sentence."""
    found: dict[str, str] = {}
    right = facts.get("d_right")
    if right is not None and right >= WON:
        found["won"] = (
            f"the discriminator is too strong ({right:.1%} right): the generator learns little"
            " from it; lower adversarial.optimizer.lr, or use a weaker discriminator"
        )
    if right is not None and right <= LOST:
        found["lost"] = (
            f"the discriminator only guesses ({right:.1%} right): the generator learns"
            " nothing from it; raise adversarial.optimizer.lr, or use a stronger discriminator"
        )
    if facts["outside"] > OUTSIDE:
        found["outside"] = (
            f"SR has left 0..1 by {255 * facts['outside']:.1f} levels of 255 on average: lower"
            " the learning rate or adversarial.weight, or give a pixel loss more weight"
        )
    drift = max((facts[f"{name}_drift"] for name in ("red", "green", "blue")), key=abs)
    if abs(drift) > DRIFT:
        found["drift"] = (
            f"the mean colour of SR has differed from LR's by {255 * drift:+.1f} levels: add"
            " a pixel loss, or lower adversarial.weight"
        )
    return found
