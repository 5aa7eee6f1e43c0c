"""The tables of a recipe on optimisation: optimisers, schedules, rollbacks, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .. import defaults
from ..common import strict
from ..plugins.plugin import Use


@dataclass(frozen=True)
class Group:
    """A group of parameters with optimiser settings of its own.

    Attributes:
        match: a pattern on their names: ``tail.*`` is everything below ``tail``. If several
            groups match a parameter, the first one gets it.
        lr: their learning rate, which the schedule scales too, or None for the optimiser's.
        weight_decay: their weight decay, or None for the optimiser's.
    """

    match: str
    lr: float | None = None
    weight_decay: float | None = None


OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    name: {"betas": (0.9, 0.999), "eps": 1e-8, "momentum": 0.0}
    for name in ("adam", "adamw", "muon", "sgd")
}
"""What these leave to a recipe, where it says nothing of it; all others have defaults of theirs."""


@dataclass(frozen=True)
class Optimizer:
    """Adam, AdamW, SGD, timm's Muon (for kernels as matrices; AdamW for the rest), or others.

    Attributes:
        name: ``adam``, ``adamw``, ``sgd``, ``muon``, or any that ``timm.optim.list_optimizers``
            names and that needs no second derivatives.
        lr: the learning rate; a schedule scales it.
        betas, eps: Adam's, and of Muon's AdamW: (0.9, 0.999) and 1e-8; of others, if given.
        momentum: Muon's and SGD's: 0; of others, if given.
        args: further arguments of the optimiser, such as ``{amsgrad = true}``.
        groups: parameters with another rate or weight decay.
    """

    name: str = "adam"
    lr: float = 1e-4
    betas: tuple[float, ...] | None = None
    eps: float | None = None
    weight_decay: float = 0.0
    momentum: float | None = None
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for name, value in OPTIMIZERS.get(self.name, {}).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)  # frozen, but for its own making


@dataclass(frozen=True)
class Schedule:
    """The course of the learning rate: a factor on ``Optimizer.lr`` for each step of a stage.

    Attributes:
        name: "constant"; "step": times ``gamma`` at each of ``at``; "linear" and "cosine": from 1
            to ``floor`` at the last step; "cosine_restarts": a cosine to ``floor`` for each of
            ``periods``.
        warmup: first steps, over which it rises linearly from zero.
        periods: steps of each cosine, the first counted from step 0, as in BasicSR; together
            at least all steps.
        restarts: steps at which "step" begins anew.
        restart_weights: the initial factor of each period, or after each restart; 1 for all if
            empty.
    """

    name: Literal["constant", "step", "linear", "cosine", "cosine_restarts"] = "constant"
    at: tuple[int, ...] = ()
    gamma: float = 0.5
    floor: float = 0.0
    warmup: int = 0
    periods: tuple[int, ...] = ()
    restarts: tuple[int, ...] = ()
    restart_weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Watchdog:
    """Rollbacks and warnings of a run.

    Attributes:
        rollbacks: how often, within ``window``, a run may return to the last checkpoint and draw
            other crops after a value that is not finite; 0 to stop at the first.
        window: steps over which rollbacks are counted.
        patience: steps that an anomaly may last before a warning.
    """

    rollbacks: int = 3
    window: int = 10_000
    patience: int = 500


@dataclass(frozen=True)
class Task:
    """The networks that are trained beside the generator, and their part in a step.

    Attributes:
        use: a task plugin; it has no arguments called ``optimizer`` and ``schedule``.
        optimizer: of each network beside the generator, one for each; the generator's settings
            (but its groups) if none.
        schedule: of their learning rates; the recipe's if none.
    """

    use: Use
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Task:
        """Read ``"NAME"``, or a table with ``name``, the task's arguments, and these two keys."""
        if isinstance(value, str):
            return cls(Use(value))
        args = dict(value)
        own: dict[str, Any] = {}
        for key, kind in (("optimizer", Optimizer), ("schedule", Schedule)):
            if key in args:
                own[key] = strict.parse(kind, args.pop(key), key)
        return cls(Use.of(args), **own)

    def plain(self) -> dict[str, Any]:
        """The table that :meth:`of` reads."""
        own = {"optimizer": self.optimizer, "schedule": self.schedule}
        return {**self.use.plain(), **{k: strict.plain(v) for k, v in own.items() if v}}


ADVERSARIAL, TASK = "adversarial", "task"
"""The tables of a recipe for adversarial training."""


@dataclass(frozen=True)
class Adversarial:
    """Adversarial training: the task "gan", in a table of its own.

    Attributes:
        loss: an adversarial loss plugin, for both networks.
        weight: factor of the generator's adversarial loss in the sum with its other losses.
        optimizer: the discriminator's; the generator's settings (but its groups) if none.
        schedule: of the discriminator's learning rate; the recipe's if none.
        d_steps: the discriminator is updated in every step, the generator once in this many
            steps, on other pictures each time: as WGAN's ``n_critic``, and BasicSR's
            ``net_d_iters``. ``train.steps`` counts the discriminator's.
        start: steps at the start of the stage that update the discriminator alone; BasicSR's
            ``net_d_init_iters``.
    """

    discriminator: Use
    loss: Use = field(default_factory=lambda: Use(defaults.ADVERSARIAL_LOSS))
    weight: float = 1e-3
    optimizer: Optimizer | None = None
    schedule: Schedule | None = None
    d_steps: int = 1
    start: int = 0

    @classmethod
    def read(cls, task: Task) -> Adversarial:
        """The adversarial settings, read from a task."""
        table = {key: value for key, value in task.plain().items() if key != "name"}
        return strict.parse(cls, table, TASK)

    @property
    def task(self) -> Task:
        """The same as a task."""
        own = {field.name: strict.plain(getattr(self, field.name)) for field in fields(self)}
        del own["optimizer"], own["schedule"]
        return Task(Use(defaults.GAME, own), self.optimizer, self.schedule)
