"""Packages of others that do harm: built by pip, each in a place of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1.2"
{entries}
[tool.setuptools]
packages = {packages}
[tool.setuptools.package-data]
"*" = ["*.toml", "*/*"]
"""
ENGINE = """
import numpy
from srzoo.errors import DeviceError
class Engine:
    "Repeats pixels."
    devices, precisions, speed, packages = ("cpu",), ("fp32",), 99.0, {}
    reach, multiple, model, parameters = 0, 1, None, None
    def __init__(self, *, folder, device="auto", precision="auto"):
        print("MADE")
    def __call__(self, x, scale):
        return x.repeat(scale, 2).repeat(scale, 3)
    def bytes_per_pixel(self, scale): return 100
    def bytes_aside(self, scale): return 0
    def free_memory(self): return None
"""
FAST = '[{name}]\ndevices = ["cpu"]\nprecisions = ["fp32"]\nspeed = 99.0\n'
NETWORK = """
from torch import nn
class Net(nn.Module):
    "A stranger's network."
    scales, reach = (4,), 1
    def __init__(self, *, scale: int = 4): raise RuntimeError("the stranger's network was built")
"""
COMMAND = """
import click
@click.command()
def upscale():
    "A stranger's command."
    click.echo("STRANGER")
"""
SLEEP = "import os, time\ntime.sleep(float(os.environ.get('GUEST_SLEEP', 100)))\n"
META = """
class Meta(type):
    def __getattribute__(cls, name): raise RuntimeError("not to be asked")
    def __repr__(cls): raise RuntimeError("not to be asked")
class Net(metaclass=Meta):
    "Hostile."
"""
CONFIG = """{"srzoo": 1, "generator": "bicubic", "args": {"scale": 2}, "scales": [2],
             "weights": null, "summary": "Of a stranger."}"""


@dataclass(frozen=True)
class Guest:
    """A package: its entry points (group: lines), and its files beside ``__init__.py``."""

    entries: dict[str, str]
    code: str = ""
    files: dict[str, str] = field(default_factory=dict)


GUESTS = {
    "card-import": Guest({"cards": "t = {top}"}, "raise RuntimeError('half installed')"),
    "card-missing": Guest({"cards": "t = {top}.nothing"}),
    "card-json": Guest({"cards": "t = {top}"}, files={"bad/config.json": "{"}),
    "card-newer": Guest({"cards": "t = {top}"}, files={"new/config.json": '{"srzoo": 9}'}),
    "card-released": Guest({"cards": "t = {top}"}, files={"edsr-x4/config.json": CONFIG}),
    "engine-import": Guest({"engines": "boom = {top}:Engine"}, "raise OSError('half installed')",
                           {"engines.toml": FAST.format(name="boom")}),
    "engine-exit": Guest({"engines": "boom = {top}:Engine"}, "raise SystemExit(3)",
                         {"engines.toml": FAST.format(name="boom")}),
    "engine-makes": Guest({"engines": "boom = {top}:Engine"},
                          ENGINE.replace('print("MADE")', 'raise RuntimeError("no such card")'),
                          {"engines.toml": FAST.format(name="boom")}),
    "engine-builtin": Guest({"engines": "mnn = {top}:Engine\ntorch = {top}:Engine"}, ENGINE,
                            {"engines.toml": FAST.format(name="mnn") + FAST.format(name="torch")}),
    "engine-speedless": Guest({"engines": "slow = {top}:Engine"}, ENGINE.replace("speed,", "_,")),
    "engine-prints": Guest({"engines": "loud = {top}:Engine"}, 'print("IMPORTED")' + ENGINE,
                           {"engines.toml": FAST.format(name="loud")}),
    "engine-wrong-file": Guest({"engines": "odd = {top}:Engine"}, ENGINE,
                               {"engines.toml": "[odd]\nspeed = 'fast'\n"}),
    "engine-sleeps": Guest({"engines": "late = {top}:Engine"}, SLEEP + ENGINE),
    "generator-builtin": Guest({"generators": "edsr = {top}:Net\nbicubic = {top}:Net"}, NETWORK),
    "format-builtin": Guest({"export_formats": "onnx = {top}:Format\nmnn = {top}:Format"},
                            "class Format: 'Of a stranger.'"),
    "metric-builtin": Guest({"metrics": "psnr_y = {top}:Metric"}, "raise ImportError('no pyiqa')"),
    "command-builtin": Guest({"commands": "upscale = {top}:upscale\nmodel = {top}:upscale"},
                             COMMAND),
    "command-none": Guest({"commands": "strange = {top}:upscale"}, "upscale = 3"),
    "command-sleeps": Guest({"commands": "late = {top}:upscale"}, SLEEP + COMMAND),
    "command-fails": Guest({"commands": "strange = {top}:upscale"},
                           COMMAND.replace('click.echo("STRANGER")', "1 / 0")),
    "exit": Guest({"generators": "boom = {top}:Net", "blocks": "boom = {top}:Net"},
                  "raise SystemExit(0)"),
    "interrupt": Guest({"generators": "boom = {top}:Net"}, "raise KeyboardInterrupt"),
    "handlers": Guest({"generators": "boom = {top}:Net"},
                      "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)" + NETWORK),
    "colon": Guest({"generators": "a:b = {top}:Net"}, NETWORK),
    "api": Guest({"generators": "boom = {top}:Net"},
                 NETWORK.replace("scales,", 'plugin_api = "2"\n    scales,')),
    "metaclass": Guest({"generators": "boom = {top}:Net", "metrics": "boom = {top}:Net"}, META),
}  # fmt: skip


def write(folder: Path, name: str, guest: Guest) -> Path:
    """The project of a guest."""
    top = f"guest_{name.replace('-', '_')}"
    project = folder / name
    package = project / top
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(guest.code)
    for file, text in guest.files.items():
        (package / file).parent.mkdir(exist_ok=True)
        (package / file).write_text(text)
    entries = "".join(
        f'[project.entry-points."srzoo.{group}"]\n'
        + "".join(f'"{a}" = "{b}"\n' for a, b in (line.split(" = ") for line in lines.splitlines()))
        for group, lines in guest.entries.items()
    ).replace("{top}", top)
    (project / "pyproject.toml").write_text(
        PROJECT.format(name=f"guest-{name}", entries=entries, packages=[top])
    )
    return project


def install(folder: Path) -> dict[str, Path]:
    """All of them, by pip; the place of each one for ``PYTHONPATH``."""
    projects = [write(folder / "projects", name, guest) for name, guest in GUESTS.items()]
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder / "wheels", *projects],
        check=True,
    )
    places: dict[str, Path] = {}
    for name in GUESTS:
        (wheel,) = (folder / "wheels").glob(f"guest_{name.replace('-', '_')}-*.whl")
        places[name] = folder / "sites" / name
        zipfile.ZipFile(wheel).extractall(places[name])  # what pip does, in a tenth of the time
    return places


def environment(place: Path, **more: str) -> dict[str, str]:
    """That of a process which has a guest installed."""
    usual = {key: value for key, value in os.environ.items() if key != "SRZOO_ENGINE"}
    return usual | {"PYTHONPATH": str(place)} | more
