"""Two runs never write into one folder, and nothing that ends a process leaves a lock behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srzoo import training
from srzoo.common import files
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import run_lock as module
from srzoo.training import stages
from srzoo.training.run_lock import lock_run_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="flock and fork")

HOLD = (
    "import os, sys, time; from pathlib import Path\n"
    "from srzoo.training.run_lock import lock_run_folder\n"
    "with lock_run_folder(Path(sys.argv[1])):\n"
    "    child = os.fork() if sys.argv[2:] else 1\n"
    "    print(child, flush=True) if child else None\n"
    "    time.sleep(60)\n"
)


@contextlib.contextmanager
def another(out: Path, *fork: str):
    """Another process that has the folder; its number, and that of its child."""
    command = [sys.executable, "-c", HOLD, str(out), *fork]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        try:
            yielded = fork and os.kill(child, signal.SIGKILL)
            assert not yielded
        except ProcessLookupError:
            pass
        process.stdout.close()


def killed(out: Path, *fork: str) -> None:
    with another(out, *fork) as process:
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not files.process_has_gone(process, files.machine_id(), time.time()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with lock_run_folder(out):  # while its child lives
            pass


def test_a_second_run_is_refused_before_anything_is_built(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "assemble", lambda *_: pytest.fail("it was built"))
    with another(tmp_path / "run") as process:
        with pytest.raises(
            SrzooError, match=rf"is in use by process {process} on .*, since 20\d\d"
        ):
            training.train(recipe.load(tiny()), tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == [module.NAME]


def test_a_second_run_of_this_process_is_refused(tmp_path):
    with (
        lock_run_folder(tmp_path),
        pytest.raises(SrzooError, match=f"process {os.getpid()} "),
        lock_run_folder(tmp_path),
    ):
        pass
    with lock_run_folder(tmp_path):
        pass


@pytest.mark.parametrize("fork", [(), ("fork",)], ids=["alone", "with a child that lives on"])
def test_kill_9_leaves_no_lock(tmp_path, fork):
    killed(tmp_path / "run", *fork)


def mark(path: Path, process: int, here: str, age: float = 0.0) -> None:
    """What a run that had no time to clear up has left."""
    path.mkdir(exist_ok=True)
    facts = {"process": process, "here": here, "host": "elsewhere", "since": "2026-01-01"}
    (path / module.NAME).write_text(json.dumps(facts))
    os.utime(path / module.NAME, times=(time.time() - age,) * 2)


def test_a_mark_without_a_lock_is_nothing(tmp_path):
    """As a reboot leaves it, even if its number is somebody else's by now."""
    mark(tmp_path / "run", os.getppid(), files.machine_id())
    with lock_run_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize(
    ("process", "here", "age", "taken"),
    [
        (os.getppid(), None, 0, True),
        (2**22 + 5, None, 0, False),
        (2**22 + 5, "0badcafe", 0, True),
        (2**22 + 5, "0badcafe", 2 * files.DAY, False),
    ],
)
def test_where_nothing_can_be_locked_the_mark_decides(
    tmp_path, monkeypatch, process, here, age, taken
):
    monkeypatch.setattr(files, "lock", lambda _: None)
    mark(tmp_path / "run", process, here or files.machine_id(), age)
    expected = pytest.raises(SrzooError, match="in use") if taken else contextlib.nullcontext()
    with expected, lock_run_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"process": "x"}', "[" * 5000])
def test_a_mark_that_is_damaged_is_nothing(tmp_path, content):
    (tmp_path / module.NAME).write_text(content)
    with lock_run_folder(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_folders_that_stay_empty_go_again(tmp_path):
    with lock_run_folder(tmp_path / "a/b/run"):
        assert (tmp_path / "a/b/run").is_dir()
    assert not (tmp_path / "a").exists()
    (tmp_path / "there").mkdir()
    with lock_run_folder(tmp_path / "there"):
        pass
    assert (tmp_path / "there").is_dir()


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_file_in_the_way_is_told(tiny, tmp_path, out):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SrzooError, match=r"is a file, but a run needs a folder|file/run"):
        training.train(recipe.load(tiny()), tmp_path / out)
    assert (tmp_path / "file").read_text() == "x"
