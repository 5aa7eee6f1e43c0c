"""The help of every command begins with examples, which the command line accepts."""

import inspect
import shlex

import click
import pytest

from srzoo.cli._main import root


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The names of every command, of those below it, too."""
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += commands(below, (*path, name))
    return found


def found_by(words: list[str]) -> tuple[click.Command, tuple[str, ...], list[str]]:
    """The command that words name, its path, and the words that are its arguments."""
    command, path = root, []
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(click.Context(command), words[0])
        assert below is not None, f"no command {words[0]}"
        command, path, words = below, [*path, words[0]], words[1:]
    return command, tuple(path), words


def examples(command: click.Command) -> list[str]:
    """The lines of the block behind the first sentence of a help text."""
    first, _, rest = inspect.cleandoc(command.help or "").partition("\n\n\b\n")
    assert "\n\n" not in first.strip(), "the examples do not follow the first sentence"
    block = rest.partition("\n\n")[0].replace("\\\n", " ")
    return [line.split("    ")[0] for line in block.splitlines()]


def given(line: str) -> list[str]:
    """What a line gives to srzoo: what a shell reads itself, left out."""
    words = shlex.split(line)
    while "=" in words[0]:  # a variable, set before the command
        words = words[1:]
    assert words[0] == "srzoo", line
    end = next((place for place, word in enumerate(words) if word in "<>|"), len(words))
    return words[1:end]


@pytest.mark.parametrize("path", commands(root), ids=" ".join)
def test_examples(path):
    command, own, _ = found_by(list(path))
    assert own == path
    lines = examples(command)
    assert lines, f"srzoo {' '.join(path)} --help has no example"
    reached = [found_by(given(line)) for line in lines]
    assert any(below[: len(path)] == path for _, below, _ in reached), "none is its own"
    for (target, _below, words), line in zip(reached, lines, strict=True):
        assert not isinstance(target, click.Group), line
        # Only the parser: files need not exist, and nothing is fetched.
        context = click.Context(target, help_option_names=["-h", "--help"])
        target.make_parser(context).parse_args(list(words))
