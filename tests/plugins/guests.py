"""Packages of others that do harm: as pip leaves them, each in a place of its own."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

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
STATE = """
import os, signal, sys, warnings
if "torch" in sys.modules:
    import torch
    torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True); torch.set_default_device("meta")
os.chdir("/"); os.umask(0o777); os.environ.clear()
sys.argv[:] = ["strange"]; sys.path.clear(); sys.setrecursionlimit(120)
warnings.simplefilter("error")
sys.stdout.close(); sys.stderr.close(); sys.excepthook = None
if hasattr(signal, "alarm"):
    signal.signal(signal.SIGALRM, signal.SIG_DFL); signal.alarm(1)
if hasattr(os, "fork") and not os.fork():
    raise RuntimeError("a child")
"""
MEMBERS = """
class Raises:
    def __get__(self, part, owner=None): raise SystemExit("not to be asked")
    def __set__(self, part, value): pass
for member in ("multiple", "extra", "parameters", "first_use", "examples", "bytes_aside", "unit",
               "short", "label", "tolerance", "thread_safe", "fetch", "describe"):
    setattr(Engine, member, Raises())
class Metric:
    "Black and white."
    higher_is_better, reference, protocol = True, True, "odd"
    unit = label = short = tolerance = thread_safe = examples = Raises()
    def __call__(self, sr, hr, scale): return 1.0
class Set:
    "No pictures."
    fetch = describe = Raises()
"""
CONFIG = """{"srzoo": 1, "generator": "bicubic", "args": {"scale": 2}, "scales": [2],
             "weights": null, "summary": "Of a stranger."}"""


@dataclass(frozen=True)
class Guest:
    """A package: its entry points (group: lines), and its files beside ``__init__.py``."""

    entries: dict[str, str]
    code: str = ""
    files: dict[str, str] = field(default_factory=dict)
    metadata: bytes = b""
    lines: str = ""


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
    "member": Guest({"engines": "boom = {top}:Engine", "metrics": "boom = {top}:Metric",
                     "datasets": "boom = {top}:Set"}, ENGINE + MEMBERS,
                    {"engines.toml": FAST.format(name="boom")}),
    "memory": Guest({"engines": "boom = {top}:Engine"}, ENGINE.replace("return 100", "return '9'"),
                    {"engines.toml": FAST.format(name="boom")}),
    "state": Guest({"engines": "boom = {top}:Engine"}, STATE + ENGINE,
                   {"engines.toml": FAST.format(name="boom")}),
    "words": Guest({"engines": "boom = {top}:Engine"},
                   "class E(BaseException):\n def __str__(self): raise self\nraise E",
                   {"engines.toml": FAST.format(name="boom")}),
    "bytes": Guest({"generators": "boom = {top}:Net"}, NETWORK, metadata=b"\xff\xfe\0"),
    "lines": Guest({}, lines="[srzoo.generators]\nboom\n"),
    "twice": Guest({"generators": "boom = {top}:Net\nboom = {top}:Net"}, NETWORK),
    "gone": Guest({"cards": "t = {top}", "generators": "boom = {top}:Net"}),
    "metaclass": Guest({"generators": "boom = {top}:Net", "metrics": "boom = {top}:Net"}, META),
}  # fmt: skip


def install(folder: Path, guests: dict[str, Guest]) -> dict[str, Path]:
    """Packages as pip leaves them; the place of each one for ``PYTHONPATH``."""
    places: dict[str, Path] = {}
    for name, guest in guests.items():
        place = places[name] = folder / name
        package = place / f"guest_{name.replace('-', '_')}"
        for file, text in {"__init__.py": guest.code, **guest.files}.items():
            (package / file).parent.mkdir(parents=True, exist_ok=True)
            (package / file).write_text(text)
        info = place / f"{package.name}-1.2.dist-info"
        info.mkdir()
        told = f"Metadata-Version: 2.1\nName: guest-{name}\nVersion: 1.2\n".encode()
        (info / "METADATA").write_bytes(guest.metadata or told)
        lines = "".join(f"[srzoo.{group}]\n{each}\n" for group, each in guest.entries.items())
        text = guest.lines or lines.replace("{top}", package.name)
        (info / "entry_points.txt").write_text(text)
        if name == "gone":  # an editable one, whose folder was deleted
            shutil.rmtree(package)
    return places


def environment(place: Path, **more: str) -> dict[str, str]:
    """That of a process which has a guest installed."""
    usual = {key: value for key, value in os.environ.items() if key != "SRZOO_ENGINE"}
    return usual | {"PYTHONPATH": str(place)} | more


@dataclass(frozen=True)
class Done:
    """How a process ended, and what it said."""

    returncode: int | None
    stdout: str
    stderr: str


_METHODS = multiprocessing.get_all_start_methods()
_CONTEXT = multiprocessing.get_context("forkserver" if "forkserver" in _METHODS else "spawn")
if "forkserver" in _METHODS:
    _CONTEXT.set_forkserver_preload(["torch", "srzoo.cli", "srzoo.networks.folders"])


def run(place: Path, folder: Path, commands: list[str], **more: str) -> Done:
    """``srzoo`` with each of some lines of arguments, in a process that has a guest installed.

    All but the last have to end well.

    It is forked from one that has torch; a command more is a tenth of a second.
    """
    said = folder / "stdout", folder / "stderr"
    work = (str(place), str(folder), commands, [str(each) for each in said], more)
    process = _CONTEXT.Process(target=_go, args=work)
    process.start()
    process.join(90)
    if process.is_alive():
        process.kill()
    stdout, stderr = (each.read_text() for each in said)
    return Done(process.exitcode, stdout, stderr)


def _go(
    place: str, folder: str, commands: list[str], said: list[str], more: dict[str, str]
) -> None:
    for number, name in enumerate(said, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.pop("SRZOO_ENGINE", None)
    os.environ.update(more | {"PYTHONPATH": place})
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    from srzoo.cli import main

    *before, last = commands
    for words in before:
        try:
            main(words.split())
        except SystemExit as end:
            assert not end.code, words
        sys.stdout.write("---\n")
    sys.argv = ["srzoo", *last.split()]
    main()  # as a process of its own does it
