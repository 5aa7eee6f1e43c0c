"""The training of a model, in sentences for its card: from its recipe and its training log.

A plugin is described by the first line of its docstring, and by the facts that it states.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import defaults
from ..common import strict
from ..contracts import GeneratorFacts, LossFacts, Printed, stated
from ..errors import PluginError
from ..models.folder import REAL_PHOTOS, Config, Purpose
from ..plugins import kinds
from ..plugins.plugin import Use
from ..recipes import pictures
from ..recipes.pictures import shown, shown_use
from ..recipes.recipe import CHOICE, Adversarial, DataSources, Optimizer, Recipe, Schedule, Weighted

LOG = "log.jsonl"
DRAWN = {
    "pictures": "",
    "area": ", drawn by area",
    "detail": f", drawn by area and the one of {CHOICE} with the most detail",
}
"""The drawing of crops, in words."""


@dataclass(frozen=True)
class Log:
    """The contents of a training log.

    Attributes:
        steps: of its last line.
        hours: of training, without validation.
        validation: metric values, by step.
        mean_of_stages: the number of stages whose weights were averaged at the end; 1 for no
            average.
    """

    steps: int
    hours: float
    validation: tuple[tuple[int, dict[str, float]], ...]
    mean_of_stages: int = 1


def read_log(path: Path) -> Log | None:
    """Read a run's log.jsonl; None if it is missing or empty."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    steps, seconds, stages = 0, 0.0, 1
    validation: list[tuple[int, dict[str, float]]] = []
    for text in lines:
        try:
            line: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:
            break  # a line cut off by a kill
        if speed := line.get("steps_per_second"):
            seconds += (line["step"] - steps) / speed
            steps = line["step"]
        if values := line.get("validation"):
            validation.append((line["step"], values))
            stages = line.get("mean_of_stages", 1)
    return Log(steps, seconds / 3600, tuple(validation), stages) if steps else None


def uses(recipe: Recipe, purpose: Purpose | None = None) -> list[str]:
    """When to use a model with this recipe, and when not.

    Args:
        recipe: that trained it.
        purpose: of the model, which also depends on the pictures.
    """
    made = pictures.lr_origin(recipe.each()[-1])
    clean = made.clean if made.clean is not None or not purpose else purpose != REAL_PHOTOS
    if clean:
        found = [
            "**Use it** for clean pictures that are too small: it was trained on pictures"
            f" {made.phrase or 'that were made smaller'} and no others.",
            "**Not** for JPEG photos with visible blocks, nor for noisy or blurred ones: it has"
            " seen no such flaws in training, and sharpens them too.",
        ]
    elif clean is None:
        found = [
            "**Use it** for pictures that became small as those that it was trained on. Its LR"
            f" pictures were {made.text}.",
            "**Not** for pictures with other flaws: it has not seen them.",
        ]
    else:
        found = [
            "**Use it** for real photos with the flaws that it was trained to undo. Its LR"
            f" pictures were {made.text}.",
            "**Not** for clean pictures that were merely shrunk: it may remove fine texture"
            " like a flaw, and a model trained on such pictures alone is better at them.",
        ]
    if pictures.is_adversarial(recipe):
        found.append(
            "**Not** for measuring, forensics or medicine: it was trained against a"
            " discriminator, and part of the detail that it shows is invented."
        )
    return found


def training(recipe: Recipe, log: Log | None) -> list[str]:
    """How a recipe trains, and the results in the log, one sentence each."""
    found: list[str] = []
    if recipe.init:
        found.append(f"Starts from the weights of `{shown(recipe.init)}`.")
    parts = recipe.each()
    game = pictures.is_adversarial(recipe)
    points = [_stage(part, game) for part in parts]
    common = [point for point in points[0] if all(point in other for other in points)]
    found += common
    if recipe.stages:
        new = f"a new optimiser{' and a new discriminator' if game else ''}"
        found.append(
            f"Each stage continues from the one before, with {new}; all other values stay the same."
        )
    before = common
    for number, (stage, own) in enumerate(zip(recipe.stages, points, strict=False)):
        listed = [point for point in own if point not in common and point not in before]
        if number and not listed:
            listed = ["As the one before."]
        found += [f"Stage {stage.name}: {point}" for point in listed]
        before = own
    if log is None:
        return [*found, f"No {LOG} records how the run went."]
    of = "" if log.steps == recipe.steps else f" of the recipe's {recipe.steps:,}"
    found.append(f"Took {log.steps:,} steps{of}, {_span(log.hours)} of training by {LOG}.")
    return [*found, *_validation(recipe, log)]


