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
"""How far the values of SR may lie outside 0..1, on average (2.5 levels of 255)."""
DRIFT = 2 / 255
"""How far the mean colour of SR may lie from LR's."""
WON = 0.99
"""From this share of right answers on the discriminator wins outright."""
LOST = 0.52
"""Up to this share it does no better than guessing."""


class NotFinite(Exception):  # noqa: N818 - it is caught where the run is rolled back
    """A loss or a gradient was not finite.

    Attributes:
        step: of the run, from 0.
        batch: of the run, from 0.
        term: what was not finite; None in a process where all was well.
        pair: the batch it came from.
        culprits: places in the batch that do it alone; all of them if none does.
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
    """Whether some values of a batch are finite, here and in all processes; read later.

    Args:
        flags: a truth on the device for each name, in the order in which they came about.
        accelerator: knows the other processes.
        stop: whether this process was asked to stop.
    """

    def __init__(self, flags: dict[str, Tensor], accelerator: Any, stop: bool = False) -> None:
        self._names = list(flags)
        mine = torch.stack(list(flags.values())) if flags else torch.ones(0, dtype=torch.bool)
        # Made there: a copy from ordinary memory waits for all that was queued on a GPU.
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
        """The first value here that is not finite, if any is anywhere, and if any is to stop.

        Waits for the device to have come this far.
        """
        if self._event:
            self._event.synchronize()
        flags: list[bool] = self._flags.cpu().numpy().tolist()
        *mine, bad, stop = flags
        named = zip(self._names, mine, strict=True)
        return next((name for name, good in named if not good), None), bad, stop


class PendingChecks:
    """The batches of which nobody has looked yet whether they were finite.

    On a CUDA device one batch is left in doubt while the next is on its way, so that the GPU
    never runs out of work; elsewhere each is looked at at once.

    Args:
        terms: of the loss, to find the pictures that are to blame.
        device: where they are computed.

    Attributes:
        stop: whether a process was asked to stop.
    """

    def __init__(self, terms: Sequence[Term], device: torch.device) -> None:
        self.stop = False
        self._terms = terms
        self._most = 1 if device.type == "cuda" else 0
        self._open: deque[tuple[int, int, FiniteFlags, Pair]] = deque()

    def add(self, step: int, batch: int, finite: FiniteFlags, pair: Pair) -> None:
        """One more; looks at the oldest if there are too many.

        Raises:
            NotFinite: in all processes at the same place.
        """
        self._open.append((step, batch, finite, pair))
        self.settle(self._most)

    def settle(self, left: int = 0) -> None:
        """Look at all but the last few.

        Raises:
            NotFinite: in all processes at the same place.
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
    """The places in a batch whose picture, or whose loss alone, is not finite."""

    def odd(place: int) -> bool:
        lr, hr, sr = (x[place : place + 1] for x in (pair.lr, pair.hr, pair.sr))
        alone = Pair(lr=lr, hr=hr, sr=sr)
        values = (sr, *(term.of(alone) for term in terms))
        return not all(bool(value.isfinite().all()) for value in values)

    places = list(range(len(pair.sr)))
    return [place for place in places if odd(place)] or places


@torch.no_grad()
def picture_facts(pair: Pair) -> dict[str, Tensor]:
    """How far SR lies outside 0..1 on average, and its mean colour less LR's."""
    sr = pair.sr.detach()
    drift = sr.mean((0, 2, 3)) - pair.lr.mean((0, 2, 3))
    names = ("red_drift", "green_drift", "blue_drift")
    outside = (sr - sr.clamp(0, 1)).abs().mean()
    return {"outside": outside, **dict(zip(names, drift, strict=True))}


class Watchdog:
    """Says in words what has gone on for long and should not.

    Args:
        patience: steps that it may go on before it is said, and said again.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._since: dict[str, int] = {}

    def check(self, before: int, step: int, facts: dict[str, float]) -> list[str]:
        """Judge the mean facts of the steps from ``before`` to ``step``; sentences to say."""
        said: list[str] = []
        found = _find_oddities(facts)
        self._since = {name: self._since.get(name, before) for name in found}
        for name, sentence in found.items():
            if step - self._since[name] >= self._patience:
                said.append(f"for {step - self._since[name]} steps {sentence}")
                self._since[name] = step
        return said


def _find_oddities(facts: dict[str, float]) -> dict[str, str]:
    """What is wrong with some mean facts: a name and the rest of a sentence each."""
    found: dict[str, str] = {}
    right = facts.get("d_right")
    if right is not None and right >= WON:
        found["won"] = (
            f"the discriminator wins outright ({right:.1%} right): the generator learns little"
            " from it; lower adversarial.optimizer.lr, or use a weaker discriminator"
        )
    if right is not None and right <= LOST:
        found["lost"] = (
            f"the discriminator could only guess ({right:.1%} right): the generator learns"
            " nothing from it; raise adversarial.optimizer.lr, or use a stronger discriminator"
        )
    if facts["outside"] > OUTSIDE:
        found["outside"] = (
            f"SR has left 0..1, by {255 * facts['outside']:.1f} levels of 255 on average: lower"
            " the learning rate or adversarial.weight, or give a pixel loss more weight"
        )
    drift = max((facts[f"{name}_drift"] for name in ("red", "green", "blue")), key=abs)
    if abs(drift) > DRIFT:
        found["drift"] = (
            f"the mean colour of SR has been off LR's, by {255 * drift:+.1f} levels: add"
            " a pixel loss, or lower adversarial.weight"
        )
    return found
