"""A result is there whole, or it is not there."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from srzoo.batches import outputs
from srzoo.errors import PictureError


def write(target: Path, content: bytes, record=None) -> None:
    with outputs.to_file(target, record) as file:
        assert file.name == str(target)
        assert not target.exists() or target.read_bytes() == b"before"
        file.write(content)


@pytest.mark.parametrize("name", ["a.png", "ä" * 125 + ".jpeg", "-rf \n.tif", "\udcff.webp"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_result_takes_its_place(tmp_path, name, recorded):
    target = tmp_path / name
    found = []
    for content in (b"first", b"second, longer"):
        if content != b"first":
            target.write_bytes(b"before")
        write(target, content, found.append if recorded else None)
        assert target.read_bytes() == content
        assert list(tmp_path.iterdir()) == [target]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    if recorded:  # what was recorded before is what is there after
        now = target.stat()
        assert (found[-1].st_size, found[-1].st_mtime_ns) == (now.st_size, now.st_mtime_ns)


@pytest.mark.parametrize("error", [KeyboardInterrupt, PictureError("no"), OSError(28, "full")])
@pytest.mark.parametrize("late", [True, False])
def test_a_failure_leaves_what_was_before(tmp_path, error, late):
    target = tmp_path / "a.png"
    target.write_bytes(b"before")

    def record(_stat) -> None:
        assert target.read_bytes() == b"before"
        if late:
            raise error

    def fail() -> None:
        with outputs.to_file(target, record) as file:
            file.write(b"half")
            if not late:
                raise error

    with pytest.raises((KeyboardInterrupt, PictureError)):
        fail()
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    target = tmp_path / "none" / "a.png"
    with pytest.raises(PictureError, match=r"cannot write .*none/a.png: No such file"):
        write(target, b"")
    (tmp_path / "folder.png" / "inside").mkdir(parents=True)
    with pytest.raises(PictureError, match="is a directory|Is a directory"):
        write(tmp_path / "folder.png", b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PictureError, match="cannot create the folder"):
        outputs.make_folder(tmp_path / "file" / "deeper")


def test_a_pipe_gets_all_or_nothing():
    sink = io.BytesIO()

    def fail() -> None:
        with outputs.to_sink(Path("out"), sink) as file:
            file.write(b"half")
            raise PictureError("no")

    with pytest.raises(PictureError):
        fail()
    assert sink.getvalue() == b""
    with outputs.to_sink(Path("out"), sink) as file:
        file.write(b"....")
        file.seek(0)
        file.write(b"ab")
    assert sink.getvalue() == b"ab.."


def test_only_a_batch_sweeps_and_only_its_own(tmp_path):
    made = []

    def leave(record) -> None:
        # As if killed: the file stays.
        with outputs.to_file(tmp_path / ("ä" * 125 + ".png"), record) as file:
            (part,) = tmp_path.glob(".srzoo-*")
            assert len(os.fsencode(part.name)) < 60
            file.write(b"half")
            file.flush()
            copy = tmp_path / f"copy of {part.name}"
            copy.write_bytes(part.read_bytes())
            made.append((copy, part))
            raise PictureError("killed")

    for record in (lambda _stat: None, None):
        with pytest.raises(PictureError):
            leave(record)
    for copy, part in made:
        copy.rename(part)
    (tmp_path / ".srzoo-ledger.jsonl").write_bytes(b"")
    (tmp_path / ".srzoo-abcdefgh.png").write_bytes(b"")
    outputs.sweep(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {made[1][1].name, ".srzoo-ledger.jsonl", ".srzoo-abcdefgh.png"}
