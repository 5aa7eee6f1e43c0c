"""Which file becomes which: nothing is lost, nothing is taken twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import drawn

from srzoo import batch
from srzoo.errors import PictureError

KNOWN = ["edsr-x4", "bicubic-x2"]


def targets(inputs, output=None, **options) -> list[str]:
    options = {"model": "edsr-x4", "known": KNOWN} | options
    return [str(job.target) for job in batch.plan(inputs, output, **options).jobs]


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
    assert batch.plan([Path("in/a.png")], "big.jpg", model="m", known=[]).jobs[0].format == "jpg"


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
    work = batch.plan([Path("in")], None, model="edsr-x4", known=KNOWN)
    assert [job.source.name for job in work.jobs] == ["a.png", "b.JPG", "c.bmp", "lone-edsr-x4.png"]
    assert [path.name for path in work.skipped] == ["a-edsr-x4.png", "b-bicubic-x2.JPG"]
    asked = batch.plan([Path("in/a-edsr-x4.png")], None, model="edsr-x4", known=KNOWN)
    assert len(asked.jobs) == 1  # by name it is taken all the same


def test_existing_files_and_inputs_are_never_replaced_unasked(here):
    drawn(8, 8).save("in/a-edsr-x4.png")
    jobs = batch.plan([Path("in/a.png")], None, model="edsr-x4", known=KNOWN).jobs
    assert "--overwrite" in str(jobs[0].problem)
    jobs = batch.plan([Path("in/a.png")], None, model="edsr-x4", known=KNOWN, overwrite=True).jobs
    assert jobs[0].problem is None
    for output in ("in/a.png", "in/../in/a.png", "in/"):
        jobs = batch.plan(
            [Path("in/a.png")], output, model="edsr-x4", known=KNOWN, overwrite=True
        ).jobs
        assert "the input itself" in str(jobs[0].problem)


def test_two_inputs_for_one_output_are_refused(here):
    drawn(8, 8).save("in/a.tiff")
    with pytest.raises(PictureError, match=r"in/a\.png and in/a\.tiff would both become"):
        targets([Path("in")], "out", format="png")


def test_what_cannot_work_is_said(here):
    Path("empty").mkdir()
    with pytest.raises(PictureError, match="holds no pictures"):
        targets([Path("empty")])
    with pytest.raises(PictureError, match="no format srzoo writes"):
        targets([Path("in/a.png")], "a.xyz")
    with pytest.raises(PictureError, match="is a file, and several"):
        targets([Path("in")], "in/a.png")
    assert "does not exist" in str(
        batch.plan([Path("no.png")], None, model="m", known=[]).jobs[0].problem
    )


def test_the_same_input_twice_is_one_job(here):
    assert len(targets([Path("in/a.png"), Path("in/a.png")])) == 1
