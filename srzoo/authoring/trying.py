"""Tries a class in a file: contract, cost, a picture, and some steps of training.

Every failure is a line of the report, and the trial continues.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import defaults, testing
from ..contracts import U8, multiple_of, nn_module, on_grid
from ..errors import ArgumentError, SrzooError
from ..exporting import convert, exports
from ..models.folder import ModelFolder
from ..networks import folders
from ..networks.runner import count
from ..plugins import examples, importing, kinds
from ..plugins.plugin import Use
from ..testing import Case
from ..testing._promise import is_basic
from ..testing._reach import runs_of, spread
from ..upscaling import loading
from . import drawings, short_training

KINDS = ("generator", "block", "discriminator", "loss", "adversarial-loss", "task", "dataset",
         "degradation", "metric", "engine", "export-format")  # fmt: skip
NETWORKS = "generator", "block", "discriminator"
TRAINED = ("generator", "block", "discriminator", "loss", "adversarial-loss", "task", "dataset",
           "degradation")  # fmt: skip
BARE = "engine", "export-format"
"""Kinds whose arguments the program sets."""
LOW = 64
"""Side of the test picture, also for times, in LR pixels."""
CHANNELS = 32
FURTHER = 24
"""How far beyond the stated reach the reach is searched."""
ROUNDS = 3
DISCRIMINATED = 96
SCALE = short_training.SCALE


@dataclass
class Trial:
    """A trial of a plugin.

    Args:
        kind: its kind, of :data:`KINDS`.
        name: of a plugin, or ``FILE.py:CLASS``.
        args: to build it with, added to its first example or its defaults.
        pictures: for training and for the picture, uint8 each; None for synthetic ones.
        say: called with each line.
        steps: of training; 0 for none.
    """

    kind: str
    name: str
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pictures: tuple[U8, ...] | None = None
    say: Callable[[str], None] = print
    steps: int = 20
    failed: dict[str, str] = field(default_factory=dict[str, str], init=False)
    """The failed pieces, each with its message."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            kinds.kind(self.kind)
            raise SrzooError(
                f"a {self.kind} cannot be tried from a file",
                f"Write a package: srzoo plugin new {self.kind} NAME."
                f" Available: {', '.join(KINDS)}",
            )  # fmt: skip
        registry = kinds.kind(self.kind)
        self.plugin = registry.find(self.name)
        registry.get(self.name)
        found = dict(self.args)
        if self.kind not in BARE:
            found = {**(examples.arguments(self.plugin, stated_first=True) or {}), **found}
            self._check_arguments(found)
        self.use = Use(self.name, found)
        self.title = self.name.rpartition(":")[2]

    def _check_arguments(self, found: Mapping[str, Any]) -> None:
        try:
            kinds.kind(self.kind).check_use(Use(self.name, found))
        except ArgumentError as error:
            ways = '--set NAME=VALUE, or examples = ({"NAME": VALUE},) on the class'
            fix = error.fix if found else f"{error.fix}, by {ways}"
            raise ArgumentError(error.what, fix) from None

    @cached_property
    def parts(self) -> short_training.Parts:
        """The plugins of the training, with the default of each other kind."""
        return short_training.Parts(self.pictures or drawings.pictures())

    @cached_property
    def trained(self) -> short_training.Trained:
        """A small network with the plugin in it, after the training steps."""
        if self.kind == "dataset":
            dataset: Any = kinds.datasets.build(self.use)
            some = tuple(dataset[index].hr for index in range(min(8, len(dataset))))
            parts = short_training.Parts(some)
        else:
            parts = self.parts.with_part(self.kind, self.use)
        found = short_training.train(parts, self.steps)
        if bad := [n for n, error in enumerate(found.errors, 1) if not math.isfinite(error)]:
            raise SrzooError(f"SR is not a number at step {bad[0]}", "Look for a division by 0")
        return found

    def piece(self, title: str, work: Callable[[], object]) -> None:
        """Run one piece, and report its failure."""
        try:
            work()
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as error:  # noqa: BLE001 - third-party code may raise anything
            explained = isinstance(error, SrzooError | testing.ContractError)
            text = str(error) if explained else importing.described(error)
            same = next((other for other, reason in self.failed.items() if reason == text), "")
            self.failed[title] = text
            self.say(f"  FAILS {title}: {f'as {same}' if same else text}")

    def suite(self) -> None:
        """Every check of the contract."""
        self.say("The contract:")
        if self.kind == "dataset":
            self._check("dataset", lambda: testing.check_dataset(kinds.datasets.build(self.use)))
            return
        checks = testing.CHECKS[self.kind]
        for number, check in enumerate(checks):
            title = check.__name__.replace("_", " ")
            self._check(title, lambda check=check: check(Case(self.name, dict(self.use.args))))
            left = len(checks) - number - 1
            if title in self.failed and left and is_basic(check):
                self.say(f"  {left} more are not checked until this is fixed")
                break

    def _check(self, title: str, work: Callable[[], object]) -> None:
        def checked() -> None:
            work()
            self.say(f"  ok    {title}")

        self.piece(title, checked)

    def facts(self) -> None:
        """Reach, grid, parameters and milliseconds of a network, beside those of the default."""
        if self.kind not in NETWORKS:
            return
        self.say("What it is:")
        self.piece("reach", self._reach)
        self.piece("cost", self._cost)

    def _reach(self) -> None:
        if self.kind == "discriminator":
            return
        net = self._built(self.use, {})
        cell, reach = multiple_of(net), net.reach
        if reach is None:
            self.say("  reach: the whole picture, as it states")
        else:
            run, scale = runs_of(net, net.scales if self.kind == "generator" else ())[-1]
            channels = 3 if self.kind == "generator" else int(self.use.args.get("channels", 3))
            with torch.no_grad():
                found = spread(net, run, channels, scale, reach + FURTHER)
            bound = reach + FURTHER
            measured = f"more than {bound}" if found and found > bound else found
            self.say(f"  reach: measured {measured}, stated {reach}")
        self.say(f"  multiple: {cell}")

    def _cost(self) -> None:
        wider = {"channels": CHANNELS} if self.kind == "block" else {}
        mine = self._built(self.use, wider)
        other = Use.of(defaults.TRIED_BESIDE[self.kind])
        scale = {"scale": mine.scales[-1]} if self.kind == "generator" else {}
        theirs = self._built(Use(other.name, {**other.args, **scale}), wider)
        rows = [("", self.title, other.name)]
        rows.append(("parameters", f"{count(mine):,}", f"{count(theirs):,}"))
        size = on_grid(DISCRIMINATED if self.kind == "discriminator" else LOW, multiple_of(mine))
        channels = CHANNELS if self.kind == "block" else 3
        spent = [_milliseconds(net, channels, size) for net in (mine, theirs)]
        rows.append((f"ms for {channels}x{size}x{size}", f"{spent[0]:.1f}", f"{spent[1]:.1f}"))
        self._table(rows)

    def _built(self, use: Use, wider: Mapping[str, Any]) -> Any:
        registry = kinds.kind(self.kind)
        built = short_training.seeded(lambda: registry.build(Use(use.name, {**use.args, **wider})))
        return built.eval()

    def training(self) -> None:
        """Some training steps, beside those with the default of its kind."""
        if self.kind in TRAINED and self.steps:
            steps = f"{self.steps} step{'s' * (self.steps != 1)}"
            self.say(f"{steps} of training; distance of SR from HR, in levels of 255:")
            self.piece("training", self._training)

    def _training(self) -> None:
        mine = self.trained.errors
        scale = self.trained.generator.scales[-1]
        whole = {**self.parts.generator.args, "scale": scale}
        beside = short_training.train(
            short_training.Parts(
                self.parts.pictures, Use(self.parts.generator.name, whole),
                task=self._default_task(),
            ), self.steps,
        ).errors  # fmt: skip
        rows = [("step", self.title, "the default")]
        shown = sorted({*range(0, len(mine), max(1, len(mine) // 5)), len(mine) - 1})
        rows += [(str(n + 1), f"{mine[n]:.2f}", f"{beside[n]:.2f}") for n in shown]
        self._table(rows)

    def _default_task(self) -> Use | None:
        if self.kind not in ("discriminator", "adversarial-loss"):
            return None
        default = Use.of(defaults.TRIED_BESIDE[self.kind])
        return self.parts.with_part(self.kind, default).task

    def picture(self, path: Path) -> None:
        """Its result for a picture, written to a file."""
        self.say("A picture:")
        self.piece("picture", lambda: self._picture(path))

    def _picture(self, path: Path) -> None:
        from PIL import Image

        source = self.parts.pictures[0]
        with tempfile.TemporaryDirectory() as place:
            if self.kind == "dataset":
                dataset: Any = kinds.datasets.build(self.use)
                made: U8 = dataset[0].hr
            elif self.kind == "degradation":
                height, width = (SCALE * (side // SCALE) for side in source.shape[:2])
                chance = np.random.default_rng(0)
                made = kinds.degradations.build(self.use)(source[:height, :width], SCALE, chance)
            elif self.kind == "metric":
                self._value(source)
                return
            elif self.kind == "engine":
                made = loading.load(defaults.MODEL, engine=self.name).array(source[:LOW, :LOW])
            elif self.kind == "export-format":
                self.say("  its result is a file, not a picture; its suite has run it")
                return
            else:
                folder = self._folder(Path(place))
                made = loading.load(folder, engine=defaults.ENGINE).array(source)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made).save(path)
        self.say(f"  written: {path} ({made.shape[1]}x{made.shape[0]})")

    def _value(self, hr: U8) -> None:
        """A metric's value for a picture that was downscaled and enlarged."""
        height, width = (SCALE * (side // SCALE) for side in hr.shape[:2])
        hr = hr[:height, :width]
        lr = kinds.degradations.create(defaults.DEGRADATION)(hr, SCALE, np.random.default_rng(0))
        sr = loading.load(f"{defaults.BASELINE}-x{SCALE}", engine=defaults.ENGINE).array(lr)
        rows = [("", self.title, defaults.METRICS[0])]
        values = [
            kinds.metrics.build(use)(sr, hr, SCALE)
            for use in (self.use, Use.of(defaults.TRIED_BESIDE["metric"]))
        ]
        self._table([*rows, (defaults.BASELINE, *(f"{value:.4f}" for value in values))])

    def _folder(self, place: Path) -> ModelFolder:
        use = self.parts.with_part(self.kind, self.use).generator
        return folders.save(
            self.trained.generator, place / "tried", generator=use.name, args=dict(use.args)
        )

    def exports(self) -> None:
        """The formats in which the network can be exported, and the engines that run them."""
        if self.kind not in ("generator", "block"):
            return
        self.say("Exports:")
        with tempfile.TemporaryDirectory() as name:
            self.piece("exports", lambda: self._exports(Path(name)))

    def _exports(self, place: Path) -> None:
        folder = self._folder(place)
        for plugin in kinds.export_formats:
            if missing := exports.missing(plugin.full_name):
                self.say(f"  {plugin.name}: not tried, as it is not installed: {missing}")
                continue
            name = kinds.export_formats.name_of(plugin)
            self.piece(name, lambda name=name: self._export(folder, name))

    def _export(self, folder: ModelFolder, export_format: str) -> None:
        start = time.perf_counter()
        suffix = kinds.export_formats.create(export_format).suffix
        off, _ = convert.write(
            folder, folder.config.scales[-1], export_format, folder.path / f"tried{suffix}"
        )
        seconds = time.perf_counter() - start
        say = "as torch" if not off else f"differs by {off} level of 255"
        self.say(f"  ok    {export_format}: {say}, in {seconds:.0f} s")

    def _table(self, rows: list[tuple[str, ...]]) -> None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for first, *rest in rows:
            cells = [each.rjust(width) for each, width in zip(rest, widths[1:], strict=True)]
            self.say(f"  {first.ljust(widths[0])}  {'  '.join(cells)}")


@torch.no_grad()
def _milliseconds(net: Any, channels: int, side: int) -> float:
    """The fastest duration of a call."""
    x = torch.zeros(1, channels, side, side)
    spent: list[float] = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        nn_module(net)(x)
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent[1:])
