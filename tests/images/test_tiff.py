"""TIFF's pixels: every depth and layout gives the values that were put in."""

from __future__ import annotations

import io
import itertools
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from tiffs import picture, planes, read, tiff, values, whole

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import vips

GRAY_WHITE, GRAY, RGB, PALETTE, INKS, YCC, LAB, ICC_LAB = 0, 1, 2, 3, 5, 6, 8, 9
MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def tiled(samples: np.ndarray, side: tuple[int, int], planar: bool, **more) -> dict:
    """A page's fields in tiles of a width and a height; 8 or 16 bits in little-endian order."""
    width, height = side
    page = picture(samples, 8 * samples.dtype.itemsize, **more)
    groups = [samples[..., at : at + 1] for at in range(samples.shape[2])] if planar else [samples]
    parts = []
    for group in groups:
        pad = [(0, -group.shape[0] % height), (0, -group.shape[1] % width), (0, 0)]
        padded = np.pad(group, pad)
        for top, left in itertools.product(
            range(0, padded.shape[0], height), range(0, padded.shape[1], width)
        ):
            parts.append(padded[top : top + height, left : left + width].tobytes())
    del page[273], page[278]
    return page | {322: width, 323: height, 324: parts, 284: 2 if planar else 1}


@settings(max_examples=150, deadline=None)
@given(
    bits=st.integers(1, 16),
    channels=st.sampled_from([1, 2, 3, 4]),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    planar=st.booleans(),
    deflated=st.booleans(),
    mirrored=st.booleans(),
    rows=st.integers(1, 30),
)
def test_every_depth_and_order(bits, channels, order, big, planar, deflated, mirrored, rows):
    samples = values(bits, channels)
    more = {"tag_338": 2} if channels in (2, 4) else {}

    def pack(data: bytes) -> bytes:
        data = zlib.compress(data) if deflated else data
        return data.translate(MIRRORED) if mirrored else data

    page = picture(
        samples, bits, GRAY if channels < 3 else RGB, order=order, rows=rows, planar=planar,
        pack=pack, tag_259=8 if deflated else 1, tag_266=2 if mirrored else 1, **more,
    )  # fmt: skip
    found = read(tiff(page, order=order, big=big))
    assert found.lost == ()
    assert np.array_equal(planes(found), whole(samples, bits))


@pytest.mark.parametrize("side", [(16, 16), (48, 32), (7, 5), (64, 64)])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiles(side, planar, bits):
    samples = values(bits, 3)
    data = tiff(tiled(samples, side, planar, photometric=RGB))
    assert np.array_equal(planes(read(data)), samples)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
def test_the_horizontal_predictor(bits, order, planar):
    samples = values(bits, 3)
    steps = samples.copy()
    steps[:, 1:] -= samples[:, :-1]
    page = picture(
        steps, bits, RGB, order=order, planar=planar, pack=zlib.compress, tag_259=8, tag_317=2
    )
    assert np.array_equal(planes(read(tiff(page, order=order))), samples)


@pytest.mark.parametrize("order", ["<", ">"])
def test_12_bits_in_words_of_16(order):
    """As no standard says; the length of the strips tells."""
    samples = values(12, 3)
    page = picture(samples, 16, RGB, order=order) | {258: [12, 12, 12]}
    assert np.array_equal(planes(read(tiff(page, order=order))), whole(samples, 12))


def test_channels_of_different_depth():
    samples = values(5, 3)
    bits = ["".join(f"{r:05b}{g:06b}{b:05b}" for r, g, b in row) for row in samples]
    rows = [int(row, 2).to_bytes(len(row) // 8, "big") for row in bits]
    page = picture(samples, 5, RGB) | {258: [5, 6, 5], 273: [b"".join(rows)], 278: 23}
    green = np.floor(samples[..., 1] * (255 / 63) + 0.5)
    assert np.array_equal(read(tiff(page)).pixels[..., 1], green)
    assert np.array_equal(read(tiff(page)).pixels[..., ::2], whole(samples, 5)[..., ::2])


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "zstd", "lzma", "group4"])
def test_what_libtiff_undoes(tmp_path, compression):
    """In every depth: it is asked for bytes alone."""
    deep = {8: "L", 1: "1"}[1 if compression == "group4" else 8]
    image = Image.fromarray(values(8, 1)[..., 0]).convert(deep)
    image.save(tmp_path / "a.tif", compression=compression)
    expected = np.asarray(image).astype(np.uint8) * (255 if deep == "1" else 1)
    assert np.array_equal(images.read(tmp_path / "a.tif").pixels, expected)
    if deep == "1":
        return
    words = values(16, 1, 23, 18)  # 36 bytes a row
    small = Image.frombytes("L", (36, 23), words.tobytes())
    small.save(tmp_path / "b.tif", compression=compression)
    with Image.open(tmp_path / "b.tif") as opened:
        tags = opened.tag_v2
        data = (tmp_path / "b.tif").read_bytes()
        places = zip(tags[273], tags[279], strict=True)
        parts = [data[at : at + length] for at, length in places]
        page = picture(words, 16, GRAY) | {259: tags[259], 273: parts, 278: tags[278]}
    assert np.array_equal(planes(read(tiff(page))), words)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("unit", [257, 256, 1])
