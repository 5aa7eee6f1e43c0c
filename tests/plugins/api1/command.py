"""A command of plugin API 1."""

import click


@click.command()
@click.argument("word")
def greet(word):
    """Say a word."""
    click.echo(f"API 1 says {word}")
