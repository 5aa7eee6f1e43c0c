"""What starting the command costs, above ``python -c "import click"``. Seconds, medians of 9.

Run: python tests/bench/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import click": ["-c", "import click"],
    "srzoo --help": ["-m", "srzoo", "--help"],
    "srzoo model list": ["-m", "srzoo", "model", "list"],
    "srzoo plugin list": ["-m", "srzoo", "plugin", "list"],
}


def main() -> None:
    """Time the commands in turn, so that a slow moment hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(10):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(runs[1:]) for name, runs in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<18} {median:.3f} s, +{median - medians['import click']:.3f} s")


if __name__ == "__main__":
    main()
