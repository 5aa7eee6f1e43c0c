"""What nobody foresaw is one failed picture, one line, and a traceback in a log."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import weakref
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from helpers import Sharpen, drawn

from srzoo import images
from srzoo.batches import batch, forecast, one_picture, pipeline, tree
from srzoo.common import files, troubles
from srzoo.errors import MemoryBudgetError, PictureError, SrzooError
from srzoo.upscaling.upscaler import Upscaler

FAST = ("-m", "bicubic-x2")
ERRORS = [
    KeyError("x"), MemoryError(), RecursionError("deep"), ZeroDivisionError("a\nb"),
    AttributeError("no"), OverflowError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    OSError(errno.EIO, "Input/output error", "/dev/disk"), OSError("odd"), StopIteration(),
    AssertionError(), EOFError(), SyntaxError("broken"), BrokenPipeError(errno.EPIPE, "Broken"),
]  # fmt: skip
STEPS = ["read_header", "read", "to_size", "write", "with_provenance", "advise", "plans"]


def folder(tmp_path: Path, count: int = 5) -> Path:
    place = tmp_path / "in"
    place.mkdir()
    for i in range(count):
        drawn(20 + i, 15).save(place / f"{i}.png")
    return place


def go(
    tmp_path: Path, at_a_time: int, step: str, error: Exception
) -> list[one_picture.PictureOutcome]:
    """A batch in which one step of the picture that is 22 pixels wide fails."""
    work = batch.plan_batch([tmp_path / "in"], str(tmp_path / "out"), model="m", known=[])
    upscaler = Upscaler(Sharpen(), (2,), "double")
    patch = pytest.MonkeyPatch()

    def failing(real):
        def fails(*arguments, **options):
            found = [getattr(a, "route", a) for a in arguments]
            sizes = [getattr(a, "size", None) or getattr(a, "source", a) for a in found]
            odd = ((22, 15), (44, 30))
            if any(size in odd or "2.png" in str(size) for size in map(_plain, sizes)):
                raise error
            return real(*arguments, **options)

        return fails

    def advise(_file, picture):
        return failing(lambda _picture: None)(picture)

    if step in ("to_size", "plans"):
        patch.setattr(upscaler, step, failing(getattr(upscaler, step)))
    elif step != "advise":
        patch.setattr(images, step, failing(getattr(images, step)))
    maker = one_picture.PictureMaker(upscaler, one_picture.Options(), work, advise)
    with patch.context(), work.opened():
        assert forecast.forecast(work.pending, maker, always=True) or step in (
            "read_header",
            "plans",
        )
        with closing(pipeline.run(work.jobs, maker, at_a_time)) as told:
            found = list(told)
    patch.undo()
    return found


def _plain(size):
    return tuple(size) if isinstance(size, tuple) else size


@pytest.mark.parametrize("at_a_time", [1, 3])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_one_odd_file_is_one_failed_picture(tmp_path, at_a_time, step, error):
    folder(tmp_path)
    found = go(tmp_path, at_a_time, step, error)
    log = tmp_path / "out" / troubles.LOG
    assert [outcome.job.source.name for outcome in found] == [f"{i}.png" for i in range(5)]
    failed = [outcome for outcome in found if outcome.problem]
    if step == "advise":  # that is no reason to fail
        assert not failed
        assert log.is_file()
    else:
        assert [outcome.job.source.name for outcome in failed] == ["2.png"]
        said = str(failed[0].problem)
        assert len(said.splitlines()) == 1
        assert "2.png" in said
        if str(log) in said:
            assert type(error).__name__ in log.read_text()
            assert "Traceback" in log.read_text()
        else:
            assert isinstance(error, OSError | PictureError | SyntaxError | EOFError | ValueError)
    left = {path.name for path in (tmp_path / "out").iterdir()} - {".srzoo-ledger.jsonl"}
    assert left - {troubles.LOG} == {
        f"{i}.png" for i in range(5) if not (failed and i == 2)
    }  # nothing half made


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_who_stops_it_stops_it(tmp_path, stop):
    folder(tmp_path)
    for at_a_time in (1, 3):
        with pytest.raises(stop):
            go(tmp_path, at_a_time, "to_size", stop())
        shutil.rmtree(tmp_path / "out")


def test_memory_that_runs_out_beside_others_is_tried_alone(tmp_path, monkeypatch):
    folder(tmp_path)
    count = 0
    real = Upscaler.to_size

    def once(self, *arguments, **options):
        nonlocal count
        count += 1
        if count == 3:
            raise MemoryError
        return real(self, *arguments, **options)

    monkeypatch.setattr(Upscaler, "to_size", once)
    assert not [o for o in go(tmp_path, 3, "advise", KeyError()) if o.problem]


def test_a_single_picture_is_one_line(srzoo_cli, photo, monkeypatch, tmp_path):
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))

    def fail(*_arguments, **_options):
        raise ZeroDivisionError("on\npurpose")

    monkeypatch.setattr(images, "read", fail)
    result = srzoo_cli("upscale", photo, *FAST)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "unexpected error: ZeroDivisionError: on." in result.err
    (log,) = (tmp_path / "cache/logs").iterdir()
    assert str(log) in result.err
    assert "in fail" in log.read_text()


def test_every_command_has_one_line(srzoo_cli, monkeypatch, tmp_path):
    from srzoo.models import locate

    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    error: Exception = ValueError("odd")

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(locate, "released", fail)
    for error in ERRORS:
        result = srzoo_cli("model", "list")
        if isinstance(error, BrokenPipeError):
            assert (result.code, result.err) == (1, "")
            continue
        assert result.code == 2
        assert len(result.err.strip().splitlines()) == 1
        assert "Traceback" not in result.err
    error = ValueError("odd")
    monkeypatch.setenv(troubles.DEBUG, "1")
    assert "Traceback" in srzoo_cli("model", "list").err


def test_the_log_goes_where_it_can(tmp_path, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    error = KeyError("x")
    assert troubles.log(error, "a") == troubles.log(error, "b")
    assert "\nb\n" in troubles.log(error, "c").read_text()
    assert troubles.log(error, "a", tmp_path) == tmp_path / troubles.LOG
    gone = tmp_path / "file"
    gone.write_bytes(b"")
    assert tmp_path / "cache" in troubles.log(error, "a", gone).parents
    monkeypatch.setenv("SRZOO_CACHE", str(gone))
    assert troubles.log(error, "a").parent == files.temporary()
    monkeypatch.setattr(files, "temporary", lambda: gone)
    assert troubles.log(error, "a") is None
    assert "Report it" in str(troubles.explain(error, "what"))


def test_a_log_does_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(troubles, "MOST", 3000)
    for i in range(50):
        troubles.log(KeyError("x"), f"{i}", tmp_path)
    assert (tmp_path / troubles.LOG).stat().st_size < 3500


def test_what_failed_is_let_go():
    """An error's traceback holds the pictures of all that was called."""
    seen = []

    def fail() -> None:
        pixels = np.zeros((50, 50))
        seen.append(weakref.ref(pixels))
        raise KeyError(pixels.shape)

    try:
        fail()
    except KeyError as error:
        told = troubles.explain(error, "cannot")
    gc.collect()
    assert isinstance(told.__cause__, KeyError)
    assert seen[0]() is None
    budget = MemoryBudgetError("a", "b")
    assert troubles.explain(budget, "cannot") is budget


