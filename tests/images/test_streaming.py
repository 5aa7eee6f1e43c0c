"""TIFFs of our own: any reader understands them, and rows may come as they like."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icc import SRGB
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.tiff import tiffwriter


def pattern(width, height, mode, dtype):
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    rng = np.random.default_rng(width * height)
    planes = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)
    colours = 1 if channels < 3 else 3
    pixels = planes[:, :, 0] if colours == 1 else planes[:, :, :3]
    alpha = planes[:, :, colours] if channels > colours else None
    return planes, images.Picture(pixels, alpha=alpha)


def decoded(path, planes):
    """What another reader makes of it: pyvips, or Pillow for 8 bits."""
    try:
        import pyvips
    except ImportError:
        if planes.dtype != np.uint8:
            pytest.skip("the extra photo is not installed")
        with Image.open(path) as image:
            return np.asarray(image).reshape(planes.shape)
    image = pyvips.Image.new_from_buffer(path.read_bytes(), "")  # by name it remembers
    return image.numpy().reshape(planes.shape)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    width=st.integers(1, 600),
    height=st.integers(1, 600),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    data=st.data(),
)
def test_rows_in_any_portions_give_the_picture(tmp_path, width, height, mode, dtype, data):
    planes, picture = pattern(width, height, mode, dtype)
    path = tmp_path / "a.tif"
    with images.streaming(path, (width, height), picture, dtype) as put:
        top = 0
        while top < height:
            rows = slice(top, top + data.draw(st.integers(1, height - top)))
            alpha = None if picture.alpha is None else picture.alpha[rows]
            put(picture.pixels[rows], alpha)
            top = rows.stop
    assert path.read_bytes()[:4] == b"II+\0"  # BigTIFF
    assert np.array_equal(decoded(path, planes), planes)
    again = images.read(path)
    assert np.array_equal(again.pixels, picture.pixels)
    assert picture.alpha is None or np.array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3), (2000, 400)])
def test_ordinary_tiffs(tmp_path, mode, dtype, size):
    planes, picture = pattern(*size, mode, dtype)
    images.write(picture, tmp_path / "a.tif", "tiff")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II*\0"
    assert np.array_equal(decoded(tmp_path / "a.tif", planes), planes)


def test_a_large_tiff_is_a_big_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tiffwriter, "CLASSIC", 1000)
    planes, picture = pattern(200, 200, "RGB", np.uint8)
    images.write(picture, tmp_path / "a.tif", "tiff")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    with Image.open(tmp_path / "a.tif") as image:
        assert np.array_equal(np.asarray(image), planes)


def exif(order="<"):
    made = Image.Exif()
    made.endian = order
    made[0x010E] = "a description that is longer than four bytes"
    made[0x8769] = {0x829A: IFDRational(1, 250), 0x9286: b"ASCII\0\0\0hello", 0xA005: {1: "R98"}}
    made[0x8825] = {1: "N", 2: (52.0, 30.0, 15.25), 5: b"\0", 6: 34.5}
    return made.tobytes()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("streamed", [False, True])
def test_all_metadata_stand_in_a_tiff(tmp_path, order, streamed):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
    picture = images.Picture(
        np.asarray(drawn()), exif=exif(order), xmp=xmp, icc=SRGB, dpi=(300.0, 240.0),
        iptc=b"\x1c\x02\x78\0\3abc",
    )  # fmt: skip
    path = tmp_path / "a.tif"
    if streamed:
        with images.streaming(path, picture.size, picture) as put:
            put(picture.pixels)
    else:
        images.write(picture, path, "tiff")
    with Image.open(path) as image:
        found = image.getexif()
        assert found[0x010E] == "a description that is longer than four bytes"
        camera, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
        assert camera[0x829A] == pytest.approx(1 / 250)
        assert camera[0x9286] == b"ASCII\0\0\0hello"
        assert (camera[0xA002], camera[0xA003]) == (45, 31)
        assert place[2] == (52.0, 30.0, 15.25)
        assert found.get_ifd(0xA005)[1] == "R98"
        assert image.info["icc_profile"] == SRGB
        assert image.info["dpi"] == (300, 240)
        assert image.info["xmp"] == xmp
    again = images.read(path)
    assert (again.iptc, again.dpi, again.icc) == (picture.iptc, picture.dpi, picture.icc)


def unfinished(path, like, problem):
    with images.streaming(path, (40, 30), like) as put:
        put(np.zeros((20, 40, 3), np.uint8))
        if problem == "too many":
            put(np.zeros((11, 40, 3), np.uint8))
        elif problem == "wrong width":
            put(np.zeros((10, 39, 3), np.uint8))
        elif problem == "raised":
            raise ZeroDivisionError


@pytest.mark.parametrize("problem", ["too few", "too many", "wrong width", "raised"])
def test_whole_or_not_at_all(tmp_path, problem):
    path = tmp_path / "a.tif"
    path.write_bytes(b"precious")
    like = images.Picture(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises((ValueError, ZeroDivisionError)):
        unfinished(path, like, problem)
    assert path.read_bytes() == b"precious"
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    like = images.Picture(np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(tiffwriter.TIFFWriter, "_flush", full)
    with (
        pytest.raises(PictureError, match=r"cannot write .*a\.tif: No space left"),
        images.streaming(tmp_path / "a.tif", (40, 300), like) as put,
    ):
        put(np.zeros((300, 40, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


STREAM = """
import resource, sys
from pathlib import Path
import numpy as np
from srzoo import images
height = int(sys.argv[2])
like = images.Picture(np.zeros((1, 1, 3), np.uint8))
rows = np.random.default_rng(0).integers(0, 40, (64, 6000, 3), np.uint8)
with images.streaming(Path(sys.argv[1]), (6000, height), like) as put:
    for top in range(0, height, 64):
        put(rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no resource module")
def test_memory_does_not_grow_with_the_height(tmp_path):
    def peak(height):
        run = subprocess.run(
            [sys.executable, "-c", STREAM, str(tmp_path / "a.tif"), str(height)],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return int(run.stdout) / 1024

    assert peak(64 * 64) < peak(64 * 16) + 15  # 74 MB of pixels against 18


def test_every_header_of_the_directory_is_even():
    """Offsets in TIFF are even; some readers insist on it."""
    buffer = io.BytesIO()
    images.write(images.Picture(np.asarray(drawn(33, 17)), icc=SRGB[:-1]), buffer, "tiff")
    data = buffer.getvalue()
    (at,) = struct.unpack_from("<I", data, 4)
    assert at % 2 == 0
    (count,) = struct.unpack_from("<H", data, at)
    tags = [struct.unpack_from("<H", data, at + 2 + 12 * i)[0] for i in range(count)]
    assert tags == sorted(set(tags))