def test_palettes(bits, unit):
    """Their colours have 16 bits; 8 are enough where there are no more in them."""
    index = values(bits, 1)
    table = np.random.default_rng(1).integers(0, 256, (3, 2**bits)).astype(np.uint16)
    table[0, 0] = 255
    page = picture(index, bits, PALETTE, tag_320=(table * unit).ravel())
    assert np.array_equal(read(tiff(page)).pixels, table.T[index[..., 0]])


def test_a_palette_of_16_bits_keeps_them():
    index = values(8, 1)
    table = np.random.default_rng(1).integers(0, 65_536, (3, 256)).astype(np.uint16)
    page = picture(index, 8, PALETTE, tag_320=table.ravel())
    assert np.array_equal(read(tiff(page)).pixels, table.T[index[..., 0]])
    gray = picture(index, 8, PALETTE, tag_320=np.tile(table[0], 3))
    assert np.array_equal(read(tiff(gray)).pixels, table[0][index[..., 0]])
    short = picture(index, 8, PALETTE, tag_320=table.ravel()[:90])
    with pytest.raises(PictureError, match="colour map is damaged"):
        read(tiff(short))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_white_is_zero(bits, alpha):
    samples = values(bits, 1 + alpha)
    found = read(tiff(picture(samples, bits, GRAY_WHITE, **({"tag_338": 2} if alpha else {}))))
    expected = whole(samples, bits)
    expected[..., 0] = np.iinfo(expected.dtype).max - expected[..., 0]
    assert np.array_equal(planes(found), expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("kinds", "alpha", "dropped"),
    [
        ([2], 0, 0), ([1], 0, 0), ([0], None, 1), ([], None, 1), ([0, 2], 1, 1), ([1, 0, 0], 0, 2),
        ([2, 2], 0, 1),
    ],
)  # fmt: skip
def test_channels_beside_the_colours(bits, planar, kinds, alpha, dropped):
    samples = values(bits, 3 + max(1, len(kinds)))
    most = 2**bits - 1
    expected = samples[..., :3].astype(float)
    if alpha is not None and kinds[alpha] == 1:
        clear = samples[..., 3 + alpha : 4 + alpha]
        samples[..., :3] = np.minimum(samples[..., :3], clear)
        expected = samples[..., :3] / np.maximum(clear, 1) * most
    found = read(tiff(picture(samples, bits, RGB, planar=planar, tag_338=kinds or 0)))
    assert np.abs(found.pixels - expected).max() <= 0.5
    assert (found.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.array_equal(found.alpha, samples[..., 3 + alpha])
    assert len(found.lost) == bool(dropped)
    assert not dropped or "dropped" in found.lost[0]


def subsampled(ycc: np.ndarray, across: int, down: int, rows: int) -> list[bytes]:
    """Strips of units: brightness of several pixels, and their colour once."""
    parts = []
    for top in range(0, len(ycc), rows):
        band = ycc[top : top + rows]
        pad = [(0, -len(band) % down), (0, -band.shape[1] % across), (0, 0)]
        band = np.pad(band, pad, "edge")
        units = [
            band[y : y + down, x : x + across, 0].tobytes() + band[y, x, 1:].tobytes()
            for y in range(0, len(band), down)
            for x in range(0, band.shape[1], across)
        ]
        parts.append(b"".join(units))
    return parts


@pytest.mark.parametrize("across", [1, 2, 4])
@pytest.mark.parametrize("down", [1, 2, 4])
def test_ycbcr_without_compression(across, down):
    ycc = values(8, 3)
    page = picture(ycc, 8, YCC, rows=8, tag_530=[across, down])
    page[273] = subsampled(ycc, across, down, 8)
    for channel in (1, 2):
        once = ycc[::down, ::across, channel].repeat(down, 0).repeat(across, 1)
        ycc[..., channel] = once[: ycc.shape[0], : ycc.shape[1]]
    expected = np.asarray(Image.fromarray(ycc, "YCbCr").convert("RGB")).astype(int)
    assert np.abs(read(tiff(page)).pixels - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "YCbCr"])
