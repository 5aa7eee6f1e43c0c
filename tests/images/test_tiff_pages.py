"""TIFF's directories: pages, thumbnails, masks, tags; hostile ones cost little and end no batch."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from helpers import takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiffs import picture, read, tiff, values

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.tiff import pages

RATIONAL, ASCII = 5, 2


def page(height: int = 9, width: int = 12, seed: int = 0, **fields: Any) -> dict[int, Any]:
    return picture(values(8, 1, height, width, seed), 8, 1, **fields)


def seen(height: int = 9, width: int = 12, seed: int = 0) -> np.ndarray:
    return values(8, 1, height, width, seed)[..., 0]


def test_a_page_has_its_own_size_depth_colours_and_metadata():
    first = page(tag_270=(ASCII, b"one\0"), tag_282=(RATIONAL, [(300, 1)]))
    first[283] = first[282]
    second = picture(values(12, 3, 10, 14), 12, 2, tag_274=6, tag_270=(ASCII, b"two\0"))
    third = picture(values(8, 4, 5, 6), 8, 2, tag_338=2)
    data = tiff(first, second, third)
    with pytest.raises(PictureError, match="it has 3 pages"):
        images.read(io.BytesIO(data))
    one, two, three = (read(data, page=number) for number in (1, 2, 3))
    assert [each.size for each in (one, two, three)] == [(12, 9), (10, 14), (6, 5)]
    assert [each.pixels.dtype for each in (one, two, three)] == [np.uint8, np.uint16, np.uint8]
    assert (one.alpha, three.alpha is not None) == (None, True)
    assert (one.dpi, two.dpi) == ((300, 300), None)
    assert b"one" in one.exif
    assert b"two" in two.exif
    with pytest.raises(PictureError, match="it has 3 pages, none of the number 4"):
        read(data, page=4)


@pytest.mark.parametrize("flag", [{254: 1}, {255: 2}])
def test_a_thumbnail_in_front_is_not_taken_for_the_picture(flag):
    data = tiff(page(3, 4) | flag, page())
    found = read(data)
    assert np.array_equal(found.pixels, seen())
    assert found.lost == ("its small version is left out: the full picture is taken",)
    several = tiff(page(3, 4) | flag, page(), page(seed=1))
    assert np.array_equal(read(several, page=2).pixels, seen(seed=1))


@pytest.mark.parametrize("flag", [{254: 1}, {}])
def test_the_full_picture_in_a_subifd_is_taken(flag):
    """As Nikon's cameras write TIFFs; also where nothing says which is the thumbnail."""
    make = {271: (ASCII, b"A camera\0"), 272: (ASCII, b"Its model\0"), 274: 8}
    whole = {tag: value for tag, value in page().items() if tag != 274}
    data = tiff(page(3, 4) | flag | make | {330: [page(5, 6) | {254: 1}, whole | {254: 0}]})
    found = read(data)
    assert np.array_equal(found.pixels, np.rot90(seen()))
    assert found.lost == ("its small version is left out: the full picture is taken",)
    assert b"A camera" in found.exif


def test_smaller_versions_behind_are_no_pages():
    small = page(3, 4) | {254: 1}
    assert read(tiff(page(), small, small)).lost == ()
    assert np.array_equal(read(tiff(page() | {330: [small, small]})).pixels, seen())
    assert np.array_equal(read(tiff(small, page(5, 6) | {254: 1}, small)).pixels, seen(5, 6))


def test_a_mask_is_no_page():
    mask = picture(values(1, 1, 9, 12), 1, 4, tag_254=4)
    found = read(tiff(page(), mask))
    assert np.array_equal(found.pixels, seen())
    assert found.lost == ("a mask beside the picture was left out",)
    assert np.array_equal(read(tiff(mask)).pixels, values(1, 1, 9, 12)[..., 0] * 255)


def test_a_jpeg_preview_as_exif_has_it_is_no_page():
    preview = {256: 4, 257: 3, 259: 6, 513: 8, 514: 99}
    assert np.array_equal(read(tiff(page(), preview)).pixels, seen())


def test_many_pages_cost_little():
    data = tiff(*[{256: 2, 257: 1, 258: 8, 262: 1, 273: 8, 279: 2}] * 10_000)

    def read():
        assert images.read_header(io.BytesIO(data), images.ReadRequest(page=9_999)).pages == 10_000

    assert takes_less(5, read)


def test_directories_that_lie_over_each_other_cost_little():
    count, each = 30_000, 2_000
    data = bytearray(8 + 6 + count * 12 + each * 14)
    struct.pack_into("<2sHI", data, 0, b"II", 42, 8)
    for at in range(8, 8 + each * 12, 12):
        struct.pack_into("<H", data, at, count)
        struct.pack_into("<I", data, at + 2 + count * 12, at + 12)

    def refused():
        with pytest.raises(PictureError, match="directories have no end"):
            images.read(io.BytesIO(bytes(data)))

    assert takes_less(5, refused)


