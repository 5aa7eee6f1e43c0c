"""Choice of the engine for a model: the requested one, or the fastest one installed.

Engines are asked what they state (:mod:`srzoo.exporting.engine_facts`); none is imported to choose
one.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common import devices, memory
from ..defaults import ENGINE
from ..errors import DeviceError, PluginError
from ..plugins import kinds
from . import engine_facts, exports, making
from .engine_facts import Facts

if TYPE_CHECKING:
    from ..models.folder import ModelFolder

VARIABLE = "SRZOO_ENGINE"
"""The environment variable that ``auto`` looks at first."""
PER_PARAMETER, PER_PIXEL = 0.07e-9, 6e-6
"""Seconds of one core of a CPU, in torch, for an LR pixel: for each parameter, and besides."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of a parameter on the disk."""


@dataclass(frozen=True)
class Choice:
    """An engine, and why.

    Attributes:
        name: of the engine plugin.
        why: for ``--verbose``.
        prepares: whether the first use takes some seconds more, to export the model.
        explicit: whether it was asked for by name, not by the environment: there is no fallback.
    """

    name: str
    why: str
    prepares: bool = False
    explicit: bool = False


def choose(
    folder: ModelFolder,
    engine: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    work: int | None = None,
) -> Choice:
    """The engine for a model: any by name; ``auto`` is the fastest that is installed and can.

    The rule: of the engines that state the device and the precision and are installed, in a build
    that can use that device, the one with the highest ``speed`` on it, if it is more than the
    default engine's there. On a card that is asked for, and that the default engine does not use,
    those that nobody has measured count too. One that a
    model cannot be exported for, or whose export was found to differ, is passed over; the default
    engine comes last. Where no export is kept, and one cannot be, or the default engine does the
    work before one would be made, another engine takes its place whose export is kept; or the
    default engine.

    Args:
        folder: the model's.
        engine: a name, or "auto".
        device: auto, which is the graphics card if there may be one, cpu, cuda, mps or gpu.
        precision: auto, which is fp32, fp32, bf16 or fp16.
        work: LR pixels that there are to enlarge, over all passes; None if that is unknown.

    Raises:
        PluginError: there is no such engine.
        DeviceError: what could run the model is not installed, or the engine that is asked for
            does not run models of its generator.
    """
    explicit = engine != "auto"
    if not explicit:
        engine = os.environ.get(VARIABLE) or "auto"
    if engine != "auto":
        return _chosen(folder, engine, explicit)
    return _fastest(folder, device, precision, work)


def instead_of(
    failed: str, folder: ModelFolder, device: str, precision: str
) -> tuple[str, str] | None:
    """The engine, and the device, for a model that the chosen one cannot run after all.

    It is the default engine. Where that is not installed, and no device is asked for, it is the
    fastest other one on the CPU. None if there is none.
    """
    if not engine_facts.missing(ENGINE):
        return None if failed == ENGINE else (ENGINE, device)
    if device != "auto":
        return None
    try:
        return _fastest(folder, "cpu", precision, None, without=failed).name, "cpu"
    except DeviceError:
        return None


def _fastest(
    folder: ModelFolder, device: str, precision: str, work: int | None, without: str = ""
) -> Choice:
    """The rule of :func:`choose`, for all engines but one."""
    passed: list[str] = []
    asked = device.partition(":")[0]
    for kind in [*devices.gpu_kinds(), "cpu"] if asked == "auto" else [asked]:
        least = _speed_of_default(kind)
        if least is None:
            least = -1.0 if asked not in ("auto", "cpu") else 0.0
        if choice := _on(kind, folder, precision, work, least, passed, without):
            return choice
    on = "" if device == "auto" else f" on {device}"
    numbers = "" if precision == "auto" else f" in {precision}"
    raise DeviceError(
        "; ".join(
            [f"no engine that is installed runs {folder.name}{on}{numbers}", *dict.fromkeys(passed)]
        ),
        _to_install(asked, precision),
    )


def reference() -> str:
    """What models are measured by: the default engine, so that figures are of one kind.

    Where it is not installed, the fastest that is.
    """
    return "auto" if engine_facts.missing(ENGINE) else ENGINE


def _to_install(kind: str, precision: str) -> str:
    """What to install for a kind of device and a precision: the default engine, if it can them."""
    others = (name for name in kinds.engines.names() if name != ENGINE)
    for name in (ENGINE, *others):
        try:
            stated = engine_facts.find(name)
            if not (kind == "auto" or kind in stated.devices) or not stated.can(kind, precision):
                continue
            if command := _missing(name, stated):
                return f"Install it: {command}"
        except PluginError:
            continue
        if lacking := stated.build(kind):
            return f"Install {name} for {kind}: {lacking.install}"
    return 'Use device="auto"'


def _on(
    kind: str,
    folder: ModelFolder,
    precision: str,
    work: int | None,
    least: float,
    passed: list[str],
    without: str,
) -> Choice | None:
    """The engine on a kind of device; None if none can. ``passed`` gets why engines cannot."""
    default_is_here = _speed_of_default(kind) is not None
    able: list[tuple[Choice, Facts]] = []
    for name, stated in _by_speed(kind, precision, least, passed):
        if name == without or not stated.builds(folder.config.generator):
            continue
        kept = _kept(folder, stated.export_format)
        if isinstance(kept, str):
            passed.append(f"{name} is passed over: {kept}")
        elif kept or not stated.export_format or making.can_make(folder):
            prepares = _prepares(folder, kept) if stated.export_format else stated.first_use > 0
            able.append((Choice(name, "the fastest that is installed", prepares), stated))
    if not able:
        usual = kind == "cpu" and precision in ("auto", "fp32")
        for_what = "" if usual else f" for {kind} and {_number(precision)}"
        why = "; ".join(passed) or f"no faster one{for_what} is installed"
        return Choice(ENGINE, why) if default_is_here else None
    first, stated = able[0]
    if not first.prepares or not default_is_here:
        return first
    if not (why := _not_prepared(folder, work, stated)):
        return first
    for choice, its in able:
        if not choice.prepares:
            ready = "its export is kept" if its.export_format else "it is ready"
            return Choice(choice.name, f"{ready}, and {why}")
    return Choice(ENGINE, why)


