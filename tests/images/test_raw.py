"""Cameras' raw files: developed by the extra ``raw``, refused without; never their thumbnails."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image
from tiffs import picture, read, tiff, values

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.formats import raw

ASCII, RATIONAL, SRATIONAL = 2, 5, 10
CFA = 32803
REFUSED = r"a camera's raw file. Develop it first, or: pip install 'srzoo\[raw\]'"


def sensor(height: int = 74, width: int = 120, order: str = "<", **fields) -> dict:
    """What a sensor saw: brighter to the right and to the bottom."""
    y, x = np.mgrid[:height, :width]
    seen = (x / width * 30_000 + y / height * 20_000).astype(np.uint16)[:, :, None]
    page = picture(seen, 16, CFA, rows=height, order=order, tag_254=0, **fields)
    return page | {33421: (3, [2, 2]), 33422: (1, b"\0\1\1\2"), 50717: 65_535}


def dng(order: str = "<", turn: int = 1, thumbnail: bool = True) -> bytes:
    identity = [(int(a == b), 1) for a in range(3) for b in range(3)]
    camera = {
        50706: (1, b"\1\4\0\0"), 50707: (1, b"\1\1\0\0"), 50708: (ASCII, b"made by a test\0"),
        50721: (SRATIONAL, identity), 50728: (RATIONAL, [(1, 1)] * 3), 50778: (3, [21]),
        271: (ASCII, b"Maker\0"), 272: (ASCII, b"Model\0"), 274: turn,
        34665: {0x9003: (ASCII, b"2020:02:03 04:05:06\0")},
    }  # fmt: skip
    if not thumbnail:
        return tiff(sensor(order=order) | camera, order=order)
    small = picture(values(8, 3, 19, 30), 8, 2, order=order, tag_254=1)
    return tiff(small | camera | {330: [sensor(order=order)]}, order=order)


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


HEADS = {
    "a.cr2": b"II*\0\x10\0\0\0CR\2\0", "a.crw": b"II\x1a\0\0\0HEAPCCDR", "a.orf": b"IIRO\x08\0\0\0",
    "a.rw2": b"IIU\0\x08\0\0\0", "a.raf": b"FUJIFILMCCD-RAW 0201", "a.mrw": b"\0MRM\0\0\0\0",
    "a.x3f": b"FOVb\0\0\0\0", "a.cr3": b"\0\0\0\x18ftypcrx \0\0\0\1", "a.nef": b"MM\0*\0\0\0\x08",
    "a.ARW": b"II*\0\x08\0\0\0", "a.3fr": b"MM\0*\0\0\0\x08", "a.iiq": b"II*\0\x08\0\0\0IIII",
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("renamed", [False, True])
def test_they_are_known_by_name_and_beginning(tmp_path, without, name, renamed):
    head = HEADS[name].ljust(200, b"\0")
    if renamed and head[:4] in (b"II*\0", b"MM\0*") and not head.startswith(raw.MAGIC):
        return  # it is a TIFF then, and known by its directories
    path = tmp_path / ("a.tif" if renamed else name)
    path.write_bytes(head)
    for reader in (images.read, images.read_header):
        with pytest.raises(PictureError, match=rf"{path.name}.*: it is {REFUSED}"):
            reader(path)
    assert all(path.with_suffix(s).suffix in images.READABLE for s in (".nef", ".dng", ".cr3"))
    assert "raw" not in images.FORMATS


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.tif", "none"])
@pytest.mark.parametrize("thumbnail", [True, False])
def test_without_the_extra_it_is_refused(tmp_path, without, order, name, thumbnail):
    (tmp_path / name).write_bytes(dng(order, thumbnail=thumbnail))
    for reader in (images.read, images.read_header):
        with pytest.raises(PictureError, match=REFUSED):
            reader(tmp_path / name)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_it_is_developed_upright(turn, order):
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    found = read(dng(order, turn))
    assert found.size == ((74, 120) if turn > 4 else (120, 74))
    assert (found.format, found.pixels.dtype, found.alpha) == ("tiff", np.uint16, None)
    assert found.lost == (raw.DEVELOPED,)
    plain = images.decoding.turn_upright(read(dng()).pixels, turn).astype(int)
    assert np.abs(found.pixels - plain).mean() < 200
    exif = Image.Exif()
    exif.load(found.exif)
    assert exif.get_ifd(0x8769)[0x9003] == "2020:02:03 04:05:06"
    assert images.metadata.orientation(exif) == 1


def test_a_damaged_one_is_said(tmp_path):
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    data = dng()
    for cut in (30, 2000, len(data) // 2):
        (tmp_path / "a.dng").write_bytes(data[:cut])
        with pytest.raises(PictureError, match=r"a\.dng"):
            images.read(tmp_path / "a.dng")
    small = picture(values(8, 3, 19, 30), 8, 2, tag_254=1, tag_271=(ASCII, b"NIKON\0"))
    (tmp_path / "b.NEF").write_bytes(tiff(small))
    with pytest.raises(PictureError, match=r"b\.NEF.*that LibRaw does not read"):
        images.read(tmp_path / "b.NEF")


def test_the_limit_of_pixels_holds():
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    with pytest.raises(PictureError, match="claims 120x74 pixels"):
        images.read(io.BytesIO(dng()), max_pixels=8879)
    assert images.read(io.BytesIO(dng()), max_pixels=8880).size == (120, 74)
