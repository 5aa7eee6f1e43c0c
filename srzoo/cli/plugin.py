"""``srzoo plugin``: list plugins, show their origin, and check them."""

from __future__ import annotations

import click

from ._console import as_json, table
from ._plugin_check import check
from ._plugin_install import install, uninstall
from ._plugin_new import new
from ._plugin_try import try_


@click.group()
def plugin() -> None:
    """Look at the installed plugins, and make your own.

    \b
    srzoo plugin list
    srzoo plugin show generator edsr
    srzoo plugin new block wide_gate
    """


for _command in (new, try_, install, uninstall):
    plugin.add_command(_command)


@plugin.command("list")
@click.argument("kind", required=False)
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def list_(kind: str | None, json_: bool) -> None:
    """List all plugins, or those of one KIND such as generator or block.

    \b
    srzoo plugin list
    srzoo plugin list block
    """
    from dataclasses import asdict

    from ..plugins import kinds

    found = list(kinds.kind(kind)) if kind else kinds.plugins()
    if json_:
        as_json([asdict(item) for item in found])
    else:
        rows = [(f.kind, f.name, f"{f.dist} {f.version}", f.target) for f in found]
        table(("kind", "name", "package", "target"), rows)


@plugin.command("show")
@click.argument("kind")
@click.argument("name")
def show(kind: str, name: str) -> None:
    """Show a plugin's arguments, docstring, package and stated facts.

    \b
    srzoo plugin show generator edsr
    """
    from ..plugins import kinds
    from . import _plugin_show

    _plugin_show.show(kinds.kind(kind).find(name))


plugin.add_command(check)
