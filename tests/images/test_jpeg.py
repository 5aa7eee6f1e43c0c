"""JPEG files as people have them: cut off, damaged, with other things in them, made to do harm."""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
from dataclasses import replace
from pathlib import Path

import jpegs
import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from jpegs import encoded, place, segment, with_segments
from PIL import Image

from srzoo import images
from srzoo.errors import PictureError

CASES = Path(__file__).parent / "cases"
SOUND = {
    "baseline": encoded(quality=90),
    "420": encoded(subsampling=2),
    "progressive": encoded(progressive=True),
    "restarts": encoded(restart_marker_blocks=4),
    "a restart at every MCU": encoded(restart_marker_blocks=1),
    "gray": encoded(drawn(200, 150, "L")),
    "middle gray": encoded(Image.new("RGB", (200, 150), (128, 128, 128))),
    "black": encoded(Image.new("L", (33, 17))),
    "small": encoded(Image.new("RGB", (1, 1))),
    "narrow": encoded(drawn(3, 300)),
}
"""Sound files of every kind that decoders know."""
NO_END = "the file lacks its end marker (EOI); the picture is whole"


def read(data: bytes, **options) -> images.Picture:
    return images.read(io.BytesIO(data), **options)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_is_taken_as_it_is(name):
    picture = read(SOUND[name])
    assert picture.lost == ()
    assert np.array_equal(picture.pixels, pixels(SOUND[name]))
    assert images.read_size(io.BytesIO(SOUND[name])) == picture.size


@pytest.mark.parametrize("name", SOUND)
def test_without_its_end_marker_it_is_read_and_that_is_said(name):
    for cut in (1, 2):
        picture = read(SOUND[name][:-cut])
        assert picture.lost == (NO_END,)
        assert np.array_equal(picture.pixels, pixels(SOUND[name]))


