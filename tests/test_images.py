"""What goes in comes out: pixels, colours, orientation, transparency, metadata."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest
from helpers import drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from srzoo import images
from srzoo.errors import PictureError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_lossless_formats_give_back_every_pixel(tmp_path, mode, format):
    path = tmp_path / f"a.{format}"
    drawn(mode=mode).save(path)
    picture = images.read(path)
    assert picture.lost == ()
    images.write(picture, tmp_path / f"b.{format}", format)
    again = reopen(tmp_path / f"b.{format}")
    assert again.mode == mode
    assert np.array_equal(np.asarray(again), np.asarray(drawn(mode=mode)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_orientation_is_applied_and_reset(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description"
    path = tmp_path / f"turned.{suffix}"
    drawn(40, 24).save(path, exif=exif)
    upright = images.read(path)
    assert images.read_size(path) == upright.size
    assert upright.size == ((24, 40) if orientation >= 5 else (40, 24))
    with Image.open(path) as image:
        assert np.array_equal(upright.pixels, np.asarray(ImageOps.exif_transpose(image)))
    images.write(upright, tmp_path / f"again.{suffix}", images.format_of(path))
    again = reopen(tmp_path / f"again.{suffix}")
    assert again.getexif().get(0x0112, 1) == 1
    assert again.getexif()[0x010E] == "a description"
    assert again.size == upright.size


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_profile_and_dpi_are_kept(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    drawn().save(path, icc_profile=SRGB, dpi=(300, 300))
    picture = images.read(path)
    images.write(picture, tmp_path / f"b.{suffix}", images.format_of(path))
    again = reopen(tmp_path / f"b.{suffix}")
    assert again.info["icc_profile"] == SRGB
    if suffix != "webp":  # has no place for it
        assert again.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_gray_jpeg_stays_gray(tmp_path):
    drawn(mode="L").save(tmp_path / "a.jpg")
    picture = images.read(tmp_path / "a.jpg")
    assert picture.pixels.ndim == 2
    images.write(picture, tmp_path / "b.jpg", "jpg")
    assert reopen(tmp_path / "b.jpg").mode == "L"


@pytest.mark.parametrize(("mode", "note"), [("CMYK", "CMYK became RGB"), ("1", None), ("P", None)])
def test_other_modes(tmp_path, mode, note):
    drawn(mode=mode).save(tmp_path / "a.tiff")
    picture = images.read(tmp_path / "a.tiff")
    assert picture.lost == ((note,) if note else ())
    assert picture.pixels.dtype == np.uint8


def test_palette_with_transparency(tmp_path):
    image = drawn(mode="P")
    image.info["transparency"] = image.getpixel((3, 4))
    image.save(tmp_path / "a.png", transparency=image.getpixel((3, 4)))
    picture = images.read(tmp_path / "a.png")
    assert picture.alpha is not None
    assert picture.alpha[4, 3] == 0


def test_16_bits_become_8_and_it_is_said(tmp_path):
    deep = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    Image.fromarray(deep).save(tmp_path / "gray.png")
    picture = images.read(tmp_path / "gray.png")
    assert picture.lost == ("16 bits a channel became 8",)
    assert np.abs(picture.pixels - deep / 257).max() <= 0.5
    write_deep_rgb_png(tmp_path / "rgb.png")
    assert images.read(tmp_path / "rgb.png").lost == ("16 bits a channel became 8",)


def reopen(path):
    with Image.open(path) as image:
        image.load()
        return image


def write_deep_rgb_png(path):
    """A 4 x 4 PNG of 16 bits a channel, which Pillow cannot write."""
    rows = b"".join(b"\0" + os.urandom(4 * 6) for _ in range(4))

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_more_frames_are_said(tmp_path):
    drawn().save(tmp_path / "a.gif", save_all=True, append_images=[drawn(), drawn(45, 31, "L")])
    assert "only the first of" in images.read(tmp_path / "a.gif").lost[0]


def test_jpeg_has_no_transparency_and_it_is_said(tmp_path):
    clear = images.Picture(np.zeros((8, 8, 3), np.uint8), alpha=np.zeros((8, 8), np.uint8))
    written = images.write(clear, tmp_path / "a.jpg", "jpg")
    assert written.lost == ("JPEG has no transparency: laid on white",)
    assert np.asarray(reopen(tmp_path / "a.jpg")).min() > 250


def test_damaged_exif_is_no_obstacle(tmp_path):
    drawn().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12" * 40)
    images.read(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello there", "no picture that can be read"),
        (b"\x89PNG\r\n\x1a\n", "cannot read|no picture"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for reader in (images.read, images.read_size):
        with pytest.raises(PictureError, match=message):
            reader(path)


def test_missing_and_folder(tmp_path):
    with pytest.raises(PictureError, match="does not exist"):
        images.read(tmp_path / "a.png")
    with pytest.raises(PictureError, match="is a folder"):
        images.read(tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    format=st.sampled_from(["png", "jpeg", "webp", "tiff", "gif", "bmp"]),
    cut=st.floats(0.02, 0.98),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3),
    truncate=st.booleans(),
)
def test_damage_never_escapes_as_anything_else(tmp_path, format, cut, flips, truncate):
    buffer = io.BytesIO()
    drawn().save(buffer, format)
    data = bytearray(buffer.getvalue())
    if truncate:
        data = data[: int(len(data) * cut)]
    for where, value in flips:
        data[int(where * (len(data) - 1))] ^= value
    path = tmp_path / f"a.{format}"
    path.write_bytes(data)
    try:
        images.read_size(path)
        images.read(path)
    except PictureError as error:
        assert str(path) in str(error)


def test_too_many_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    drawn().save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="claims 45x31"):
        images.read_size(tmp_path / "a.png")


def test_webp_is_refused_before_the_work(tmp_path):
    with pytest.raises(PictureError, match="at most 16383"):
        images.check_writable(tmp_path / "a.webp", (16384, 10), "webp")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(PictureError, match=r"a\.png: No space left"):
        images.write(images.Picture(np.zeros((4, 4, 3), np.uint8)), path, "png")
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="umask is a Unix thing")
def test_rights_are_those_of_any_new_file(tmp_path):
    images.write(images.Picture(np.zeros((4, 4, 3), np.uint8)), tmp_path / "a.png", "png")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