def test_jpeg(tmp_path, mode):
    small = Image.fromarray(values(8, 3, 12, 16))
    photo = small.resize((160, 120), Image.Resampling.BICUBIC).convert(mode)
    photo.save(tmp_path / "a.tif", compression="jpeg", quality=95)
    with Image.open(tmp_path / "a.tif") as opened:
        expected = images.from_pil(opened).pixels
    assert np.abs(images.read(tmp_path / "a.tif").pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("photometric", [LAB, ICC_LAB])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab(photometric, bits):
    rng = np.random.default_rng(2)
    light, colour = rng.integers(0, 256, (20, 20)), rng.integers(-60, 60, (20, 20, 2))
    stored = np.dstack([light, colour & 255]).astype(np.uint8)
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    lab = Image.frombytes("LAB", (20, 20), stored.tobytes())
    expected = np.asarray(ImageCms.applyTransform(lab, transform)).astype(float)
    if photometric == ICC_LAB:
        colour = colour + 128
    if bits == 16:
        light = np.rint(light * (65_280 / 255 if photometric == ICC_LAB else 257)).astype(int)
        colour = colour * 256
    samples = np.dstack([light, colour & (2**bits - 1)]).astype(np.uint16 if bits == 16 else "u1")
    found = read(tiff(picture(samples, bits, photometric)))
    assert found.lost == ("L*a*b* became RGB in sRGB",)
    inside = ((expected > 0) & (expected < 255)).all(axis=2)
    unit = 257 if bits == 16 else 1
    assert np.abs(found.pixels / unit - expected)[inside].max() <= 1.5


@pytest.mark.parametrize("here", [True, False])
def test_inks(monkeypatch, here):
    """16 bits as 8; reversed ones; with alpha and with spot colours."""
    if here:
        pytest.importorskip("pyvips", reason="the extra photo is not installed")
    else:
        monkeypatch.setattr(vips, "library", lambda: None)
    inks = np.asarray(Image.fromarray(values(8, 3, 6, 8)).resize((48, 36)).convert("CMYK"))
    plain = read(tiff(picture(inks, 8, INKS)))
    assert "CMYK became RGB" in plain.lost
    turned = read(tiff(picture(255 - inks, 8, INKS, tag_336=[255, 0])))
    assert np.array_equal(turned.pixels, plain.pixels)
    more = read(tiff(picture(np.dstack([inks, inks[..., :2]]), 8, INKS, tag_338=[0, 2])))
    assert np.array_equal(more.pixels, plain.pixels)
    assert np.array_equal(more.alpha, inks[..., 1])
    assert "a channel beside colours and alpha" in more.lost[0]
    deep = read(tiff(picture(inks.astype(np.uint16) * 257, 16, INKS)))
    assert deep.pixels.dtype == (np.uint16 if here else np.uint8)
    unit = 257 if here else 1
    assert np.abs(deep.pixels / unit - plain.pixels).mean() < 1
    assert here or any("pip install 'srzoo[photo]'" in note for note in deep.lost)
    with pytest.raises(PictureError, match="inks are not cyan"):
        read(tiff(picture(inks, 8, INKS, tag_332=2)))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({339: 2}, "signed values of 16 bits"),
        ({339: 3}, "floating-point values of 16 bits"),
        ({259: 34887}, "compression .LERC. is not read"),
        ({259: 34712}, "compression .JPEG 2000. is not read"),
        ({259: 99}, "compression .number 99. is not read"),
        ({262: 32844}, "kind 32844"),
        ({259: 7}, "16 bits in a compression of 8"),
        ({259: 8, 317: 3}, "predictor 3"),
        ({258: [32]}, "32 bits a channel"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(fields, reason):
    with pytest.raises(PictureError, match=f"cannot read the picture: .*{reason}"):
        read(tiff(picture(values(16, 1), 16, GRAY) | fields))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({278: 0}, "claims 0 rows"),
        ({273: 900_000}, "of 4 parts"),
        ({279: [1, 2, 3, 4]}, "ends too early"),
        ({279: [851, 851]}, "lengths of its parts are missing"),
        ({256: 0}, "a possible size"),
        ({322: 0, 323: 0}, "claims tiles of 0x0"),
        ({277: 0}, "do not fit 0 channel"),
        ({258: [0]}, "claims 0 to 0 bits"),
    ],
)
def test_damage_is_said(fields, reason):
    with pytest.raises(PictureError, match=f"cannot read the picture: .*{reason}"):
        read(tiff(picture(values(8, 1), 8, GRAY) | fields))