def test_no_home_and_no_user(tmp_path, monkeypatch):
    import pwd

    def none(_user):
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", none)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("SRZOO_CACHE", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for home in (None, "/proc", "/dev/null"):
        if home:
            monkeypatch.setenv("HOME", home)
        for place in (files.cache(), files.state()):
            place.mkdir(parents=True, exist_ok=True)
            assert tmp_path in place.parents, home
            own = tmp_path / f"srzoo-{os.getuid()}"
            assert own.stat().st_mode & 0o777 == 0o700
    files._among_temporary.cache_clear()
    shutil.rmtree(own)
    own.symlink_to(tmp_path)  # somebody was there first
    assert own not in files.cache().parents
    assert files.cache() == files.cache()
    files._among_temporary.cache_clear()
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/nonexistent/none")
    assert files.cache()  # nowhere, and no exception
    files._among_temporary.cache_clear()


def test_the_main_job_without_home_or_temporary_files(photo):
    command = [sys.executable, "-m", "srzoo", "upscale", str(photo), *FAST, "-o", "-"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc", "TMPDIR": "/proc",
                   "SRZOO_ENGINE": os.environ["SRZOO_ENGINE"]}  # fmt: skip
    run = subprocess.run(command, env=environment, cwd="/proc", capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(b"\x89PNG")
    assert run.stderr == b""


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    folder(tmp_path)
    for number in (errno.EACCES, errno.EIO, errno.ENAMETOOLONG, errno.ESTALE):
        monkeypatch.setattr(tree.os, "scandir", _refusing(number))
        with pytest.raises(SrzooError, match=os.strerror(number)):
            batch.plan_batch([tmp_path / "in"], None, model="m", known=[])
        monkeypatch.undo()


def _refusing(number: int):
    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    return refuse


def test_inputs_that_cannot_be_seen(tmp_path, srzoo_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop.png").symlink_to("loop.png")
    drawn().save("a.png")
    for name, what in (("loop.png", "symbolic links"), (f"{'n' * 300}.png", "name too long"),
                       ("a.png/b.png", "a folder"), ("none.png", "does not exist")):  # fmt: skip
        result = srzoo_cli("upscale", name, *FAST)
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert what in result.err
    result = srzoo_cli("upscale", "a.png", *FAST, "-o", "loop.png/x.png")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