@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("name", SOUND)
def test_large_pictures(monkeypatch, name, photo):
    """pyvips decodes them where it is, and they are looked at in an eighth of their size."""
    monkeypatch.setattr(images.decoding, "LARGE", 1)
    if not photo:
        monkeypatch.setattr(images.vips, "library", lambda: None)
    whole = SOUND[name]
    for data, lost in ((whole, ()), (whole[:-2], (NO_END,))):
        picture = read(data)
        assert picture.lost == lost
        assert np.abs(picture.pixels.astype(int) - pixels(whole)).max() <= 3
    if len(whole) > 2000:
        half = whole[: (place(whole, 0xDA) + len(whole)) // 2]
        with pytest.raises(PictureError, match="cut off"):
            read(half)
        assert "cut off" in read(half, force_damaged=True).lost[0]


@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("ending", [b"", b"\xff\xd9", b"\xff"])
@pytest.mark.parametrize("name", [n for n in SOUND if n not in ("black", "small", "narrow")])
def test_what_is_cut_off_is_refused_and_can_be_forced(monkeypatch, name, ending, photo):
    if not photo:
        monkeypatch.setattr(images.vips, "library", lambda: None)
    whole = SOUND[name]
    data = whole[: place(whole, 0xDA) + (len(whole) - place(whole, 0xDA)) * 2 // 3].rstrip(b"\xff")
    with pytest.raises(PictureError, match="force_damaged=True") as caught:
        read(data + ending)
    picture = read(data + ending, force_damaged=True)
    assert picture.size == (200, 150)
    assert picture.lost[0].removeprefix("the file is ") in str(caught.value)
    assert np.array_equal(picture.pixels[:40], pixels(whole)[:40]) or name == "progressive"


@pytest.mark.parametrize("name", ["baseline", "420", "gray", "restarts"])
def test_rows_that_are_there_are_counted(name):
    whole = SOUND[name]
    start = place(whole, 0xDA)
    counts = []
    for part in (0.3, 0.5, 0.8):
        with pytest.raises(PictureError, match=r"cut off: (\d+) of 150 rows are intact") as caught:
            read(whole[: start + int((len(whole) - start) * part)])
        rows = int(str(caught.value).split("cut off: ")[1].split(" ")[0])
        forced = read(whole[: start + int((len(whole) - start) * part)], force_damaged=True).pixels
        assert np.array_equal(forced[: rows - 2], pixels(whole)[: rows - 2])  # smoothing: 2
        assert not np.array_equal(forced[rows : rows + 16], pixels(whole)[rows : rows + 16])
        counts.append(rows)
    assert 0 < counts[0] < counts[1] < counts[2] < 150


def test_restart_markers_that_are_lost_or_out_of_order():
    whole = SOUND["restarts"]
    marks = [at for at in range(place(whole, 0xDA), len(whole) - 1)
             if whole[at] == 0xFF and 0xD0 <= whole[at + 1] <= 0xD7]  # fmt: skip
    at = marks[5]
    lost = whole[:at] + whole[at + 2 :]
    with pytest.raises(PictureError, match="31 of 32 restart markers are intact"):
        read(lost)
    swapped = whole[: at + 1] + whole[marks[6] + 1 : marks[6] + 2] + whole[at + 2 :]
    with pytest.raises(PictureError, match="out of order"):
        read(swapped)
    assert read(lost, force_damaged=True).size == (200, 150)
    with pytest.raises(PictureError, match="cut off: 16 of 150 rows"):
        read(whole[:at])
    missing = whole[: at - 150] + whole[at:]
    with pytest.raises(PictureError, match="data are missing from row") as caught:
        read(missing)
    assert "force_damaged=True" in caught.value.fix


@pytest.mark.parametrize("name", ["baseline", "420", "gray", "restarts"])
def test_more_data_than_pixels_are_said(name):
    whole = SOUND[name]
    at = (place(whole, 0xDA) + len(whole)) // 2
    junk = bytes(range(1, 240)) * 2
    assert "may be damaged" in str(read(whole[:at] + junk + whole[at:]).lost)
    padded = whole[:-2] + bytes(5000) + whole[-2:]  # as some cameras do
    assert read(padded).lost == ()


def test_a_height_or_width_that_is_wrong_is_noticed():
    whole = bytearray(SOUND["baseline"])
    at = place(bytes(whole), 0xC0)
    for height, what in ((300, "(144|160) of 300 rows"), (64, "may be damaged")):
        data = bytes(whole[: at + 5]) + struct.pack(">H", height) + bytes(whole[at + 7 :])
        if height == 300:
            with pytest.raises(PictureError, match=what):
                read(data)
        else:
            assert what in str(read(data).lost)


def test_a_height_that_stands_behind_the_first_scan():
    """DNL: libjpeg does not know it."""
    whole = SOUND["gray"]
    at = place(whole, 0xC0)
    data = whole[: at + 5] + b"\0\0" + whole[at + 7 : -2] + segment(0xDC, b"\0\x96") + whole[-2:]
    assert np.array_equal(read(data).pixels, pixels(whole))
    assert images.read_size(io.BytesIO(data)) == (200, 150)
    with pytest.raises(PictureError, match="does not state its height"):
        read(whole[: at + 5] + b"\0\0" + whole[at + 7 :])


@pytest.mark.parametrize(
    ("place_", "value", "what"),
    [
        (1, 0xC3, "a lossless JPEG"),
        (1, 0xC5, "a hierarchical JPEG"),
        (4, 12, "a JPEG of 12 bits a channel"),
        (9, 2, "components|frame"),
        (11, 0, "its frame makes no sense"),
    ],
)
def test_kinds_that_nobody_decodes_are_refused_with_the_reason(place_, value, what):
    data = bytearray(SOUND["baseline"])
    data[place(bytes(data), 0xC0) + place_] = value
    for reader in (images.read, images.read_header):
        with pytest.raises(PictureError, match=what):
            reader(io.BytesIO(bytes(data)))


def test_two_components_are_refused():
    frame = segment(0xC0, b"\x08\0\x08\0\x08\x02\x01\x11\0\x02\x11\0")
    scan = segment(0xDA, b"\x02\x01\0\x02\0\0\x3f\0")
    with pytest.raises(PictureError, match="a JPEG of 2 components"):
        read(b"\xff\xd8" + frame + scan + b"\0\xff\xd9")


def test_rgb_that_says_so():
    """By Adobe's marker, or by the components' names."""
    image = drawn(64, 48)
    data = encoded(image, keep_rgb=True, quality=100)
    assert np.abs(read(data).pixels.astype(int) - np.asarray(image)).max() <= 3
    assert np.array_equal(read(data).pixels, pixels(data))


@pytest.mark.parametrize("photo", [True, False])
def test_cmyk_is_not_turned_round(monkeypatch, photo):
    if not photo:
        monkeypatch.setattr(images.vips, "library", lambda: None)
    image = Image.new("CMYK", (40, 30), (0, 0, 0, 0))
    assert read(encoded(image)).pixels.min() > 240


def test_fill_bytes_and_junk_between_segments():
    whole = SOUND["baseline"]
    data = whole[:2] + b"\xff\xff\xff" + whole[2:20] + b"junk\0\xff\0" + whole[20:]
    assert np.array_equal(read(data).pixels, pixels(whole))


# What stands beside the photo.


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    b' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" %s>%s</rdf:Description></rdf:RDF>'
    b"</x:xmpmeta>"
)
VIDEO = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + bytes(3000)


def test_what_stands_behind_the_photo_is_said():
    whole = SOUND["baseline"]
    for behind, said in (
        (VIDEO, "the motion photo's video is gone"),
        (b"\0\0\0\0MotionPhoto_Data" + VIDEO, "the motion photo's video is gone"),
        (with_segments(whole, segment(0xE1, jpegs.XAP + b"http://ns.adobe.com/hdr-gain-map/1.0/")),
         "the gain map (Ultra HDR) is gone"),
        (with_segments(whole, segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0")),
         "the gain map (Ultra HDR) is gone"),
        (b"DualShot_DepthMap_1" + bytes(range(1, 90)), "the depth map is gone"),
        (whole, "only the main picture of the file is used"),
        (b"hello there", "11 bytes behind the picture were dropped"),
    ):  # fmt: skip
        picture = read(whole + behind)
        assert picture.lost == (said,)
        assert np.array_equal(picture.pixels, pixels(whole))
    assert read(whole + bytes(500)).lost == ()


def test_signs_in_segments():
    whole = SOUND["baseline"]
    for data, said in (
        (segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0"), "gain map"),
        (segment(0xE3, b"_JPSJPS_\0\0"), "stereo"),
        (segment(0xE1, b"FLIR\0\1\0\0"), "thermal"),
        (segment(0xEB, b"JP\0\1\0\0\0\1"), "C2PA"),
        (segment(0xED, b"Photoshop 3.0\x008BIM\x07\xd0\0\0\0\0\0\4abcd"), "clipping paths"),
    ):
        assert said in read(with_segments(whole, data)).lost[0]


@pytest.mark.parametrize("size", [500, 200_000])
def test_extended_xmp_is_put_together(tmp_path, size):
    more = XMP % (b"", b"<dc:title>" + b"x" * size + b"</dc:title><dc:rights>me</dc:rights>")
    name = hashlib.md5(more).hexdigest().upper().encode()
    main = XMP % (b'xmpNote:HasExtendedXMP="' + name + b'"', b"<dc:source>here</dc:source>")
    parts = [
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + name
                + struct.pack(">II", len(more), at) + more[at : at + 60_000])
        for at in range(0, len(more), 60_000)
    ]  # fmt: skip
    data = with_segments(SOUND["baseline"], segment(0xE1, jpegs.XAP + main), *parts[::-1])
    picture = read(data)
    assert picture.lost == ()
    for part in (b"<dc:source>here", b"<dc:rights>me", b"x" * size):
        assert part in picture.xmp
    assert b"HasExtended" not in picture.xmp
    assert b"HasExtended" not in images.with_provenance(picture, "m").xmp
    written = images.write(picture, tmp_path / "a.jpg", "jpg")
    kept = images.read(tmp_path / "a.jpg").xmp
    assert b"<dc:rights>me" in kept
    if size > 65_000:
        assert written.lost == ("the XMP data is too long for a JPEG: dropped title",)
    else:
        assert written.lost == ()
        assert b"x" * size in kept
    broken = with_segments(
        SOUND["baseline"], segment(0xE1, jpegs.XAP + main), parts[0][:-9] + b"y" * 9
    )
    assert read(broken).lost == ("the part of the XMP data that lies apart was dropped",)
    assert b"<dc:source>here" in read(broken).xmp


def test_pixels_that_are_not_square():
    whole = bytearray(SOUND["baseline"])
    whole[13:18] = b"\0\0\2\0\1"
    assert read(bytes(whole)).lost == (
        "its pixels are not square (2:1): the result does not record that",
    )
    assert read(bytes(whole)).dpi is None
    whole[13:18] = b"\0\0\1\0\1"
    assert read(bytes(whole)).lost == ()


@pytest.mark.parametrize("length", [300, 2_000_000, 16_000_000, 17_000_000])
def test_long_profiles(tmp_path, length):
    icc = images.profiles.matrix_profile("P3", images.profiles.PRIMARIES[12])
    picture = replace(read(SOUND["baseline"]), icc=icc + bytes(length))
    written = images.write(picture, tmp_path / "a.jpg", "jpg")
    again = images.read(tmp_path / "a.jpg")
    if length > 255 * 65_519:
        assert (written.lost, again.icc) == (
            ("the colour profile is too long for a JPEG: dropped",), None,
        )  # fmt: skip
    else:
        assert again.icc == picture.icc
    assert np.abs(again.pixels.astype(int) - picture.pixels).mean() < 2


@pytest.mark.parametrize("icc", [b"", b"x", bytes(127), bytes(500), b"ICC" * 99])
def test_damaged_profiles_are_dropped(icc):
    data = with_segments(SOUND["baseline"], segment(0xE2, b"ICC_PROFILE\0\1\1" + icc))
    assert read(data).lost == ("the colour profile is damaged and was dropped",)
    assert read(data).icc is None


def test_comments(tmp_path):
    whole = SOUND["baseline"]
    data = with_segments(
        whole, segment(0xFE, "Grüße".encode()), segment(0xFE, "Grüße".encode("latin-1") + b"\0"),
        segment(0xFE, bytes(range(256))),
    )  # fmt: skip
    picture = read(data)
    ((_, text),) = picture.texts
    assert text.startswith("Grüße\nGrüße\n\x01\x02")
    for format in ("jpg", "png"):
        images.write(picture, tmp_path / f"a.{format}", format)
        assert images.read(tmp_path / f"a.{format}").texts == picture.texts
    long = replace(picture, texts=(("Comment", "x" * 65_533),))
    assert images.write(long, tmp_path / "b.jpg", "jpg").lost == ()
    assert images.read(tmp_path / "b.jpg").texts == long.texts
    long = replace(picture, texts=(("Comment", "ü" * 65_533),))
    lost = images.write(long, tmp_path / "b.jpg", "jpg").lost
    assert lost == ("the comment is too long for a JPEG: dropped",)
    odd = replace(picture, texts=(("Comment", "half \ud800 a letter"),))
    images.write(odd, tmp_path / "b.jpg", "jpg")
    assert images.read(tmp_path / "b.jpg").texts == (("Comment", "half ? a letter"),)


@pytest.mark.parametrize(
    "dpi", [(1e-9, 1), (0, 0), (65_536, 65_536), (float("nan"), 72), (float("inf"), 72), ("a", "b"),
            ("72", "72"), (4294967295, 1), (-5, 5), 72, (72,), (0.3, 0.3), (72.4, 300.2),
            (1e9, 1e9), np.array([72, 72])],
)  # fmt: skip
@pytest.mark.parametrize("format", ["jpg", "png", "webp", "tiff", "avif"])
def test_a_resolution_that_cannot_be_held_never_stops_a_picture(tmp_path, format, dpi):
    picture = replace(read(SOUND["small"]), dpi=dpi)
    written = images.write(picture, tmp_path / "a", format)
    again = images.read(tmp_path / "a")
    if written.dpi is None:
        assert again.dpi is None
        assert "dpi" in written.lost[0] or "resolution" in written.lost[0]
    else:
        step = {"jpg": 0.5, "png": 0.02}.get(format, 0.001)
        assert again.dpi == pytest.approx([float(v) for v in dpi], abs=step)


# Made to do harm.


@pytest.mark.parametrize(
    "harm",
    {
        "many segments": b"".join(segment(0xE1, b"Exif\0\0II") for _ in range(50_000)),
        "many comments": segment(0xFE, b"x" * 100) * 50_000,
        "much data": segment(0xE5, bytes(65_000)) * 1500,
        "much EXIF": segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 300,
        "many profiles": segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000)) * 300,
        "many indexes": segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\xff\xff" + bytes(9000)) * 99,
        "fill bytes": b"\xff" * 3_000_000,
        "junk": segment(0xE5, b"") + bytes(3_000_000),
        "junk between": (segment(0xE5, b"") + b"\0") * 50_000,
    }.items(),
    ids=lambda each: each[0],
)  # fmt: skip
def test_time_is_bounded(harm):
    data = with_segments(SOUND["baseline"], harm[1])
    assert takes_less(2, lambda: read(data))
    assert np.array_equal(read(data).pixels, pixels(SOUND["baseline"]))


