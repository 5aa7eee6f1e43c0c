"""A disk that fills up leaves no half picture under a name, and no ledger that calls it done."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from helpers import drawn
from hypothesis import given
from PIL import Image

import srzoo
from srzoo import images
from srzoo.batches import batch, ledger, outputs
from srzoo.cli import _pipe
from srzoo.common import files
from srzoo.common.checked_file import CheckedFile, write_all
from srzoo.errors import PictureError

FORMATS = ["jpg", "png", "webp", "tiff", "avif"]
FAST = ("-m", "bicubic-x2")


class Odd(io.BytesIO):
    """A file that takes ``most`` bytes at a time, and ``room`` in all."""

    def __init__(self, most: int = 10**9, room: int = 10**9, *, lies: bool = False) -> None:
        super().__init__()
        self.most, self.room, self.lies = most, room, lies

    def write(self, data):
        view = memoryview(data)[: self.most]
        left = self.room - self.tell()
        if left <= 0 and not self.lies:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(view[: max(0, left)])
        return len(view) if self.lies else min(len(view), left)


@st.composite
def writes(draw):
    pieces = st.tuples(st.none() | st.integers(0, 60), st.binary(max_size=30))
    return draw(st.lists(pieces, max_size=12))


@given(writes(), st.integers(1, 7))
def test_written_anywhere_and_in_parts_it_is_what_any_file_would_be(pieces, most):
    raw, right = Odd(most), io.BytesIO()
    file = CheckedFile(raw, "a")
    for where, data in pieces:
        for each in (file, right):
            if where is not None:
                each.seek(where)
            if data:
                each.write(data)
    assert raw.getvalue() == right.getvalue()
    assert file.tell() == right.tell()
    file.check()
    file.seek(0)
    assert file.read() == right.getvalue()


@given(writes(), st.data())
def test_a_byte_that_is_not_what_was_written_is_seen(pieces, data):
    raw = io.BytesIO()
    file = CheckedFile(raw, "a")
    for where, piece in pieces:
        file.seek(file.tell() if where is None else where)
        file.write(piece)
    held = bytearray(raw.getvalue())
    if not held:
        return
    kind = data.draw(st.sampled_from(["flip", "cut", "more"]))
    if kind == "flip":
        held[data.draw(st.integers(0, len(held) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del held[data.draw(st.integers(0, len(held) - 1)) :]
    else:
        held += b"\0"
    raw.seek(0)
    raw.truncate()
    raw.write(held)
    with pytest.raises(OSError, match="not contain what was written"):
        file.check()


def test_an_error_that_an_encoder_passes_over_is_met_again():
    file = CheckedFile(Odd(room=5), "a.jpg")
    for _ in range(3):
        with contextlib.suppress(OSError):
            file.write(b"1234")
    with pytest.raises(OSError, match="No space left"):
        file.check()


def test_no_encoder_has_a_descriptor(tmp_path):
    with files.atomic_write(tmp_path / "a") as file, pytest.raises(io.UnsupportedOperation):
        file.fileno()
    with files.spooled(io.BytesIO(), "pipe") as file, pytest.raises(io.UnsupportedOperation):
        file.fileno()
    seen = []

    class Real(io.FileIO):
        def fileno(self):
            seen.append(1)
            return super().fileno()

    with Real(tmp_path / "b.jpg", "w+b") as file:
        images.write(images.from_pil(drawn()), file, "jpg")
    assert not seen
    assert images.read(tmp_path / "b.jpg").size == (45, 31)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_takes_less_than_it_says_has_no_result(tmp_path, format, monkeypatch):
    """Whether it raises, takes a part, or says that it took what it did not."""
    picture = images.from_pil(drawn(200, 150))
    images.write(picture, tmp_path / f"whole.{format}", format)
    size = (tmp_path / f"whole.{format}").stat().st_size
    real = open

    for lies in (True, False):
        for room in (0, 1, size // 3, size - 1):
            odd = Odd(1000, room, lies=lies)

            def opened(handle, mode, buffering, odd=odd):
                with real(handle, mode, buffering=buffering):
                    pass
                return odd

            monkeypatch.setattr(files, "open", opened, raising=False)
            monkeypatch.setattr(files, "sync", lambda _handle: None)
            with pytest.raises(PictureError, match="cannot write"):
                images.write(picture, tmp_path / f"half.{format}", format)
            monkeypatch.undo()
            assert [path.name for path in tmp_path.iterdir()] == [f"whole.{format}"]


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A file system whose size can be changed, as root on Linux."""
    place = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a small disk here: that takes root on Linux")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def sized(disk: Path, pages: int) -> None:
    """Empty it, and leave so much room."""
    for path in disk.iterdir():
        files.remove(path)
    option = f"remount,size={4096 * max(1, pages)}"
    subprocess.run(["mount", "-o", option, str(disk)], check=True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_fills_up_at_any_size(disk, tmp_path, format):
    picture = images.from_pil(drawn(400, 300))
    images.write(picture, tmp_path / f"whole.{format}", format)
    source = tmp_path / "in.png"
    drawn(200, 150).save(source)
    size = (tmp_path / f"whole.{format}").stat().st_size
    for pages in {1, size // 16384, size // 8192, size // 4096 - 1}:
        sized(disk, pages)
        with pytest.raises(PictureError, match="No space left on device"):
            images.write(picture, disk / f"a.{format}", format)
        assert not list(disk.iterdir())
        with pytest.raises(PictureError, match="No space left on device"):
            srzoo.upscale(source, "bicubic-x4", output=disk / f"a.{format}")
        assert not list(disk.iterdir())
    sized(disk, size // 4096 + 2)
    images.write(picture, disk / f"a.{format}", format)
    assert (disk / f"a.{format}").read_bytes() == (tmp_path / f"whole.{format}").read_bytes()


@pytest.mark.parametrize("format", ["jpg", "tiff"])
def test_a_full_disk_behind_a_pipe(disk, tmp_path, format):
    """``-o - > FILE`` on a full disk, and a full folder for temporary files."""
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    command = [sys.executable, "-m", "srzoo", "upscale", "a.png", *FAST, "-o", "-"]
    command += ["--format", format]
    sized(disk, 5)
    with open(disk / "out", "wb") as out:
        run = subprocess.run(command, cwd=tmp_path, stdout=out, stderr=subprocess.PIPE, text=True,
                             check=False)  # fmt: skip
    assert run.returncode == 2
    assert "cannot write standard output: No space left on device" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    sized(disk, 5)
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False,
                         env={**os.environ, "TMPDIR": str(disk)})  # fmt: skip
    assert run.returncode == 2
    assert run.stdout == b""
    assert b"TMPDIR sets another folder" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_batch_on_a_disk_that_fills_up(disk, tmp_path, srzoo_cli):
    """Nothing is called done that is not whole, and the same command goes on."""
    noise = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for i in range(10):
        pixels = noise.integers(0, 256, (90, 120, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"in/{i}.jpg", quality=95)
    command = ("upscale", tmp_path / "in", *FAST, "--jobs", "3")
    assert srzoo_cli(*command, "-o", tmp_path / "whole").code == 0
    for pages in (1, 9, 30, 47, 100):
        sized(disk, pages)
        result = srzoo_cli(*command, "-o", disk / "out")
        assert result.code in (1, 2)
        assert "Traceback" not in result.err
        made = {path.name for path in disk.rglob("*.jpg")}
        for name in made:
            assert (disk / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        if (disk / "out").exists():
            book = ledger.Ledger(disk / "out")
            done = [n for n in book.targets if (disk / "out" / n).exists()]
            assert set(done) == made
        assert not list(disk.rglob(".srzoo-[0-9p]*"))
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        again = srzoo_cli(*command, "-o", disk / "out")
        assert again.code == 0
        assert f"{len(made)} done before" in again.out or not made
        assert len(list((disk / "out").glob("*.jpg"))) == 10


def test_a_limit_of_file_sizes(tmp_path):
    drawn(400, 300).save(tmp_path / "a.png")
    for format in ("jpg", "tiff"):
        command = [sys.executable, "-m", "srzoo", "upscale", "a.png", *FAST, "-o", f"b.{format}"]

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))

        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False,
                             preexec_fn=limit)  # fmt: skip
        assert run.returncode == 2, run.stderr
        assert "File too large" in run.stderr
        assert len(run.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def refusing(number: int):
    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM])
