"""What fails beside the training is told, and the run goes on; a full disk ends it in words."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checkpoint, data_changes, loop, run_log, validate


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def words_of(loaded, run, **arguments) -> list[str]:
    words = []
    outcome = training.train(
        loaded, run, watch=training.Callbacks(on_word=words.append), **arguments
    )
    assert outcome.complete
    return words


class Breaking:
    """A metric that fails at the second evaluation, in the way that is asked for."""

    higher_is_better, reference, protocol = True, True, "breaks"

    def __init__(self, how: str = "raises") -> None:
        self.how, self.calls = how, 0

    def __call__(self, sr, hr, scale):
        self.calls += 1
        if self.calls <= 6:
            return float(self.calls)
        if self.how == "nan":
            return float("nan")
        if self.how == "none":
            return None
        if self.how == "memory":
            raise MemoryError
        if self.how == "disk":
            raise OSError(errno.EIO, os.strerror(errno.EIO), "weights")
        raise KeyError("layer")


@pytest.fixture
def breaking():
    srzoo.metrics.register("breaking", Breaking)
    yield
    srzoo.metrics.unregister("breaking")


@pytest.mark.parametrize("how", ["raises", "nan", "none", "memory", "disk"])
@pytest.mark.parametrize("first", [True, False])
def test_a_metric_that_fails_is_a_warning(tiny, tmp_path, breaking, how, first):
    names = [f"{{name='breaking', how='{how}'}}", "'psnr_y'"]
    judges = ", ".join(names if first else reversed(names))
    loaded = recipe.load(tiny(), [f"train.metrics=[{judges}]", "train.keep=9"])
    words = words_of(loaded, tmp_path / "run")
    about = [word for word in words if "breaking" in word]
    assert [word.split(":")[0] for word in about] == ["step 8", "step 12"]
    values = [line["validation"] for line in log(tmp_path / "run") if "validation" in line]
    assert [sorted(each) for each in values] == [["breaking", "psnr_y"], ["psnr_y"], ["psnr_y"]]
    warned = [line["warning"] for line in log(tmp_path / "run") if "warning" in line]
    assert warned == about
    best = checkpoint.read_progress(tmp_path / "run/checkpoints/000000012").best
    if first:  # of values that there are, and never of another metric's
        assert best == (4, 3.5)
    else:
        psnr = {4 * (place + 1): each["psnr_y"] for place, each in enumerate(values)}
        assert best[1] == max(psnr.values()) == psnr[best[0]]


def test_a_first_metric_that_never_works_leaves_the_last_weights(tiny, tmp_path, monkeypatch):
    def none(parts, sheet):
        raise RuntimeError("no pictures today")

    monkeypatch.setattr(loop, "validate", none)
    words = words_of(recipe.load(tiny()), tmp_path / "run")
    assert len([word for word in words if "cannot validate" in word]) == 3
    last = tmp_path / "run/checkpoints/000000012/model.safetensors"
    assert (tmp_path / "run/model.safetensors").read_bytes() == last.read_bytes()


def test_a_sheet_that_fails_is_a_warning(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "sheet.png")

    monkeypatch.setattr(validate, "draw", full)
    words = words_of(recipe.load(tiny()), tmp_path / "run")
    assert words == [
        f"step {step}: cannot draw the sheet: sheet.png: No space left on device."
        " Make room there, or choose another place."
        for step in (4, 8, 12)
    ]
    assert all(
        "psnr_y" in line["validation"] for line in log(tmp_path / "run") if "validation" in line
    )


def test_curves_without_matplotlib_are_a_warning(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    words = words_of(recipe.load(tiny()), tmp_path / "run")
    fix = 'Install it: pip install "srzoo[train]".'
    assert all("curves need the package matplotlib" in word and fix in word for word in words)
    assert len(words) == 3


def test_a_mean_of_stages_that_cannot_be_judged_is_released(tiny, tmp_path, monkeypatch):
    loaded = recipe.load(
        tiny(),
        ["stages=['a', 'b']", "train.steps=4", "average_stages=2", "train.metrics=['psnr_y']"],
    )
    count, real = iter(range(9)), loop.validate

    def third(parts, sheet):
        if next(count) >= 2:
            raise RuntimeError("no")
        return real(parts, sheet)

    monkeypatch.setattr(loop, "validate", third)
    words = words_of(loaded, tmp_path / "run")
    assert "cannot validate" in words[-1]
    assert (tmp_path / "run/model.safetensors").is_file()


def test_a_failing_metric_leaves_the_network_as_it_was(tiny, tmp_path, monkeypatch):
    """Without averaged weights it is the generator itself that is judged."""
    modes = []

    def broken(parts, sheet):
        parts.ema.eval()
        raise RuntimeError("no")

    real = loop.train_step
    monkeypatch.setattr(loop, "validate", broken)
    monkeypatch.setattr(
        loop,
        "train_step",
        lambda run, *how: modes.append(run.parts.generator.training) or real(run, *how),
    )
    words_of(recipe.load(tiny("srresnet"), ["train.ema=0"]), tmp_path / "run")
    assert all(modes)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize(
    ("module", "name", "kept"),
    [
        (checkpoint, "save", [0, 4]),
        (checkpoint, "publish", [0, 4, 8]),
        (checkpoint, "prune", [0, 4, 8]),
    ],
)
def test_a_disk_that_takes_no_more_ends_the_run_in_words(
    tiny, tmp_path, monkeypatch, module, name, kept, number
):
    loaded = recipe.load(tiny(), ["train.keep=9", "train.release=last"])
    training.train(loaded, tmp_path / "whole")
    real, steps = getattr(module, name), []

    def failing(*arguments):
        if len(checkpoint.list_checkpoints(tmp_path / "run")) >= (2 if name == "save" else 3):
            raise OSError(number, os.strerror(number), str(tmp_path / "run"))
        steps.append(name)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        with pytest.raises(SrzooError) as caught:
            training.train(loaded, tmp_path / "run")
    assert os.strerror(number) in caught.value.what
    assert "checkpoint of step" in caught.value.what
    assert caught.value.fix
    assert steps
    assert [int(each.name) for each in checkpoint.list_checkpoints(tmp_path / "run")] == kept
    assert training.train(loaded, tmp_path / "run").complete
    a, b = (tmp_path / n / "checkpoints/000000012/state.safetensors" for n in ("whole", "run"))
    assert a.read_bytes() == b.read_bytes()


FULL = (
    "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
    "from helpers import Drawn; import srzoo; srzoo.datasets.register('drawn', Drawn)\n"
    "from srzoo import training; from srzoo.recipes import recipe\n"
    "from srzoo.errors import SrzooError\n"
    "plan = recipe.load(sys.argv[2])\n"
    "def limit(step, values):\n"
    "    size = int(sys.argv[4]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
    "try:\n"
    "    training.train(plan, Path(sys.argv[3]), watch=training.Callbacks(on_evaluation=limit))\n"
    "except SrzooError as error:\n"
    "    print(error); sys.exit(3)\n"
)


@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
@pytest.mark.parametrize("share", [0.001, 0.5, 0.99])
def test_files_that_end_in_the_middle(tiny, tmp_path, share):
    """As at a full disk: what is half written has no name, and the run goes on from before."""
    training.train(recipe.load(tiny()), tmp_path / "whole")
    state = (tmp_path / "whole/checkpoints/000000012/state.safetensors").stat().st_size
    arguments = [str(Path(__file__).parents[1]), str(tiny()), str(tmp_path / "run")]
    ended = subprocess.run(
        [sys.executable, "-c", FULL, *arguments, str(int(share * state))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 3, ended.stderr
    assert "File too large" in ended.stdout
    assert len(ended.stdout.strip().splitlines()) == 1
    there = list(checkpoint.intact_checkpoints(tmp_path / "run"))
    assert there
    assert int(there[0].name) in (4, 8)
    names = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert all(name.isdecimal() for name in names)
    assert training.train(recipe.load(tiny()), tmp_path / "run").complete
    assert np.array_equal(
        *(np.fromfile(tmp_path / n / "checkpoints/000000012/state.safetensors", np.uint8)
          for n in ("whole", "run"))
    )  # fmt: skip


def test_a_line_of_the_log_that_fails_leaves_the_others(tmp_path):
    words = []
    made = run_log.RunLog(tmp_path, 0, words.append)
    made.warn(1, "one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / run_log.LOG).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, before[1]))
    try:
        made.warn(2, "two")
        made.warn(3, "three")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    made.warn(4, "four")
    assert [line["step"] for line in run_log.read(tmp_path / run_log.LOG)] == [1, 4]
    assert len(words) == 1
    assert "a line of the log is missing" in words[0]


@pytest.mark.parametrize("torn", ["{", "3", "[]", "{}", '{"step": "x"}', "\ufffd", "[" * 9999])
def test_lines_that_are_none_are_passed_over(tmp_path, torn):
    (tmp_path / run_log.LOG).write_text(f'{{"step": 1}}\n{torn}\n{{"step": 2}}\n')
    assert [line["step"] for line in run_log.read(tmp_path / run_log.LOG)] == [1, 2]
    run_log.RunLog(tmp_path, 1)
    assert [line["step"] for line in run_log.read(tmp_path / run_log.LOG)] == [1]


def test_any_other_oserror_is_one_line(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data.json")

    monkeypatch.setattr(data_changes, "write", full)
    with pytest.raises(SrzooError, match=r"cannot resume in .*run: data.json: No space left"):
        training.train(recipe.load(tiny()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_begun_by_an_earlier_srzoo_goes_on(tiny, tmp_path, quick):
    """``begun`` was left at step 6 by the code before the rooms, which came to ``wanted``."""
    tiny()
    begun = Path(__file__).with_name("begun")
    shutil.copytree(begun / "run", tmp_path / "run")
    loaded = recipe.read(tmp_path / "run/recipe.toml")
    words = words_of(loaded, tmp_path / "run")
    assert not [word for word in words if "chang" in word], words
    assert [line["step"] for line in log(tmp_path / "run") if "validation" in line] == [6, 12]
    wanted = load_file(begun / "wanted.safetensors")
    found = load_file(tmp_path / "run/checkpoints/000000012/model.safetensors")
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():  # the bytes are the same on the same processor
        assert np.allclose(found[name], tensor, atol=1e-4), name
