"""Runs blocks of a page one after the other, Python's in one namespace; a program of its own.

Run: python try_page.py BLOCKS.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from pathlib import Path


def main() -> int:
    """0, or 1 after the first block that fails, which is printed with its line."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        code, line = block["code"], block["line"]
        if block["file"]:
            place = Path(block["file"])
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(code, encoding="utf-8")
            continue
        failed = ""
        if block["language"] == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", code],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            if done.returncode:
                failed = f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        else:
            try:
                exec(compile("\n" * (line - 1) + code, "page", "exec"), names)
            except BaseException:  # noqa: BLE001 - whatever it is, the page is wrong
                failed = traceback.format_exc()
        if failed:
            sys.stdout.write(f"line {line}:\n{code}\n{failed}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