def _stage(recipe: Recipe, game: bool) -> list[str]:
    """The sentences on a stage of a run, adversarial or not."""
    data = recipe.data
    made = pictures.lr_origin(recipe).text
    alone = "the task's alone" if recipe.task else "the adversarial one alone"
    found = [
        f"Pictures: {_sets(data.train)}; validated on {_sets(data.validation)}.",
        f"LR pictures: {made}.",
        f"Crops: {data.lr_crop} x {data.lr_crop} LR pixels, batches of {data.batch}"
        f"{DRAWN[data.draw]}{', flips and quarter turns' if data.augment else ''}.",
        f"Losses: {', '.join(map(_loss, recipe.losses)) or alone}.",
    ]
    if recipe.task:
        found.append(f"Task: {shown_use(recipe.task.use)}.")
    if recipe.adversarial:
        found.append(_game(recipe.adversarial))
    elif game:
        found.append("No discriminator.")
    found.append(f"Optimiser: {_optimizer(recipe.optimizer)}, {_schedule(recipe.schedule)}.")
    return [*found, _run(recipe)]


def _run(recipe: Recipe) -> str:
    train = recipe.train
    extras = [
        f"gradients of {train.accumulate} batches added" if train.accumulate > 1 else "",
        f"gradients clipped at {train.clip:g}" if train.clip else "",
        f"weights averaged with {train.ema:g}" if train.ema else "",
        "trained through the folded tail" if train.fold else "",
        "BatchNorm's statistics frozen" if train.freeze_norm else "",
        f"{', '.join(train.freeze)} as they were" if train.freeze else "",
    ]
    run = [f"{train.steps:,} steps", f"seed {train.seed}", train.precision, *filter(None, extras)]
    return f"Run: {', '.join(run)}."


def _validation(recipe: Recipe, log: Log) -> list[str]:
    """The best value of the metric that decides which checkpoint is best, in the last stage."""
    last = recipe.each()[-1]
    start = recipe.steps - last.train.steps
    own = [line for line in log.validation if line[0] > start]
    lines = own or list(log.validation)
    if not lines:
        return []
    metric = next(iter(lines[-1][1]))
    values = [(values[metric], step) for step, values in lines if metric in values]
    now, at = values[-1]
    if log.mean_of_stages > 1:
        return [
            f"Released: the mean of the final weights of the last {log.mean_of_stages} stages;"
            f" validation: {metric} {now:.4g}."
        ]
    try:
        higher = kinds.metrics.build(last.train.metrics[0]).higher_is_better
    except PluginError:
        return [f"Validation: {metric} {now:.4g} at step {at:,}."]  # it is unknown which is best
    best, step = max(values) if higher else min(values)
    within = " of the last stage" if own and recipe.stages else ""
    return [
        f"Validation{within}: {metric} was best at step {step:,} ({best:.4g}),"
        f" and is {now:.4g} at step {at:,}; the {last.train.release} weights are released."
    ]


def _game(game: Adversarial) -> str:
    own = f"; its own optimiser: {_optimizer(game.optimizer)}" if game.optimizer else ""
    own += f"; its own schedule: {_schedule(game.schedule)}" if game.schedule else ""
    own += f"; the generator moves in each {game.d_steps}th step" if game.d_steps > 1 else ""
    own += f"; alone for {game.start:,} steps first" if game.start else ""
    return (
        f"Adversarial loss: {shown_use(game.loss)} with weight {game.weight:g}, against the"
        f" discriminator {shown_use(game.discriminator)}{own}."
    )


def _loss(loss: Weighted) -> str:
    effective = pictures.effective(kinds.losses, loss.use)
    args = {name: effective[name] for name in _card_args(loss.use) if name in effective}
    weight = f" with weight {loss.weight:g}" if loss.weight != 1 else ""
    return f"{shown_use(Use(loss.use.name, {**args, **loss.use.args}))}{weight}"


