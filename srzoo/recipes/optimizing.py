"""The tables of a recipe on optimization: the run, optimizers, schedules, rollbacks, tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .. import defaults
from ..common import strict
from ..plugins.plugin import Use


@dataclass(frozen=True)
class Group:
    """Parameters with their own learning rate or weight decay.

    Attributes:
        match: a shell pattern on parameter names: ``tail.*`` is everything below ``tail``. The
            first group that matches a parameter applies.
        lr: learning rate, scaled by the schedule like the optimizer's; the optimizer's if none.
        weight_decay: the optimizer's if none.
    """

    match: str
    lr: float | None = None
    weight_decay: float | None = None


OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    name: {"betas": (0.9, 0.999), "eps": 1e-8, "momentum": 0.0}
    for name in ("adam", "adamw", "muon", "sgd")
}
"""Keys whose default the recipe decides; all others have their own defaults."""


@dataclass(frozen=True)
class Optimizer:
    """How the weights are updated from gradients.

    Muon is timm's: it treats kernels as matrices, and updates all other parameters by AdamW.

    Attributes:
        name: ``adam``, ``adamw``, ``sgd``, ``muon``, or any of ``timm.optim.list_optimizers`` that
            needs no second derivatives.
        lr: learning rate; the schedule scales it.
        betas: for Adam, AdamW and the AdamW part of Muon: (0.9, 0.999) by default. Other
            optimizers use timm's default.
        eps: likewise; 1e-8 by default.
        weight_decay: decay of all parameters, except in a group that sets its own.
        momentum: for SGD and Muon: 0 by default. Other optimizers use timm's default.
        args: further arguments of the optimizer, such as ``{amsgrad = true}``.
        groups: parameters with another learning rate or weight decay; see below.
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
                object.__setattr__(self, name, value)  # frozen, except in its own constructor


@dataclass(frozen=True)
class Train:
    """The settings of the run.

    Attributes:
        steps: optimizer steps.
        seed: determines every crop and all initial weights.
        accumulate: batches whose gradients are added up for one step.
        clip: largest norm of the gradient; none for no limit.
        precision: "fp32", or mixed precision with "bf16" or "fp16".
        compile: mode of torch.compile for the generator and the discriminator, or "off".
        channels_last: keep pictures and kernels in the channels-last memory layout.
        cudnn_benchmark: let cuDNN time its algorithms at the first step and use the fastest.
        tf32: let fp32 convolutions round their inputs to TF32, on GPUs that support it.
        gradient_checkpointing: recompute each block of the generator in the backward pass: a third
            more work, and a fraction of the memory.
        ema: decay of the moving average of the weights, which is evaluated and released; 0 for no
            average.
        fold: train a generator with a linear tail (``linear_tail``) through its folded tail; exact
            inside a crop.
        unfolded_share: fraction of the steps, at the end, that runs unfolded to train the borders.
        freeze_norm: BatchNorm uses its stored statistics and does not update them: for
            fine-tuning with small crops.
        freeze: shell patterns on names of generator parameters that are not trained, such as
            ``head.*``. BatchNorm layers among them keep their statistics.
        checkpoint_every: steps between checkpoints.
        evaluate_every: steps between evaluations.
        keep: number of latest checkpoints to keep, besides the best.
        metrics: metrics of each evaluation; the first one decides which checkpoint is best.
        release: which weights the model folder gets: those of the "best" checkpoint, or the
            "last".
    """

    steps: int
    seed: int = 0
    accumulate: int = 1
    clip: float | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: Literal["off", "default", "reduce-overhead", "max-autotune"] = "off"
    channels_last: bool = True
    cudnn_benchmark: bool = True
    tf32: bool = True
    gradient_checkpointing: bool = False
    ema: float = 0.999
    fold: bool = False
    unfolded_share: float = 0.15
    freeze_norm: bool = False
    freeze: tuple[str, ...] = ()
    checkpoint_every: int = 1000
    evaluate_every: int = 1000
    keep: int = 2
    metrics: tuple[Use, ...] = tuple(map(Use, defaults.METRICS))
    release: Literal["best", "last"] = "best"


@dataclass(frozen=True)
class Schedule:
    """A factor on the learning rate, for each step of a stage.

    Attributes:
        name: "constant"; "step": multiply by ``gamma`` at each step of ``at``; "linear" and
            "cosine": from 1 to ``floor`` at the last step; "cosine_restarts": one cosine to
            ``floor`` for each of ``periods``.
        at: steps at which "step" multiplies the factor.
        gamma: factor of "step".
        floor: factor at the end of "linear", "cosine" and each period of "cosine_restarts".
        warmup: steps at the beginning in which the factor rises linearly from zero.
        periods: lengths of the cosines, in steps, from step 0 on, as in BasicSR. Their sum is at
            least the number of steps.
        restarts: steps at which "step" starts again.
        restart_weights: factor at the start of each period, or after each restart; 1 if empty.
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
    """When a run goes back to a checkpoint, and when it warns.

    Attributes:
        rollbacks: how often within ``window`` a value that is not finite makes the run go back to
            its last checkpoint and draw other crops; 0 stops at the first such value.
        window: steps over which rollbacks are counted.
        patience: steps that an anomaly lasts before the run warns of it.
    """

    rollbacks: int = 3
    window: int = 10_000
    patience: int = 500


@dataclass(frozen=True)
class Task:
    """The networks that are trained beside the generator, and their part in a step.

    Attributes:
        use: a task plugin. It has no arguments called ``optimizer`` or ``schedule``.
        optimizer: for each network beside the generator; the generator's, without its groups, if
            none.
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
    """Adversarial training against a discriminator: the task "gan", in its own table.

    Attributes:
        discriminator: a discriminator plugin, by name or as a table with its arguments.
        loss: an adversarial loss plugin; it computes the loss of both networks.
        weight: of the generator's adversarial loss, in the sum with the other losses.
        optimizer: the discriminator's; the generator's, without its groups, if none.
        schedule: of the discriminator's learning rate; the recipe's if none.
        d_steps: discriminator steps per generator step, each on new pictures: WGAN's ``n_critic``
            and BasicSR's ``net_d_iters``. ``train.steps`` counts discriminator steps.
        start: steps at the start of the stage in which only the discriminator is trained:
            BasicSR's ``net_d_init_iters``.
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
        """The same settings as a task."""
        own = {field.name: strict.plain(getattr(self, field.name)) for field in fields(self)}
        del own["optimizer"], own["schedule"]
        return Task(Use(defaults.GAME, own), self.optimizer, self.schedule)