def test_missing_lengths_are_found_again():
    page = picture(values(8, 3), 8, RGB, pack=zlib.compress, tag_259=8)
    plain = read(tiff(page))
    assert np.array_equal(read(tiff({**page, 279: (2, b"nothing")})).pixels, plain.pixels)


COMPRESSED = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg"]


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_cut_off_file_is_refused_or_whole(tmp_path, compression):
    """Never rows of black or of something else; forced, what there is, and a note."""
    image = Image.fromarray(values(8, 3, 6, 8)).resize((80, 60), Image.Resampling.BICUBIC)
    image.save(tmp_path / "a.tif", compression=compression)
    with Image.open(tmp_path / "a.tif") as opened:
        tags = opened.tag_v2
        data = (tmp_path / "a.tif").read_bytes()
        places = zip(tags[273], tags[279], strict=True)
        parts = [data[at : at + length] for at, length in places]
        page = picture(np.asarray(image), 8, tags[262])
        page |= {tag: tags[tag] for tag in (259, 278, 530) if tag in tags}
        if 347 in tags:
            page[347] = tags[347]
    head = tiff(page | {273: [0] * len(parts), 279: [len(part) for part in parts]})
    starts = itertools.accumulate((len(part) for part in parts[:-1]), initial=len(head))
    lengths = [len(part) for part in parts]
    data = tiff(page | {273: list(starts), 279: lengths}) + b"".join(parts)
    plain = read(data)
    for cut in [*range(len(head) - 40, len(data), 211), *range(len(data) - 9, len(data))]:
        try:
            assert np.array_equal(read(data[:cut]).pixels, plain.pixels)
        except PictureError as error:
            assert "cannot read the picture" in str(error)
        try:
            forced = read(data[:cut], force_damaged=True)
        except PictureError:
            continue
        assert np.array_equal(forced.pixels, plain.pixels) or "are damaged" in forced.lost[-1]
    with pytest.raises(PictureError):
        read(data[: len(head) + len(parts[0]) // 2])


def fax(tmp_path, compression: str) -> tuple[dict, list[bytes]]:
    """A page and its parts, as libtiff writes them."""
    small = Image.fromarray(values(8, 1, 6, 8)[..., 0])
    image = small.resize((70, 64), Image.Resampling.BICUBIC).convert("1", dither=0)
    image.save(tmp_path / "a.tif", compression=compression)
    data = (tmp_path / "a.tif").read_bytes()
    with Image.open(tmp_path / "a.tif") as opened:
        tags = opened.tag_v2
        places = zip(tags[273], tags[279], strict=True)
        parts = [data[at : at + length] for at, length in places]
        told = {tag: tags[tag] for tag in (256, 257, 259, 262, 278)}
    return told | {258: 1, 277: 1}, parts


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_damaged_fax_is_said(tmp_path, compression):
    """libtiff tells nobody of it."""
    page, (part,) = fax(tmp_path, compression)
    plain = read(tiff(page | {273: [part]}))
    assert plain.lost == ()
    mirrored = read(tiff(page | {273: [part.translate(MIRRORED)], 266: 2}))
    assert (mirrored.lost, mirrored.size) == ((), plain.size)
    assert np.array_equal(mirrored.pixels, plain.pixels)
    rng = np.random.default_rng(0)
    silent = 0
    for at in rng.integers(0, len(part) - 5, 40):
        wrong = bytearray(part)
        wrong[at] ^= 1 << int(rng.integers(8))
        for damaged in (bytes(wrong), part[: at + 1]):
            try:
                found = read(tiff(page | {273: [damaged]}))
            except PictureError:
                continue
            silent += not (np.array_equal(found.pixels, plain.pixels) or "CCITT" in str(found.lost))
    assert silent <= 2  # a wrong bit may say something that is right in itself
    if compression == "group4":
        with pytest.raises(PictureError, match="ends too early|is damaged"):
            read(tiff(page | {273: [part[: len(part) // 2]]}))


def test_the_jpeg_of_1992():
    """Where all of it is one JPEG file; in pieces it is refused."""
    out = io.BytesIO()
    image = Image.fromarray(values(8, 3, 6, 8)).resize((80, 60), Image.Resampling.BICUBIC)
    image.save(out, "JPEG", quality=95)
    page = {256: 80, 257: 60, 258: [8, 8, 8], 259: 6, 262: YCC, 277: 3, 513: 2000}
    data = tiff(page | {514: len(out.getvalue())}).ljust(2000, b"\0") + out.getvalue()
    assert np.array_equal(read(data).pixels, np.asarray(Image.open(out)))
    with pytest.raises(PictureError, match="ends too early"):
        read(data[:-400])
    with pytest.raises(PictureError, match="another size"):
        read(data.replace(struct.pack("<HHII", 256, 4, 1, 80), struct.pack("<HHII", 256, 4, 1, 90)))
    with pytest.raises(PictureError, match="JPEG as of 1992"):
        read(tiff(page | {513: 8}))


def test_wrong_sums_are_damage():
    """What libtiff does not look at."""
    page = picture(values(8, 3), 8, RGB, pack=zlib.compress, tag_259=8)
    page[273][1] = page[273][1][:-1] + bytes([page[273][1][-1] ^ 1])
    with pytest.raises(PictureError, match="incorrect data check"):
        read(tiff(page))
    assert "1 of the picture's 4 parts" in read(tiff(page), force_damaged=True).lost[0]


def test_a_wrong_sum_alone_costs_no_pixel():
    samples = values(8, 1, 1, 503)  # so that the sum begins a piece of what is tried
    page = picture(samples, 8, GRAY, pack=zlib.compress, tag_259=8)
    assert len(page[273][0]) % 256 == 2
    page[273] = [page[273][0][:-1] + b"?"]
    forced = read(tiff(page), force_damaged=True)
    assert np.array_equal(planes(forced), samples)
    assert "1 of the picture's 1 parts" in forced.lost[0]


def test_what_is_missing_is_empty_where_it_is_asked_for():
    samples = values(16, 3)
    page = picture(samples, 16, RGB) | {273: [1000, 1000, 10**9, 1000], 279: [37 * 42] * 4}
    data = tiff(page).ljust(1000, b"\0") + samples.tobytes()
    with pytest.raises(PictureError):
        read(data)
    forced = read(data, force_damaged=True)
    assert not forced.pixels[14:21].any()
    assert forced.pixels[:14].any()
    assert forced.lost == (
        "1 of the picture's 4 parts are damaged: what is missing of them is empty",
    )
    nothing = tiff(picture(samples, 16, RGB) | {273: [10**9] * 4, 279: [9] * 4})
    with pytest.raises(PictureError, match="nothing of the picture can be read"):
        read(nothing, force_damaged=True)


def test_memory_is_bounded_by_the_pixels():
    """60 channels of noise for one that is wanted."""
    many = picture(values(8, 64, 4, 5), 8, RGB)
    assert read(tiff(many)).pixels.shape == (4, 5, 3)
    with pytest.raises(PictureError, match="64 channels have more data than 25 pixels"):
        read(tiff(many), max_pixels=25)
    with pytest.raises(PictureError, match="65 channels, more than 64"):
        read(tiff(picture(values(8, 65, 4, 5), 8, RGB)))


def test_a_photo_is_the_same_without_pyvips(monkeypatch):
    data = tiff(picture(values(16, 4), 16, RGB, tag_338=1))
    here = read(data)
    monkeypatch.setattr(vips, "library", lambda: None)
    assert np.array_equal(planes(read(data)), planes(here))


def test_16_bits_go_out_as_16(tmp_path):
    samples = values(12, 1)
    found = read(tiff(picture(samples, 12, GRAY)))
    images.write(found, tmp_path / "a.tif", "tiff")
    again = images.read(tmp_path / "a.tif")
    assert np.array_equal(again.pixels, whole(samples, 12)[..., 0])
    assert math.isclose(again.pixels.max(), 65_535)
