"""The worker process: ``python -m srzoo.testing.worker '[["block", "package:name"]]'``.

It writes an empty line when it starts, one before and one after it imports the suites, and a line
of JSON for each plugin. Output of plugins goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys

from ..plugins import kinds
from .apart import Fault, Outcome


def main() -> None:
    """Check the plugins that the first argument lists."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: str) -> None:
        answers.write(f"{line}\n")
        answers.flush()

    say("")
    for kind, name in json.loads(sys.argv[1]):
        plugin = kinds.kind(kind).find(name)
        if quick := kinds.kind(kind).faults(plugin):  # without torch
            outcome = Outcome(plugin, tuple(map(Fault, quick)))
        else:
            first = f"{__package__}.parts" not in sys.modules
            if first:
                say("")
            from .parts import look_at

            if first:
                say("")
            outcome = look_at(plugin)
        say(json.dumps(outcome.plain()))


if __name__ == "__main__":
    main()
