"""The process beside: ``python -m srzoo.testing.worker '[["block", "package:name"]]'``.

It writes an empty line when it is ready, and a line of JSON for each part. What parts print goes to
standard error.
"""

from __future__ import annotations

import json
import os
import sys

from ..plugins import kinds


def main() -> None:
    """Look at the parts that the first argument lists."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from .parts import look_at  # after that: imports may print, too

    answers.write("\n")
    answers.flush()
    for kind, name in json.loads(sys.argv[1]):
        outcome = look_at(kinds.kind(kind).find(name))
        answers.write(json.dumps(outcome.plain()) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
