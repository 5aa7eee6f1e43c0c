"""The ledger tells what is right from what is not, at whatever byte it was cut off."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from srzoo.batches import ledger
from srzoo.batches.ledger import NAME, Ledger, LedgerEntry
from srzoo.errors import PictureError

SETTINGS = {"model": "m", "scale": 2, "quality": None}


def make(book: Ledger, name: str, content: bytes = b"result") -> tuple[Path, Path]:
    """A source, and a target that the open ledger has."""
    source, target = book.folder.parent / f"source of {Path(name).name}", book.folder / name
    source.write_bytes(b"picture")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    stat = target.stat()
    taken = ledger.snapshot(source)
    book.record(target, LedgerEntry(str(source), taken, SETTINGS, stat.st_size, stat.st_mtime_ns))
    return source, target


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_what_was_recorded_is_done(out):
    names = ["a.png", "b/c.png", "b/写真 \n.png", os.fsdecode(b"\xff\xfe.png")]
    first = Ledger(out)
    assert not out.exists()
    with first.opened():
        made = [make(first, name) for name in names]
    again = Ledger(out)
    assert len(again.targets) == 4
    assert {again.state(target, source, SETTINGS) for source, target in made} == {"done"}
    assert (out / NAME).read_bytes().count(b"\n") == 4


def test_what_changed_is_not_done(out):
    book = Ledger(out)
    with book.opened():
        source, target = make(book, "a.png")

    def state(**settings):
        return Ledger(out).state(target, source, SETTINGS | settings)

    for changed in ({"model": "other"}, {"scale": 3}, {"quality": 90}, {"new": True}):
        assert state(**changed) == "ours"

    before = source.stat()
    source.write_bytes(b"PICTURE")  # as long, and its time of change set back
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert state() == "ours"
    source.write_bytes(b"picture")  # touched, and the same again
    assert state() == "done"
    source.unlink()
    assert state() == "ours"

    source.write_bytes(b"picture")
    stat = target.stat()
    target.write_bytes(b"RESULT")  # somebody else's now
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_001))
    assert state() == "others"
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns // 10**9 * 10**9))  # a USB stick
    assert state() == "done"
    target.unlink()
    assert state() == "others"
    assert Ledger(out).state(out / "new.png", source, SETTINGS) == "others"


def test_cut_off_anywhere_it_knows_what_came_before(out):
    book = Ledger(out)
    with book.opened():
        made = [make(book, f"{i}.png") for i in range(3)]
    whole = (out / NAME).read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole) + 1):
        (out / NAME).write_bytes(whole[:cut])
        book = Ledger(out)
        known = [
            source for source, target in made if book.state(target, source, SETTINGS) == "done"
        ]
        # Without its newline a line may be whole already.
        assert len(known) in {sum(end <= cut for end in ends), sum(end - 1 <= cut for end in ends)}
        if cut % 50 == 0:
            with book.opened():
                extra = make(book, "extra.png")
            assert Ledger(out).state(extra[1], extra[0], SETTINGS) == "done"
            for line in (out / NAME).read_bytes().splitlines()[-1:]:
                json.loads(line)


def test_lines_that_are_not_ours_are_passed_over(out):
    book = Ledger(out)
    with book.opened():
        source, target = make(book, "a.png")
    good = (out / NAME).read_bytes()
    for rubbish in (b"\0" * 4096, b"[]", b"null", b'{"target": "a.png"}', b"\xff", b"",
                    good.strip().replace(b'"input"', b'"inputs"'),
                    good.strip().replace(b'"sha256"', b'"sha"')):  # fmt: skip
        (out / NAME).write_bytes(rubbish + b"\n" + good + rubbish)
        assert Ledger(out).state(target, source, SETTINGS) == "done"


def test_the_last_line_of_a_picture_counts(out):
    book = Ledger(out)
    with book.opened():
        make(book, "a.png", b"first")
        source, target = make(book, "a.png", b"second, longer")
    assert Ledger(out).targets == {"a.png"}
    assert Ledger(out).state(target, source, SETTINGS) == "done"


def test_two_runs_at_a_time_are_refused(out):
    book = Ledger(out)
    code = f"""
