"""Small files that went wrong once, through ``srzoo upscale``: what each has to give."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from srzoo import images

FAST = ("-m", "bicubic-x2")


@pytest.fixture
def cases(data) -> Path:
    folder = data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no such folder: {folder}")
    return folder


@pytest.fixture
def enlarged(cases, srzoo_cli, tmp_path):
    """Enlarges a case; gives back the result's path and what was noted."""

    def run(name: str, *options: str, suffix: str | None = None) -> tuple[Path, str]:
        out = tmp_path / f"out{suffix or Path(name).suffix}"
        result = srzoo_cli("upscale", cases / name, *FAST, "-o", out, "--json", *options)
        assert result.code == 0, result.err
        told = json.loads(result.out.splitlines()[0])
        return out, " | ".join(told["notes"])

    return run


def in_srgb(path: Path) -> np.ndarray:
    """The colours as a managed viewer shows them, 8 bits."""
    picture = images.read(path)
    image = images.to_pil(images.FORMATS["jpg"].fit(images.reduce_to_8_bits(picture, "")))
    if (icc := image.info.get("icc_profile")) is None:
        return np.asarray(image.convert("RGB"))
    image = ImageCms.profileToProfile(image.convert("RGB"), ImageCms.ImageCmsProfile(
        io.BytesIO(icc)), ImageCms.createProfile("sRGB"))  # fmt: skip
    return np.asarray(image)


def test_avif_in_display_p3(cases, enlarged):
    before = in_srgb(cases / "avif_p3_cicp.avif").reshape(-1, 3)
    for suffix in (".avif", ".png", ".jpg"):
        out, _ = enlarged("avif_p3_cicp.avif", suffix=suffix)
        after = in_srgb(out).reshape(-1, 3)
        assert np.abs(after.mean(0) - before.mean(0)).max() < 1, suffix
        picture = images.read(out)
        assert picture.icc or (picture.cicp and picture.cicp[0] == 12)


def test_png_in_pq(cases, enlarged):
    before = (cases / "png_cicp_pq.png").read_bytes()
    at = before.index(b"cICP")
    out, notes = enlarged("png_cicp_pq.png")
    assert before[at : at + 8] in out.read_bytes()
    assert notes == ""
    out, notes = enlarged("png_cicp_pq.png", suffix=".tif")
    assert "HDR" in notes or "PQ" in notes


def test_planar_tiff_of_16_bits(cases, enlarged):
    out, notes = enlarged("tiff_16bit_planar_uncompressed_garbage.tif")
    picture = images.read(out)
    assert picture.pixels.dtype == np.uint16
    assert abs(picture.pixels.mean() - 32_617) < 50
    assert notes == ""


def test_gray_tiff_of_12_bits(cases, enlarged):
    out, _ = enlarged("tiff_12bit_gray_dark.tif")
    picture = images.read(out)
    assert picture.pixels.dtype == np.uint16
    assert abs(picture.pixels.mean() / 257 - 117) < 2


def test_postscript_starts_nothing(cases, srzoo_cli, tmp_path):
    result = srzoo_cli("upscale", cases / "postscript_named.jpg", *FAST, "-o", tmp_path / "a.jpg")
    assert result.code == 2
    assert "not a picture that can be read" in result.err
    assert list(tmp_path.iterdir()) == []


def test_camera_raw_is_never_its_thumbnail(cases, srzoo_cli, tmp_path):
    name = "raw_nef_thumbnail_enlarged.NEF"
    result = srzoo_cli("upscale", cases / name, *FAST, "-o", tmp_path / "a.tif")
    if result.code == 0:
        assert images.read_size(tmp_path / "a.tif") != (60, 38)
    else:
        assert "raw" in result.err
        assert not (tmp_path / "a.tif").exists()


def test_jpeg_without_its_end(enlarged):
    out, notes = enlarged("jpeg_noeoi.jpg")
    assert images.read_size(out) == (400, 250)
    assert "end" in notes


@pytest.mark.parametrize(
    ("name", "gone", "words"),
    [
        ("motion_google.jpg", b"MotionPhoto", "video"),
        ("motion_google.jpg", b"MicroVideo", "video"),
        ("ultrahdr.jpg", b"hdrgm", "gain map"),
        ("ultrahdr.jpg", b"GContainer", "gain map"),
    ],
)
def test_what_hangs_on_a_photo_is_said_to_be_gone(enlarged, name, gone, words):
    out, notes = enlarged(name)
    assert words in notes
    assert gone not in out.read_bytes()


def test_a_bad_tag_is_dropped_and_a_batch_goes_on(cases, srzoo_cli, tmp_path):
    for name in (
        "exif_gps_overflow_traceback.jpg",
        "traceback-tiff-text-tag-with-rational-type.tif",
        "png_xmp_big_compressed.png",
    ):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes((cases / name).read_bytes())
    result = srzoo_cli("upscale", tmp_path / "in", *FAST, "-o", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    told = [json.loads(line) for line in result.out.splitlines()]
    notes = {Path(line["input"]).name: line["notes"] for line in told if "input" in line}
    assert len(notes) == 3
    for name in list(notes)[:1]:
        assert notes[name] is not None
    assert any("dropped" in note for note in notes["exif_gps_overflow_traceback.jpg"])


def test_a_png_with_a_wrong_checksum(cases, srzoo_cli, enlarged, tmp_path):
    name = "png-with-wrong-idat-checksum-accepted.png"
    result = srzoo_cli("upscale", cases / name, *FAST, "-o", tmp_path / "a.png")
    assert result.code == 2
    assert "damaged" in result.err
    assert "--force-damaged" in result.err
    out, notes = enlarged(name, "--force-damaged")
    assert images.read_size(out) == (144, 112)
    assert "damaged" in notes
