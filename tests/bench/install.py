"""What an install costs, and its first picture: seconds and bytes, light and with torch.

For each of the given extras: a new virtual environment, ``pip install`` of this tree with an empty
cache of pip's, then ``srzoo upscale`` of the README's picture, twice. Downloads are counted as what
pip fetched; a picture's seconds are those of the command, end to end.

Run: python tests/bench/install.py [--extra "" --extra torch] [--json] [PIP OPTION...]

What follows -- goes to pip, such as: -- -c constraints.txt --extra-index-url URL
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/pictures/dandelion.jpg"
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
FETCHED = re.compile(r"Downloading .*\((?P<number>[\d.]+) (?P<unit>[kMG]B)\)")

LOCAL = re.compile(r"Processing (.*\.whl)")
"""Of an index that is a folder."""


@dataclass(frozen=True)
class Cost:
    """Of one install: seconds, MB fetched and on the disk, packages, and seconds of pictures."""

    extra: str
    seconds: float
    fetched_mb: float
    disk_mb: float
    packages: int
    first_picture: float
    next_picture: float


def measure(extra: str, options: list[str], place: Path) -> Cost:
    """Install into an empty environment, and enlarge a picture twice."""
    env = place / "env"
    venv.create(env, with_pip=True)
    python = str(env / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    before = disk(env)
    target = f"{ROOT}[{extra}]" if extra else str(ROOT)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SRZOO"))}
    start = time.perf_counter()
    log = subprocess.run(
        [python, "-m", "pip", "install", "--no-cache-dir", "--progress-bar", "off", target,
         *options],
        env=variables, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
    ).stdout  # fmt: skip
    seconds = time.perf_counter() - start
    found = FETCHED.finditer(log)
    fetched = sum(float(one["number"]) * UNITS[one["unit"]] for one in found)
    fetched += sum(Path(path).stat().st_size for path in LOCAL.findall(log))
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json"],
        env=variables, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    pictures: list[float] = []
    for number in range(2):
        start = time.perf_counter()
        subprocess.run(
            [python, "-m", "srzoo", "upscale", str(PICTURE), "-o", str(place / f"{number}.png")],
            env=variables | {"SRZOO_CACHE": str(place / "cache")}, check=True,
            stdout=subprocess.DEVNULL, cwd=place,
        )  # fmt: skip
        pictures.append(time.perf_counter() - start)
    return Cost(
        extra,
        seconds,
        fetched / 1e6,
        (disk(env) - before) / 1e6,
        len(json.loads(listed)),
        *pictures,
    )


def disk(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Measure each, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extra", action="append", help="of srzoo; '' for none; may be repeated")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("pip", nargs="*", help="options of pip's, after --")
    given = parser.parse_args()
    costs: list[Cost] = []
    for extra in given.extra or ["", "torch"]:
        with tempfile.TemporaryDirectory() as place:
            costs.append(measure(extra, given.pip, Path(place)))
    if given.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
        return
    print(f"{'install':<16} {'seconds':>8} {'fetched':>9} {'disk':>9} {'first':>7} {'next':>7}")
    for cost in costs:
        name = f"srzoo[{cost.extra}]" if cost.extra else "srzoo"
        print(
            f"{name:<16} {cost.seconds:>6.0f} s {cost.fetched_mb:>6.0f} MB {cost.disk_mb:>6.0f} MB"
            f" {cost.first_picture:>5.1f} s {cost.next_picture:>5.1f} s"
        )


if __name__ == "__main__":
    main()
