"""Facts for a bug report: versions, machine, devices, engines tried, and faults.

It contains no private data: the home folder, tokens and passwords are masked.

``python -m srzoo.upkeep.doctor ENGINE`` tests one engine, in a process that may crash.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..benching import machine
from ..common import devices, files, memory
from ..common.devices import Device
from ..defaults import ENGINE
from ..errors import PluginError, SrzooError
from ..exporting import engine_facts, exports, making
from ..models import locate
from ..plugins import kinds, packages
from ..plugins.plugin import Plugin
from ..upscaling import loading

VARIABLES = re.compile(
    r"(SRZOO|HF|HUGGING_?FACE|OMP|MKL|OPENBLAS|CUDA|NVIDIA|HIP|ROCR|PYTORCH|TORCH|VIPS|MALLOC|"
    r"XDG_CACHE|PYTHON)(_\w+|UNBUFFERED|PATH|HOME|IOENCODING|UTF8)|TMPDIR|LANG|LC_ALL|LD_PRELOAD"
)
"""The environment variables that affect srzoo."""
SECRET = re.compile(r"TOKEN|SECRET|PASSW|KEY|CREDENTIAL", re.IGNORECASE)
HIDDEN = "(set, not shown)"
LONG = 30.0
"""The largest first use, in seconds, of an engine that is tested; longer ones compile."""
PATIENCE = 120.0
"""Seconds for the test of one engine."""
OFF = 0.1
"""The largest accepted difference between the means of result and picture, as a share."""


@dataclass(frozen=True)
class EngineStatus:
    """An engine, and whether it works.

    Attributes:
        name: of the plugin.
        devices, precisions: the ones it states.
        version: of the package it uses.
        missing: the command that installs it, or the device that is not available; "" if none.
        seconds: for a small picture, including the start of Python; None if it was not tested.
        problem: why it does not work.
        first_use: the seconds that it states for its first use.
    """

    name: str
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    version: str = ""
    missing: str = ""
    seconds: float | None = None
    problem: str = ""
    first_use: float = 0.0


@dataclass(frozen=True)
class Diagnosis:
    """The result of :func:`diagnose`, without private data.

    Attributes:
        versions: of srzoo, Python, and the distributions that srzoo and its plugins need.
        libraries: versions of those that read and write pictures.
        system: its name and version.
        cpu: its name, and the widest instructions.
        cores: the number used, and the number available.
        memory: bytes of the machine, bytes available to this process, and bytes used by it.
        limits: the system's limits for this process, if any.
        devices: the devices for models.
        engines: the installed ones are tested.
        folders: caches, each with its problem ("" if none).
        environment: relevant variables.
        problems: all faults, one sentence each.
    """

    versions: dict[str, str]
    libraries: dict[str, str]
    system: str
    cpu: str
    cores: tuple[int, int]
    memory: dict[str, int]
    limits: dict[str, int]
    devices: list[Device]
    engines: list[EngineStatus]
    folders: dict[str, str]
    environment: dict[str, str]
    problems: list[str] = field(default_factory=list[str])


def diagnose(*, try_engines: bool = True) -> Diagnosis:
    """Check everything; engines are tested on a small picture, each in its own process."""
    there = machine.this_machine()
    found = [try_engine(one) if try_engines else one for one in engines()]
    folders = {masked(path): _writable(path) for path in (files.cache(), _temporary())}
    problems = [f"{problem.plugin}: {problem.what}" for problem in kinds.problems()]
    problems += [f"engine {one.name}: {one.problem}" for one in found if one.problem]
    problems += [f"{path} {why}" for path, why in folders.items() if why]
    problems += _models()
    whole = devices.cpu()
    return Diagnosis(
        versions={"srzoo": __version__, "Python": there.python, **versions()},
        libraries=_libraries(),
        system=there.system,
        cpu=", ".join(part for part in (there.cpu, there.vectors) if part),
        cores=(there.threads, there.cores),
        memory={"machine": whole.memory, "free": whole.free, "taken": memory.used()},
        limits=_limits(),
        devices=all_devices(),
        engines=found,
        folders=folders,
        environment=environment(),
        problems=[masked(problem) for problem in problems],
    )


def all_devices() -> list[Device]:
    """The devices for models; torch is imported if it may find a GPU.

    For devices that only other engines can use, only the kind is listed, and on Linux the names of
    NVIDIA GPUs.
    """
    kinds_here = devices.gpu_kinds()
    if any(map(_torch_runs_on, kinds_here)):
        from ..networks import devices as torch_devices

        *found, last = torch_devices.list_devices()
    else:
        found, last = devices.nvidia_cards(), devices.cpu()
    listed = {one.name.partition(":")[0] for one in found}
    others = [kind for kind in kinds_here if kind not in listed and _engine_runs_on(kind)]
    found += [Device(kind, "", 0, 0, devices.PRECISIONS[1:2]) for kind in others]
    return [*found, last]


def _torch_runs_on(kind: str) -> bool:
    return not engine_facts.missing(ENGINE) and engine_facts.find(ENGINE).runs_on(kind)


def _engine_runs_on(kind: str) -> bool:
    """Whether an installed engine other than the default one may use a kind of GPU."""
    for name in kinds.engines.names():
        try:
            here = name != ENGINE and engine_facts.find(name).runs_on(kind)
            if here and not engine_facts.missing(name):
                return True
        except PluginError:
            continue
    return False


def engines() -> list[EngineStatus]:
    """Every registered engine, installed or not; none is tested."""
    found: list[EngineStatus] = []
    here = list(dict.fromkeys(one.name.partition(":")[0] for one in all_devices()))
    for plugin in kinds.engines:
        try:
            found.append(_engine(plugin, here))
        except PluginError as error:
            found.append(EngineStatus(plugin.name, (), (), problem=str(error)))
    return found


def _engine(plugin: Plugin, here: list[str]) -> EngineStatus:
    """An engine's facts, compared with the available kinds of device."""
    stated = engine_facts.of(plugin)
    able = tuple(kind for kind in here if stated.runs_on(kind))
    brought = (packages.version_of(module, name) for name, module in stated.packages.items())
    version = next(filter(None, brought), plugin.version)
    missing = engine_facts.to_install(stated.packages, stated.extra, plugin.dist)
    if not missing and stated.export_format:
        missing = exports.missing(stated.export_format)
    if not missing and stated.devices and not able:
        missing = f"no {' or '.join(stated.devices)} device is available here"
    return EngineStatus(
        plugin.name, able, stated.precisions, "" if missing else version, missing or "",
        first_use=stated.first_use,
    )  # fmt: skip


