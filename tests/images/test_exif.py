"""EXIF never stops a picture: what is damaged goes, and is said; the rest stays as it is."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from jpegs import encoded, exif, segment, with_segments
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.exif import CAMERA, GPS, pack_fields, read_fields
from srzoo.images.png import pngwriter

CASES = Path(__file__).parent / "cases"
WRITTEN = ["jpg", "png", "webp", "tiff", "avif"]
WHOLE = encoded(drawn(40, 30))


def holding(data: bytes, format: str = "jpg") -> io.BytesIO:
    """A file of a format with EXIF data as they are."""
    if format == "jpg":
        return io.BytesIO(with_segments(WHOLE, segment(0xE1, data)))
    out = io.BytesIO()
    name = {"tiff": "TIFF"}.get(format, format.upper())
    if format == "png":  # Pillow reads what it writes there
        images.write(images.Picture(np.asarray(drawn(40, 30))), out, "png")
        png = out.getvalue()
        return io.BytesIO(png[:33] + pngwriter.chunk(b"eXIf", data[6:]) + png[33:])
    drawn(40, 30).save(out, name)
    if format == "webp":  # its own container, since Pillow looks into what it writes
        body = out.getvalue()[12:]
        vp8x = b"VP8X" + struct.pack("<IB3x", 10, 8) + b"\x27\0\0\x1d\0\0"
        chunk = data + bytes(len(data) % 2)
        riff = b"WEBP" + vp8x + body + b"EXIF" + struct.pack("<I", len(data)) + chunk
        return io.BytesIO(b"RIFF" + struct.pack("<I", len(riff)) + riff)
    return out


def everywhere(picture: images.Picture) -> None:
    """It can be written in every format, and read again."""
    for format in WRITTEN:
        out = io.BytesIO()
        images.write(replace(picture, dpi=(72, 72)), out, format)
        assert images.read(out).size == picture.size


MAKE = (0x010F, 2, 4, b"me\0")
ODD = {
    "resolution 4294967295": (0x011A, 5, 1, 38),
    "count of 2^31": (0x010E, 2, 2**31, b""),
    "count of 2^32-1": (0x8298, 5, 2**32 - 1, b""),
    "offset beyond": (0x010E, 2, 99, struct.pack("<I", 10**6)),
    "a text that is a rational": (0x010E, 5, 1, 38),
    "a text that is a number": (0x0110, 9, 1, b"\xff\xff\xff\xff"),
    "a number that is a text": (0x4746, 2, 2, b"a\0"),
    "no such type": (0x010E, 99, 1, b"abcd"),
    "camera beyond": (CAMERA, 4, 1, struct.pack("<I", 10**6)),
    "camera that is this": (CAMERA, 4, 1, struct.pack("<I", 8)),
    "camera of the wrong type": (CAMERA, 2, 4, b"abcd"),
    "GPS that is this": (GPS, 4, 1, struct.pack("<I", 8)),
    "GPS at 0": (GPS, 4, 1, bytes(4)),
    "orientation 99": (0x0112, 3, 1, b"\x63\0"),
    "orientation as a text": (0x0112, 2, 2, b"6\0"),
    "orientations": (0x0112, 3, 2, b"\6\0\6\0"),
    "unit 65535": (0x0128, 3, 1, b"\xff\xff"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
@pytest.mark.parametrize("odd", ODD)
def test_one_odd_tag_is_no_obstacle(odd, format, order):
    tag, kind, count, value = ODD[odd]
    if isinstance(value, int):
        value = struct.pack(f"{order}I", value)
    elif order == ">" and kind in (3, 4):
        value = value[::-1] if kind == 4 else value[1::-1] + value[3:1:-1]
    data = exif([(tag, kind, count, value), MAKE], order, b"\xff\xff\xff\xff\0\0\0\1")
    picture = images.read(holding(data, format))
    assert read_fields(picture.exif).entries[0x010F] == (2, 4, b"me\0\0")
    everywhere(picture)


def test_a_resolution_that_makes_no_sense_is_said():
    for value in (struct.pack("<II", 2**32 - 1, 1), bytes(8), struct.pack("<II", 1, 0)):
        data = exif([MAKE, (0x011A, 5, 1, struct.pack("<I", 50)),
                     (0x011B, 5, 1, struct.pack("<I", 50))], "<", value)  # fmt: skip
        picture = images.read(holding(data))
        assert picture.dpi is None
        assert any("resolution" in said for said in picture.lost)


def test_tags_that_are_cut_off_are_named():
    data = exif([(0x010E, 2, 99, struct.pack("<I", 10**6)), MAKE])
    assert images.read(holding(data)).lost == ("damaged EXIF tags were dropped: ImageDescription",)
    lost = images.read(holding(b"Exif\0\0II*\0\xff\xff\xff\x7f")).lost
    assert lost == ("a part of the EXIF data is damaged and was dropped",)


def test_fields_stay_as_they_are(tmp_path):
    """Types and values, whatever they mean; in either order of bytes."""
    for order in "<>":
        whole = Image.Exif()
        whole.endian = order
        whole[0x010E] = "a description"
        camera = {0x9286: b"ASCII\0\0\0hello", 0x927C: bytes(range(256)) * 5, 0x8827: 400}
        whole[CAMERA] = camera
        whole[GPS] = {1: "N", 2: (52.0, 30.0, 15.25)}
        picture = images.read(holding(whole.tobytes()))
        before, after = read_fields(whole.tobytes()), read_fields(picture.exif)
        assert (after.entries, after.order) == (before.entries, order)
        assert pack_fields(before)[6:] == picture.exif[6:]
        images.write(picture, tmp_path / "a.tif", "tiff")
        with Image.open(tmp_path / "a.tif") as image:
            found = image.getexif().get_ifd(CAMERA)
            assert found[0x9286] == camera[0x9286]
            assert found[0x927C] == camera[0x927C]


def test_a_long_maker_note_and_exif_in_several_segments(tmp_path):
    whole = Image.Exif()
    whole[0x010F] = "me"
    whole[CAMERA] = {0x927C: bytes(range(256)) * 4000, 0x8827: 400}
    data = whole.tobytes()
    parts = [segment(0xE1, b"Exif\0\0" + data[at : at + 60_000])
             for at in range(6, len(data), 60_000)]  # fmt: skip
    picture = images.read(io.BytesIO(with_segments(WHOLE, *parts)))
    assert read_fields(picture.exif).entries[CAMERA][0x927C][2] == bytes(range(256)) * 4000
    for format in WRITTEN:
        written = images.write(picture, tmp_path / f"a.{format}", format)
        assert len(written.lost) == (format == "jpg")
    twice = with_segments(WHOLE, *[segment(0xE1, exif([MAKE]))] * 2)
    assert read_fields(images.read(io.BytesIO(twice)).exif).entries.keys() == {0x010F}


def test_nothing_in_exif_overrides_what_a_tiff_says_of_itself(tmp_path):
    tags = [(256, 4, 1, b"\1\0\0\0"), (262, 3, 1, b"\0\0"), (273, 4, 1, b"\0\0\0\0"),
            (274, 3, 1, b"\6\0"), (330, 4, 1, b"\x08\0\0\0"), MAKE]  # fmt: skip
    pixels = np.asarray(drawn(40, 30))
    for exif_ in (exif(tags), exif(tags).removeprefix(b"Exif\0\0"), b"", b"Exif\0\0", b"junk"):
        picture = images.Picture(pixels, exif=exif_)
        images.write(picture, tmp_path / "a.tif", "tiff")
        assert np.array_equal(images.read(tmp_path / "a.tif").pixels, pixels)
        everywhere(picture)


def test_tiff_tags_of_wrong_types(tmp_path):
    """Pillow alone knows these: it reads and writes them, one by one."""
    tags = ImageFileDirectory_v2()
    tags[0x010F] = "me"
    tags.tagtype[0x010E] = 5
    tags[0x010E] = (1.5,)
    tags.tagtype[0x8298] = 7
    tags[0x8298] = b"\xff\xfe bytes"
    drawn(40, 30).save(tmp_path / "a.tif", tiffinfo=tags)
    picture = images.read(tmp_path / "a.tif")
    assert read_fields(picture.exif).entries[0x010F][2] == b"me\0"
    everywhere(picture)


def test_many_tags_take_no_time():
    entries = [(tag, 2, 60_000, struct.pack("<I", 0)) for tag in range(1, 5000)]
    loop = exif([(CAMERA, 4, 1, struct.pack("<I", 8)), (GPS, 4, 1, b"\x08\0\0\0"), *entries])

    def in_formats():
        for format in ("jpg", "png", "webp"):
            picture = images.read(holding(loop[: 65_000 if format == "jpg" else None], format))
            assert len(picture.exif) < 2 * len(loop)  # nor memory
            everywhere(picture)

    assert takes_less(3, in_formats)
    big = Image.Exif()
    big[CAMERA] = dict.fromkeys(range(45056, 61440), 1)
    assert takes_less(3, lambda: everywhere(images.read(holding(big.tobytes(), "png"))))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_exif(data):
    """Never anything but a picture, which can be written."""
    order = data.draw(st.sampled_from("<>"))
    tag = st.sampled_from([0x010E, 0x010F, 0x0112, 0x011A, 0x011B, 0x0128, 0x9286, CAMERA, GPS,
                           0xA005, 256, 273, 330])  # fmt: skip
    count = st.one_of(st.integers(0, 9), st.integers(0, 2**32 - 1))
    offset = st.integers(0, 300).map(lambda at: struct.pack(f"{order}I", at))
    value = st.one_of(st.binary(min_size=4, max_size=4), offset)
    entry = st.tuples(tag, st.integers(0, 20), count, value)
    behind = data.draw(st.binary(max_size=200))
    whole = exif(data.draw(st.lists(entry, max_size=12)), order, behind)
    whole = whole[: data.draw(st.integers(6, len(whole)))]
    for format in ("jpg", "png"):
        picture = images.read(holding(whole, format))
        out = io.BytesIO()
        target = data.draw(st.sampled_from(["jpg", "png", "webp", "tiff"]))
        images.write(replace(picture, dpi=(72, 72)), out, target)
        again = images.read(out)
        assert again.size == picture.size
        assert images.from_pil(images.to_pil(again)).size == again.size
    images.write(images.Picture(np.asarray(drawn(9, 9)), exif=behind), io.BytesIO(), "tiff")


# Images in memory, from anywhere.

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
    st.binary(max_size=40), st.tuples(st.floats(), st.floats()), st.just((72, 72)),
    st.tuples(st.text(max_size=2)), st.lists(st.integers(), max_size=3), st.just({0x0404: "x"}),
    st.just(object()),
)  # fmt: skip
KEYS = ["exif", "dpi", "xmp", "icc_profile", "transparency", "photoshop", "comment",
        "XML:com.adobe.xmp", "Raw profile type exif", "jfif", "gamma"]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "LAB", "HSV",
                     "YCbCr", "I", "F", "I;16", "La", "RGBa"]),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.dictionaries(st.sampled_from(KEYS), ANYTHING, max_size=4),
)  # fmt: skip
def test_an_image_with_anything_in_it(mode, size, info):
    image = Image.new(mode, size)
    image.info.update(info)
    try:
        picture = images.from_pil(image)
    except PictureError:
        if mode not in ("I", "F") and all(size):
            assert "transparency" in info  # it belongs to the pixels
        return
    again = images.from_pil(images.to_pil(picture))
    assert np.array_equal(again.pixels, picture.pixels)
    images.write(picture, io.BytesIO(), "png")
    images.write(picture, io.BytesIO(), "jpg")


def test_an_image_that_cannot_be_decoded():
    for image in (Image.open(io.BytesIO(WHOLE[:-200])), Image.new("RGB", (0, 5))):
        with pytest.raises(PictureError, match="image"):
            images.from_pil(image)


def test_what_was_changed_in_memory_counts():
    image = Image.open(holding(exif([MAKE])))
    image.getexif()[0x010F] = "somebody else"
    assert read_fields(images.from_pil(image).exif).entries[0x010F][2] == b"somebody else\0"


@pytest.mark.parametrize(
    ("name", "said", "gone"),
    [
        ("exif_gps_overflow_traceback.jpg", "the resolution in the EXIF data", b"\0\0\0\0"),
        ("jpeg_noeoi.jpg", "lacks its end marker", None),
        ("motion_google.jpg", "the motion photo's video is gone", b"MotionPhoto"),
        ("ultrahdr.jpg", "the gain map (Ultra HDR) is gone", b"hdrgm"),
    ],
)
def test_files_that_went_wrong(tmp_path, name, said, gone):
    picture = images.read(CASES / name)
    assert len(picture.lost) == 1
    assert said in picture.lost[0]
    for format in WRITTEN:
        images.write(images.with_provenance(picture, "m"), tmp_path / "a", format)
        again = images.read(tmp_path / "a")
        assert again.size == picture.size
        assert gone is None or gone not in (again.xmp or b"")