@pytest.mark.parametrize("where", ["itself", "outside"])
def test_a_list_of_pages_that_leads_nowhere(where):
    data = bytearray(tiff(page()))
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, at if where == "itself" else 10**9)
    found = read(bytes(data))
    assert np.array_equal(found.pixels, seen())
    assert len(found.lost) == 1
    assert "the list of its pages leads" in found.lost[0]


def test_subifds_that_lead_in_circles():
    data = bytearray(tiff(page() | {330: 77}))
    struct.pack_into("<I", data, data.index(struct.pack("<HHI", 330, 4, 1)) + 8, 8)
    assert np.array_equal(read(bytes(data)).pixels, seen())
    assert np.array_equal(read(tiff(page() | {330: [8] * 60_000})).pixels, seen())


WRONG = {
    270: (10, [(1, 2)]), 271: (5, [(1, 2)]), 305: (3, [1, 2]), 315: (4, [1]), 33432: (10, [(1, 2)]),
    700: (5, [(1, 2)]), 34675: (3, [1, 2]), 33723: (3, [1, 2]), 34377: (5, [(3, 4)]),
    34665: (2, b"abcd"), 34853: (5, [(1, 2)]), 296: (2, b"2"), 282: (2, b"30000"),
}  # fmt: skip


@pytest.mark.parametrize("tag", WRONG)
@pytest.mark.parametrize("target", ["png", "jpg", "tiff"])
def test_tags_of_the_wrong_type_are_dropped_with_a_note(tag, target):
    found = read(tiff(page() | {tag: WRONG[tag]}))
    assert np.array_equal(found.pixels, seen())
    assert found.lost == (f"damaged tags were dropped: {tag}",)
    images.write(found, io.BytesIO(), target)


@pytest.mark.parametrize("tag", [270, 700, 34675, 33723, 34377, 34665, 34853, 282])
@pytest.mark.parametrize("count", [2**31, 2**32 - 1])
def test_tags_that_claim_too_much_are_dropped_with_a_note(tag, count):
    kind = {282: 5, 34665: 4, 34853: 4}.get(tag, 7)
    data = bytearray(tiff(page() | {tag: (kind, [(1, 1)] * 9 if kind == 5 else [9] * 9)}))
    at = data.index(struct.pack("<HHI", tag, kind, 9))
    struct.pack_into("<II", data, at + 4, count, 10)
    found = read(bytes(data))
    assert np.array_equal(found.pixels, seen())
    assert found.lost == (f"damaged tags were dropped: {tag}",)


@pytest.mark.parametrize("x", [(0, 0), (1, 0), (0, 1), (2**32 - 1, 1), (1, 2**32 - 1)])
def test_resolutions_that_make_no_sense(x):
    found = read(tiff(page(tag_282=(RATIONAL, [x]), tag_283=(RATIONAL, [x]))))
    assert found.dpi is None or found.dpi[0] > 0
    for target in ("png", "jpg", "tiff"):
        images.write(found, io.BytesIO(), target)


def test_pixels_that_are_not_square_are_said():
    found = read(tiff(page(tag_282=(RATIONAL, [(204, 1)]), tag_283=(RATIONAL, [(98, 1)]))))
    assert found.lost == ("its pixels are not square (204 by 98): they are taken as they are",)
    assert found.dpi == (204, 98)


def test_photoshop_s_layers_are_said_and_its_iptc_is_kept():
    iptc = b"\x1c\x02\x05\0\4name"
    block = b"8BIM\4\5\0\0" + struct.pack(">I", 3) + b"abc\0"
    block += b"8BIM\4\4\3key" + struct.pack(">I", len(iptc)) + iptc
    layers = b"Adobe Photoshop Document Data Block\0"
    found = read(tiff(page() | {34377: (1, block), 37724: layers}))
    assert found.lost == ("Photoshop's layers were dropped: the flat picture is taken",)
    assert found.iptc == iptc
    longs = np.frombuffer(iptc.ljust(12, b"\0"), ">u4").tolist()
    assert read(tiff(page() | {33723: (4, longs)})).iptc.startswith(iptc)  # turned, as by libtiff


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_exif_gps_and_maker_note_are_kept(order, big):
    camera = {0x9003: (ASCII, b"2020:02:03 04:05:06\0"), 0x829A: (RATIONAL, [(1, 250)])}
    camera |= {0x927C: b"what only the maker knows", 0xA005: {1: (ASCII, b"R98\0")}}
    gps = {1: (ASCII, b"N\0"), 2: (RATIONAL, [(1, 1), (2, 1), (3, 1)])}
    data = tiff(page() | {34665: camera, 34853: gps}, order=order, big=big)
    found = read(data)
    assert found.lost == ()
    exif = Image.Exif()
    exif.load(found.exif)
    kept = exif.get_ifd(0x8769)
    assert kept[0x9003] == "2020:02:03 04:05:06"
    assert kept[0x829A] == 1 / 250
    assert kept[0x927C] == b"what only the maker knows"
    assert exif.get_ifd(0x8825)[2] == (1, 2, 3)