def try_engine(engine: EngineStatus) -> EngineStatus:
    """The same, after it has upscaled a small picture in a separate process."""
    from dataclasses import replace

    if engine.missing or engine.problem or engine.first_use > LONG:
        return engine
    start = time.perf_counter()
    command = [sys.executable, "-m", "srzoo.upkeep.doctor", engine.name]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return replace(engine, problem=f"it returned no answer: {error}")
    seconds = time.perf_counter() - start
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines and lines[-1] == "right":
        return replace(engine, seconds=seconds)
    message = (done.stderr.strip().splitlines() or lines or ["no message"])[-1]
    return replace(engine, problem=f"{message} (exit code {done.returncode})", seconds=seconds)


def versions() -> dict[str, str]:
    """The versions of packages that srzoo and third-party plugins need, if installed."""
    owners = {plugin.dist for plugin in kinds.plugins()}
    names: dict[str, None] = {}
    for owner in sorted(owners):
        names |= dict.fromkeys([owner, *packages.needs(owner)])
    names.pop("srzoo", None)
    return packages.versions(names)


def environment() -> dict[str, str]:
    """Variables that affect srzoo, masked."""
    found = {name: value for name, value in sorted(os.environ.items()) if VARIABLES.fullmatch(name)}
    return {
        name: HIDDEN if SECRET.search(name) and value else masked(value)
        for name, value in found.items()
    }


