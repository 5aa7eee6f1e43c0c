"""``srzoo train`` and ``srzoo recipe`` as their user meets them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sys
import tomllib

import pytest
from helpers import needs_torch
from PIL import Image

from srzoo.recipes import recipe

pytestmark = needs_torch


@pytest.fixture
def files(tiny, tmp_path, monkeypatch):
    """Pictures in a folder, and a recipe that takes them from {data}."""
    from helpers import drawn

    for number in range(4):
        (tmp_path / "pictures/train").mkdir(parents=True, exist_ok=True)
        drawn(60 + number, 50).save(tmp_path / f"pictures/train/{number}.png")
    (tmp_path / "pictures/train/held.txt").write_text("3.png\n")
    text = tiny().read_text()
    text = text.replace(
        'train = "drawn"',
        'train = { name = "folder", path = "{data}/train", exclude = "held.txt" }',
    )
    text = text.replace(
        'validation = { name = "drawn", apart = true }',
        'validation = { name = "folder", path = "{data}/train", include = "held.txt" }',
    )
    (tmp_path / "mine.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    return tmp_path


def test_train_then_upscale(srzoo_cli, files):
    result = srzoo_cli("train", "mine.toml", "--data", "pictures")
    assert result.code == 0, result.err
    assert "step 4  psnr_y" in result.out
    assert "complete after 12 steps" in result.out
    assert result.err == ""
    result = srzoo_cli("upscale", "pictures/train/0.png", "-m", "runs/mine", "-o", "big.png")
    assert result.code == 0
    with Image.open("big.png") as big:
        assert big.size == (120, 100)
    with Image.open("runs/mine/sheet.png") as sheet, Image.open("runs/mine/curves.png") as curves:
        assert sheet.width > 900
        assert curves.width > 900
    again = srzoo_cli("train", "mine.toml", "--data", "pictures")
    assert again.code == 0
    assert "resuming from step 12" in again.out


def test_held_out_pictures_are_not_trained_on(srzoo_cli, files):
    from srzoo import training

    parts = training.assemble(recipe.load("mine.toml"), files / "pictures")
    assert parts.validation.names == ["3.png"]
    assert parts.crops._pixels.names == ["0.png", "1.png", "2.png"]


def test_dry_run_builds_everything_and_writes_nothing(srzoo_cli, files):
    result = srzoo_cli("train", "mine.toml", "--data", "pictures", "--dry-run")
    assert result.code == 0
    assert "validated on 1 pictures" in result.out
    assert not (files / "runs").exists()


def test_dry_run_says_what_each_stage_uses(srzoo_cli, files):
    stages = "stages=['a', {name='b', optimizer={lr=0.5}, losses=['mse'], data={lr_crop=13}}]"
    arguments = ("train", "mine.toml", "--data", "pictures", "--dry-run", "--set", stages)
    told = srzoo_cli(*arguments).out.split("# stage ")[1:]
    assert [line.splitlines()[0] for line in told] == ["0, a:", "1, b:"]
    for text, rate, loss, crop in zip(told, ("0.002", "0.5"), ("l1", "mse"), (12, 13), strict=True):
        assert f"12, batches of 4, LR crops of {crop}\n" in text
        assert f"{rate} by adam" in text
        assert f"1 {loss}\n" in text
        assert "folder (path={data}/train, exclude=held.txt): 3 pictures" in text
    assert "# 24 steps in all" in told[1]


def test_dry_run_says_what_a_run_would_say(srzoo_cli, files):
    (files / "pictures/train/bad.png").write_bytes(b"no picture")
    shutil.copy(files / "pictures/train/3.png", files / "pictures/train/2.png")
    start = ("train", "mine.toml", "--data", "pictures", "--set", "data.skip_bad=true")
    srzoo_cli(*start, "--set", "train.steps=1", "-o", "first")
    command = (*start, "--set", "init=first", "--set", "generator.n_feats=9")
    result = srzoo_cli(*command, "--dry-run")
    words = [
        "left out 1 of 4 pictures: bad.png",
        "1 of 1 validation pictures are trained on too, such as 3.png",
        "WARNING: only",
    ]
    assert [word for word in words if word not in result.err] == []
    assert len(result.err.splitlines()) == len(words)
    assert tomllib.loads(result.out)["init"] == "first"
    said = srzoo_cli(*command, "--set", "train.steps=1").out
    assert [line for line in result.err.splitlines() if line not in said] == []
    assert srzoo_cli(*command, "--dry-run", "--quiet").err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "none.toml"], "none.toml does not exist"),
        (["train", "mine.toml"], "Give --data DIR"),
        (["train", "mine.toml", "--data", "nowhere"], "nowhere"),
        (["train", "mine.toml", "--set", "train.stepz=1"], "mean steps"),
        (["train", "mine.toml", "--data", "pictures", "--resume", "x"], "x is not a checkpoint"),
        (["recipe", "show", "bicubic-x2"], "has no recipe.toml"),
    ],
)
def test_mistakes_are_one_line(srzoo_cli, files, arguments, message):
    result = srzoo_cli(*arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert not (files / "runs").exists()


def test_recipe_commands(srzoo_cli, files):
    assert "tiny" not in srzoo_cli("recipe", "list").out
    listed = srzoo_cli("recipe", "list").out
    assert "srresnet-x4" in listed
    assert "none yet" in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert "is correct: edsr, 12 steps" in srzoo_cli("recipe", "check", "mine.toml").out
    shown = srzoo_cli("recipe", "show", "edsr-x4", "--set", "train.steps=5000").out
    (files / "shown.toml").write_text(shown)
    assert recipe.load("shown.toml") == recipe.load("edsr-x4", ["train.steps=5000"])


def test_tensorboard_is_an_extra(srzoo_cli, files):
    pytest.importorskip("tensorboard", reason="the extra is not installed")
    assert srzoo_cli("train", "mine.toml", "--data", "pictures", "--tensorboard").code == 0
    assert list((files / "runs/mine/tensorboard").iterdir())


def test_a_moved_run_goes_on(srzoo_cli, files):
    srzoo_cli("train", "mine.toml", "--data", "pictures")
    shutil.move("runs/mine", "elsewhere")
    line = (files / "elsewhere/log.jsonl").read_text().splitlines()[-1]
    assert json.loads(line)["step"] == 12
    result = srzoo_cli(
        "train", "elsewhere", "--out", "elsewhere", "--data", "pictures",
    )  # fmt: skip
    assert "resuming from step 12" in result.out


def stopped_at(step, monkeypatch):
    from srzoo.training import loop

    average = loop._average

    def stop(parts, now):
        average(parts, now)
        if now + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_average", stop)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("first", ["auto", "never", "runs/my run/checkpoints/000000004"])
def test_the_command_that_goes_on_is_right(srzoo_cli, files, monkeypatch, first):
    """Given as it is printed; with --resume DIR the same again would begin there again."""
    given = ["train", "mine.toml", "--set", "train.keep=9", "--data", "pictures",
             "-o", "runs/my run"]  # fmt: skip
    if "000" in first:
        assert srzoo_cli(*given).code == 0
    with monkeypatch.context() as patch:
        stopped_at(6, patch)
        result = srzoo_cli(*given, "--resume", first)
    assert result.code == 130
    assert "stopped at step 6" in result.out
    (line,) = [line for line in result.out.splitlines() if line.startswith("to resume")]
    program, *command = shlex.split(line.partition(": ")[2])
    assert program == "srzoo"
    result = srzoo_cli(*command)
    assert result.code == 0, result.err
    assert "resuming from step 6" in result.out


def test_without_a_terminal_a_line_every_fifty_steps(srzoo_cli, files):
    given = ["train", "mine.toml", "--data", "pictures", "--set", "train.steps=120"]
    lines = srzoo_cli(*given, "--set", "train.evaluate_every=120").out.splitlines()
    told = [line for line in lines if re.match(r"step \d+/120  ", line)]
    assert [line.split("/")[0] for line in told] == ["step 50", "step 100", "step 120"]
    for line in told:
        pattern = r"l1 \d\.\d{4}  lr 0\.002  [\d.]+/s  waiting [\d.]+%  \S+ (s|min|h) left$"
        assert re.search(pattern, line), line
    assert told[-1].endswith("  0 s left")


def test_quiet_tells_errors_alone(srzoo_cli, files):
    result = srzoo_cli("train", "mine.toml", "--data", "pictures", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    result = srzoo_cli("train", "mine.toml", "-q")
    assert result.code == 2
    assert "Give --data DIR" in result.err


@pytest.mark.parametrize("option", [["--track", "wandb"], ["--track", "nothing"]])
def test_a_tracker_that_is_not_there_is_one_line(srzoo_cli, files, monkeypatch, option):
    monkeypatch.setitem(sys.modules, "wandb", None)
    result = srzoo_cli("train", "mine.toml", "--data", "pictures", *option)
    assert result.code == 2
    assert len(result.err.strip().splitlines()) == 1
    assert ("pip install wandb" in result.err) == (option[1] == "wandb")
    assert not (files / "runs").exists()


def test_an_out_that_is_a_file_is_one_line(srzoo_cli, files):
    result = srzoo_cli("train", "mine.toml", "--data", "pictures", "-o", "mine.toml")
    assert result.code == 2
    assert result.err.strip() == (
        "srzoo: mine.toml is a file, but a run needs a folder. Choose another name."
    )
