"""Memory use of an exported file: ``python -m srzoo.exporting.measure FORMAT FILE``.

Prints two numbers as JSON: bytes for each LR pixel, and bytes for a call. Runs without torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..common import descriptors, memory
from ..contracts import on_grid
from ..plugins import kinds
from . import about
from .exports import UnfinishedError

SIDES = 64, 160, 320
MARGIN = 1.1


def in_own_process(export_format: str, path: Path, threads: int | None = None) -> tuple[int, int]:
    """Working memory of a file in its format: bytes for each LR pixel, and for a call.

    It is measured in a new process, as other work would raise the peak.

    Args:
        export_format: a registered export format.
        path: the file.
        threads: the number of threads; None for that of this process.

    Raises:
        UnfinishedError: that process failed, or was killed.
    """
    command = [sys.executable, "-P", "-m", "srzoo.exporting.measure", export_format, str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads or memory.cores())}
    process = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    try:
        per_pixel, aside = json.loads(process.stdout.strip().splitlines()[-1])
        if process.returncode == 0:
            return int(per_pixel), int(aside)
    except (ValueError, IndexError, TypeError):
        pass  # it ended without a result
    last = process.stderr.strip()[-300:] or f"exit code {process.returncode}"
    raise UnfinishedError(f"{path.name} cannot be run: {last}", "Report this")


def main() -> None:
    """Run the file on larger and larger pictures, and read the peak after each."""
    export_format, path = sys.argv[1:]
    own = descriptors.take_stdout_as_text()  # formats print to stdout, some at exit
    kind = kinds.export_formats.create(export_format)
    multiple = about.parse(kind.about(Path(path)), path).multiple
    run = kind.open(Path(path), memory.cores())
    before, found = memory.peak(), list[tuple[int, int]]()
    for side in (on_grid(side, multiple) for side in SIDES):
        run(np.full((1, 3, side, side), 0.5, np.float32))
        found.append((side * side, memory.peak() - before))
    slopes = [(high[1] - low[1]) / (high[0] - low[0]) for low, high in pairwise(found)]
    per_pixel = int(MARGIN * max(0.0, *slopes))
    aside = max(0, *(int(peak - per_pixel * pixels) for pixels, peak in found))
    own.write(json.dumps([per_pixel, aside]) + "\n")


if __name__ == "__main__":
    main()
