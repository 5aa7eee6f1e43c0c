"""Which file becomes which: nothing is lost, nothing is taken twice."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from helpers import drawn
from hypothesis import given

from srzoo.batches import batch, tree
from srzoo.errors import PictureError

KNOWN = ["edsr-x4", "bicubic-x2"]


def targets(inputs, output=None, **options) -> list[str]:
    options = {"model": "edsr-x4", "known": KNOWN} | options
    return [str(job.target) for job in batch.plan_batch(inputs, output, **options).jobs]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "in/b.JPG", "in/c.bmp"):
        drawn(8, 8).save(name)
    Path("in/notes.txt").write_text("no picture")
    return tmp_path


def test_beside_the_input_in_its_own_format(here):
    assert targets([Path("in/a.png")]) == ["in/a-edsr-x4.png"]
    assert targets([Path("in/b.JPG")]) == ["in/b-edsr-x4.JPG"]
    assert targets([Path("in/c.bmp")]) == ["in/c-edsr-x4.png"]  # srzoo writes no BMP
    assert targets([Path("in/a.png")], format="webp") == ["in/a-edsr-x4.webp"]


def test_output_is_a_file_for_one_input(here):
    assert targets([Path("in/a.png")], "big.jpg") == ["big.jpg"]
    assert (
        batch.plan_batch([Path("in/a.png")], "big.jpg", model="m", known=[]).jobs[0].format == "jpg"
    )


@pytest.mark.parametrize("output", ["out/", "in2"])
def test_output_is_a_folder_for_several(here, output):
    Path("in2").mkdir()
    folder = output.rstrip("/")
    assert targets([Path("in/a.png")], output) == [f"{folder}/a.png"]
    assert targets([Path("in")], output) == [
        f"{folder}/a.png",
        f"{folder}/b.JPG",
        f"{folder}/c.png",
    ]
    assert targets([Path("in/a.png"), Path("in/b.JPG")], "new") == ["new/a.png", "new/b.JPG"]


def test_a_folder_of_one_picture_still_goes_into_a_folder(here):
    Path("one").mkdir()
    drawn(8, 8).save("one/a.png")
    assert targets([Path("one")], "out") == ["out/a.png"]


def test_results_of_earlier_runs_are_no_inputs(here):
    for name in ("a-edsr-x4.png", "b-bicubic-x2.JPG"):
        drawn(8, 8).save(f"in/{name}")
    drawn(8, 8).save("in/lone-edsr-x4.png")  # no lone.png: somebody's own picture
    work = batch.plan_batch([Path("in")], None, model="edsr-x4", known=KNOWN)
    assert [job.source.name for job in work.jobs] == ["a.png", "b.JPG", "c.bmp", "lone-edsr-x4.png"]
    assert [path.name for path in work.results] == ["a-edsr-x4.png", "b-bicubic-x2.JPG"]
    asked = batch.plan_batch([Path("in/a-edsr-x4.png")], None, model="edsr-x4", known=KNOWN)
    assert len(asked.jobs) == 1  # by name it is taken all the same


def test_existing_files_and_inputs_are_never_replaced_unasked(here):
    drawn(8, 8).save("in/a-edsr-x4.png")
    jobs = batch.plan_batch([Path("in/a.png")], None, model="edsr-x4", known=KNOWN).jobs
    assert "--overwrite" in str(jobs[0].problem)
    jobs = batch.plan_batch(
        [Path("in/a.png")], None, model="edsr-x4", known=KNOWN, overwrite=True
    ).jobs
    assert jobs[0].problem is None
    for output in ("in/a.png", "in/../in/a.png", "in/"):
        jobs = batch.plan_batch(
            [Path("in/a.png")], output, model="edsr-x4", known=KNOWN, overwrite=True
        ).jobs
        assert "the input itself" in str(jobs[0].problem)


def test_two_inputs_for_one_output_are_refused(here):
    drawn(8, 8).save("in/a.tiff")
    with pytest.raises(PictureError, match=r"in/a\.png and in/a\.tiff would both become"):
        targets([Path("in")], "out", format="png")


def test_what_cannot_work_is_said(here):
    Path("empty").mkdir()
    with pytest.raises(PictureError, match="contains no pictures"):
        targets([Path("empty")])
    with pytest.raises(PictureError, match="not a format srzoo writes"):
        targets([Path("in/a.png")], "a.xyz")
    with pytest.raises(PictureError, match="is a file, but there are several"):
        targets([Path("in")], "in/a.png")
    assert "does not exist" in str(
        batch.plan_batch([Path("no.png")], None, model="m", known=[]).jobs[0].problem
    )


def test_the_same_input_twice_is_one_job(here):
    assert len(targets([Path("in/a.png"), Path("in/a.png")])) == 1


@pytest.fixture
def trees(here) -> Path:
    for name in ("in/z.png", "in/sub/a.png", "in/sub/deeper/b.jpg", "in/ü/c.webp"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        drawn(8, 8).save(name)
    return here


def test_a_tree_is_mirrored(trees):
    own = ["a.png", "b.JPG", "c.png", "z.png"]
    assert targets([Path("in")], "out") == [f"out/{name}" for name in own]
    below = ["sub/a.png", "sub/deeper/b.jpg", "ü/c.webp"]
    assert targets([Path("in")], "out", recursive=True) == [f"out/{n}" for n in own + below]
    beside = targets([Path("in")], None, recursive=True)
    assert "in/sub/deeper/b-edsr-x4.jpg" in beside
    assert len(beside) == 7


def test_an_output_folder_in_the_input_is_not_read_again(trees):
    first = targets([Path("in")], "in/out", recursive=True)
    Path("in/out/sub").mkdir(parents=True)
    drawn(8, 8).save("in/out/a.png")
    drawn(8, 8).save("in/out/sub/a.png")
    Path("link").symlink_to("in")
    for output in ("in/out", "in/out/", str(trees / "in/out"), "in/sub/../out", "link/out"):
        again = targets([Path("in")], output, recursive=True, overwrite=True)
        assert len(again) == len(first)
        assert [Path(name).resolve() for name in again] == [trees / name for name in first]


def test_hidden_and_linked_folders(trees):
    for name in ("in/.hidden/a.png", "in/._z.png", "in/.srzoo-part-1.png"):
        Path(name).parent.mkdir(exist_ok=True)
        drawn(8, 8).save(name)
    Path("in/round").symlink_to("..", target_is_directory=True)
    Path("in/self").symlink_to(".", target_is_directory=True)
    Path("in/linked.png").symlink_to("z.png")
    Path("in/nowhere.png").symlink_to("gone.png")
    work = batch.plan_batch([Path("in")], "out", model="m", known=[], recursive=True)
    assert [str(path) for path in work.links] == ["in/round", "in/self"]
    names = [job.source.name for job in work.jobs]
    assert names == ["a.png", "b.JPG", "c.bmp", "linked.png", "nowhere.png", "z.png", "a.png",
                     "b.jpg", "c.webp"]  # fmt: skip
    assert [j.source.name for j in work.jobs if j.problem] == ["nowhere.png"]
    by_name = batch.plan_batch([Path("in/self")], "out", model="m", known=[])
    assert len(by_name.jobs) == 6  # a link that is named is followed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_what_is_no_file_is_passed_over(trees):
    os.mkfifo("in/pipe.png")
    Path("in/folder.png").mkdir()
    assert len(targets([Path("in")], "out", recursive=True)) == 7


def test_folders_without_pictures_hint_at_the_ones_in_them(trees):
    Path("top/sub").mkdir(parents=True)
    drawn(8, 8).save("top/sub/a.png")
    with pytest.raises(PictureError, match="--recursive"):
        targets([Path("top")])
    assert targets([Path("top")], "out", recursive=True) == ["out/sub/a.png"]


def test_a_folder_that_cannot_be_looked_into_is_told(trees, monkeypatch):
    real = os.scandir

    def scandir(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    work = batch.plan_batch([Path("in")], "out", model="m", known=[], recursive=True)
    assert len(work.pending) == 5
    assert "cannot read in/sub: Permission denied" in str(work.jobs[-1].problem)
    with pytest.raises(PictureError, match="cannot read in/sub"):
        targets([Path("in/sub")], "out")


@pytest.mark.parametrize(
    ("names", "format"),
    [
        (("a.png", "A.PNG"), None),
        (("Straße.png", "STRASSE.png"), None),
        (("caf\u00e9.png", "cafe\u0301.png"), None),
        (("a.bmp", "a.png"), None),
        (("a.jpg", "a.tif"), "webp"),
        (("a.jpg", "A.tif"), "webp"),
        (("sub/a.png", "Sub/a.png"), None),
    ],
)
def test_names_that_are_one_somewhere_are_refused(tmp_path, monkeypatch, names, format):
    monkeypatch.chdir(tmp_path)
    for name in names:
        (Path("in") / name).parent.mkdir(parents=True, exist_ok=True)
        drawn(8, 8).save(Path("in") / name)
    with pytest.raises(PictureError, match="would both become"):
        targets([Path("in")], "out", format=format, recursive=True)
    assert not Path("out").exists()


def test_names_that_only_look_alike_are_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.png", "A/x.png", "a/X.jpg", "a.png"):
        Path(name).parent.mkdir(exist_ok=True)
        drawn(8, 8).save(name)
    beside = [Path("a/x.png"), Path("A/x.png"), Path("a/X.jpg"), Path("a.png")]
    assert len(set(targets(beside))) == 4


def test_a_picture_is_not_put_where_a_folder_goes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in/a.png").mkdir(parents=True)
    drawn(8, 8).save("in/a.png/b.png")
    drawn(8, 8).save("in/a.bmp")
    with pytest.raises(PictureError, match=r"out/a\.png, the folder of out/a\.png/b\.png"):
        targets([Path("in")], "out", recursive=True)


def test_no_input_is_replaced_by_the_result_of_another(here):
    drawn(8, 8).save("in/a.bmp")
    Path("in/a.png").rename("in/other.png")
    Path("in/a.png").symlink_to("other.png")
    jobs = batch.plan_batch([Path("in/a.bmp"), Path("in/other.png")], "in/", model="m", known=[],
                      overwrite=True, format="png", skip_existing=True)  # fmt: skip
    assert "also an input" in str(jobs.jobs[0].problem)
    assert "the input itself" in str(jobs.jobs[1].problem)


def test_names_that_are_too_long_are_told_before(here):
    long = "ä" * 125 + ".png"  # 254 bytes
    drawn(8, 8).save(f"in/{long}")
    assert "longer than 255 bytes" in str(
        batch.plan_batch([Path(f"in/{long}")], None, model="m", known=[]).jobs[0].problem
    )
    assert (
        batch.plan_batch([Path(f"in/{long}")], "out/", model="m", known=[]).jobs[0].problem is None
    )
    longer = batch.plan_batch(
        [Path(f"in/{long}")], "out/", model="m", known=[], format="webp"
    ).jobs[0]
    assert longer.problem is None  # 255
    drawn(8, 8).save(f"in/b{long}")
    longest = batch.plan_batch(
        [Path(f"in/b{long}")], "out/", model="m", known=[], format="webp"
    ).jobs[0]
    assert "longer than 255 bytes" in str(longest.problem)


def test_skip_existing(here):
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"")
    work = batch.plan_batch([Path("in")], "out", model="m", known=[], skip_existing=True)
    assert [job.skip_reason for job in work.jobs] == ["exists", None, None]
    assert len(work.pending) == 2


def test_a_ledger_is_kept_for_several_in_one_folder_only(here):
    for inputs, output, kept in (
        (["in"], "out", True), (["in/a.png", "in/b.JPG"], "out", True), (["in"], None, False),
        (["in/a.png"], "out/", False), (["in/a.png"], "a.png", False),
    ):  # fmt: skip
        work = batch.plan_batch([Path(name) for name in inputs], output, model="m", known=[])
        assert (work.ledger is not None) == kept
    assert not Path("out").exists()


def test_what_is_left_out_is_counted_by_its_ending(tmp_path):
    for name in ("a.png", "b.txt", "c.TXT", "d", "e.mov", ".hidden.png", ".folder/f.png",
                 "deep/g.png", "deep/h.txt", "deeper/i.jpg", ".srzoo-ledger.jsonl"):  # fmt: skip
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    plain = batch.plan_batch([tmp_path / "in"], str(tmp_path / "out"), model="m", known=[])
    assert str(plain.ignored) == (
        "left out: 2 .txt, 1 without ending, 1 .mov; 2 hidden; 2 folders: give -r"
    )
    deep = batch.plan_batch([tmp_path / "in"], str(tmp_path / "out"), model="m", known=[],
                      recursive=True)  # fmt: skip
    assert str(deep.ignored) == "left out: 3 .txt, 1 without ending, 1 .mov; 2 hidden"
    named = batch.plan_batch([tmp_path / "in/b.txt"], None, model="m", known=[])
    assert not named.ignored
    assert named.jobs[0].problem is None  # what is named is tried
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_bytes(b"")
    with pytest.raises(PictureError, match=r"contains no pictures \(left out: 1 .txt\)"):
        batch.plan_batch([tmp_path / "texts"], None, model="m", known=[])


@given(st.dictionaries(st.sampled_from([".txt", "", ".mov", ".a", ".b", ".c", ".d", ".e"]),
                       st.integers(1, 9)), st.integers(0, 3), st.integers(0, 3))  # fmt: skip
def test_every_file_that_is_left_out_is_in_the_sum(suffixes, hidden, folders):
    left = tree.Ignored(Counter(suffixes), hidden, folders)
    assert bool(left) == bool(suffixes or hidden or folders)
    both = tree.Ignored()
    both.add(left)
    both.add(left)
    assert both.suffixes.total() == 2 * sum(suffixes.values())
    assert (both.hidden, both.folders) == (2 * hidden, 2 * folders)
    assert len(str(left).split(";")[0].split(", ")) <= tree.MAX_SUFFIXES + 1
