"""Formats that srzoo reads and does not write: depth, transparency, profiles, what is refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from helpers import drawn
from PIL import Image

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import formats, profiles
from srzoo.images import xmp as metadata

P3 = profiles.matrix_profile("P3", profiles.PRIMARIES[12])
CASES = [
    ("a.ppm", "RGB", {}), ("a.pgm", "L", {}), ("a.pbm", "1", {}), ("a.pnm", "RGB", {}),
    ("a.sgi", "RGB", {}), ("a.bw", "L", {}), ("a.rgba", "RGBA", {}),
    ("a.tga", "RGB", {}), ("b.tga", "RGBA", {}), ("c.tga", "L", {"compression": "tga_rle"}),
    ("d.tga", "P", {}), ("a.pcx", "RGB", {}), ("b.pcx", "L", {}), ("c.pcx", "1", {}),
    ("a.qoi", "RGB", {}), ("b.qoi", "RGBA", {}), ("a.bmp", "RGB", {}), ("b.bmp", "P", {}),
    ("a.jp2", "RGB", {}), ("b.j2k", "L", {}), ("c.jp2", "RGBA", {}), ("d.jp2", "LA", {}),
]  # fmt: skip


def deep(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 65_536, shape, np.uint16)


def planes_of(picture: images.Picture) -> np.ndarray:
    if picture.alpha is None:
        return picture.pixels
    return np.dstack([picture.pixels, picture.alpha])


@pytest.mark.parametrize(("name", "mode", "options"), CASES)
def test_read_as_pillow_wrote_it(tmp_path, name, mode, options):
    drawn(mode=mode).save(tmp_path / name, **options)
    header, picture = images.read_header(tmp_path / name), images.read(tmp_path / name)
    gray, clear = picture.pixels.ndim == 2, picture.alpha is not None
    assert (gray, clear) == (mode in ("1", "L", "LA"), mode in ("LA", "RGBA"))
    wanted = {(1, 0): "L", (1, 1): "LA", (0, 0): "RGB", (0, 1): "RGBA"}[gray, clear]
    assert np.array_equal(planes_of(picture), np.asarray(drawn(mode=mode).convert(wanted)))
    assert header == images.Header(picture.size, 8, (1 if gray else 3) + clear, 1)
    assert (picture.format, picture.lost) == ("png", ())


@pytest.mark.parametrize("white", [300, 1023, 4095, 65_535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_deep_netpbm(tmp_path, kind, white):
    planes = 3 if kind in ("P3", "P6") else 1
    values = (deep(5, 7, planes).astype(np.uint32) % (white + 1)).astype(np.uint16)
    values[0, 0] = white
    body = values.astype(">u2").tobytes()
    if kind in ("P2", "P3"):
        body = " ".join(map(str, values.ravel())).encode()
    path = tmp_path / "a.ppm"
    path.write_bytes(f"{kind}\n# a comment 9 9\n7 5 #another\n{white}\n".encode() + body)
    picture = images.read(path)
    assert picture.pixels.dtype == np.uint16
    assert images.read_header(path) == images.Header((7, 5), 16, planes, 1)
    found = picture.pixels.reshape(values.shape)
    assert np.abs(found - values * (65_535 / white)).max() <= 0.5
    assert found[0, 0, 0] == 65_535
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(PictureError, match="cannot read"):
        images.read(path)


def test_deep_sgi_becomes_shallow_and_says_so(tmp_path):
    values = deep(5, 7, 3)
    head = b"\x01\xda\0\2" + struct.pack(">4HII", 3, 7, 5, 3, 0, 65_535)
    body = np.ascontiguousarray(values[::-1].transpose(2, 0, 1)).astype(">u2").tobytes()
    (tmp_path / "a.sgi").write_bytes(head.ljust(512, b"\0") + body)
    picture = images.read(tmp_path / "a.sgi")
    assert np.array_equal(picture.pixels, values >> 8)
    assert picture.lost == ("16 bits a channel became 8: no reader of SGI here keeps them",)
    assert images.read_header(tmp_path / "a.sgi").bits == 8


def test_deep_jpeg_2000(tmp_path):
    Image.fromarray(deep(9, 11)).save(tmp_path / "a.jp2", irreversible=False)
    assert np.array_equal(images.read(tmp_path / "a.jp2").pixels, deep(9, 11))
    assert images.read_header(tmp_path / "a.jp2").bits == 16
    drawn().save(tmp_path / "b.jp2")
    data = (tmp_path / "b.jp2").read_bytes()
    at = data.index(b"\xff\x4f\xff\x51") + 42
    claimed = bytearray(data)
    claimed[at] = 11  # 12 bits: Pillow takes RGB for 8 bits, whatever the file says
    (tmp_path / "b.jp2").write_bytes(claimed)
    try:
        picture = images.read(tmp_path / "b.jp2")
    except PictureError:
        return  # refused is right, too
    assert picture.lost[0].startswith("12 bits a channel became 8")


def test_profile_and_xmp_of_jpeg_2000(tmp_path):
    """Pillow writes none and looks for none."""
    drawn().save(tmp_path / "a.jp2")
    data = (tmp_path / "a.jp2").read_bytes()
    at = data.index(b"colr") - 4
    (length,) = struct.unpack_from(">I", data, at)
    colr = struct.pack(">I4s3s", 11 + len(P3), b"colr", b"\2\0\0") + P3
    more = len(colr) - length
    head = data.index(b"jp2h") - 4
    (whole,) = struct.unpack_from(">I", data, head)
    made = data[:head] + struct.pack(">I", whole + more) + data[head + 4 : at] + colr
    xmp = metadata.EMPTY.encode()
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    made += struct.pack(">I4s", 24 + len(xmp), b"uuid") + uuid + xmp
    (tmp_path / "a.jp2").write_bytes(made + data[at + length :])
    picture = images.read(tmp_path / "a.jp2")
    assert picture.icc == P3
    assert picture.xmp == xmp
    assert np.array_equal(picture.pixels, np.asarray(drawn()))


def test_bmp_of_565(tmp_path):
    values = np.asarray(drawn(31, 17)).astype(np.uint16)
    packed = (values[..., 0] >> 3) << 11 | (values[..., 1] >> 2) << 5 | values[..., 2] >> 3
    rows = np.pad(packed[::-1], ((0, 0), (0, 1))).astype("<u2").tobytes()
    head = struct.pack("<IiiHHIIiiII", 40, 31, 17, 1, 16, 3, len(rows), 2835, 2835, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    start = struct.pack("<2sIHHI", b"BM", 66 + len(rows), 0, 0, 66)
    (tmp_path / "a.bmp").write_bytes(start + head + masks + rows)
    picture = images.read(tmp_path / "a.bmp")
    assert np.abs(picture.pixels.astype(int) - values).max() <= 7
    assert picture.lost == ()


def test_the_profile_of_a_bmp(tmp_path):
    drawn(4, 4).save(tmp_path / "a.bmp")
    pixels = (tmp_path / "a.bmp").read_bytes()[54:]
    head = bytearray(124)
    struct.pack_into("<IiiHHIIiiII", head, 0, 124, 4, 4, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    head[56:60] = b"DEBM"
    struct.pack_into("<II", head, 112, 124 + len(pixels), len(P3))
    size = 14 + 124 + len(pixels) + len(P3)
    start = struct.pack("<2sIHHI", b"BM", size, 0, 0, 138)
    (tmp_path / "a.bmp").write_bytes(start + head + pixels + P3)
    picture = images.read(tmp_path / "a.bmp")
    assert picture.icc == P3
    assert np.array_equal(picture.pixels, np.asarray(drawn(4, 4)))


def test_a_tga_whose_fourth_channel_is_nothing(tmp_path):
    image = drawn(mode="RGB").convert("RGBA")
    image.putalpha(0)
    image.save(tmp_path / "a.tga")
    data = bytearray((tmp_path / "a.tga").read_bytes())
    assert images.read(tmp_path / "a.tga").alpha is not None  # 8 bits of it, says the header
    data[17] &= 0xF0
    (tmp_path / "a.tga").write_bytes(data)
    assert images.read(tmp_path / "a.tga").alpha is None


def test_only_the_largest_of_an_icon(tmp_path):
    drawn(48, 48, "RGBA").save(tmp_path / "a.ico", sizes=[(16, 16), (48, 48), (32, 32)])
    picture = images.read(tmp_path / "a.ico")
    assert picture.size == (48, 48)
    assert picture.lost == ("only the largest picture of the icon is used",)


def test_a_psd_of_16_bits_is_refused(tmp_path):
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 4, 16, 3)
    (tmp_path / "a.psd").write_bytes(head.ljust(200, b"\0"))
    with pytest.raises(PictureError, match="16 bits a channel.*Save it as TIFF or PNG"):
        images.read(tmp_path / "a.psd")


def test_only_known_decoders_are_asked(tmp_path):
    """PostScript would start Ghostscript; a wrong name makes no picture of anything."""
    drawn().save(tmp_path / "a.eps")
    for name in ("a.jpg", "a.tga", "a.png", "a.pcx"):
        (tmp_path / name).write_bytes((tmp_path / "a.eps").read_bytes())
        for reader in (images.read, images.read_size):
            with pytest.raises(PictureError, match="not a picture that can be read"):
                reader(tmp_path / name)


def test_a_wrong_name_does_not_matter(tmp_path):
    for name in ("a.png", "b.jpg", "c.webp", "d.tif", "e.jp2", "f.bmp", "g.gif"):
        drawn().save(tmp_path / name)
        for other in (".tga", ".jpg", ""):
            (tmp_path / f"x{other}").write_bytes((tmp_path / name).read_bytes())
            assert images.read(tmp_path / f"x{other}").size == (45, 31)


def test_each_format_knows_its_own():
    """No two formats claim one key or one ending."""
    every = formats.known()
    assert len({format.key for format in every}) == len(every)
    suffixes = [suffix for format in every for suffix in format.suffixes]
    assert len(set(suffixes)) == len(suffixes)