@pytest.mark.parametrize("name", ["fsync", "chmod", "link", "replace", "fchmod", "symlink"])
def test_file_systems_that_cannot_do_all(tmp_path, monkeypatch, name, number):
    """FAT and network shares: no rights, no fsync, no replacing of what exists."""
    real = os.replace
    (tmp_path / "in").mkdir()
    drawn().save(tmp_path / "in/a.png")
    drawn().save(tmp_path / "in/b.png")

    def replace(source, target):
        if os.path.exists(target):
            refusing(number)()
        real(source, target)

    monkeypatch.setattr(os, name, replace if name == "replace" else refusing(number))
    for _ in range(2):
        with files.atomic_write(tmp_path / "a") as file:
            file.write(b"whole")
        work = batch.plan_batch([tmp_path / "in"], str(tmp_path / "out"), model="m",
                                        known=[], overwrite=True)  # fmt: skip
        with work.opened():
            for job in work.pending:
                with outputs.to_file(job.target, lambda _stat: None) as file:
                    file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert not list(tmp_path.rglob(".srzoo-[!l]*"))


def test_a_disk_that_is_gone_is_no_refusal(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"), files.atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert not list(tmp_path.iterdir())


def test_a_link_stays_and_its_target_is_replaced(tmp_path, srzoo_cli, photo):
    for name in ("there.png", "dangling.png"):
        (tmp_path / "deep").mkdir(exist_ok=True)
        link = tmp_path / f"link to {name}"
        link.symlink_to(f"deep/{name}")
        if name == "there.png":
            (tmp_path / "deep" / name).write_bytes(b"before")
        result = srzoo_cli("upscale", photo, *FAST, "-o", link, "--overwrite")
        assert result.code == 0, result.err
        assert link.is_symlink()
        assert images.read_size(tmp_path / "deep" / name) == (90, 62)
        srzoo.upscale(photo, "bicubic-x2", output=link)
        assert link.is_symlink()
        assert not list(tmp_path.rglob(".srzoo-*"))
    (tmp_path / "loop.png").symlink_to("loop.png")
    result = srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / "loop.png")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert (tmp_path / "loop.png").is_symlink()


