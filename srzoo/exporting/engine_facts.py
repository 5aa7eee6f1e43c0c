"""Facts of an engine without importing it: the file engines.toml in its package.

It is found from the entry point's target alone; neither the package nor its parents are imported.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import util
from pathlib import Path
from typing import cast

from ..common import devices, strict
from ..defaults import ENGINE
from ..errors import BrokenPluginError, DeviceError, SrzooError
from ..plugins import kinds, packages
from ..plugins.plugin import LOCAL_DIST, Plugin

FILE = "engines.toml"


@dataclass(frozen=True)
class Build:
    """A check, without an import, that an installed package supports a kind of device.

    Attributes:
        device: the kind.
        file: of the package, from its name on, like "torch/version.py".
        has: a regular expression that matches the text of the file if it does. Without that file
            support is assumed, and the engine finds out.
        install: how to install a build that does.
    """

    device: str
    file: str
    has: str
    install: str

    def is_there(self) -> bool:
        """Whether the installed build supports the device."""
        package, _, inner = self.file.partition("/")
        for (folder,) in packages.folders(package):
            try:
                text = (folder / inner).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            return re.search(self.has, text, re.MULTILINE) is not None
        return True


@dataclass(frozen=True)
class Facts:
    """The facts that an engine states, with their defaults.

    Attributes:
        devices: kinds of device that it computes on: cpu, cuda, mps, gpu; () for unknown.
        precisions: fp32, bf16, fp16; the first is what "auto" means; () for unknown.
        speed: speed relative to plain torch (float32, eager, NCHW) on the same device; a
            table by kind of device, or a number: see :meth:`speed_on`. 0 for not measured: then
            ``auto`` never chooses it.
        first_use: extra seconds of the first use, at least.
        export_format: the registered export format that it runs, or "".
        packages: required distributions, each with the module it provides.
        extra: the extra of the plugin's own package that installs them, or "".
        generators: the only ones whose models it runs; () for all.
        built_for: the kinds of device that only some builds of its package support, and how to
            identify those builds; all builds support the other kinds.
    """

    devices: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    speed: float | Mapping[str, float] = 0.0
    first_use: float = 0.0
    export_format: str = ""
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    extra: str = ""
    generators: tuple[str, ...] = ()
    built_for: tuple[Build, ...] = ()

    def build(self, kind: str) -> Build | None:
        """The build that a kind of device needs, if it is not installed."""
        lacking = (each for each in self.built_for if each.device == kind and not each.is_there())
        return next(lacking, None)

    def runs_on(self, kind: str) -> bool:
        """Whether it states a kind of device, and its installed build supports it."""
        return kind in self.devices and self.build(kind) is None

    def builds(self, generator: str) -> bool:
        """Whether it runs models of a generator, under any of its names."""
        own = [name for name in self.generators if name in kinds.generators]
        return not self.generators or kinds.generators.find(generator) in map(
            kinds.generators.find, own
        )

    def need_generator(self, name: str, generator: str) -> None:
        """Refuse a generator whose models it does not run, for the engine of a name.

        Raises:
            DeviceError: it does not run them.
        """
        if not self.builds(generator):
            raise DeviceError(
                f"{name} runs models of {' and '.join(self.generators)}, not of {generator}",
                'Use engine="auto"',
            )

    def speed_on(self, kind: str) -> float:
        """The speed on a kind of device; a number is for the CPU, or for a GPU without one."""
        if isinstance(self.speed, Mapping):
            return self.speed.get(kind, 0.0)
        return self.speed if kind == "cpu" or "cpu" not in self.devices else 0.0

    @property
    def has_speed(self) -> bool:
        """Whether it states a speed on any device."""
        return any(self.speed_on(kind) for kind in self.devices or devices.KINDS)

    def can(self, device: str, precision: str) -> bool:
        """Whether it supports a device and a precision, "auto" included; True if unknown."""
        kind = device.partition(":")[0]
        return (kind == "auto" or not self.devices or kind in self.devices) and (
            precision == "auto" or not self.precisions or precision in self.precisions
        )

    def need(self, name: str, device: str, precision: str) -> None:
        """Refuse a device or a precision that it does not state, for the engine of a name.

        Raises:
            DeviceError: it does not.
        """
        if not self.can(device, precision):
            runs = f"{' or '.join(self.devices)} in {' or '.join(self.precisions)}"
            raise DeviceError(
                f"{name} runs on {runs}, not on {device} in {precision}", use_another()
            )


def find(name: str) -> Facts:
    """The facts of a registered engine.

    Raises:
        PluginError: the engine does not exist, or states wrong facts.
    """
    return of(kinds.engines.find(name))


def of(plugin: Plugin) -> Facts:
    """The facts of an engine: those in the file, or of the class that this process registered.

    Raises:
        BrokenPluginError: it states wrong facts.
    """
    if plugin.dist == LOCAL_DIST:
        return of_class(kinds.engines.get(plugin.name), str(plugin))
    return in_file(plugin) or Facts()


def of_class(engine: object, where: str) -> Facts:
    """The facts that a class states as attributes; errors begin with ``where``.

    Raises:
        BrokenPluginError: they are wrong.
    """
    names = [each.name for each in fields(Facts) if hasattr(engine, each.name)]
    return _parse({name: getattr(engine, name) for name in names}, where)


def in_file(plugin: Plugin) -> Facts | None:
    """The facts of an installed engine, from the file beside it; None without one.

    Raises:
        BrokenPluginError: they are wrong.
    """
    path = _file(plugin.target)
    if path is None:
        return None
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenPluginError(f"{path} cannot be read: {error}", "Fix it") from None
    return _parse(tables[plugin.name], f"{path}: {plugin.name}") if plugin.name in tables else None


def missing(name: str) -> str | None:
    """How to install what an engine needs, or None if nothing is missing.

    Raises:
        PluginError: the engine does not exist, or states wrong facts.
    """
    plugin = kinds.engines.find(name)
    facts = of(plugin)
    return to_install(facts.packages, facts.extra, plugin.dist)


def use_another() -> str:
    """A hint for an engine that fails, which can be followed on this machine."""
    command = missing(ENGINE)
    return f'Use engine="{ENGINE}"' + (f", after {command}" if command else "")


def to_install(packages: Mapping[str, str], extra: str, dist: str) -> str | None:
    """The command that installs packages, by an extra of ``dist`` if any; None if installed."""
    if all(util.find_spec(module.partition(".")[0]) for module in packages.values()):
        return None
    if dist == LOCAL_DIST or not extra:
        return f"pip install {' '.join(packages)}"
    return f'pip install "{dist}[{extra}]"'


def _file(target: str) -> Path | None:
    """The engines.toml nearest to the module of a target, "package.module:Name"."""
    for way in packages.folders(target):
        for folder in reversed(way):
            if (folder / FILE).is_file():
                return folder / FILE
    return None


def _parse(table: object, where: str) -> Facts:
    try:
        facts = strict.parse(Facts, table, where)
        _check(facts, where)
    except SrzooError as error:
        raise BrokenPluginError(error.what, error.fix) from None
    return facts


def _check(facts: Facts, where: str) -> None:
    for name, given, known in (
        ("devices", facts.devices, devices.KINDS[1:]),
        ("precisions", facts.precisions, devices.PRECISIONS[1:]),
    ):
        if wrong := [one for one in given if one not in known]:
            raise SrzooError(f"{where}: {name} has {wrong[0]!r}", f"Use some of {', '.join(known)}")
    numbers: dict[str, object] = (
        {f"speed of {kind}": number for kind, number in facts.speed.items()}
        if isinstance(facts.speed, Mapping)
        else {"speed": facts.speed}
    )
    numbers["first_use"] = facts.first_use
    for name, number in numbers.items():
        real = isinstance(number, int | float) and not isinstance(number, bool)
        if not (real and 0 <= cast("float", number) < math.inf):
            raise SrzooError(f"{where}: {name} is {number}", "Give a number from 0")
    if isinstance(facts.speed, Mapping):
        known = facts.devices or devices.KINDS[1:]
        if wrong := [kind for kind in facts.speed if kind not in known]:
            raise SrzooError(
                f"{where}: speed has {wrong[0]!r}, which is not among its devices",
                f"Use some of {', '.join(known)}",
            )
    for each in facts.built_for:
        if each.device not in facts.devices:
            wrong = f"{where}: built_for has {each.device!r}, which is not among its devices"
            raise SrzooError(wrong, f"Use some of {', '.join(facts.devices)}")
        try:
            re.compile(each.has)
        except re.error as error:
            wrong = (
                f"{where}: built_for has {each.has!r}, which is not a regular expression: {error}"
            )
            raise SrzooError(wrong, "Correct it") from None
    modules = cast("Mapping[str, object]", facts.packages).values()
    if not all(isinstance(module, str) for module in modules):
        raise SrzooError(f"{where}: packages has a module that is not text", "Write its name")
