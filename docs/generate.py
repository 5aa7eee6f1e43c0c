"""Write the generated documentation anew: docs/cli.md. A test compares it with what is here.

Run: python docs/generate.py
"""

from pathlib import Path

import click

from srzoo.cli._main import root

HEAD = "# The command line\n\nMade by `python docs/generate.py`; do not edit.\n"


def cli() -> str:
    """Every command's help text, as Markdown."""
    parts = [HEAD]

    def describe(command: click.Command, path: str, parent: click.Context | None) -> None:
        ctx = command.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
        ctx.terminal_width = 80  # whatever the terminal this runs in
        parts.append(f"## {path}\n\n```text\n{command.get_help(ctx)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                describe(command.get_command(ctx, name), f"{path} {name}", ctx)

    describe(root, "srzoo", None)
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "cli.md").write_text(cli(), encoding="utf-8")
