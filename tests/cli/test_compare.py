"""``srzoo compare``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, drawn
from PIL import Image, ImageCms

from srzoo.upscaling import loading

BOTH = ("-m", "bicubic-x2", "-m", "soft")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, photo):
    """A folder with photo.png, hr.png and a second model of x2: soft."""
    shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "soft")
    drawn(90, 62).save(tmp_path / "hr.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sheet_and_a_page_at_once(srzoo_cli, here):
    result = srzoo_cli(
        "compare", "photo.png", *BOTH, "--hr", "hr.png", "-o", "s.png", "-o", "p.html"
    )
    assert result.code == 0, result.err
    with Image.open("s.png") as sheet:
        assert 600 < sheet.width <= 2_000
    assert Path("p.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    lines = result.out.splitlines()
    assert lines[0].split() == ["model", "psnr_y", "ssim_y", "s"]
    assert [line.split()[0] for line in lines[1:3]] == ["bicubic-x2", "soft"]
    assert max(map(len, lines)) <= 80
    assert "psnr_y: PSNR in dB, Y of BT.601" in result.out
    assert result.err == "written: s.png\nwritten: p.html\n"
    assert sorted(path.name for path in here.iterdir()) == [
        "hr.png", "p.html", "photo.png", "s.png", "soft",
    ]  # fmt: skip


def test_json_has_everything(srzoo_cli):
    result = srzoo_cli(
        "compare", "--hr", "hr.png", *BOTH, "--crop", "3,4,20,10", "-o", "s.webp", "--json"
    )
    found = json.loads(result.out, parse_constant=pytest.fail)
    assert found["outputs"] == ["s.webp"]
    assert (found["scale"], found["degradation"], found["size"]) == (2, "bicubic", [90, 62])
    assert found["crop"] == [3, 4, 20, 10]
    assert [model["name"] for model in found["models"]] == ["bicubic-x2", "soft"]
    row = json.loads(srzoo_cli("evaluate", "bicubic-x2", "--data", ".", "--json").out)["rows"][0]
    each = {
        value["metric"]: value["each"][row["pictures"].index("hr.png")] for value in row["values"]
    }
    assert found["models"][0]["values"] == each
    assert result.err == ""


def test_the_crop_it_tells_shows_the_same_again(srzoo_cli):
    first = json.loads(srzoo_cli("compare", "photo.png", *BOTH, "-o", "1.png", "--json").out)
    crop = ",".join(map(str, first["crop"]))
    srzoo_cli("compare", "photo.png", *BOTH, "-o", "2.png", "--crop", crop)
    assert (np.asarray(Image.open("1.png")) == np.asarray(Image.open("2.png"))).all()
    assert first["models"][0]["values"] == {}
    assert first["degradation"] is None


def test_infinite_values_are_valid_json(srzoo_cli):
    Image.new("RGB", (40, 40), "orange").save("hr.png")
    out = srzoo_cli("compare", "--hr", "hr.png", *BOTH, "-o", "s.png", "--json").out
    found = json.loads(out, parse_constant=pytest.fail)
    assert found["models"][0]["values"]["psnr_y"] is None


def test_a_sheet_has_the_photos_colours(srzoo_cli):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    drawn().save("photo.png", icc_profile=profile)
    srzoo_cli("compare", "photo.png", *BOTH, "-o", "s.png")
    with Image.open("s.png") as sheet:
        assert sheet.info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo.png", "-o", "photo.png", "--overwrite"), "is an input"),
        (("photo.png", "-o", "soft/../photo.png", "--overwrite"), "is an input"),
        (("--hr", "hr.png", "-o", "hr.png", "--overwrite"), "is an input"),
        (("photo.png", "-o", "there.png"), "there.png exists"),
        (("photo.png", "-o", "s.png", "-o", "there.html"), "there.html exists"),
        (("photo.png", "-o", "s.doc"), "is not a format"),
        (("photo.png", "-o", "nowhere/s.png"), "the folder nowhere does not exist"),
        (("photo.png", "-o", "folder.png"), "is a folder"),
        (("photo.png", "-o", "s.png", "--crop", "1,2,3"), "x,y,width,height"),
        (("photo.png", "-o", "s.png", "--crop", "40,0,9,9"), "leaves the picture"),
        (("photo.png", "-o", "s.png", "--scale", "3"), "bicubic-x2 by 2"),
        (("-o", "s.png"), "Name a photo, or --hr FILE"),
        (("none.png", "-o", "s.png"), "none.png does not exist"),
        (("photo.png", "--hr", "photo.png", "-o", "s.png"), "HR divided by 2"),
        (("--hr", "hr.png", "--degradation", "bicubid", "-o", "s.png"), "mean bicubic"),
        (("photo.png", "-m", "edsr-y4", "-o", "s.png"), "mean edsr-x4"),
        (("photo.png",), "'--output'"),
    ],
)
def test_refusals_come_before_the_work(srzoo_cli, here, monkeypatch, arguments, message):
    Path("there.png").write_text("mine")
    Path("there.html").write_text("mine")
    Path("folder.png").mkdir()
    monkeypatch.setattr(loading, "load", lambda *_: pytest.fail("a model was loaded"))
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    result = srzoo_cli("compare", *BOTH, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_overwrite(srzoo_cli):
    for name in ("s.png", "p.htm"):
        Path(name).write_text("mine")
        assert srzoo_cli("compare", "photo.png", *BOTH, "-o", name, "--overwrite").code == 0
        assert Path(name).read_bytes() != b"mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
@pytest.mark.parametrize("name", ["s.png", "p.html"])
def test_a_place_that_cannot_be_written(srzoo_cli, name):
    result = srzoo_cli("compare", "photo.png", *BOTH, "-o", f"/proc/self/{name}")
    assert result.code == 2
    assert f"cannot write /proc/self/{name}" in result.err


def test_odd_names(srzoo_cli):
    name = "müßig <b>写真</b> \n.png".replace("/", "∕")
    Path("photo.png").rename(name)
    result = srzoo_cli("compare", name, *BOTH, "-o", "s ü.png", "-o", "p写.html")
    assert result.code == 0, result.err
    assert "<b>" not in Path("p写.html").read_text(encoding="utf-8")


def test_the_text_names_the_engine(srzoo_cli):
    pytest.importorskip("onnxruntime")
    arguments = ("compare", "photo.png", "-m", "bicubic-x2")
    assert "Run by" not in srzoo_cli(*arguments, "-o", "1.png").out
    result = srzoo_cli(*arguments, "-o", "2.html", "--engine", "onnxruntime")
    assert result.code == 0, result.err
    assert "Run by onnxruntime." in result.out
    assert "Run by onnxruntime." in Path("2.html").read_text(encoding="utf-8")