from pathlib import Path
from srzoo.batches.ledger import Ledger
with Ledger(Path({str(out)!r})).opened():
    pass
"""
    command = [sys.executable, "-c", code]
    with book.opened():
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another run is writing to" in other.stderr
        stale = Ledger(out)
        make(book, "a.png")
    assert subprocess.run(command, check=False).returncode == 0
    with pytest.raises(PictureError, match="another run"), stale.opened():
        pass  # what it read is no longer all


LOCKS = """
import sys, time
from pathlib import Path
from srzoo.batches.ledger import Ledger
with Ledger(Path(sys.argv[1])).opened():
    print(flush=True)
    time.sleep(60)
"""


def test_a_dead_process_blocks_nobody(out):
    command = [sys.executable, "-c", LOCKS, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(PictureError, match="another run"), Ledger(out).opened():
            pass
        other.kill()
        other.wait()
        with Ledger(out).opened():
            pass


def test_a_folder_without_locks_is_written_all_the_same(out, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock, "lock_descriptor", refuse)
    with (book := Ledger(out)).opened():
        make(book, "a.png")
    assert Ledger(out).targets == {"a.png"}


def test_a_ledger_that_another_has_locked_is_another_run_s(out, monkeypatch):
    """Windows refuses to read what is locked."""
    with (book := Ledger(out)).opened():
        make(book, "a.png")
    monkeypatch.setattr(Ledger, "_read", lambda *_: (_ for _ in ()).throw(PermissionError(13, "")))
    with pytest.raises(PictureError, match="another run is writing to"):
        Ledger(out)


def test_a_run_of_an_srzoo_before_filelock_is_seen(out):
    fcntl = pytest.importorskip("fcntl")
    with Ledger(out).opened():
        pass
    with (out / NAME).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PictureError, match="another run"), Ledger(out).opened():
            pass


BEFORE = (
    b'{"target": "a.png", "source": "%s", "input": {"size": 7, "mtime_ns": 1700000000000000001,'
    b' "ctime_ns": 1700000000000000002, "sha256":'
    b' "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97"},'
    b' "output": {"size": 6, "mtime_ns": 1700000001000000003},'
    b' "settings": {"model": "m", "scale": 2, "quality": null}, "srzoo": "0.1.0"}\n'
)
"""A line as it was written before filelock came."""


def test_a_ledger_of_before_goes_on(out):
    out.mkdir()
    source, target = out.parent / "a.jpg", out / "a.png"
    source.write_bytes(b"picture")
    target.write_bytes(b"result")
    os.utime(target, ns=(1700000001000000003,) * 2)
    before = BEFORE % str(source).encode()
    (out / NAME).write_bytes(before)
    book = Ledger(out)
    assert book.state(target, source, SETTINGS) == "done"
    with book.opened():
        make(book, "b.png")
    assert (out / NAME).read_bytes().startswith(before)
    assert Ledger(out).targets == {"a.png", "b.png"}


def test_a_full_disk_leaves_no_half_line(out, monkeypatch):
    book = Ledger(out)
    with book.opened():
        make(book, "a.png")
        before = (out / NAME).read_bytes()
        real = os.write
        monkeypatch.setattr(os, "write", lambda handle, data: _full(real, handle, data))
        with pytest.raises(PictureError, match="No space left"):
            make(book, "b.png")
        monkeypatch.undo()
        assert (out / NAME).read_bytes() == before
        make(book, "c.png")
    assert Ledger(out).targets == {"a.png", "c.png"}


def _full(real, handle, data):
    if len(data) > 20:
        return real(handle, data[: len(data) // 2])
    raise OSError(28, "No space left on device")


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / NAME).read_bytes().splitlines()]


def test_a_ledger_of_before_counts_where_what_is_missing_is_the_default(out):
    """Tile and engine were not written once; what is asked for now was not asked for then."""
    book = Ledger(out)
    with book.opened():
        source, target = make(book, "a.png")
    new = SETTINGS | {"tile": None, "engine": None, "strength": None}
    assert Ledger(out).state(target, source, new) == "done"
    for other in ({"tile": 64}, {"tile": "off"}, {"engine": "mnn"}, {"strength": 0.5}):
        assert Ledger(out).state(target, source, new | other) == "ours"
    with (book := Ledger(out)).opened():
        stat = target.stat()
        entry = LedgerEntry(
            str(source), ledger.snapshot(source), new, stat.st_size, stat.st_mtime_ns
        )
        book.record(target, entry)
    assert Ledger(out).state(target, source, SETTINGS) == "done"  # and the other way round
    assert Ledger(out).state(target, source, {"model": "m"}) == "ours"


@pytest.mark.parametrize("rubbish", [
    b"\xff\xfe\x00" * 100, b"[" * 100_000, b'{"target":' * 30_000, b"x" * 3_000_000,
    b'{"a": 1e999}', b"9" * 5000, b"\r\r\r", b'"' + b"a" * (ledger.LONGEST - 1),
    b"a" * ledger.LONGEST, b"\x00" * (ledger.LONGEST + 1),
])  # fmt: skip
def test_damage_in_the_middle_hides_no_other_line(out, rubbish):
    book = Ledger(out)
    with book.opened():
        made = [make(book, f"{i}.png") for i in range(4)]
    whole = (out / NAME).read_bytes().splitlines(keepends=True)
    half = whole[1][: len(whole[1]) // 2]
    for damage in (rubbish + b"\n", half + rubbish + b"\n", rubbish + whole[1]):
        (out / NAME).write_bytes(b"".join([whole[0], damage, *whole[2:]]))
        book = Ledger(out)
        known = [book.state(target, source, SETTINGS) for source, target in made]
        assert known == ["done", "others", "done", "done"]
        with book.opened():
            make(book, "1.png")
        assert Ledger(out).state(made[1][1], made[1][0], SETTINGS) == "done"


@pytest.mark.parametrize("damage", [
    {"output": {"size": "many", "mtime_ns": 1}}, {"output": {"size": 1e999, "mtime_ns": 1}},
    {"settings": "x"}, {"settings": [1]}, {"input": []}, {"input": None}, {"output": None},
    {"settings": {"model": {"deep": []}}}, {"target": None}, {"source": None},
])  # fmt: skip
def test_a_line_of_the_wrong_kind_calls_nothing_done(out, damage):
    book = Ledger(out)
    with book.opened():
        source, target = make(book, "a.png")
    if damage.keys() & {"source"}:
        return
    (out / NAME).write_text(json.dumps(lines(out)[0] | damage) + "\n")
    assert Ledger(out).state(target, source, SETTINGS) in ("others", "ours")


def test_a_ledger_that_cannot_be_read_or_written_is_one_line(out, monkeypatch):
    (out / NAME).mkdir(parents=True)
    with pytest.raises(PictureError, match="cannot read"):
        Ledger(out)
    (out / NAME).rmdir()
    os.mkfifo(out / NAME)
    with pytest.raises(PictureError, match="not a file"):
        Ledger(out)  # and nobody waits for ever
    (out / NAME).unlink()
    book = Ledger(out)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", _refuse)
        with pytest.raises(PictureError, match="Read-only"), book.opened():
            pass
    with book.opened(), monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda _handle, _data: 0)
        with pytest.raises(PictureError, match="No space left"):
            make(book, "a.png")
        patch.setattr(os, "ftruncate", _refuse)
        with pytest.raises(PictureError, match="No space left"):
            make(book, "a.png")
    assert Ledger(out).targets == set()


def _refuse(*_arguments):
    raise OSError(30, "Read-only file system")
