"""Checks of a recipe beyond types: names of plugins, their arguments, invalid numbers.

Each rule is a row of a table, or a function that yields the faults of one stage. Every fault is one
line with its key, written as for ``--set``, and the fix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from .. import defaults
from ..common import strict
from ..errors import SrzooError
from ..plugins import kinds, spelling
from ..plugins.plugin import Use
from ..plugins.registry import Registry
from .optimizing import ADVERSARIAL, OPTIMIZERS

if TYPE_CHECKING:
    from .optimizing import Optimizer, Schedule
    from .recipe import Recipe


@dataclass(frozen=True)
class Fault:
    """An invalid value: its key, what is wrong with it, and the fix.

    ``place`` is empty for something that the whole recipe lacks.
    """

    place: str
    what: str
    fix: str


MOST = 10**12
"""The largest number of steps."""
LARGE = 65_536
"""The largest value of settings that determine the memory."""


@dataclass(frozen=True)
class Range:
    """The valid numbers for one key.

    Attributes:
        least, most: the bounds.
        open: which bounds are excluded: "", "low", "high" or "both".
    """

    place: str
    least: float
    most: float = math.inf
    open: str = ""

    def takes(self, value: float) -> bool:
        """Whether a number is valid."""
        low = value > self.least if self.open in ("low", "both") else value >= self.least
        high = value < self.most if self.open in ("high", "both") else value <= self.most
        return low and high

    @property
    def words(self) -> str:
        """The sentence that states the valid range."""
        low = f"{'above' if self.open in ('low', 'both') else 'of at least'} {self.least:g}"
        if self.most == math.inf:
            return f"Use a value {low}"
        most = f"{self.most:,}" if isinstance(self.most, int) else f"{self.most:g}"
        high = f"{'below' if self.open in ('high', 'both') else 'at most'} {most}"
        return f"Use a value {low} and {high}"


SEEDS = 2**63 - 1
"""The end of the seeds that both torch and numpy accept."""

RANGES = (
    Range("train.steps", 1, MOST),
    Range("train.seed", 0, SEEDS),
    Range("train.accumulate", 1, MOST),
    Range("train.clip", 0),  # 0 means no clipping
    Range("train.ema", 0, 1),
    Range("train.unfolded_share", 0, 1),
    Range("train.checkpoint_every", 1, MOST),
    Range("train.evaluate_every", 1, MOST),
    Range("train.keep", 1),
    Range("data.batch", 1, LARGE),
    Range("data.lr_crop", 1, LARGE),
    Range("data.workers", 0, LARGE),
    Range("adversarial.weight", 0),
    Range("adversarial.d_steps", 1),
    Range("adversarial.start", 0),
    Range("watchdog.rollbacks", 0),
    Range("watchdog.patience", 1),
    Range("watchdog.window", 1),
)

OPTIMIZER_RANGES = (
    Range("lr", 0),  # 0 does not change the network
    Range("eps", 0, open="low"),
    Range("weight_decay", 0),
    Range("momentum", 0, 1, "high"),
)
"""Ranges for each optimizer, below its key."""

SCHEDULE_RANGES = (
    Range("warmup", 0),
    Range("gamma", 0, 1),
    Range("floor", 0, 1),
)
"""Ranges for each schedule, below its key."""

UNUSED_OPTIMIZER_KEYS = {
    "adam": ("momentum",),
    "adamw": ("momentum",),
    "sgd": ("betas", "eps"),
}
"""Keys that an optimizer ignores: giving one is a mistake."""

SCHEDULE_KEYS = {
    "constant": ("warmup",),
    "step": ("warmup", "at", "gamma", "restarts", "restart_weights"),
    "linear": ("warmup", "floor"),
    "cosine": ("warmup", "floor"),
    "cosine_restarts": ("warmup", "floor", "periods", "restart_weights"),
}
"""Keys that a schedule uses: giving another is a mistake."""


def check(recipe: Recipe, where: str) -> None:
    """Check a recipe without stages, or that of one stage, against every rule.

    Raises:
        SrzooError: a plugin is missing, an argument is unknown, or a number is invalid.
    """
    _refuse(faults(recipe, NUMBERS), where)  # before plugins, as these errors name the table
    for registry, use in plugins(recipe):
        try:
            registry.check_use(use)
            spelling.check(registry, use)
        except SrzooError as error:
            raise type(error)(f"{where}: {error.what}", error.fix) from error
    _refuse(faults(recipe, RULES), where)


def _refuse(found: Iterator[Fault], where: str) -> None:
    for fault in found:
        place = f": {fault.place}" if fault.place else ""
        raise SrzooError(f"{where}{place} {fault.what}", fault.fix)


def plugins(recipe: Recipe) -> list[tuple[Registry[Any], Use]]:
    """Every plugin that a recipe names, with the registry of its kind."""
    uses: list[tuple[Registry[Any], Use]] = [
        (kinds.generators, recipe.generator),
        *((kinds.datasets, source.use) for source in recipe.data.train.each),
        *((kinds.datasets, source.use) for source in recipe.data.validation.each),
        (kinds.degradations, recipe.data.degradation),
        *((kinds.losses, loss.use) for loss in recipe.losses),
        *((kinds.metrics, metric) for metric in recipe.train.metrics),
    ]
    if recipe.adversarial:
        uses.append((kinds.discriminators, recipe.adversarial.discriminator))
        uses.append((kinds.adversarial_losses, recipe.adversarial.loss))
    if recipe.beside:
        uses.append((kinds.tasks, recipe.beside.use))
    return uses


def faults(recipe: Recipe, rules: Sequence[Callable[[Recipe], Iterator[Fault]]]) -> Iterator[Fault]:
    """The faults that some rules find in one stage."""
    for rule in rules:
        for fault in rule(recipe):
            table, dot, key = fault.place.partition(".")
            table = recipe.beside_in if table == ADVERSARIAL else table
            yield replace(fault, place=f"{table}{dot}{key}")


def _finite(recipe: Recipe) -> Iterator[Fault]:
    for place, value in _numbers(strict.plain(recipe), ""):
        if not math.isfinite(value):
            yield Fault(place, f"is {value}", "Give a finite number")


def _numbers(value: object, place: str) -> Iterator[tuple[str, float]]:
    """Every float with its key, including arguments of plugins."""
    if isinstance(value, float):
        yield place, value
    elif isinstance(value, Mapping):
        for key, item in cast("Mapping[str, object]", value).items():
            yield from _numbers(item, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(cast("Sequence[object]", value)):
            yield from _numbers(item, f"{place}.{number}".lstrip("."))


def _in_range(recipe: Recipe) -> Iterator[Fault]:
    for rule in RANGES:
        value = _at(recipe, rule.place)
        if value is not None and not rule.takes(value):
            yield Fault(rule.place, f"is {value}", rule.words)


def _at(recipe: Recipe, place: str) -> float | None:
    """The number at a key; None if the recipe leaves out a table on the way."""
    value: Any = recipe
    for name in place.split("."):
        value = getattr(value, name, None)
    return value


def _optimizers(recipe: Recipe) -> Iterator[Fault]:
    yield from _optimizer(recipe.optimizer, "optimizer")
    if recipe.beside and recipe.beside.optimizer:
        yield from _optimizer(recipe.beside.optimizer, f"{recipe.beside_in}.optimizer")


def _optimizer(settings: Optimizer, place: str) -> Iterator[Fault]:
    name, betas = settings.name, settings.betas
    unused = UNUSED_OPTIMIZER_KEYS.get(name, ())
    left_out = OPTIMIZERS.get(name, {})
    yield from _unused(settings, unused, place, f"{name} has none", left_out)
    for rule in OPTIMIZER_RANGES:
        value = getattr(settings, rule.place)
        if value is not None and rule.place not in unused and not rule.takes(value):
            yield Fault(f"{place}.{rule.place}", f"is {value}", rule.words)
    for number, group in enumerate(settings.groups):
        for key in ("lr", "weight_decay"):
            value = getattr(group, key)
            if value is not None and value < 0:
                yield Fault(
                    f"{place}.groups.{number}.{key}", f"is {value}", "Use a value of at least 0"
                )
    if name in OPTIMIZERS and betas is not None and "betas" not in unused:
        if len(betas) != 2:
            yield Fault(f"{place}.betas", f"is {list(betas)}", "Give two, such as [0.9, 0.999]")
        for number, beta in enumerate(betas):
            if not 0 <= beta < 1:
                fix = "Use a value of at least 0 and below 1"
                yield Fault(f"{place}.betas.{number}", f"is {beta}", fix)
    if name == "muon" and not settings.momentum:
        yield Fault(f"{place}.momentum", "is 0, but muon needs momentum", "Set it to 0.95")


def _unused(
    settings: Any, keys: Sequence[str], place: str, why: str, left_out: Mapping[str, Any] = {}
) -> Iterator[Fault]:
    """Keys that are given, as they differ from the default, but have no effect."""
    defaults = {field.name: field.default for field in fields(settings)} | dict(left_out)
    for key in keys:
        value = strict.plain(getattr(settings, key))
        default = strict.plain(defaults[key])
        if value != default:
            fix = f"Remove it: --set '{place}.{key}={default}'"
            yield Fault(f"{place}.{key}", f"is {value}, but {why}", fix)


def _schedules(recipe: Recipe) -> Iterator[Fault]:
    steps = recipe.train.steps
    yield from _schedule(recipe.schedule, "schedule", steps)
    if recipe.beside and recipe.beside.schedule:
        yield from _schedule(recipe.beside.schedule, f"{recipe.beside_in}.schedule", steps)


def _schedule(schedule: Schedule, place: str, steps: int) -> Iterator[Fault]:
    for rule in SCHEDULE_RANGES:
        value = getattr(schedule, rule.place)
        if not rule.takes(value):
            yield Fault(f"{place}.{rule.place}", f"is {value}", rule.words)
    if schedule.warmup > steps:
        yield Fault(
            f"{place}.warmup",
            f"is {schedule.warmup}, but there are only {steps} steps",
            f"Give less than train.steps = {steps}, or more steps",
        )
    has = SCHEDULE_KEYS[schedule.name]
    others = {key for keys in SCHEDULE_KEYS.values() for key in keys} - set(has)
    yield from _unused(schedule, sorted(others), place, f"the schedule {schedule.name!r} has none")
    if schedule.name == "step":
        yield from _marks(schedule.restarts, f"{place}.restarts", steps)
        yield from _restart_weights(schedule, place, len(schedule.restarts), "restarts")
        yield from _marks(schedule.at, f"{place}.at", steps)
        if not schedule.at and not schedule.restart_weights:
            fix = f'Give steps, such as --set {place}.at=[1000], or name = "constant"'
            yield Fault(f"{place}.at", "is empty: the rate never changes", fix)
    if schedule.name == "cosine_restarts":
        yield from _periods(list(schedule.periods), f"{place}.periods", steps)
        yield from _restart_weights(schedule, place, len(schedule.periods), "periods")


def _marks(at: Sequence[int], place: str, steps: int) -> Iterator[Fault]:
    if any(after <= before for before, after in pairwise(at)):
        yield Fault(place, f"is {list(at)}", "Give each step once, in rising order")
    if any(not 1 <= step < steps for step in at):
        fix = f"Give steps from 1 to {steps - 1}, or more train.steps"
        yield Fault(place, f"is {list(at)}, but there are only {steps} steps", fix)


def _periods(periods: list[int], place: str, steps: int) -> Iterator[Fault]:
    if any(period < 1 for period in periods):
        yield Fault(place, f"is {periods}", "Each has at least 1 step")
    if sum(periods) < steps:
        fix = "Make their sum equal to train.steps, or larger"
        yield Fault(place, f"is {periods}, {sum(periods)} steps in total of {steps}", fix)


def _restart_weights(schedule: Schedule, place: str, count: int, of: str) -> Iterator[Fault]:
    weights, place = list(schedule.restart_weights), f"{place}.restart_weights"
    if weights and len(weights) != count:
        yield Fault(place, f"is {weights}, but there are {count} {of}", "Give one for each")
    if any(weight < 0 for weight in weights):
        yield Fault(place, f"is {weights}", "They are 0 or more")


def _turns(recipe: Recipe) -> Iterator[Fault]:
    game, steps = recipe.adversarial, recipe.train.steps
    if game and game.start + game.d_steps > steps:
        yield Fault(
            "adversarial",
            f"leaves no step of {steps} to the generator, with start {game.start} and d_steps"
            f" {game.d_steps}",
            "Lower them, or raise train.steps",
        )


def _losses(recipe: Recipe) -> Iterator[Fault]:
    for number, loss in enumerate(recipe.losses):
        if not loss.weight >= 0:
            place = f"losses.{number}.weight"
            yield Fault(
                place, f"is {loss.weight}", "Use a value of at least 0: a loss is minimised"
            )
    if recipe.beside:
        return  # the task has losses of its own
    if not recipe.losses:
        yield Fault(
            "", "has no losses", "Add [[losses]] with the name of one: srzoo plugin list loss"
        )
    elif not any(loss.weight for loss in recipe.losses):
        yield Fault("", "has no loss of a weight above 0", "Give one of them weight = 1.0")


def _metrics(recipe: Recipe) -> Iterator[Fault]:
    if not recipe.train.metrics:
        yield Fault("", "has no train.metrics", f'Give train.metrics = ["{defaults.METRICS[0]}"]')


NUMBERS = _finite, _in_range
RULES = _optimizers, _schedules, _turns, _losses, _metrics
