"""``srzoo recipe``: what would train a model."""

from __future__ import annotations

import click


@click.group()
def recipe() -> None:
    """Look at the recipes that train models."""


@recipe.command("list")
def list_() -> None:
    """List the recipes that are here; one without weights yet is a plan."""
    from ..models import locate
    from ..recipes import recipe
    from ._console import table

    models = locate.list_models()
    rows = [
        (name, "released" if name in models else "plan", recipe.read(name).summary)
        for name in recipe.recipe_folders()
    ]
    table(("recipe", "weights", "for"), rows)


@recipe.command("check")
@click.argument("ref")
@click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Change it first.")
def check(ref: str, overrides: tuple[str, ...]) -> None:
    """Check a recipe file (or a model's recipe) without touching any data."""
    from ..recipes import recipe

    found = recipe.load(ref, overrides)
    stages = f" in {len(found.stages)} stages" if found.stages else ""
    click.echo(f"{ref} is right: {found.generator.name}, {found.steps} steps{stages}")


@recipe.command("show")
@click.argument("ref")
@click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Change it first.")
def show(ref: str, overrides: tuple[str, ...]) -> None:
    """Print a model's recipe with every default filled in, as TOML."""
    from ..recipes import recipe

    click.echo(recipe.load(ref, overrides).to_toml(), nl=False)