def masked(text: object) -> str:
    """A text without the home folder, tokens, and names and passwords in addresses."""
    shown = re.sub(r"(\w+://)[^/\s@]+@", r"\1***@", str(text))
    shown = re.sub(r"\b(hf|api_org|gh[pousr]|sk)_[A-Za-z0-9]{8,}", r"\1_***", shown)
    for home in _homes():
        shown = re.sub(rf"(?<![\w.-]){re.escape(home)}(?!\w)", "~", shown)
    return shown


def _homes() -> list[str]:
    """The home folder, by all its names; the longest first."""
    found: set[str] = set()
    with contextlib.suppress(RuntimeError, OSError):
        home = Path.home()
        found |= {str(home), str(home.resolve())}
    with contextlib.suppress(ImportError, KeyError, AttributeError):
        import pwd

        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    return sorted((home for home in found if len(home) > 1), key=len, reverse=True)


def _writable(folder: Path) -> str:
    """Why a folder cannot be written, or an empty text."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=files.TEMPORARY) as file:
            file.write(b"srzoo")
            file.flush()
    except OSError as error:
        return f"cannot be written: {error.strerror or error}"
    return ""


def _limits() -> dict[str, int]:
    """Limits of this process, such as ulimit sets."""
    try:
        import resource
    except ImportError:  # Windows
        return {}
    found: dict[str, int] = {}
    for name in ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC"):
        kind = getattr(resource, name, None)
        if kind is not None and (limit := resource.getrlimit(kind)[0]) != resource.RLIM_INFINITY:
            found[name] = limit
    return found


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


def _models() -> list[str]:
    """Released models that cannot be used."""
    problems: list[str] = []
    try:
        names = locate.list_models()
    except SrzooError as error:
        return [str(error)]
    for name in names:
        try:
            folder = locate.find(name)
        except SrzooError as error:
            problems.append(f"model {name}: {error}")
            continue
        weights = folder.config.weights
        if weights and not (folder.path / weights.file).is_file():
            problems.append(f"model {name}: its weights {weights.file} are missing")
    return problems


def _libraries() -> dict[str, str]:
    """The libraries that read and write pictures."""
    from PIL import features

    from ..images import vips

    names = ("libjpeg_turbo", "jpg_2000", "libtiff", "zlib", "webp", "avif", "littlecms2")
    found = {name: features.version(name) for name in names}
    texts = {name: str(version) for name, version in found.items() if version}
    library: Any = vips.library()
    if library is not None:
        texts["libvips"] = ".".join(str(library.version(part)) for part in range(3))
    return texts


def _smallest(engine: str) -> str:
    """The released model with the smallest weights that an engine can run here."""
    stated = engine_facts.find(engine)

    def can_run(name: str) -> bool:
        folder = locate.find(name)
        makes = not stated.export_format or making.can_make(folder)
        return makes and stated.builds(folder.config.generator)

    def size(name: str) -> tuple[int, str]:
        found = locate.find(name)
        weights = found.config.weights
        return (found.path / weights.file).stat().st_size if weights else 0, name

    names = locate.list_models()
    return min(filter(can_run, names), key=size, default=min(names, key=size))


def main() -> None:
    """Test one engine, and report that it works, or its fault."""
    try:
        model = loading.load(_smallest(sys.argv[1]), engine=sys.argv[1])
        across, down = np.meshgrid(np.linspace(0, 255, 40), np.linspace(255, 0, 32))
        picture = np.rint(np.stack([across, down, (across + down) / 2], axis=2)).astype(np.uint8)
        made = model(picture, model.scales[0])
    except SrzooError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    off = np.abs(made.mean((0, 1)) - picture.mean((0, 1))).max() / 255
    if made.shape[0] != 32 * model.scales[0] or off > OFF:
        sys.stderr.write(f"its result is wrong: its mean is off by {off:.0%}\n")
        sys.exit(3)
    sys.stdout.write("\nright\n")


if __name__ == "__main__":
    main()