def test_exif_that_repeats_itself_costs_little():
    """20,000 fields, each of the same megabyte."""
    fields = b"".join(struct.pack("<HHII", tag, 2, 10**6, 0) for tag in range(20_000, 40_000))
    directory = struct.pack("<H", 20_000) + fields + bytes(4 + 10**6)
    data = tiff(page() | {34665: 4000}).ljust(4000, b"\0") + directory

    def dropped():
        assert "damaged tags were dropped" in read(data).lost[0]

    assert takes_less(10, dropped)


@pytest.mark.parametrize(
    "more",
    [{50706: (1, b"\1\4\0\0")}, {330: [page() | {262: 32803}]}, {330: [page() | {262: 34892}]},
     {330: [page() | {259: 34713}]}, {254: 1, 271: (ASCII, b"A camera\0")}, {262: 32803}],
)  # fmt: skip
def test_a_camera_s_raw_file_is_known_by_its_directories(more):
    data = tiff(page() | more)
    assert pages.read_contents(io.BytesIO(data)).raw
    assert not pages.read_contents(io.BytesIO(tiff(page() | {271: (ASCII, b"A scanner\0")}))).raw


def corpus() -> list[bytes]:
    """One file of each kind."""
    found = []
    for order in "<>":
        for big in (False, True):
            one = picture(values(12, 3, 9, 12), 12, 2, planar=True, order=order)
            one |= {330: [page() | {254: 1}], 34665: {0x9003: (ASCII, b"2020")}}
            one[270] = (ASCII, b"abcde")
            found.append(tiff(one, page() | {254: 1}, order=order, big=big))
    photo = Image.fromarray(values(8, 3))
    for compression in ("tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate", "group4", "zstd"):
        out = io.BytesIO()
        image = photo.convert("1") if compression == "group4" else photo
        image.save(out, "TIFF", compression=compression, dpi=(72, 72))
        found.append(out.getvalue())
    found.append(tiff(picture(values(4, 1), 4, 3, tag_320=list(range(48)))))
    found.append(tiff(picture(values(8, 4), 8, 5)))
    found.append(tiff(picture(values(16, 3), 16, 8)))
    found.append(tiff(picture(values(8, 3), 8, 6, tag_530=[1, 1])))
    return found


CORPUS = corpus()
TAGS = [
    254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 284, 317, 320, 322, 323,
    324, 325, 330, 336, 338, 339, 347, 513, 514, 529, 530, 532, 700, 33723, 34377, 34665, 34675,
    34853, 37724, 50706,
]  # fmt: skip
NUMBERS = st.sampled_from([0, 1, 2, 4, 6, 7, 8, 9, 16, 255, 4096, 65_535, 2**31, 2**32 - 1])


@settings(max_examples=400, deadline=5_000)
@given(
    which=st.integers(0, len(CORPUS) - 1),
    changes=st.lists(
        st.tuples(
            st.integers(0, 30), st.sampled_from([0, 2, 4, 8]),
            NUMBERS | st.integers(0, 2**32 - 1) | st.sampled_from(TAGS),
        ), min_size=1, max_size=4,
    ),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3),
    end=st.none() | st.integers(8, 4000),
    force=st.booleans(),
)  # fmt: skip
def test_whatever_a_directory_says(which, changes, flips, end, force):
    """Never anything but a picture or a PictureError, soon."""
    data = bytearray(CORPUS[which])
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)
    wide, start = (20, 8) if big else (12, 2)
    for line, place, number in changes:
        begin = at + start + line * wide + place * (2 if big and place > 2 else 1)
        if begin + 4 <= len(data):
            small = place < 4 or (number < 65_536 and place == 8)
            value = number & 0xFFFF if small else number
            struct.pack_into(f"{order}{'H' if small else 'I'}", data, begin, value)
    for where, value in flips:
        data[where % len(data)] = value
    request = images.ReadRequest(4_000_000, 1, force)
    try:
        found = images.read(
            io.BytesIO(bytes(data[:end])), max_pixels=4_000_000, page=1, force_damaged=force
        )
    except PictureError:
        return
    header = images.read_header(io.BytesIO(bytes(data[:end])), request)
    assert (header.size, header.bits) == (found.size, 8 * found.pixels.dtype.itemsize)
    images.write(found, io.BytesIO(), "tiff")
