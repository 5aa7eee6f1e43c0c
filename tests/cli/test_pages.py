"""Pages of a TIFF and frames of animations: one by its number, or each as a picture of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import drawn
from PIL import Image, ImageSequence

import srzoo
from srzoo import images
from srzoo.errors import SrzooError

FAST = ("-m", "bicubic-x2")


def several(path, count=3, **options):
    """A file of pictures that differ."""
    made = [Image.fromarray(np.roll(np.asarray(drawn()), 5 * n, axis=1)) for n in range(count)]
    made[0].save(path, save_all=True, append_images=made[1:], **options)
    return path


def enlarged_apart(srzoo_cli, tmp_path, path) -> list[np.ndarray]:
    """What each page gives as a file of its own."""
    found = []
    with Image.open(path) as image:
        count = image.n_frames
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            frame.convert("RGB").save(tmp_path / f"apart-{number}.png")
    for number in range(count):
        out = tmp_path / f"out-{number}.png"
        assert srzoo_cli("upscale", tmp_path / f"apart-{number}.png", *FAST, "-o", out).code == 0
        found.append(images.read(out).pixels)
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.tif", {}), ("a.png", {}), ("a.webp", {"lossless": True}), ("a.gif", {})],
)
def test_each_page_through_the_same_way(srzoo_cli, tmp_path, name, options):
    several(tmp_path / name, **options)
    unit = "page" if name == "a.tif" else "frame"
    refused = srzoo_cli("upscale", tmp_path / name, *FAST)
    assert refused.code == 2
    assert "--page N" in refused.err
    wanted = enlarged_apart(srzoo_cli, tmp_path, tmp_path / name)
    result = srzoo_cli(
        "upscale", tmp_path / name, *FAST, f"--{unit}", "all", "-o", f"{tmp_path}/o/"
    )
    assert result.code == 0, result.err
    suffix = ".png" if name == "a.gif" else name[1:]
    made = [tmp_path / "o" / f"a-{unit}-{number}{suffix}" for number in (1, 2, 3)]
    assert sorted(path for path in (tmp_path / "o").iterdir() if path.suffix == suffix) == made
    for path, pixels in zip(made, wanted, strict=True):
        found = images.rgb(images.read(path)).astype(int)
        assert np.abs(found - pixels).max() <= (1 if name == "a.gif" else 0)
    again = srzoo_cli("upscale", tmp_path / name, *FAST, f"--{unit}", "all", "-o", f"{tmp_path}/o/")
    assert "3 done before" in again.out


def test_one_page(srzoo_cli, tmp_path):
    several(tmp_path / "a.tif")
    for number in (1, 3):
        assert srzoo_cli("upscale", tmp_path / "a.tif", *FAST, "--page", number).code == 0
    first, third = (tmp_path / f"a-bicubic-x2-page-{n}.tif" for n in (1, 3))
    assert not np.array_equal(images.read(first).pixels, images.read(third).pixels)
    result = srzoo_cli("upscale", tmp_path / "a.tif", *FAST, "--page", 4, "-o", tmp_path / "b.tif")
    assert result.code == 2
    assert "from 1 to 3" in result.err
    assert srzoo_cli("upscale", tmp_path / "a.tif", *FAST, "--page", "zero").code == 2


def test_all_pages_of_a_folder(srzoo_cli, tmp_path):
    """Files with one page keep their plain names."""
    (tmp_path / "in").mkdir()
    several(tmp_path / "in" / "many.tif", 11)
    drawn().save(tmp_path / "in" / "one.png")
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\0nothing")
    result = srzoo_cli(
        "upscale", tmp_path / "in", *FAST, "--page", "all", "-o", tmp_path / "out", "--json"
    )
    assert result.code == 1
    told = [json.loads(line) for line in result.out.splitlines()]
    assert sum(bool(line["error"]) for line in told) == 1
    assert [line["page"] for line in told if line["page"]] == list(range(1, 12))
    names = sorted(p.name for p in (tmp_path / "out").iterdir() if p.name[0] != ".")
    assert names == [*(f"many-page-{n:02}.tif" for n in range(1, 12)), "one.png"]


def test_all_pages_into_one_name_are_refused(srzoo_cli, tmp_path):
    several(tmp_path / "a.tif")
    result = srzoo_cli(
        "upscale", tmp_path / "a.tif", *FAST, "--page", "all", "-o", tmp_path / "b.tif"
    )
    assert result.code == 2
    assert "name of one picture" in result.err
    assert not (tmp_path / "b.tif").exists()


def test_a_pattern_with_pages(srzoo_cli, tmp_path):
    several(tmp_path / "a.tif")
    name = ("--name", "{stem}_{page}_{size}")
    assert srzoo_cli("upscale", tmp_path / "a.tif", *FAST, "--page", "all", *name).code == 0
    assert (tmp_path / "a_2_90x62.tif").exists()
    result = srzoo_cli("upscale", tmp_path / "a.tif", *FAST, "--page", "all", "--name", "{stem}_x")
    assert result.code == 2
    assert "Write {page} into --name" in result.err


def test_a_page_of_files_that_have_but_one(srzoo_cli, tmp_path):
    """The first page of such a file is the file: it is called, and known again, as without."""
    (tmp_path / "in").mkdir()
    drawn().save(tmp_path / "in" / "one.jpg")
    several(tmp_path / "in" / "many.png", 2)
    run = ("upscale", tmp_path / "in", *FAST, "-o", f"{tmp_path}/o/", "--format", "png")
    drawn().save(tmp_path / "in" / "scan.tif")
    assert srzoo_cli(*run, "--page", 1).code == 0
    names = sorted(p.name for p in (tmp_path / "o").iterdir() if p.name[0] != ".")
    assert names == ["many-frame-1.png", "one.png", "scan.png"]
    assert "3 done before" in srzoo_cli(*run, "--page", 1).out
    result = srzoo_cli("upscale", tmp_path / "in" / "one.jpg", *FAST, "--page", 2)
    assert result.code == 2
    assert "has 1 frame" in result.err


def test_pages_are_counted_as_they_are_read(srzoo_cli, tmp_path, monkeypatch):
    """A file that is only read with --max-pixels has all of its pages then, too."""
    monkeypatch.setattr(images.ReadRequest, "max_pixels", 100)  # the default
    monkeypatch.setattr(images.ReadRequest.__init__, "__defaults__", (100, None, False))
    several(tmp_path / "a.tif", 2)
    many = ("--page", "all", "--max-pixels", "1M", "-o", f"{tmp_path}/o/")
    assert srzoo_cli("upscale", tmp_path / "a.tif", *FAST, *many).code == 0
    assert (tmp_path / "o" / "a-page-2.tif").exists()


def test_a_frame_of_an_avif_says_so(tmp_path):
    several(tmp_path / "a.avif")
    told = images.read(tmp_path / "a.avif", page=2).lost
    assert any("animation, 2 of 3" in line for line in told)
    drawn().save(tmp_path / "b.avif")
    assert not images.read(tmp_path / "b.avif").lost


def test_a_page_in_python(tmp_path):
    several(tmp_path / "a.tif")
    with pytest.raises(SrzooError, match="3 pages"):
        srzoo.upscale(tmp_path / "a.tif", "bicubic-x2")
    found = srzoo.upscale(tmp_path / "a.tif", "bicubic-x2", page=2)
    with Image.open(tmp_path / "a.tif") as image:
        image.seek(1)
        assert np.array_equal(found, srzoo.upscale(image.convert("RGB"), "bicubic-x2"))
    with pytest.raises(SrzooError, match="only a picture file"):
        srzoo.upscale(drawn(), "bicubic-x2", page=1)
