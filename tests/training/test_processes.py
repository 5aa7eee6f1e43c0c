"""Two real processes (gloo) do what one does, and stop, resume and roll back together."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checkpoint
from srzoo.training.processes import accelerator_for
from srzoo.training.run_lock import lock_run_folder

LIMIT = 120
"""Seconds that a set of processes may take before the test ends them and fails."""

SGD = ["optimizer.name=sgd", "optimizer.lr=0.05", "train.accumulate=2", "train.keep=5"]
GAME = 'adversarial={discriminator={name="unet_sn", n_feats=4}, weight=0.1}'

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo and signals")


def two(
    path: Path, out: Path, *changes: str, first: str = "", second: str = "", code: int = 0
) -> list[str]:
    """Run the worker twice, as one group; give back what each said.

    ``first``, ``second``: a variable, as NAME=VALUE, in the environment of that one alone;
    ``code``: with which both end.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {
        **os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    own = [dict([each.split("=")]) if each else {} for each in (first, second)]
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), str(path), str(out)]
    workers = [
        subprocess.Popen(
            [*command, *changes],
            env={
                **group,
                "RANK": rank,
                "LOCAL_RANK": rank,
                **own[int(rank)],
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for rank in "01"
    ]
    said: list[str] = []
    end = time.monotonic() + LIMIT
    try:
        for worker in workers:
            said.append(worker.communicate(timeout=max(1, end - time.monotonic()))[0])
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
    assert [worker.returncode for worker in workers] == [code, code], "\n".join(said)
    return said


def near(a: Path, b: Path) -> None:
    """Equal to rounding, and not just since nothing was learnt."""
    first, second = (load_file(folder / "state.safetensors") for folder in (a, b))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        if name != "rng":
            assert torch.allclose(tensor, second[name], atol=2e-5), name


FILE = """
from torch import nn
class SiLU(nn.Module):
    "A block."
    reach = 1
    def __init__(self, *, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
    def forward(self, x): return x + nn.functional.silu(self.conv(x))
"""


@pytest.mark.parametrize("changes", [SGD, [*SGD, GAME]], ids=["edsr", "adversarial"])
def test_two_processes_equal_one(tiny, tmp_path, changes):
    if changes is SGD:  # of somebody's file
        (tmp_path / "silu.py").write_text(FILE)
        changes = [*SGD, f"generator.block={tmp_path / 'silu.py'}:SiLU"]
    training.train(recipe.load(tiny(), changes), tmp_path / "one")
    said = two(tiny(), tmp_path / "two", *changes)
    assert re.search("^12$", said[0], re.MULTILINE)
    one, both = (tmp_path / n / "checkpoints" for n in ("one", "two"))
    near(one / "000000012", both / "000000012")
    start, end = (load_file(one / n / "model.safetensors") for n in ("000000004", "000000012"))
    assert any(not torch.allclose(start[name], end[name], atol=1e-3) for name in start)
    lines = [(tmp_path / n / "log.jsonl").read_text().count("\n") for n in ("one", "two")]
    assert lines[0] == lines[1], "one process writes the log"


def test_stopped_in_two_and_resumed_in_one(tiny, tmp_path):
    """One of the two is told to stop; both do, at the same step."""
    said = two(tiny(), tmp_path / "run", *SGD, second="STOP_AT=5")
    assert "stopped at step 6" in said[0]  # the first hears of it with the next batch
    assert "stopped" not in said[1]
    assert training.train(recipe.load(tiny(), SGD), tmp_path / "run").complete
    training.train(recipe.load(tiny(), SGD), tmp_path / "one")
    near(*(tmp_path / n / "checkpoints/000000012" for n in ("run", "one")))


def test_stopped_in_one_and_resumed_in_two(tiny, tmp_path):
    """All that was kept counts: averaged weights, momentum and the discriminator too."""
    changes = [*SGD, GAME, "optimizer.momentum=0.9"]
    training.train(recipe.load(tiny(), [*changes, "train.steps=9"]), tmp_path / "run")
    said = two(tiny(), tmp_path / "run", *changes)
    assert "resuming from step 9" in said[0]
    training.train(recipe.load(tiny(), changes), tmp_path / "one")
    near(*(tmp_path / n / "checkpoints/000000012" for n in ("run", "one")))


def test_both_go_back_if_one_is_not_finite(tiny, tmp_path):
    poison = 'losses=[{name="l1"}, {name="poison"}]'
    said = two(tiny(), tmp_path / "run", *SGD, poison, second="POISON=11")
    assert "poison is not finite at step 6" in said[0]
    progress = checkpoint.read_progress(tmp_path / "run/checkpoints/000000012")
    assert progress.rollbacks == 1
    assert progress.skipped == ((10, 2), (10, 3))
    assert len(list((tmp_path / "run/rejected").iterdir())) == 1


def test_a_folder_in_use_is_refused_in_all(tiny, tmp_path):
    """By the first one; the others do not wait for it."""
    with lock_run_folder(tmp_path / "run"):
        said = two(tiny(), tmp_path / "run", *SGD, code=1)
    assert all(f"is in use by process {os.getpid()}" in each for each in said), said


def test_they_wait_for_one_that_decodes_for_hours(tiny, tmp_path):
    said = two(tiny(), tmp_path / "run", *SGD, "train.steps=1")
    hours = [float(re.search(r"^waits ([\d.]+) hours$", each, re.MULTILINE)[1]) for each in said]
    assert min(hours) >= 24


def test_what_the_first_one_cannot_do_ends_all(tiny, tmp_path):
    """A disk that is full for the one that saves; nobody waits for what never comes."""
    said = two(tiny(), tmp_path / "run", *SGD, code=1, first="FULL_AT=8")
    assert all("cannot save step 8" in each for each in said), said
    assert [int(each.name) for each in checkpoint.list_checkpoints(tmp_path / "run")] == [0, 4]


def test_a_batch_that_cannot_be_shared_is_refused(tiny, monkeypatch):
    loaded = recipe.load(tiny(), ["data.batch=3"])
    assert accelerator_for(loaded).num_processes == 1
    import accelerate

    monkeypatch.setattr(accelerate.Accelerator, "num_processes", 2)
    with pytest.raises(SrzooError, match="2 processes cannot share a batch of 3"):
        accelerator_for(loaded)
