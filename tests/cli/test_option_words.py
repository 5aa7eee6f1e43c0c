"""The same words mean the same in every command, and the older spellings still work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import click
import pytest
from helpers import ROOT, drawn, needs_torch

from srzoo.cli._main import root
from srzoo.cli._options import EngineOptions


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command, with its name."""
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                yield f"{name} {below}", command.get_command(context, below)
        else:
            yield name, command


COMMANDS = dict(commands())


def help_of(name: str) -> str:
    """A command's help as a terminal of 80 columns has it."""
    parent = root.make_context("srzoo", [], resilient_parsing=True)
    context = COMMANDS[name].make_context(name, [], parent=parent, resilient_parsing=True)
    context.terminal_width = 80
    return COMMANDS[name].get_help(context)


def spellings(command: click.Command) -> dict[str, click.Option]:
    return {
        name: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
    }


@pytest.mark.parametrize(
    ("short", "long"),
    [("-m", "--model"), ("-o", "--output"), ("-v", "--verbose"), ("-q", "--quiet"),
     ("-d", "--degradation"), ("-r", "--recursive")],
)  # fmt: skip
def test_short_and_long_go_together(short, long):
    for name, command in COMMANDS.items():
        found = spellings(command)
        assert found.get(short) is found.get(long), name


def test_what_takes_a_model_takes_m():
    for name in (
        "upscale", "compare", "evaluate", "bench", "export", "pull", "push",
        "model show", "model pack", "card show", "card check",
    ):  # fmt: skip
        assert "--model" in spellings(COMMANDS[name]), name


def test_what_is_replaced_is_replaced_by_one_word():
    for name in ("upscale", "compare", "export", "pull", "card new", "data degrade"):
        assert "--overwrite" in spellings(COMMANDS[name]), name


def test_running_a_model_takes_the_same_options():
    for name in ("upscale", "compare", "evaluate"):
        found = spellings(COMMANDS[name])
        for word in EngineOptions.__dataclass_fields__:
            assert found[f"--{word}"].help == spellings(COMMANDS["upscale"])[f"--{word}"].help


def test_older_spellings_are_not_in_the_help():
    for name, old in (
        ("train", "--out "), ("pull", "--force"), ("pull", "--to "), ("card new", "--force"),
        ("data get", "--to "), ("bench", "--engine "), ("export", "--format"),
    ):  # fmt: skip
        assert old.strip() in spellings(COMMANDS[name]), name
        assert old not in help_of(name), name


def test_no_line_of_help_is_longer_than_a_terminal():
    for name in COMMANDS:
        assert max(map(len, help_of(name).splitlines())) <= 80, name


def test_a_model_as_an_option(srzoo_cli, tmp_path):
    for command in (("model", "show"), ("card", "show")):
        by_option = srzoo_cli(*command, "-m", "edsr-x4", "--json")
        assert by_option.code == 0, by_option.err
        assert by_option.out == srzoo_cli(*command, "edsr-x4", "--json").out
        twice = srzoo_cli(*command, "edsr-x4", "-m", "edsr-x4")
        assert (twice.code, "is given twice" in twice.err) == (2, True)
        none = srzoo_cli(*command)
        assert (none.code, "Missing argument" in none.err) == (2, True)


@needs_torch
def test_pack_and_degrade_by_options(srzoo_cli, tmp_path):
    shutil.copytree(ROOT / "cards/edsr-x4", tmp_path / "mine")
    drawn().save(tmp_path / "a.png")
    for arguments in (
        ("-m", tmp_path / "mine", "-o", tmp_path / "1"), ("-m", tmp_path / "mine", tmp_path / "2"),
        (tmp_path / "mine", "-o", tmp_path / "3"), (tmp_path / "mine", tmp_path / "4"),
    ):  # fmt: skip
        result = srzoo_cli("model", "pack", *arguments)
        assert result.code == 0, result.err
    assert all((tmp_path / name / "config.json").is_file() for name in "1234")
    assert "Missing argument 'FOLDER'" in srzoo_cli("model", "pack", tmp_path / "mine").err
    assert "extra argument" in srzoo_cli("model", "pack", "-m", "a", "-o", "b", "c").err
    degrade = ("data", "degrade", tmp_path / "a.png", "--scale", "x2")
    assert srzoo_cli(*degrade, "-o", tmp_path / "b.png").code == 0
    assert srzoo_cli(*degrade, tmp_path / "c.png").code == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


@pytest.fixture
def sets(tmp_path):
    (tmp_path / "set").mkdir()
    for number in range(2):
        drawn(40 + number, 30).save(tmp_path / f"set/{number}.png")
    return tmp_path / "set"


@needs_torch
def test_evaluate_takes_models_either_way_and_tells_what_ran(srzoo_cli, sets):
    command = ("evaluate", "bicubic-x2", "-m", "bicubic-x2", "--data", sets)
    told = json.loads(srzoo_cli(*command, "--scale", "x2", "--json").out)
    assert [row["model"] for row in told["rows"]] == ["bicubic-x2", "bicubic-x2"]
    assert (told["engine"], told["device"], told["precision"]) == ("torch", "auto", "auto")
    plain = srzoo_cli(*command, "--device", "cpu", "--memory", "9GB", "--tile", "16")
    assert plain.code == 0, plain.err
    assert "run by" not in plain.out
    assert "run by" not in srzoo_cli(*command, "--engine", "auto").out  # which is torch here
    other = srzoo_cli(*command, "--precision", "bf16")
    assert "run by precision bf16" in other.out
    assert "Missing argument" in srzoo_cli("evaluate", "--data", sets).err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--engine", "torhc"), "Did you mean torch"),
        (("--device", "mps"), "no mps device"),
        (("--engine", "openvino", "--precision", "fp16"), "--engine torch"),
        (("--memory", "much"), "'much' is not a valid amount"),
        (("--memory", "10MB"), "Give --memory"),
        (("--tile", "3"), "whole number from 16"),
        (("--scale", "1.5"), "'1.5' is not a scale"),
    ],
)
def test_what_cannot_run_is_refused_alike(srzoo_cli, sets, tmp_path, options, says):
    for command in (
        ("evaluate", "bicubic-x2", "--data", sets),
        ("compare", sets / "0.png", "-m", "bicubic-x2", "-o", tmp_path / "sheet.png"),
    ):
        result = srzoo_cli(*command, *options)
        assert (result.code, result.out) == (2, "")
        assert says in result.err
    assert not (tmp_path / "sheet.png").exists()


@needs_torch
def test_a_card_has_what_torch_gives(srzoo_cli, sets):
    command = ("evaluate", "bicubic-x2", "--data", sets, "--write-card")
    for options in (("--engine", "openvino"), ("--precision", "bf16"), ("--engine", "auto")):
        result = srzoo_cli(*command, *options)
        assert (result.code, "a card states results of torch" in result.err) == (2, True)


def test_compare_by_strength(srzoo_cli, sets, tmp_path):
    command = ("compare", sets / "0.png", "-m", "edsr-x4", "-o", tmp_path / "sheet.png", "--json")
    told = json.loads(srzoo_cli(*command, "--strength", "0.5", "--crop", "0,0,20,20").out)
    assert told["strength"] == 0.5
    whole = (tmp_path / "sheet.png").read_bytes()
    assert srzoo_cli(*command, "--overwrite", "--crop", "0,0,20,20").code == 0
    assert (tmp_path / "sheet.png").read_bytes() != whole
