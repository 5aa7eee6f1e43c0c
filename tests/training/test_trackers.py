"""Trackers get what the log gets, and pictures; one that fails never ends a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import trackers

GAME = 'adversarial={discriminator={name="unet_sn", n_feats=4}, weight=0.1, optimizer={lr=1e-5}}'

WANDB = """
import json, os
from pathlib import Path

FAILS = os.environ.get("FAILS", "")
told = Path(os.environ["TOLD"])

def _tell(what, *values):
    if FAILS == what:
        raise ConnectionError(f"no network for {what}")
    with told.open("a") as file:
        file.write(json.dumps([what, *values]) + "\\n")

class Image:
    def __init__(self, image):
        self.size = image.size

class Run:
    def log(self, values, step=None):
        plain = {k: v if isinstance(v, (int, float)) else [list(x.size) for x in v]
                 for k, v in values.items()}
        _tell("log", plain, step)
    def finish(self):
        _tell("finish")

class config:
    @staticmethod
    def update(values, allow_val_change=False):
        _tell("config", values)

def init(**given):
    _tell("init", given, os.environ.get("WANDB_MODE"))
    return Run()
"""

RUN = (
    "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
    "from helpers import Drawn; import srzoo; srzoo.datasets.register('drawn', Drawn)\n"
    "from srzoo import training; from srzoo.recipes import recipe\n"
    "plan = recipe.load(sys.argv[2], sys.argv[4:])\n"
    "watch = training.Callbacks(on_word=print)\n"
    "print(training.train(plan, Path(sys.argv[3]), watch=watch, track=['wandb']).step)\n"
)


def with_wandb(tmp_path: Path, path: Path, *changes: str, **more: str) -> tuple[list, str]:
    """What a run tells a module that is called wandb, and what it says."""
    (tmp_path / "fake").mkdir(exist_ok=True)
    (tmp_path / "fake/wandb.py").write_text(WANDB)
    told = tmp_path / "told"
    told.unlink(missing_ok=True)
    environment = {
        **os.environ, "PYTHONPATH": str(tmp_path / "fake"), "TOLD": str(told),
        "WANDB_MODE": "offline", **more,
    }  # fmt: skip
    arguments = [str(Path(__file__).parents[1]), str(path), str(tmp_path / "run"), *changes]
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = told.read_text().splitlines() if told.exists() else []
    return [json.loads(line) for line in lines], ended.stdout


def test_wandb_gets_rates_losses_facts_metrics_and_pictures(tiny, tmp_path):
    told, _ = with_wandb(tmp_path, tiny(), GAME)
    kind, given, mode = told[0]
    assert (kind, mode) == ("init", "offline")
    assert given["project"] == "srzoo"
    assert given["name"] == "run"
    assert given["resume"] == "allow"
    assert given["dir"] == str(tmp_path / "run")
    settings = told[1][1]
    assert settings["train.steps"] == 12
    assert settings["generator.name"] == "edsr"
    logged: dict[str, list] = {}
    for kind, *what in told:
        if kind == "log":
            for name, value in what[0].items():
                logged.setdefault(name, []).append((what[1], value))
    assert {
        "loss/l1", "loss/discriminator", "facts/d_real", "facts/d_right", "run/lr",
        "run/discriminator_lr", "run/steps_per_second", "run/waiting",
        "validation/psnr_y", "validation/ssim_y", "sheet",
    } <= logged.keys()  # fmt: skip
    assert logged["run/lr"] == [(12, 2e-3)]
    assert logged["run/discriminator_lr"] == [(12, 1e-5)]
    assert [step for step, _ in logged["validation/psnr_y"]] == [4, 8, 12]
    assert [step for step, _ in logged["sheet"]] == [4, 8, 12]
    assert told[-1] == ["finish"]
    again, _ = with_wandb(tmp_path, tiny(), GAME, "train.steps=14")
    assert again[0][1]["id"] == given["id"]
    text = (tmp_path / "run/recipe.toml").read_text()
    assert "wandb" not in text


@pytest.mark.parametrize("what", ["init", "config", "log", "finish"])
def test_a_tracker_that_fails_is_told_of_once(tiny, tmp_path, what):
    _, said = with_wandb(tmp_path, tiny(), FAILS=what)
    assert said.splitlines()[-1] == "12"
    about = [line for line in said.splitlines() if "the tracker wandb failed" in line]
    assert len(about) == 1
    assert f"no network for {what}" in about[0]


def test_a_tracker_that_is_not_installed_is_refused_first(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SrzooError, match=r"needs the package wandb.*pip install wandb"):
        training.train(recipe.load(tiny()), tmp_path / "run", track=["wandb"])
    with pytest.raises(SrzooError, match=r"called 'tensorbord'. Did you mean tensorboard"):
        training.train(recipe.load(tiny()), tmp_path / "run", track=["tensorbord"])
    assert not (tmp_path / "run").exists()


def test_every_name_is_one_of_accelerates():
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    assert set(trackers.NAMES) <= {str(name) for name in LOGGER_TYPE_TO_CLASS}


def test_nothing_is_tracked_without_being_asked(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "_Tracker", lambda *_: pytest.fail("a tracker was made"))
    training.train(recipe.load(tiny()), tmp_path / "run")
    assert not (tmp_path / "run" / trackers.RUN).exists()


def test_tensorboard_gets_numbers_and_pictures(tiny, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    srzoo.train(recipe.load(tiny()), tmp_path / "run", track=("tensorboard",))
    found = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    assert {"loss/l1", "run/lr", "validation/psnr_y", "facts/outside"} <= set(
        found.Tags()["scalars"]
    )
    assert [event.step for event in found.Scalars("validation/psnr_y")] == [4, 8, 12]
    assert [event.step for event in found.Images("sheet")] == [4, 8, 12]