def test_a_device_is_written_into(srzoo_cli, photo, tmp_path):
    result = srzoo_cli("upscale", photo, *FAST, "-o", "/dev/null")
    assert result.code == 0, result.err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    result = srzoo_cli("upscale", photo, *FAST, "-o", "/dev/full")
    assert result.code == 2
    assert "cannot write /dev/full: No space left on device" in result.err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    (tmp_path / "null.png").symlink_to("/dev/null")
    srzoo.upscale(photo, "bicubic-x2", output=tmp_path / "null.png")
    assert (tmp_path / "null.png").is_symlink()
    srzoo_cli("compare", photo, *FAST, "-o", tmp_path / "null.png", "--overwrite")
    assert (tmp_path / "null.png").is_symlink()


def test_a_fifo_gets_the_whole_and_stays(srzoo_cli, photo, tmp_path):
    fifo = tmp_path / "fifo.jpg"
    os.mkfifo(fifo)
    found = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_bytes()))
    reader.start()
    assert srzoo_cli("upscale", photo, *FAST, "-o", fifo).code == 0
    reader.join(60)
    assert Image.open(io.BytesIO(found[0])).size == (90, 62)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.parametrize("overwrite", [True, False])
def test_sockets_and_folders_are_refused(srzoo_cli, photo, tmp_path, overwrite):
    import socket

    place = Path(os.path.relpath(tmp_path / "s.png"))
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(place))
        options = ["--overwrite"] * overwrite
        result = srzoo_cli("upscale", photo, *FAST, "-o", place, *options)
        assert result.code == 2
        assert "is a socket" in result.err
        with pytest.raises(PictureError, match="socket"):
            srzoo.upscale(photo, "bicubic-x2", output=place)
        assert stat.S_ISSOCK(place.stat().st_mode)
    (tmp_path / "folder.png").mkdir()  # that is a folder, whatever it is called
    srzoo.upscale(photo, "bicubic-x2", output=tmp_path / "folder.png")
    assert (tmp_path / "folder.png" / photo.name).is_file()


