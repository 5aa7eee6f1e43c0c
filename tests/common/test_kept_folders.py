"""Folders that are kept: seals, digests, syncs, and the litter of processes that have gone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srzoo.common import files, kept_folders

FACTS = {"refused": None, "off": 1, "differing": 2.1e-05, "parts": [{"name": "ä", "size": 3}]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda key: key != kept_folders.SEAL), VALUES))
def test_what_is_sealed_is_read(tmp_path_factory, facts):
    path = tmp_path_factory.mktemp("seal") / "a"
    path.write_bytes(kept_folders.seal(facts))
    assert kept_folders.check_seal(path) == facts


@given(st.integers(0, len(kept_folders.seal(FACTS)) - 2), st.integers(1, 255))
def test_every_byte_of_a_sealed_file_counts(tmp_path_factory, place, change):
    path = tmp_path_factory.mktemp("seal") / "a"
    content = bytearray(kept_folders.seal(FACTS))
    content[place] ^= change
    path.write_bytes(content)
    assert kept_folders.check_seal(path) in (None, FACTS)  # a blank may be a line end
    path.write_bytes(content[:place])
    assert kept_folders.check_seal(path) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 200_000, b"1" * 10_000, b'{"seal": {}}',
     b'{"a": NaN, "seal": "x"}', b'{"a":' * 100_000],
)  # fmt: skip
def test_what_is_none_of_ours(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert kept_folders.check_seal(tmp_path / "a") is None
    assert kept_folders.check_seal(tmp_path) is None


def test_a_folder_is_what_was_listed(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"")
    parts = kept_folders.record_files(tmp_path)
    assert (
        kept_folders.records_from_json(json.loads(json.dumps(kept_folders.records_to_json(parts))))
        == parts
    )
    assert kept_folders.intact(tmp_path, parts)
    (tmp_path / "a").write_bytes(b"two")
    assert not kept_folders.intact(tmp_path, parts)
    assert kept_folders.intact(tmp_path, parts, sure=False)
    (tmp_path / "a").unlink()
    assert not kept_folders.intact(tmp_path, parts, sure=False)
    os.mkfifo(tmp_path / "b2")
    assert kept_folders.check_seal(tmp_path / "b2") is None
    (tmp_path / "b").unlink()
    (tmp_path / "b2").rename(tmp_path / "b")
    assert not kept_folders.intact(tmp_path, parts[1:])
    for wrong in (None, 3, [3], [{"name": 1}], [{"name": "a", "size": "x", "sha256": ""}]):
        assert kept_folders.records_from_json(wrong) is None


def dead() -> int:
    """The number of a process that has gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_litter_of_processes_that_have_gone(tmp_path):
    here, old = files.machine_id(), time.time() - 2 * files.DAY
    names = {
        f".srzoo-{dead()}-{here}-aaaaaaaa": (None, False),
        f".srzoo-{os.getpid()}-{here}-aaaaaaaa": (None, True),
        f".srzoo-{os.getpid()}-{here}-cccccccc": (old, False),  # its number came again
        f".srzoo-{os.getppid()}-{here}-aaaaaaaa": (None, True),
        f".srzoo-{dead()}-0000beef-aaaaaaaa": (None, True),  # another machine's
        f".srzoo-{dead()}-0000beef-bbbbbbbb": (old, False),
        ".srzoo-abcdefgh": (old, False),  # of an earlier version
        ".srzoo-hgfedcba": (None, True),
        "mine": (old, True),
    }
    for name, (changed, _) in names.items():
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner/file").write_text("x")
        if changed:
            os.utime(tmp_path / name, (changed, changed))
    plain = {".srzoo-abc_1234.json": False, ".srzoo-ledger.jsonl": True, ".srzoo-part-x.png": True,
             f".srzoo-{dead()}-{here}-bbbbbbbb": False}  # fmt: skip
    for name in plain:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (old, old))
    with kept_folders.new_folder(tmp_path) as made:
        assert made.parent == tmp_path
        left = {path.name for path in tmp_path.iterdir()} - {made.name}
    assert left == {n for n, (_, stays) in names.items() if stays} | {n for n in plain if plain[n]}
    assert not made.exists()


def test_a_file_system_that_refuses_fsync(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a").write_text("x")

    def refuse(code):
        def fsync(_handle):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    refuse(errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        kept_folders.move_into_place(tmp_path / "new", tmp_path / "final")
    assert not (tmp_path / "final").exists()
    refuse(errno.EINVAL)
    kept_folders.move_into_place(tmp_path / "new", tmp_path / "final")
    assert (tmp_path / "final/a").read_text() == "x"


def test_files_and_names_are_synced_before_a_folder_takes_its_name(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/a").write_text("x")
    done, fsync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda h: (done.append((tmp_path / "final").exists()), fsync(h))
    )
    kept_folders.move_into_place(tmp_path / "new", tmp_path / "final")
    assert done == [False, False, True]  # the file, its folder, the folder of the name
