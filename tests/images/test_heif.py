"""AVIF and HEIC: colours told in numbers, how they lie, what else is in the file."""

from __future__ import annotations

import base64
import io
import struct

import heiffile
import numpy as np
import pytest
from helpers import ROOT, takes_less
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icc import P3, delta_e, lab, tag
from PIL import Image, ImageCms

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import profiles, vips
from srzoo.images.bmff import av1, boxes, heif

CASES = ROOT.parent / "shared" / "cases"
KINDS = ("avif", "heic")


def smooth(width: int = 80, height: int = 64) -> np.ndarray:
    small = np.random.default_rng(2).integers(0, 255, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: np.ndarray, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    if kind == "avif":
        Image.fromarray(pixels).save(buffer, "AVIF", quality=100, subsampling="4:4:4", **options)
    else:
        pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
        image = pillow_heif.from_pillow(Image.fromarray(pixels))
        image.save(buffer, quality=-1, chroma=444, **options)
    return buffer.getvalue()


def made(kind: str, *properties: bytes, pixels: np.ndarray | None = None, **more) -> io.BytesIO:
    """A file of one picture with other properties than its encoder gave it."""
    item = heiffile.taken(encoded(smooth() if pixels is None else pixels, kind))
    names = {each[4:8] for each in properties}
    item.properties = [p for p in item.properties if p[4:8] not in names] + list(properties)
    return io.BytesIO(heiffile.built([item], brands=(kind.encode(), b"mif1"), **more))


def again(picture: images.Picture, format: str, quality: int | None = None):
    buffer = io.BytesIO()
    written = images.write(picture, buffer, format, quality)
    return written, images.read(buffer), heif.read_facts(buffer)


def test_the_case_of_display_p3_keeps_its_colours():
    path = CASES / "avif_p3_cicp.avif"
    if not path.exists():
        pytest.skip("no shared cases")
    picture = images.read(path)
    assert picture.cicp is not None
    assert picture.cicp[:2] == (12, 13)
    for format, quality in (("png", None), ("tiff", None), ("jpg", 100), ("avif", 100)):
        written, found, told = again(picture, format, quality)
        assert written.lost == ()
        if format == "avif":
            assert told.cicp[:2] == (12, 13)
        off = delta_e(
            lab(Image.fromarray(found.pixels), found.profile),
            lab(Image.fromarray(picture.pixels), P3),
        )
        assert off.mean() < 1
        assert found.profile is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "numbers", [(12, 13), (9, 16), (9, 18), (12, 1), (1, 8), (11, 17), (9, 14)]
)
def test_colours_in_numbers_are_read_and_written_back(kind, numbers):
    found = images.read(made(kind, heiffile.nclx(*numbers)))
    assert found.cicp == (*numbers, 6, 1)
    assert found.icc is None
    written, back, told = again(found, kind)
    assert written.lost == ()
    assert back.cicp == (*numbers, 6, 1)
    assert told.cicp == (*numbers, 6, 1)
    other = "heic" if kind == "avif" else "avif"
    assert again(found, other)[1].cicp == (*numbers, 6, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("numbers", [(1, 13), (2, 2), (1, 1), (1, 6), (2, 13), (1, 2), (1, 15)])
def test_srgb_in_numbers_is_nothing_to_keep(kind, numbers):
    found = images.read(made(kind, heiffile.nclx(*numbers)))
    assert (found.cicp, found.icc, found.lost) == (None, None, ())


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_governs_where_both_are_there(kind):
    both = [heiffile.box(b"colr", b"prof", P3), heiffile.nclx(9, 16)]
    found = images.read(made(kind, *both))
    assert (found.cicp, found.icc) == (None, P3)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_go_first_in_a_picture_that_has_both(kind):
    picture = images.Picture(smooth(), icc=P3, cicp=(9, 16, 0, 1))
    written, back, _ = again(picture, kind)
    assert back.cicp[:2] == (9, 16)
    assert back.icc is None
    assert "profile beside CICP" in written.lost[0]


@pytest.mark.parametrize("format", ["jpg", "webp", "tiff"])
@pytest.mark.parametrize(("numbers", "name"), [((9, 16), "PQ"), ((9, 18), "HLG")])
def test_hdr_elsewhere_is_a_profile_that_says_so(format, numbers, name):
    written, back, _ = again(images.Picture(smooth(), cicp=(*numbers, 9, 0)), format)
    assert written.lost == (
        f"HDR colours ({name}) became a colour profile, which few programs show as HDR",
    )
    assert tag(back.icc, b"cicp") == b"cicp" + bytes(4) + bytes((*numbers, 0, 1))
    light = np.frombuffer(tag(back.icc, b"gTRC")[12:], ">u2").astype(int)
    assert (np.diff(light) >= 0).all()
    white = 0.58 if name == "PQ" else 0.75  # signals of a white sheet, by BT.2408
    assert 0.85 * 65_535 < light[round(white * (len(light) - 1))] < 65_535


def test_gray_in_numbers_gets_a_gray_profile():
    gray = images.Picture(smooth()[:, :, 0], cicp=(9, 4, 0, 1))
    written, back, _ = again(gray, "tiff")
    assert profiles.colour_space(back.icc) == "GRAY"
    assert (back.pixels == gray.pixels).all()
    written, back, told = again(gray, "avif")
    assert told.cicp[:2] == (9, 4)
    assert back.pixels.ndim == 2
    # In colour the numbers go on to be meant; no profile is applied.
    written, back, _ = again(gray, "heic")
    assert (written.pixels == gray.pixels[:, :, None]).all()
    assert again(images.Picture(smooth()[:, :, 0], cicp=(12, 13, 0, 1)), "tiff")[1].icc is None


def test_numbers_that_nobody_knows_are_told():
    for format in ("avif", "heic", "jpg"):
        written, back, _ = again(images.Picture(smooth(), cicp=(77, 99, 0, 1)), format)
        assert written.lost[-1] == "colours by CICP 77/99 are not known: treated as sRGB"
        assert (back.cicp, back.icc) == (None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_read_whatever_its_numbers_are(kind):
    found = images.read(made(kind, heiffile.nclx(77, 99)))
    assert np.array_equal(found.pixels, images.read(made(kind)).pixels)
    assert found.cicp[:2] == (77, 99)


def test_numbers_of_12_bits():
    pytest.importorskip("pyvips", reason="the extra photo is not installed")
    deep = smooth().astype(np.uint16) * 257
    _, back, told = again(images.Picture(deep, cicp=(9, 16, 9, 1)), "avif", 95)
    assert told.bits == 12
    assert back.cicp[:2] == (9, 16)
    assert back.icc is None
    # Another reader, too: the file is whole, and its pixels are where they were.
    assert np.abs(back.pixels.astype(int) - deep).mean() < 300
    buffer = io.BytesIO()
    images.write(images.Picture(deep, cicp=(9, 16, 9, 1)), buffer, "avif", 95)
    plain = io.BytesIO()
    images.write(images.Picture(deep), plain, "avif", 95)
    seen = [np.asarray(Image.open(each).convert("RGB")).astype(int) for each in (buffer, plain)]
    assert np.abs(seen[0] - seen[1]).max() <= 1


def test_where_no_box_tells_colours_the_coded_data_do():
    """A sequence header by libaom, in both forms that there are."""
    buffer = io.BytesIO()
    Image.fromarray(smooth()).save(buffer, "AVIF", advanced={"color-primaries": "bt2020"})
    item = heiffile.taken(buffer.getvalue())
    item.properties = [each for each in item.properties if each[4:8] != b"colr"]
    assert images.read(io.BytesIO(heiffile.built([item]))).cicp == (9, 13, 6, 1)
    frames = [Image.fromarray(np.roll(smooth(), 8 * at, 1)) for at in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], range="limited")
    assert av1.cicp(heiffile.part(buffer.getvalue(), b"mdat")) == (1, 13, 6, 0)
    for end in range(12):
        av1.cicp(item.data[:end])  # no exception


LAYOUTS = {
    "turned": ([heiffile.irot(1)], lambda a: np.rot90(a, 1)),
    "upside down": ([heiffile.irot(2)], lambda a: np.rot90(a, 2)),
    "mirrored": ([heiffile.imir(1)], lambda a: a[:, ::-1]),
    "flipped": ([heiffile.imir(0)], lambda a: a[::-1]),
    "both": ([heiffile.irot(3), heiffile.imir(1)], lambda a: np.rot90(a, 3)[:, ::-1]),
    "cut": ([heiffile.clap(40, 30)], lambda a: a[17:47, 20:60]),
    "cut aside": ([heiffile.clap(40, 30, 6, -7)], lambda a: a[10:40, 26:66]),
    "cut and turned": (
        [heiffile.clap(40, 30, 6, -7), heiffile.irot(1)],
        lambda a: np.rot90(a[10:40, 26:66]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_lie_as_the_boxes_say(kind, layout):
    properties, way = LAYOUTS[layout]
    file = made(kind, *properties)
    header, found = images.read_header(file), images.read(file)
    right = way(images.read(made(kind)).pixels)
    assert header.size == found.size
    assert np.array_equal(found.pixels, right)


def test_a_grid_is_one_picture():
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    buffer = io.BytesIO()
    image = pillow_heif.from_pillow(Image.fromarray(smooth(300, 200)))
    image.save(buffer, quality=95, tile_size=64, color_primaries=12, transfer_characteristics=13)
    found = images.read(buffer)
    assert (found.size, found.lost) == ((300, 200), ())
    assert found.cicp[:2] == (12, 13)
    assert np.abs(found.pixels.astype(int) - smooth(300, 200)).mean() < 2


GRAY_10 = (
    "AAAAHGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZgAAAOltZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAA"
    "AAAAAAAAAAAAAAAAAA5waXRtAAAAAAABAAAAHmlsb2MAAAAARAAAAQABAAAAAQAAAQ0AAAAoAAAAKGlpbmYA"
    "AAAAAAEAAAAaaW5mZQIAAAAAAQAAYXYwMUNvbG9yAAAAAGhpcHJwAAAASWlwY28AAAAUaXNwZQAAAAAAAAAG"
    "AAAABAAAAA5waXhpAAAAAAEKAAAADGF2MUOBAFwAAAAAE2NvbHJuY2x4AAIAAgACgAAAABdpcG1hAAAAAAAA"
    "AAEAAQQBAoMEAAAAMG1kYXQSAAoFGAhvzqAyHRAAhwvN97sufeT7g8TWZ1SUTGkvi6PFNugw/T9b"
)
"""By imagecodecs, without loss: 6 x 4 pixels of 10 bits, 0, 40, 80, ... 920."""


def test_gray_of_10_bits_stays_gray(monkeypatch):
    file = io.BytesIO(base64.b64decode(GRAY_10))
    right = (np.arange(24).reshape(4, 6) * 40) * 65_535 / 1023
    if vips.library() is not None:
        header, found = images.read_header(file), images.read(file)
        assert (header.bits, header.channels) == (16, 1)
        assert found.pixels.shape == (4, 6)
        assert np.abs(found.pixels - right).max() < 65
    monkeypatch.setattr(vips, "library", lambda: None)
    header, found = images.read_header(file), images.read(file)
    assert (header.bits, header.channels) == (8, 1)
    assert np.abs(found.pixels - right / 257).max() <= 1
    assert "10 bits a channel became 8" in found.lost[0]


def test_avif_that_no_reader_takes_is_not_written():
    thin = np.broadcast_to(np.uint8(9), (2, 32_769))
    with pytest.raises(PictureError, match="32768 pixels a side"):
        images.write(images.Picture(thin), io.BytesIO(), "avif")
    with pytest.raises(PictureError, match="268,435,456 pixels"):
        images.check_writable(io.BytesIO(), (20_000, 20_000), "avif")


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_that_are_not_square_are_said(kind):
    assert "2:1" in images.read(made(kind, heiffile.pasp(2, 1))).lost[0]
    assert images.read(made(kind, heiffile.pasp(3, 3))).lost == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("major", [b"mif1", b"miaf", b"MA1B", b"heif"])
def test_the_brands_behind_the_major_one_tell_the_format(kind, major):
    item = heiffile.taken(encoded(smooth(), kind))
    file = io.BytesIO(heiffile.built([item], brands=(major, b"mif1", kind.encode())))
    assert images.read(file).format == kind


GONE = {
    "urn:com:apple:photo:2020:aux:hdrgainmap": heif.GAIN_MAP,
    "urn:mpeg:hevc:2015:auxid:2": heif.DEPTH,
    "urn:mpeg:mpegB:cicp:systems:auxiliary:depth": heif.DEPTH,
    "urn:com:apple:photo:2018:aux:portraiteffectsmatte": heif.MATTE,
    "urn:com:apple:photo:2019:aux:semanticskinmatte": heif.MATTE,
    "urn:example:else": "an auxiliary picture (urn:example:else) is gone",
}


def beside(kind: str, *properties: bytes, hidden: bool = False) -> heiffile.Item:
    item = heiffile.taken(encoded(smooth(40, 32), kind))
    item.properties += properties
    item.hidden = hidden
    return item


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("urn", GONE)
def test_auxiliary_pictures_are_gone_with_a_word(kind, urn):
    items = [heiffile.taken(encoded(smooth(), kind)), beside(kind, heiffile.auxc(urn), hidden=True)]
    brands = (kind.encode(), b"mif1")
    found = images.read(io.BytesIO(heiffile.built(items, [(b"auxl", 2, [1])], brands)))
    assert found.lost == (GONE[urn],)


@pytest.mark.parametrize("kind", KINDS)
def test_thumbnails_need_no_word_and_other_pictures_do(kind):
    items = [heiffile.taken(encoded(smooth(), kind)), beside(kind)]
    brands = (kind.encode(), b"mif1")
    assert images.read(io.BytesIO(heiffile.built(items, [(b"thmb", 2, [1])], brands))).lost == ()
    found = images.read(io.BytesIO(heiffile.built(items, [], brands)))
    assert found.lost == ("only the main picture of the file is used",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tone_mapped_picture_and_a_video_are_gone_with_a_word(kind):
    main = heiffile.taken(encoded(smooth(), kind))
    mapped = heiffile.Item(b"tmap", bytes(64), [heiffile.ispe(80, 64)])
    items = [main, beside(kind, hidden=True), mapped]
    brands = (kind.encode(), b"mif1", b"tmap")
    motion = heiffile.box(b"mpvd", bytes(100))
    data = heiffile.built(items, [(b"dimg", 3, [1, 2])], brands, motion)
    assert images.read(io.BytesIO(data)).lost == (heif.GAIN_MAP, heif.VIDEO)


@pytest.mark.parametrize("photo", [True, False])
@pytest.mark.parametrize("premultiplied", [True, False])
def test_alpha_that_was_multiplied_in(photo, premultiplied, monkeypatch):
    if not photo:
        monkeypatch.setattr(vips, "library", lambda: None)
    pixels = Image.fromarray(smooth())
    alpha = np.linspace(60, 255, 80).round().astype(np.uint8)[None].repeat(64, axis=0)
    pixels.putalpha(Image.fromarray(alpha))
    buffer = io.BytesIO()
    options = {"quality": 100, "subsampling": "4:4:4", "alpha_premultiplied": premultiplied}
    pixels.save(buffer, "AVIF", **options)
    told = heif.read_facts(buffer)
    assert told.premultiplied == premultiplied
    found = images.read(buffer)
    assert np.abs(found.alpha.astype(int) - alpha).max() <= 1
    assert np.abs(found.pixels.astype(int) - smooth()).max() <= 8
    assert found.lost == ()


def test_alpha_that_was_multiplied_in_with_12_bits():
    pytest.importorskip("pyvips", reason="the extra photo is not installed")
    deep = smooth().astype(np.uint16) * 257
    alpha = np.linspace(16_000, 65_535, 80).round().astype(np.uint16)[None].repeat(64, axis=0)
    multiplied = (deep * (alpha[:, :, None] / 65_535)).round().astype(np.uint16)
    buffer = io.BytesIO()
    images.write(images.Picture(multiplied, alpha), buffer, "avif", 100)
    reader = boxes.Boxes(buffer)
    meta = boxes.items(reader, next(box for box in reader.outermost() if box[0] == b"meta"))
    items = [
        heiffile.Item(
            meta.items[item][0],
            buffer.getvalue()[where : where + length],
            [meta.data[box[1] - 8 : box[2]] for box in meta.properties_of(item).values()],
        )
        for item, (where, length) in meta.places.items()
    ]
    links = [(b"auxl", 2, [1]), (b"prem", 1, [2])]
    found = images.read(io.BytesIO(heiffile.built(items, links)))
    assert found.pixels.dtype == np.uint16
    assert np.abs(found.alpha.astype(int) - alpha).max() < 100
    assert np.abs(found.pixels.astype(int) - deep).mean() < 600


def test_frames_of_a_sequence():
    frames = [Image.fromarray(np.roll(smooth(), 8 * at, 1)) for at in range(3)]
    buffer = io.BytesIO()
    options = {"quality": 100, "subsampling": "4:4:4"}
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], **options)
    with pytest.raises(PictureError, match="3 frames"):
        images.read(buffer)
    for at, frame in enumerate(frames, 1):
        found = images.read(buffer, page=at)
        assert np.abs(found.pixels.astype(int) - np.asarray(frame)).mean() < 3
        (lost,) = found.lost
        assert lost.startswith(f"one frame of an animation, {at} of 3")
    with pytest.raises(PictureError, match="none of the number 4"):
        images.read(buffer, page=4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_is_said_also_when_it_is_forced(kind):
    data = encoded(smooth(), kind)
    with pytest.raises(PictureError, match="reads no part of such a file"):
        images.read(io.BytesIO(data[: len(data) // 2]), force_damaged=True)


def changed(data: bytes, edits: list[tuple[int, int]], end: int) -> bytes:
    out = bytearray(data)
    for at, value in edits:
        out[at % end] = value
    return bytes(out)


SEEDS: dict[str, tuple[bytes, int]] = {}


def seed(kind: str) -> tuple[bytes, int]:
    if kind not in SEEDS:
        urn = heiffile.auxc("urn:com:apple:photo:2020:aux:hdrgainmap")
        items = [heiffile.taken(encoded(smooth(), kind)), beside(kind, urn)]
        items[0].properties += [heiffile.clap(40, 30), heiffile.irot(1), heiffile.pasp(2, 1)]
        links = [(b"auxl", 2, [1])]
        data = heiffile.built(
            items, links, (kind.encode(), b"mif1"), heiffile.box(b"mpvd", bytes(9))
        )
        SEEDS[kind] = data, data.index(b"mdat") + 4
    return SEEDS[kind]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6))
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_header_is_a_picture_or_an_error(kind, edits):
    data, end = seed(kind)
    changed_data = changed(data, edits, end)

    def read():
        file = io.BytesIO(changed_data)
        try:
            header = images.read_header(file)
            found = images.read(file)
        except PictureError:
            return
        assert isinstance(found, images.Picture)
        assert min(found.size) > 0
        # libheif goes by the coded data where a box tells another size.
        assert kind == "heic" or header.size == found.size

    assert takes_less(1, read)


@pytest.mark.parametrize("what", ["boxes", "items", "references", "uses", "properties", "metas"])
def test_hostile_counts_cost_no_time(what):
    many = 300_000
    content = {
        "boxes": heiffile.box(b"free") * many,
        "items": heiffile.full(
            b"iinf", b"\xff\xff", heiffile.full(b"infe", bytes(9), version=2) * many
        ),
        "references": heiffile.full(
            b"iref", heiffile.box(b"auxl", struct.pack(">HH", 2, 1), b"\0\1") * (many // 4)
        ),
        "uses": heiffile.box(
            b"iprp", heiffile.full(b"ipma", b"\xff" * 4, struct.pack(">HB", 1, 255), bytes(many))
        ),
        "properties": heiffile.box(b"iprp", heiffile.box(b"ipco", heiffile.box(b"free") * many)),
        "metas": b"",
    }[what]
    head = heiffile.box(b"ftyp", b"avif", bytes(4), b"avif")
    meta = heiffile.full(b"meta", heiffile.full(b"pitm", b"\0\1"), content)
    data = head + (meta * 30_000 if what == "metas" else meta)
    assert takes_less(0.5, lambda: heif.read_facts(io.BytesIO(data)))


def test_every_known_number_has_a_profile_that_programs_read():
    for primaries in profiles.PRIMARIES:
        for transfer in (*profiles.CURVES, *profiles.HDR):
            cicp = (primaries, transfer, 0, 1)
            made = profiles.from_cicp(cicp)
            assert (made is None) == profiles.is_like_srgb(cicp)
            if made:
                parsed = ImageCms.ImageCmsProfile(io.BytesIO(made)).profile
                white = np.sum(
                    [parsed.red_colorant[0], parsed.green_colorant[0], parsed.blue_colorant[0]], 0
                )
                assert white == pytest.approx((0.9642, 1.0, 0.8249), abs=2e-3)


def test_a_large_heic_is_written_in_slices(monkeypatch):
    """libde265 takes 16 MiB of data in one piece, and no more."""
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    from srzoo.images.formats import heic

    pixels = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    whole = io.BytesIO()
    images.write(images.Picture(pixels), whole, "heic", 100)
    monkeypatch.setattr(heic, "SLICE", 2**16)
    sliced = io.BytesIO()
    images.write(images.Picture(pixels), sliced, "heic", 100)
    assert whole.getvalue() != sliced.getvalue()
    again = images.read(sliced).pixels
    assert np.abs(again.astype(int) - pixels).mean() < 1
    monkeypatch.setattr(heic, "LARGEST", 1000)
    with pytest.raises(PictureError, match="use a lower quality"):
        images.write(images.Picture(pixels), io.BytesIO(), "heic", 100)