def test_standard_streams_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir("/dev")
    names = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", f"/proc/{os.getpid()}/fd/1", "stdout"]
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "again").symlink_to("link")
    for name in (*names, str(tmp_path / "again")):
        assert _pipe.output_name(name) == "-"
        assert _pipe.input_name(name.replace("fd/1", "fd/0").replace("stdout", "stdin")) in (
            "-",
            name,
        )
    for name in ("/dev/null", "/dev/stderr", "a.png", "./-", None, "/proc/1/fd/1"):
        assert _pipe.output_name(name) == name
    assert _pipe.input_name("/dev/stdin") == _pipe.input_name("/dev/fd/0") == "-"


def test_through_standard_streams(photo, tmp_path):
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-m", "srzoo", "upscale", "/dev/stdin", *FAST]
    for name, to in (("/dev/stdout", subprocess.PIPE), (str(tmp_path / "link"), "out")):
        with open(tmp_path / "out", "w+b") as out:
            run = subprocess.run([*command, "-o", name, "--json"], check=True,
                                 stdout=out if to == "out" else to, stderr=subprocess.PIPE,
                                 input=photo.read_bytes())  # fmt: skip
            out.seek(0)
            got = run.stdout or out.read()
        assert images.read_size(io.BytesIO(got)) == (90, 62)
        assert got.endswith(b"IEND\xaeB`\x82")
        assert run.stderr.startswith(b'{"input"')  # what is not the picture
        assert not list(tmp_path.glob(".srzoo-*"))


def left_by(process: int, folder: Path, start: str = files.TEMPORARY) -> Path:
    name = files.temporary_name(start).replace(f"{start}{os.getpid()}-", f"{start}{process}-")
    path = folder / name
    path.write_bytes(b"half")
    return path


def test_what_dead_processes_left_is_taken_away(tmp_path, srzoo_cli, photo):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        dead = [left_by(int(gone), tmp_path), left_by(int(gone), tmp_path, files.PART)]
        alive = [left_by(other.pid, tmp_path), left_by(os.getpid(), tmp_path)]
        own = alive[1].name.split("-")[2]
        far = left_by(int(gone), tmp_path)
        far = far.rename(tmp_path / far.name.replace(own, f"{int(own, 16) ^ 1:08x}"))
        old = left_by(int(gone), tmp_path)
        old = old.rename(tmp_path / old.name.replace(own, f"{int(own, 16) ^ 1:08x}"))
        os.utime(old, (1, 1))
        dead.append(left_by(os.getpid(), tmp_path))  # its number came again
        os.utime(dead[-1], (1, 1))
        strangers = [tmp_path / name for name in (".srzoo-ledger.jsonl", ".srzoo-mine", "a.part")]
        for path in strangers:
            path.write_bytes(b"")
        files.sweep(tmp_path)
        assert not any(path.exists() for path in (*dead, old))
        assert all(path.exists() for path in (*alive, far, *strangers))
        folder = tmp_path / left_by(int(gone), tmp_path).name
        folder.unlink()
        (folder / "deep").mkdir(parents=True)
        again = left_by(int(gone), tmp_path)
        assert srzoo_cli("upscale", photo, *FAST).code == 0
        assert not (again.exists())
        assert not (folder.exists())
        again = left_by(int(gone), tmp_path)
        srzoo.upscale(photo, "bicubic-x2", output=tmp_path / "b.png")
        assert not again.exists()
        other.communicate(b"\n")


def test_send_waits_for_a_pipe_that_does_not(tmp_path):
    read, write = os.pipe()
    os.set_blocking(write, False)
    data = os.urandom(300_000)
    found = []

    def reader() -> None:
        with open(read, "rb") as pipe:
            found.append(pipe.read())

    thread = threading.Thread(target=reader)
    thread.start()
    with open(write, "wb", buffering=0) as sink:
        write_all(sink, data)
    thread.join(60)
    assert found == [data]
