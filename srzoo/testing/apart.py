"""Suites in a separate process, so that a plugin that hangs or crashes does not end the others."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..plugins.plugin import Plugin

PATIENCE = 600.0
"""Seconds that one plugin may take; some engines compile."""

START = 600.0
"""Seconds until the process has imported what it needs."""


@dataclass(frozen=True)
class Fault:
    """A fault, and its line in the author's file; ("", 0) if unknown."""

    what: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.what} ({self.file}:{self.line})" if self.file else self.what


@dataclass(frozen=True)
class Outcome:
    """The result for one plugin: its faults, and the checks that were skipped."""

    plugin: Plugin
    faults: tuple[Fault, ...] = ()
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "kind": self.plugin.kind,
            "name": self.plugin.name,
            "dist": self.plugin.dist,
            "version": self.plugin.version,
            "ok": not self.faults,
            "faults": [asdict(fault) for fault in self.faults],
            "skipped": list(self.skipped),
            "seconds": round(self.seconds, 2),
        }


def look_apart(plugins: Sequence[Plugin], patience: float = PATIENCE) -> Generator[Outcome]:
    """Run the suites of installed plugins, one after the other, in another process.

    Args:
        plugins: the plugins; the other process does not know those registered in this process only.
        patience: seconds that each may take.
    """
    waiting = list(plugins)
    while waiting:
        for outcome in _in_one_process(list(waiting), patience):
            del waiting[0]
            yield outcome


def _in_one_process(plugins: Sequence[Plugin], patience: float) -> Generator[Outcome]:
    """Yield at least one outcome; the last may report that the process ended, or was ended."""
    names = json.dumps([(plugin.kind, plugin.full_name) for plugin in plugins])
    usual = {key: value for key, value in os.environ.items() if key != "PYTHONOPTIMIZE"}
    with subprocess.Popen(
        [sys.executable, "-m", "srzoo.testing.worker", names],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=usual,
    ) as process:  # fmt: skip
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

        def read() -> None:
            for line in process.stdout or ():
                lines.put(line)
            lines.put(b"")

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            ready = lines.get(timeout=START)
            for plugin in plugins:
                try:
                    line = lines.get(timeout=patience) if ready else b""
                    if line == b"\n":  # written before and after the import of the suites
                        line = lines.get(timeout=START) and lines.get(timeout=patience)
                except queue.Empty:
                    yield Outcome(plugin, (Fault(f"{plugin} does not end in {patience:.0f} s"),))
                    return
                if not line:
                    what = f"{plugin} ended its process, with exit code {process.wait()}"
                    yield Outcome(plugin, (Fault(what),))
                    return
                answer = json.loads(line)
                faults = tuple(Fault(**each) for each in answer["faults"])
                yield Outcome(plugin, faults, tuple(answer["skipped"]), answer["seconds"])
        finally:
            process.kill()
            reader.join(START)  # it ends with the process; then the pipe can be closed
