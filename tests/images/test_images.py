"""Files that are no pictures, damage, and writing whole or not at all; the rest is in images/."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from helpers import drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from srzoo import images
from srzoo.errors import PictureError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello there", "not a picture that can be read"),
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
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    format=st.sampled_from(["png", "jpeg", "webp", "tiff", "gif", "bmp", "avif", "deep"]),
    cut=st.floats(0.02, 0.98),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3),
    truncate=st.booleans(),
)
def test_damage_never_escapes_as_anything_else(tmp_path, format, cut, flips, truncate):
    buffer = io.BytesIO()
    if format == "deep":
        deep = np.asarray(drawn()).astype(np.uint16) * 257
        exif = Image.Exif()
        exif[0x010E] = "a description"
        picture = images.Picture(deep, exif=exif.tobytes(), texts=(("Title", "x"),))
        format = "tiff" if truncate else "png"
        images.write(picture, buffer, format)
    else:
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


def test_webp_is_refused_before_the_work(tmp_path):
    with pytest.raises(PictureError, match="at most 16383"):
        images.check_writable(tmp_path / "a.webp", (16384, 10), "webp")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(images.png.pngwriter, "chunk", full)
    for dtype in (np.uint8, np.uint16):
        with pytest.raises(PictureError, match=r"a\.png: No space left"):
            images.write(images.Picture(np.zeros((4, 4, 3), dtype)), path, "png")
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="umask is a Unix thing")
def test_rights_are_those_of_any_new_file(tmp_path):
    images.write(images.Picture(np.zeros((4, 4, 3), np.uint8)), tmp_path / "a.png", "png")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