def test_too_many_segments_and_scans_are_refused():
    whole = SOUND["baseline"]
    with pytest.raises(PictureError, match="more than 100,000 segments"):
        read(with_segments(whole, segment(0xE5, b"") * 100_001))
    progressive = SOUND["progressive"]
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + b"\0"
    with pytest.raises(PictureError, match="more than 100 scans"):
        read(progressive[:-2] + scan * 101 + b"\xff\xd9")


def test_markers_that_belong_to_nothing():
    whole = SOUND["baseline"]

    def refused():
        with pytest.raises(PictureError, match="markers are out of place"):
            read(whole[:-2] + b"\xff\x02" * 100_000 + whole[-2:])

    assert takes_less(1, refused)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(SOUND)), st.data(),
)  # fmt: skip
def test_mutated_files_are_pictures_or_refused(name, data):
    """Never another error, and never long."""
    whole = bytearray(
        with_segments(SOUND[name], segment(0xE1, jpegs.XAP + XMP % (b"", b"")),
                      segment(0xE1, jpegs.exif([(0x010E, 2, 9, b"")])))
    )  # fmt: skip
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(2, len(whole) - 1))
        kind = data.draw(st.integers(0, 3))
        if kind == 0:
            whole[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del whole[at : at + data.draw(st.integers(1, 40))]
        elif kind == 2:
            whole[at:at] = data.draw(st.binary(max_size=40))
        else:
            whole[at : at + 2] = bytes([0xFF, data.draw(st.integers(0, 255))])
        if len(whole) < 10:
            return

    def read_and_written():
        for force in (False, True):
            with contextlib.suppress(PictureError):
                file = io.BytesIO(bytes(whole))
                picture = images.read(file, max_pixels=10**6, force_damaged=force)
                images.write(images.with_provenance(picture, "m"), io.BytesIO(), "jpg")

    assert takes_less(10, read_and_written)
