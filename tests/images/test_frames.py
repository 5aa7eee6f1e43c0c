"""One frame of an animation, as a viewer shows it: GIF, APNG, WebP."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pngs import ihdr, raw

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.format import ReadRequest
from srzoo.images.png.pngwriter import SIGNATURE, chunk
from srzoo.images.xmp import EMPTY

WIDTH, HEIGHT = 12, 9
XMP = EMPTY.encode()


@st.composite
def animations(draw, gif=False):
    """Layers: box, dispose, over, pixels h x w x 4."""
    layers = []
    for number in range(draw(st.integers(2, 5))):
        x, y = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
        box = (x, y, draw(st.integers(1, WIDTH - x)), draw(st.integers(1, HEIGHT - y)))
        if draw(st.booleans()) or (number == 0 and not gif):
            box = (0, 0, WIDTH, HEIGHT)
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        pixels = rng.integers(0, 256, (box[3], box[2], 4))
        alphas = (0, 255) if gif else (0, 90, 200, 255)
        pixels[:, :, 3] = rng.choice(alphas, (box[3], box[2]))
        layers.append((box, draw(st.integers(0, 2)), gif or draw(st.booleans()), pixels))
    return layers


def reference(layers, index) -> np.ndarray:
    """What is seen at a frame, pixel by pixel, as the APNG specification has it."""
    canvas = np.zeros((HEIGHT, WIDTH, 4))
    for at in range(index + 1):
        (x, y, w, h), dispose, over, pixels = layers[at]
        before = canvas.copy()
        for row in range(h):
            for column in range(w):
                top = pixels[row, column] / 255.0
                below = canvas[y + row, x + column]
                if over:
                    alpha = top[3] + below[3] * (1 - top[3])
                    mixed = top[:3] * top[3] + below[:3] * below[3] * (1 - top[3])
                    top = np.array([*(mixed / alpha if alpha else (0, 0, 0)), alpha])
                canvas[y + row, x + column] = top
        shown = canvas.copy()
        if dispose == 1:
            canvas[y : y + h, x : x + w] = 0
        elif dispose == 2:
            canvas = before
    return np.rint(shown * 255).astype(int)


def apng(layers, bits=8, apart=None, count=None) -> bytes:
    scale = 1 if bits == 8 else 257
    count = len(layers) if count is None else count
    first = layers[0][3] if apart is None else apart
    out = SIGNATURE + ihdr(first, bits, 6, False)
    out += chunk(b"acTL", struct.pack(">II", count, 0))
    sequence = 0
    if apart is not None:
        out += chunk(b"IDAT", zlib.compress(raw(apart * scale, bits, False)))
    for number, ((x, y, w, h), dispose, over, pixels) in enumerate(layers):
        control = struct.pack(">IIIIIHHBB", sequence, w, h, x, y, 1, 10, dispose, over)
        out += chunk(b"fcTL", control)
        sequence += 1
        data = zlib.compress(raw(pixels * scale, bits, False))
        if number == 0 and apart is None:
            out += chunk(b"IDAT", data)
            continue
        for part in (data[:20], data[20:]):
            out += chunk(b"fdAT", struct.pack(">I", sequence) + part)
            sequence += 1
    return out + chunk(b"IEND", b"")


def planes(picture) -> np.ndarray:
    alpha = picture.alpha
    if alpha is None:
        alpha = np.full(picture.pixels.shape[:2], np.iinfo(picture.pixels.dtype).max)
    pixels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
    return np.concatenate([np.broadcast_to(pixels, (*alpha.shape, 3)), alpha[:, :, None]], 2)


def same(found: np.ndarray, expected: np.ndarray, off: int) -> None:
    """Colours count where something is seen."""
    assert np.abs(found[..., 3] - expected[..., 3]).max() <= off
    seen = expected[..., 3:] > 0
    assert (np.abs(found.astype(int) - expected) * seen).max() <= off


@settings(max_examples=80, deadline=None)
@given(layers=animations(), deep=st.booleans())
def test_apng(layers, deep):
    data = apng(layers, 16 if deep else 8)
    header = images.read_header(io.BytesIO(data), ReadRequest(page=1))
    assert (header.pages, header.size) == (len(layers), (WIDTH, HEIGHT))
    for index in range(len(layers)):
        picture = images.read(io.BytesIO(data), page=index + 1)
        found = planes(picture)
        # A mixed colour is rounded at each layer.
        same(found // 257 if deep else found, reference(layers, index), 5)
        (note,) = picture.lost
        assert note.startswith(f"one frame of an animation, {index + 1} of {len(layers)}:")


def gif(layers, loop=True) -> bytes:
    """Each with a palette of its own; entry 255 is transparent."""
    out = b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0, 0, 0)
    out += b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" if loop else b""
    for (x, y, w, h), dispose, _, pixels in layers:
        colours, entries = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
        entries = np.where(pixels[..., 3] == 0, 255, entries.reshape(h, w)).astype(np.uint8)
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(colours)] = colours
        out += struct.pack("<BBBBHBB", 0x21, 0xF9, 4, (dispose + 1) << 2 | 1, 10, 255, 0)
        out += struct.pack("<BHHHHB", 0x2C, x, y, w, h, 0x87) + palette.tobytes()
        encoded = io.BytesIO()
        Image.fromarray(entries).save(encoded, "GIF", optimize=False)
        plain = encoded.getvalue()
        out += plain[plain.rindex(struct.pack("<BHHHH", 0x2C, 0, 0, w, h)) + 10 : -1]
    return out + b";"


@settings(max_examples=80, deadline=None)
@given(layers=animations(gif=True))
def test_gif(layers):
    data = gif(layers)
    header = images.read_header(io.BytesIO(data), ReadRequest(page=1))
    assert (header.pages, header.size) == (len(layers), (WIDTH, HEIGHT))
    for index in range(len(layers)):
        picture = images.read(io.BytesIO(data), page=index + 1)
        same(planes(picture), reference(layers, index), 0)
        assert len(picture.lost) == 1


@settings(max_examples=20, deadline=None)
@given(layers=animations(gif=True))
def test_gif_as_another_reader_has_it(layers):
    pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
    layers = [((0, 0, WIDTH, HEIGHT), 0, True, np.full((HEIGHT, WIDTH, 4), 255)), *layers]
    layers = [(box, min(dispose, 1), over, pixels) for box, dispose, over, pixels in layers]
    data = gif(layers)
    for index in range(len(layers)):
        other = pyvips.Image.gifload_buffer(data, page=index).numpy()
        found = planes(images.read(io.BytesIO(data), page=index + 1))
        same(found, np.broadcast_to(other, found.shape) if other.shape[2] == 4 else found, 0)


def test_webp():
    frames = [drawn(40, 30, "RGBA"), drawn(40, 30, "RGBA").rotate(90), drawn(40, 30, "RGBA")]
    for lossless in (True, False):
        out = io.BytesIO()
        frames[0].save(
            out, "WEBP", save_all=True, append_images=frames[1:], lossless=lossless, exact=True
        )
        assert images.read_header(out, ReadRequest(page=2)).pages == 3
        for number, frame in enumerate(frames):
            picture = images.read(out, page=number + 1)
            assert picture.lossless is lossless
            if lossless:
                same(planes(picture), np.asarray(frame).astype(int), 1)
            assert picture.lost[0].startswith(f"one frame of an animation, {number + 1} of 3:")


def test_a_picture_that_is_no_part_of_its_animation():
    """What is shown where animations are not known: it counts as the first."""
    box = (0, 0, WIDTH, HEIGHT)
    rng = np.random.default_rng(0)
    apart, *others = rng.integers(0, 256, (3, HEIGHT, WIDTH, 4))
    data = apng([(box, 0, False, pixels) for pixels in others], apart=apart)
    assert images.read_header(io.BytesIO(data), ReadRequest(page=1)).pages == 3
    for number, pixels in enumerate([apart, *others]):
        picture = images.read(io.BytesIO(data), page=number + 1)
        assert np.array_equal(planes(picture), pixels)
        assert picture.lost[0].startswith("one frame of" if number else "the still picture of")
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 3
    with pytest.raises(PictureError, match="it is animated: 3 frames"):
        images.read(io.BytesIO(data))


def moving(count=3):
    box = (0, 0, WIDTH, HEIGHT)
    pixels = np.random.default_rng(1).integers(0, 256, (count, HEIGHT, WIDTH, 4))
    return [(box, 0, False, each) for each in pixels]


def test_frames_that_are_missing_or_damaged():
    layers = moving()
    data = apng(layers)
    with pytest.raises(PictureError, match="it has 3 frames, none of the number 4"):
        images.read(io.BytesIO(data), page=4)
    promised = apng(layers, count=9)
    assert images.read_header(io.BytesIO(promised), ReadRequest(page=1)).pages == 3
    third = data.rindex(b"fdAT")
    broken = data[: third + 9] + bytes([data[third + 9] ^ 1]) + data[third + 10 :]
    for page in (1, 2):  # frames before it are as they were
        found = planes(images.read(io.BytesIO(broken), page=page))
        assert np.array_equal(found, layers[page - 1][3])
    with pytest.raises(PictureError, match=r"damaged .*force_damaged=True"):
        images.read(io.BytesIO(broken), page=3)
    forced = images.read(io.BytesIO(broken), page=3, force_damaged=True)
    assert "the file is damaged" in forced.lost[-1]
    second = data.index(b"fcTL", data.index(b"IDAT"))
    swapped = data[: second - 4] + data[second - 4 + 38 :]
    with pytest.raises(PictureError, match="out of order"):
        images.read(io.BytesIO(swapped), page=2)


def test_a_still_with_an_animation_s_chunks():
    """One frame is not an animation, and frames without acTL are none."""
    layers = moving(1)
    assert np.array_equal(planes(images.read(io.BytesIO(apng(layers)))), layers[0][3])
    three = apng(moving(3))
    without = three[:33] + three[33 + 20 :]
    picture = images.read(io.BytesIO(without))
    assert np.array_equal(planes(picture), moving(3)[0][3])
    assert picture.lost == ()


def test_a_gif_s_first_frame_may_be_smaller_or_larger_than_its_screen():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 5, 4))
    pixels[..., 3] = 255
    data = gif([((2, 3, 5, 4), 0, True, pixels)], loop=False)
    picture = images.read(io.BytesIO(data))
    assert picture.size == images.read_size(io.BytesIO(data)) == (WIDTH, HEIGHT)
    assert np.array_equal(picture.pixels[3:7, 2:7], pixels[..., :3])
    assert (np.argwhere(picture.alpha).min(axis=0) == (3, 2)).all()
    assert picture.lost == ()
    tiny = data[:6] + struct.pack("<HH", 0, 0) + data[10:]
    assert images.read(io.BytesIO(tiny)).size == images.read_size(io.BytesIO(tiny)) == (7, 7)


@pytest.mark.parametrize("interlace", [0, 1])
def test_a_cut_off_gif(interlace):
    image = drawn(60, 50).quantize(64)
    out = io.BytesIO()
    image.save(out, "GIF", interlace=interlace)
    data = out.getvalue()
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(images.read(io.BytesIO(data)).pixels, expected)
    cut = data[: len(data) * 2 // 3]
    with pytest.raises(PictureError, match=r"damaged .*force_damaged=True"):
        images.read(io.BytesIO(cut))
    picture = images.read(io.BytesIO(cut), force_damaged=True)
    note = picture.lost[-1]
    count = int(note.split(": ")[1].split(" of ")[0])
    assert 10 < count < 50
    there = (picture.pixels == expected).all(axis=(1, 2))
    assert there.sum() >= count
    if not interlace:
        assert there[:count].all()
        assert (picture.pixels[count:] == picture.pixels[count - 1]).all()
    without = images.read(io.BytesIO(data[:-1]))
    assert np.array_equal(without.pixels, expected)
    with pytest.raises(PictureError, match="nothing of its pixels"):
        images.read(io.BytesIO(data[: data.index(b"\x2c", 13 + 64 * 3) + 12]), force_damaged=True)


@pytest.mark.parametrize("lossless", [False, True])
def test_a_cut_off_webp(lossless):
    image = drawn(90, 80)
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=lossless, quality=90)
    whole = images.read(out)
    data = out.getvalue()
    cut = data[: len(data) // 2]
    for reader in (images.read, images.read_header):
        with pytest.raises(PictureError, match=r"damaged .*force_damaged=True"):
            reader(io.BytesIO(cut))
    assert images.read_header(io.BytesIO(cut), ReadRequest(force_damaged=True)).size == (90, 80)
    picture = images.read(io.BytesIO(cut), force_damaged=True)
    count = int(picture.lost[-1].split(": ")[1].split(" of ")[0])
    assert 0 < count < 80
    # With loss the filter between blocks looks down by some rows.
    assert np.array_equal(picture.pixels[: count - 16], whole.pixels[: count - 16])
    assert (picture.pixels[count:] == picture.pixels[count - 1]).all()


def test_a_webp_whose_metadata_are_cut_off():
    exif = Image.Exif()
    exif[0x010E] = "x" * 999
    out = io.BytesIO()
    drawn().save(out, "WEBP", lossless=True, exif=exif)
    cut = out.getvalue()[:-500]
    picture = images.read(io.BytesIO(cut))
    assert np.array_equal(picture.pixels, np.asarray(drawn()))
    assert picture.lost == ("the file's end is missing or damaged",)
    assert (picture.exif, picture.lossless) == (None, True)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP"
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_a_webp_s_metadata_whatever_they_are():
    out = io.BytesIO()
    drawn().save(out, "WEBP", lossless=True)
    pixels = out.getvalue()[20:]
    large = b"\x2c\0\0\0" + struct.pack("<I", 44)[:3] + struct.pack("<I", 30)[:3]
    for exif in (b"nonsense", b"", b"Exif\0\0II*\0\xff\xff\xff\xff"):
        given = (b"VP8X", large), (b"ICCP", b"no profile"), (b"VP8L", pixels), (b"EXIF", exif)
        picture = images.read(io.BytesIO(riff(*given, (b"XMP ", XMP), (b"XMP ", b"2"))))
        assert np.array_equal(picture.pixels, np.asarray(drawn()))
        assert picture.xmp == XMP


def test_a_gif_s_comments_xmp_and_profile():
    from icc import SRGB

    xmp = XMP + b" " * 600
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    extra = b"\x21\xff\x0bXMP DataXMP" + xmp + trailer
    parts = [SRGB[at : at + 255] for at in range(0, len(SRGB), 255)]
    blocks = b"".join(bytes([len(part)]) + part for part in parts)
    extra += b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0"
    extra += b"\x21\xfe\x03one\x03 an\0\x21\xfe\x03two\0"
    out = io.BytesIO()
    drawn().quantize(16).save(out, "GIF")
    data = out.getvalue()
    picture = images.read(io.BytesIO(data[: 13 + 48] + extra + data[13 + 48 :]))
    assert picture.xmp == xmp
    assert picture.texts == (("Comment", "one an"), ("Comment", "two"))
    assert (picture.icc, picture.lost) == (SRGB, ())


def test_pixels_of_a_gif_that_are_not_square():
    out = io.BytesIO()
    drawn().quantize(16).save(out, "GIF")
    data = out.getvalue()
    picture = images.read(io.BytesIO(data[:12] + bytes([113]) + data[13:]))
    assert picture.lost == ("the pixels are not square (2:1): kept as they are",)


def test_time_is_bounded():
    """Frames without number in a small file."""
    tiny = b"\x2c" + struct.pack("<HHHHB", 5, 5, 1, 1, 0) + b"\2\2\x44\1\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 99, 99, 0x80, 0, 0) + bytes(6) + tiny * 27_000
    blocks = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0) + b"\x21\xfe\1x\0" * 80_000

    def read():
        header = images.read_header(io.BytesIO(data + b";"), ReadRequest(page=5))
        assert header.pages == 27_000
        picture = images.read(io.BytesIO(data + b";"), page=3_000)
        assert picture.alpha[5, 5] == 255
        with pytest.raises(PictureError, match="contains no picture"):
            images.read(io.BytesIO(blocks))

    assert takes_less(6, read)  # some 1 on a quiet machine


def test_frames_that_are_large_together():
    box = (0, 0, 64, 64)
    pixels = np.zeros((64, 64, 4), np.int64)
    layers = [(box, 0, True, pixels)] * 40
    data = apng(layers)
    assert images.read(io.BytesIO(data), page=10, max_pixels=64 * 64 * 3).size == (64, 64)
    with pytest.raises(PictureError, match=r"pixels together.*max_pixels=40960 "):
        images.read(io.BytesIO(data), page=40, max_pixels=64 * 64 * 3)
    replaced = [(box, 0, False, pixels)] * 40  # each hides those before it
    assert images.read(io.BytesIO(apng(replaced)), page=40, max_pixels=64 * 64).size == (64, 64)
