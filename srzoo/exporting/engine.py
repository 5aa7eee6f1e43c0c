"""Choice of the engine for a model: the requested one, or the fastest one installed.

The decision uses the facts that engines state (:mod:`srzoo.exporting.engine_facts`); no engine is
imported for it.
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
"""The environment variable that sets the engine for ``auto``."""
PER_PARAMETER, PER_PIXEL = 0.07e-9, 6e-6
"""Seconds of one CPU core in torch for an LR pixel: per parameter, and in addition."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes of a parameter on the disk."""


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason for it.

    Attributes:
        name: of the engine plugin.
        why: the reason, for ``--verbose``.
        prepares: whether the first use takes some extra seconds, to export the model.
        explicit: whether the user named it, not the environment: then there is no fallback.
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
    """The engine for a model: a named one; ``auto`` is the fastest installed one that can run it.

    The rule: of the engines that state the device and the precision and are installed, in a build
        that
    supports that device, the one with the highest ``speed`` on it, if that is more than the default
    engine's. On a requested GPU that the default engine does not support, engines without a
    measured speed count too. An engine is skipped if the model cannot be exported for it, or its
    export gives other values; the default engine comes last. If no export is cached, and it cannot
    be, or the default engine would finish before it is made, the fastest engine with a cached
    export is chosen, or the default engine.

    Args:
        folder: the model folder.
        engine: a name, or "auto".
        device: auto (a GPU if one is available), cpu, cuda, mps or gpu.
        precision: auto (fp32), fp32, bf16 or fp16.
        work: the LR pixels of all passes; None if unknown.

    Raises:
        PluginError: the engine does not exist.
        DeviceError: no engine that can run the model is installed, or the requested engine does not
            run models of its generator.
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
    """The engine and the device for a model that the chosen engine cannot run.

    It is the default engine. If that is not installed, and no device is requested, it is the
    fastest other engine on the CPU. None if there is none.
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
        "; ".join([f"no installed engine runs {folder.name}{on}{numbers}", *dict.fromkeys(passed)]),
        _to_install(asked, precision),
    )


def reference() -> str:
    """The engine for measurements: the default engine, so that figures are comparable.

    If that is not installed, it is the fastest installed one.
    """
    return "auto" if engine_facts.missing(ENGINE) else ENGINE


def _to_install(kind: str, precision: str) -> str:
    """What to install for a device and a precision: preferably the default engine."""
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
    """The engine for a kind of device; None if none can. ``passed`` gets the reasons."""
    default_is_here = _speed_of_default(kind) is not None
    able: list[tuple[Choice, Facts]] = []
    for name, stated in _by_speed(kind, precision, least, passed):
        if name == without or not stated.builds(folder.config.generator):
            continue
        kept = _kept(folder, stated.export_format)
        if isinstance(kept, str):
            passed.append(f"{name} is skipped: {kept}")
        elif kept or not stated.export_format or making.can_make(folder):
            prepares = _prepares(folder, kept) if stated.export_format else stated.first_use > 0
            able.append((Choice(name, "the fastest installed", prepares), stated))
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
    """Whether the exports of a model are cached; or why one was refused."""
    if not export_format:
        return False
    found = [exports.find(folder, scale, export_format) for scale in folder.config.scales]
    refused = [made.record.refused for made in found if made and made.record.refused]
    return refused[0] if refused else all(found)


def _prepares(folder: ModelFolder, kept: bool | str) -> bool:
    """Whether an export would be made from the network; converting one in the folder is fast."""
    return kept is False and not folder.carries_exports


def _not_prepared(folder: ModelFolder, work: int | None, stated: Facts) -> str | None:
    """Why an engine should not be prepared for this work, or None."""
    if work is not None and seconds(folder, work) < stated.first_use:
        made = "an export would be made" if stated.export_format else "another one is ready"
        return f"{ENGINE} enlarges {work:,} pixels before {made}"
    if stated.export_format and (why := exports.why_unwritable(folder)):
        return f"no export can be cached: {why}"
    return None


def seconds(folder: ModelFolder, work: int) -> float:
    """Estimated seconds of torch on this CPU for these LR pixels, from sizes, without torch."""
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
            passed.append(f"{name} is skipped: {error.what}")
            continue
        found.append((name, stated))
    return sorted(found, key=lambda pair: -pair[1].speed_on(kind))


def _number(precision: str) -> str:
    return devices.PRECISIONS[1] if precision == "auto" else precision


def _speed_of_default(kind: str) -> float | None:
    """The default engine's speed; None if it is not installed, or not for that device."""
    try:
        stated = engine_facts.find(ENGINE)
        here = not engine_facts.missing(ENGINE) and stated.runs_on(kind)
        return stated.speed_on(kind) if here else None
    except PluginError:
        return None


def _missing(name: str, stated: Facts) -> str | None:
    """The command that installs an engine and the export format that it runs, or None."""
    return engine_facts.missing(name) or (
        stated.export_format and exports.missing(stated.export_format)
    )


def check(engine: str, device: str, precision: str) -> None:
    """Refuse requests that cannot be met here; imports no engine that needs torch.

    Args:
        engine: a registered engine, or auto.
        device: as :func:`srzoo.common.devices.parse_name` gives it.
        precision: one of ``devices.PRECISIONS``.

    Raises:
        PluginError: the engine does not exist.
        DeviceError: the device does not exist, or the engine does not run on it, or is not
            installed.
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
            f"the installed {engine} does not support {kind}", f"Install: {lacking.install}"
        )