def _kept(folder: ModelFolder, export_format: str) -> bool | str:
    """Whether the exports of a model are kept; or why one was refused."""
    if not export_format:
        return False
    found = [exports.find(folder, scale, export_format) for scale in folder.config.scales]
    refused = [made.record.refused for made in found if made and made.record.refused]
    return refused[0] if refused else all(found)


def _prepares(folder: ModelFolder, kept: bool | str) -> bool:
    """Whether an export would be made of the network; what a model carries is ready in no time."""
    return kept is False and not folder.carries_exports


def _not_prepared(folder: ModelFolder, work: int | None, stated: Facts) -> str | None:
    """Why an engine is not made ready for some work, if it is so."""
    if work is not None and seconds(folder, work) < stated.first_use:
        made = "an export would be made" if stated.export_format else "another one is ready"
        return f"{ENGINE} enlarges {work:,} pixels before {made}"
    if stated.export_format and (why := exports.why_unwritable(folder)):
        return f"no export can be kept: {why}"
    return None


def seconds(folder: ModelFolder, work: int) -> float:
    """About how long torch takes on this CPU for so many LR pixels; from sizes, without torch."""
    weights = folder.config.weights
    parameters = 0
    if weights and (folder.path / weights.file).is_file():
        size = (folder.path / weights.file).stat().st_size
        parameters = size // BYTES.get(weights.dtype, 4)
    return work * (PER_PIXEL + PER_PARAMETER * parameters) / memory.cores()


def _chosen(folder: ModelFolder, name: str, explicit: bool) -> Choice:
    stated = engine_facts.find(name)
    if explicit:
        stated.need_generator(name, folder.config.generator)
    export_format = stated.export_format
    prepares = bool(export_format) and _prepares(folder, _kept(folder, export_format))
    return Choice(name, "asked for", prepares, explicit)


def _by_speed(
    kind: str, precision: str, least: float, passed: list[str]
) -> list[tuple[str, Facts]]:
    """Installed engines that are faster than ``least``; ``passed`` gets the broken ones."""
    found: list[tuple[str, Facts]] = []
    for plugin, stated in kinds.engines.each(engine_facts.of):
        name = kinds.engines.name_of(plugin)
        try:
            able = kind in stated.devices and stated.can(kind, _number(precision))
            slow = stated.speed_on(kind) <= least
            if name == ENGINE or not able or slow or _missing(name, stated) or stated.build(kind):
                continue
        except PluginError as error:
            passed.append(f"{name} is passed over: {error.what}")
            continue
        found.append((name, stated))
    return sorted(found, key=lambda pair: -pair[1].speed_on(kind))


def _number(precision: str) -> str:
    return devices.PRECISIONS[1] if precision == "auto" else precision


def _speed_of_default(kind: str) -> float | None:
    """The default engine's speed; None where it is not installed, or not for that device."""
    try:
        stated = engine_facts.find(ENGINE)
        here = not engine_facts.missing(ENGINE) and stated.runs_on(kind)
        return stated.speed_on(kind) if here else None
    except PluginError:
        return None


def _missing(name: str, stated: Facts) -> str | None:
    """How to install what an engine, and the export format that it runs, needs."""
    return engine_facts.missing(name) or (
        stated.export_format and exports.missing(stated.export_format)
    )


def check(engine: str, device: str, precision: str) -> None:
    """Refuse what is known not to be possible here; imports no engine that needs torch.

    Args:
        engine: a registered engine, or auto.
        device: as :func:`srzoo.common.devices.parse_name` gives it.
        precision: one of ``devices.PRECISIONS``.

    Raises:
        PluginError: there is no such engine.
        DeviceError: there is no such device, the engine does not run on it, or is not installed.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine != "auto":
        _check_engine(engine, device, precision)
    kind, _, index = device.partition(":")
    if kind == "mps" and not (sys.platform == "darwin" and platform.machine() == "arm64"):
        raise DeviceError("no mps device is available here: only Macs have one", 'Use device="cpu"')
    if kind == "cuda":
        count = devices.gpu_count()
        if not count:
            raise DeviceError(f"no {device} device is available here", 'Use device="cpu"')
        if index and int(index) >= count:
            last = f' to "cuda:{int(count) - 1}"' if count > 1 else ""
            raise DeviceError(f"no {device} device is available here", f'Use device="cuda:0"{last}')
    if kind == "gpu" and kind not in devices.gpu_kinds():
        others = " or ".join(f'"{one}"' for one in [*devices.gpu_kinds(), "cpu"])
        raise DeviceError(
            "no gpu device is available here: it is for DirectML or OpenVINO",
            f"Use device={others}",
        )


def _check_engine(engine: str, device: str, precision: str) -> None:
    stated = engine_facts.find(engine)
    kind = device.partition(":")[0]
    if engine == ENGINE and not stated.can(kind, "auto"):
        raise DeviceError(f"{engine} does not run on {kind}", 'Use engine="auto"')
    stated.need(engine, device, precision)
    if command := _missing(engine, stated):
        raise DeviceError(f"{engine} is not installed", f"Install it: {command}")
    if lacking := stated.build(kind):
        raise DeviceError(
            f"the {engine} that is installed does not use {kind}", f"Install: {lacking.install}"
        )
