"""What starting the command costs. Seconds, medians.

* The light commands, above ``python -c "import click"``.
* ``srzoo upscale`` of a 128 x 128 picture, end to end, with each engine that is installed and an
  export that is kept; for torch also above ``python -c "import torch"``.
* The same by ``auto`` with an empty cache: the first picture after an install, with the engine that
  comes first there. What the model carries is made ready in it.
* ``import srzoo``, and shell completion.

Run: python tests/bench/startup.py [--rounds 9] [--model edsr-x4]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers import drawn

from srzoo.errors import SrzooError
from srzoo.exporting import engine_facts
from srzoo.plugins import kinds
from srzoo.upscaling import loading

COMPLETE = {"_SRZOO_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
LONG = 30.0
"""Seconds of a first use: such engines are made for many pictures."""


@dataclass
class Command:
    """Arguments of Python, the environment's changes, and what its time is compared with."""

    arguments: list[str]
    above: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def commands(model: str, place: Path) -> dict[str, Command]:
    """What is measured, by name."""
    srzoo = ["-m", "srzoo"]
    found = {
        "import click": Command(["-c", "import click"]),
        "import srzoo": Command(["-c", "import srzoo"]),
        "srzoo --help": Command([*srzoo, "--help"], "import click"),
        "srzoo model list": Command([*srzoo, "model", "list"], "import click"),
        "srzoo plugin list": Command([*srzoo, "plugin", "list"], "import click"),
    }
    for words in ("srzoo ", "srzoo upscale --", "srzoo upscale --engine "):
        place_of_word = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        found[f"completing '{words}'"] = Command(srzoo, "import click", COMPLETE | place_of_word)
    if find_spec("torch"):
        found["import torch"] = Command(["-c", "import torch"])
    drawn(128, 128).save(place / "small.png")
    first = (
        f"import os, tempfile; os.environ['SRZOO_CACHE'] = tempfile.mkdtemp(dir={str(place)!r});"
        "from srzoo.cli import main;"
        f"main(['upscale', {str(place / 'small.png')!r}, '-m', {model!r}, '--overwrite', '-o',"
        f" {str(place / 'first.png')!r}])"
    )
    found["upscale, auto, the first"] = Command(["-c", first], environment={"SRZOO_ENGINE": "auto"})
    for name in kinds.engines.names():
        if engine_facts.find(name).first_use > LONG:
            continue
        try:
            loading.load(model, engine=name)  # the export is kept
        except SrzooError as error:
            print(f"without {name}: {error}")
            continue
        above = "import torch" if name == "torch" else ""
        found[f"upscale, {name}"] = Command(
            [*srzoo, "upscale", str(place / "small.png"), "-m", model, "--engine", name,
             "-o", str(place / f"{name}.png"), "--overwrite"], above,
        )  # fmt: skip
    return found


def seconds(command: Command) -> float:
    """Of one run."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *command.arguments], env=os.environ | command.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    return time.perf_counter() - start


def main() -> None:
    """Time the commands in turn, so that a slow moment hits all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--model", default="edsr-x4")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        tried = commands(given.model, Path(place))
        times: dict[str, list[float]] = {name: [] for name in tried}
        for _ in range(given.rounds + 1):
            for name, command in tried.items():
                times[name].append(seconds(command))
    medians = {name: statistics.median(runs[1:]) for name, runs in times.items()}
    for name, command in tried.items():
        above = command.above and f", +{medians[name] - medians[command.above]:.3f} s"
        print(f"{name:<38} {medians[name]:.3f} s{above}")


if __name__ == "__main__":
    main()