def _card_args(use: Use) -> tuple[str, ...]:
    """Arguments that a card shows even if they are the defaults."""
    try:
        return tuple(stated(kinds.losses.get(use.name), LossFacts).card_args)
    except PluginError:
        return ()


def _optimizer(optimizer: Optimizer) -> str:
    parts = [optimizer.name, f"learning rate {optimizer.lr:g}"]
    if optimizer.momentum is not None and optimizer.name not in ("adam", "adamw"):
        parts.append(f"momentum {optimizer.momentum:g}")
    if optimizer.betas is not None and optimizer.name != "sgd":
        parts.append(f"betas {_list(optimizer.betas)}")
    if optimizer.weight_decay:
        parts.append(f"weight decay {optimizer.weight_decay:g}")
    parts += [f"{name} {value}" for name, value in optimizer.args.items()]
    for group in optimizer.groups:
        own = {"learning rate": group.lr, "weight decay": group.weight_decay}
        listed = [f"{name} {value:g}" for name, value in own.items() if value is not None]
        parts.append(f"{group.match} with {' and '.join(listed)}")
    return ", ".join(parts)


def _schedule(schedule: Schedule) -> str:
    text = {
        "constant": "constant",
        "step": f"times {schedule.gamma:g} at step {_list(schedule.at)}",
        "linear": f"linear to {schedule.floor:g}",
        "cosine_restarts": f"cosines to {schedule.floor:g} of {_list(schedule.periods)} steps",
        "cosine": f"cosine to {schedule.floor:g}",
    }[schedule.name]
    if schedule.restarts:
        text += f", begun anew at step {_list(schedule.restarts)}"
    if schedule.restart_weights:
        text += f" with {_list(schedule.restart_weights)} of the rate"
    return f"{text}, {schedule.warmup:,} steps of warm-up" if schedule.warmup else text


def _list(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:,}" for value in values)


def _sets(sets: DataSources) -> str:
    """Datasets, with their weights."""
    return " and ".join(
        shown_use(source.use) + (f" with weight {source.weight:g}" if source.weight else "")
        for source in sets.each
    )


def _span(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{hours * 60:.0f} minutes" if hours >= 1 / 30 else f"{hours * 3600:.1f} seconds"


def printed(config: Config, adversarial: bool) -> list[Printed]:
    """Published figures for exactly this network, and for the baseline at its scales."""
    own = pictures.effective(kinds.generators, Use(config.generator, config.args))
    found = [
        each
        for each in _printed_of(config.generator)
        if each.adversarial == adversarial
        and each.scale in config.scales
        and _differs_in_scales_alone(config, own, each)
    ]
    beside = {each.scale for each in found}
    baseline = _printed_of(defaults.BASELINE) if found else ()
    return [*found, *(each for each in baseline if each.scale in beside and each not in found)]


def _differs_in_scales_alone(config: Config, own: dict[str, Any], of: Printed) -> bool:
    """Whether the arguments are those of a paper's network, except those for the scales."""
    theirs = pictures.effective(kinds.generators, Use(config.generator, of.args))
    mine, other = strict.plain(own), strict.plain(theirs)  # tuples become lists, as in JSON
    if not mine.keys() >= other.keys():
        return False
    differing = [key for key in mine if key not in other or mine[key] != other[key]]
    return all(_only_sets_scales(config, key, mine, other, of.scale) for key in differing)


def _only_sets_scales(
    config: Config, key: str, own: dict[str, Any], other: dict[str, Any], scale: int
) -> bool:
    """Whether an argument sets the scales: another value of it gives other scales."""
    from ..networks import folders

    made = folders.scales_of(config.generator, own | {key: other[key]}) if key in other else None
    if made is None:  # no other value is valid
        return own[key] in (scale, list(config.scales))
    return made != config.scales


def paper_of(generator: str) -> str | None:
    """The address of the paper that a generator comes from, if it states one."""
    return _facts(generator).paper or None


def _printed_of(generator: str) -> tuple[Printed, ...]:
    return _facts(generator).printed


def _facts(generator: str) -> GeneratorFacts:
    try:
        return stated(kinds.generators.get(generator), GeneratorFacts)
    except PluginError:
        return GeneratorFacts()
