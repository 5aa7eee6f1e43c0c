"""``srzoo recipe``: list, show and check recipes."""

from __future__ import annotations

import click


@click.group()
def recipe() -> None:
    """Look at the recipes that train models.

    \b
    srzoo recipe list
    srzoo recipe show edsr-x4
    """


@recipe.command("list")
def list_() -> None:
    """List the installed recipes, and whether released weights exist for each.

    \b
    srzoo recipe list
    """
    from ..models import locate
    from ..recipes import recipe
    from ._console import table

    models = locate.list_models()
    rows = [
        (name, "released" if name in models else "none yet", recipe.read(name).summary)
        for name in recipe.recipe_folders()
    ]
    table(("recipe", "weights", "for"), rows)


@recipe.command("check")
@click.argument("ref")
@click.option(
    "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Change a value first."
)
def check(ref: str, overrides: tuple[str, ...]) -> None:
    """Check a recipe file (or a model's recipe) without reading any data.

    \b
    srzoo recipe check mine.toml
    srzoo recipe check edsr-x4 --set train.steps=20
    """
    from ..recipes import recipe

    found = recipe.load(ref, overrides)
    stages = f" in {len(found.stages)} stages" if found.stages else ""
    click.echo(f"{ref} is correct: {found.generator.name}, {found.steps} steps{stages}")


@recipe.command("show")
@click.argument("ref")
@click.option(
    "--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Change a value first."
)
def show(ref: str, overrides: tuple[str, ...]) -> None:
    """Print a model's recipe with every default filled in, as TOML.

    \b
    srzoo recipe show edsr-x4
    srzoo recipe show edsr-x4 --set train.steps=20
    """
    from ..recipes import recipe

    click.echo(recipe.load(ref, overrides).to_toml(), nl=False)
