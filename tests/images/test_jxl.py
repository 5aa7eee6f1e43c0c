"""JPEG XL by its extra; files that the extra cannot write come from libjxl and imagecodecs."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import io

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from icc import P3, SRGB
from PIL import Image

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import profiles
from srzoo.images.xmp import EMPTY

FILES = {
    "animated": (
        "/woYQEETAIgJCAQBAAgBSxiTjoODGSgerJpBCNbY8reDMVmI0vUCcQF8EwAAAAAAAACA3+zu7u7uPjMzMzMz"
        "8+27uzvbtm3btu2tp+AZaKABCAQFABABSxiTjoODGSgerNoQhMEaW/52MCYLUbpeIC6AbwIAAAAAAAAA8Jvd"
        "3d3d3WdmZmZmZr59d3dn27Zt27Y9VTWCEZz2EwA="
    ),
    "16 bits": (
        "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAACfanhsY/8KGED8ABQtAggEAQAg"
        "AksYk46DgxkoHrQ6gxCssfX87WBMFqJ0vUBcAN/chCAEIQhBCEIQghCEIAQhCEEIQhCCEIQgBCEIQQhC8Dc3"
        "K7iCK7iCK7iCK7iCK7iCz+EUTMEUTMEUTMEUTMEUTMEUfFv6BE/wBE/wBE/Qwx72sIc97GEPe9jDHvawhz3s"
        "YQ97eOspeAYaaAA="
    ),
    "16 bits gray, alpha": (
        "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAAB4anhsY/8KGED8CH4AihYBCBAQ"
        "AHwBSxiTjoODmQSJJdqQAiNmrDa8wAGACwAFKEABClCAAhSgAAUoQAEKUIACFKAABShAAQpQgAIUbH2ZwAQm"
        "MIEJTGACE5jABCYwQSfoBJ2gE3SCTtAJOkEn6AR7d/AUBAI="
    ),
    "10 bits gray": ("/woYQBQULQIIBAEAiABLGIsVUlyUaHMmSxAZFxak/xQiIuZdXNHLQ1oKx5DtB3EB"),
    "profile": (
        "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAEHanhsY/8KGEAQwhfDgIR5AExVkpYlHX9etyAI"
        "WlmXRT2h8s8CCUtv1aWguqDZ9bGMmTI4U5a1HobO4LuMnSXAmwB84i6Uw+FfJGUq3hyacTNxYTjQzk9zwKcN"
        "gwzHybsgY97AySMnzRk0NGjX+nbldBs48Avb/fn3798dRPEHxvZCyxwsWgwTPRBpjgqUmDFBuSfoJoMZoc+O"
        "bPy1udOMADe9/v073/L8YpyAfSH+/bs35N+/fUVQ5YLAuAgEAQAIAUsYk46DgxkoHqyaQQjW2PK3gzFZiNL1"
        "AnEBfBMAAAAAAAAAgN/s7u7u7j4zMzMzM/Ptu7s727Zt27btrafgGWigAQ=="
    ),
    "packed EXIF and XMP": (
        "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAABWanhsY/8KGEAQCQgEAQAIAUsYk46DgxkoHqya"
        "QQjW2PK3gzFZiNL1AnEBfBMAAAAAAAAAgN/s7u7u7j4zMzMzM/Ptu7s727Zt27btrafgGWigAQAAAC9icm9i"
        "RXhpZhsjAACEwHa/QRd1HsWRT6BA0koWjaIKqLLRRQyJhlnOuu8DAAAANWJyb2J4bWwgGyQAAETnljqh0D80"
        "9TsfUTcJlERAhZrR6Hyp4opKPYz7LuF8pIpuPgE="
    ),
    "a JPEG": (
        "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAARanhscAAAAAD/CkFAJAAAAeBqYnJkwG0DCIIg"
        "tAwIgFCjQMhVJQAAIOSobMFQnP8TRMYIZZxTCtqPkCHMUgcZZqB0hxqsDxlOPmbAIQcVFjlo2IHto4b+/ZFl"
        "DjvuQEPR/S/GOGOSSzb5ZJRTnpnmmm2+GeechR6a6KKNPhrppKWemuqqrb4a66zFHpvsss0+G+205Z6b7rrt"
        "vhvvvAUfnPDCDT8c8cQjl3xyyiu3/HLMMw9d9NFJL93001FPPXbZZ6e9dttvxz334IUfnvjijT8e+eSjl356"
        "6qu3/nrsswc/fPHHJ798889HP33445d/fvrrt/9+/PP/VzBVVQIAIOSobMFQnP8XREIpo6xTisR4QMhm1CDD"
        "pDrQUD3YcO4hxwwoyAcNOeiwAxuLLHPU7/Zhxw2t6I88M/gkw/tfjHHGJZt8Msop01yzzTfjnLPQQxNdtNFH"
        "I5201FNTXbXVV2Odtdhjk1222Wejnbbcc9Ndt91345134IIPTnjhhh+OeOKRSz455ZVbfjnmmYcu+uikl276"
        "6ainHrvss9Neu+2345578MIPT3zxxh+PfPLRSz899dVbfz322Ycv/vjkl2/++einH7/889Nfv/3345//v8AP"
        "AFQWAAsIgOAAEEpGSUYAAQEAAAEAAQAAAwAAAJxqeGxwgAAAAeBbAhAAJAIMZAxkDGT+/w4AABgACAABAAAA"
        "AACAgCWJRIi7uR4CUCZrcW+gUJiRggL5cChHRETGxsboGMQYnCQOVSMjyUgGXMQEAMzpghAUwAOyLQTgBBBz"
        "xmKTpngEdhydrgGXnYwpUVe4TQAFihGLQnDc4z4wjADJlYE645MUTLaMLwcDeAsAAAAAAKAkAQ=="
    ),
}
"""6 x 4 pixels: gray in steps of 10, its negative, and half of it; the JPEG is one of 8 x 8."""
GRAY = (np.arange(24, dtype=np.uint8) * 10).reshape(4, 6)
RGB = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=2)

here = pytest.mark.skipif(
    importlib.util.find_spec("pillow_jxl") is None, reason="the extra jxl is not installed"
)


def file(name: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(FILES[name]))


def again(picture: images.Picture, quality: int | None = None):
    buffer = io.BytesIO()
    written = images.write(picture, buffer, "jxl", quality)
    found = images.read(buffer)
    header = images.read_header(buffer)
    colours = 1 if found.pixels.ndim == 2 else 3
    assert header.size == found.size
    assert header.channels == colours + (found.alpha is not None)
    assert header.bits == 8 * found.pixels.dtype.itemsize
    return written, found


@pytest.mark.skipif(
    importlib.util.find_spec("pillow_jxl") is not None, reason="the extra jxl is installed"
)
def test_without_its_extra(tmp_path):
    (tmp_path / "a.jxl").write_bytes(file("profile").getvalue())
    with pytest.raises(PictureError, match=r"a\.jxl is JPEG XL.*pip install 'srzoo\[jxl\]'"):
        images.read(tmp_path / "a.jxl")
    with pytest.raises(PictureError, match=r"pip install 'srzoo\[jxl\]'"):
        images.format_of(tmp_path / "a.jxl")


@here
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_lossless_in_lossless_out(mode):
    pixels = np.asarray(drawn(mode=mode))
    alpha = np.ascontiguousarray(pixels[:, :, -1]) if "A" in mode else None
    colours = pixels[:, :, 0] if mode == "LA" else pixels[:, :, :3] if alpha is not None else pixels
    given = images.Picture(np.ascontiguousarray(colours), alpha, lossless=True)
    for _ in range(2):
        written, found = again(given)
        assert (written.lost, found.lost, found.format) == ((), (), "jxl")
        assert np.array_equal(found.pixels, given.pixels)
        assert alpha is None or np.array_equal(found.alpha, alpha)
        assert found.lossless
        assert (found.icc, found.cicp) == (None, None)
        given = found


@here
def test_quality_is_kept_to():
    smooth = np.asarray(drawn(8, 6).resize((128, 96), Image.Resampling.BICUBIC))
    sizes = []
    for quality in (50, 75, 90, 97, 100):
        buffer = io.BytesIO()
        images.write(images.Picture(smooth, lossless=True), buffer, "jxl", quality)
        found = images.read(buffer)
        assert found.lossless == (quality == 100)
        sizes.append(len(buffer.getvalue()))
    assert sizes[:4] == sorted(sizes[:4])
    assert np.array_equal(found.pixels, smooth)
    _, usual = again(images.Picture(smooth))
    assert 0 < np.abs(usual.pixels.astype(int) - smooth).mean() < 2


@here
def test_16_bits_stay_in_gray():
    deep = np.random.default_rng(1).integers(0, 65_536, (20, 30), np.uint16)
    written, found = again(images.Picture(deep, lossless=True))
    assert written.lost == ()
    assert np.array_equal(found.pixels, deep)
    colour = images.Picture(deep[:, :, None].repeat(3, 2), lossless=True)
    written, found = again(colour)
    assert "16 bits a channel became 8" in written.lost[0]
    assert np.array_equal(found.pixels, images.picture.to_8_bits(colour.pixels))


@here
def test_exif_xmp_and_dpi():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    xmp = EMPTY.encode()
    given = images.Picture(RGB, exif=exif.tobytes(), xmp=xmp, dpi=(300, 300))
    written, found = again(given)
    kept = Image.Exif()
    kept.load(found.exif)
    assert kept[0x010E] == "a description"
    assert (found.xmp, found.dpi, written.lost) == (xmp, (300, 300), ())


@here
def test_packed_metadata():
    pytest.importorskip("brotli", reason="the extra jxl is not installed")
    found = images.read(file("packed EXIF and XMP"))
    kept = Image.Exif()
    kept.load(found.exif)
    assert kept[0x010E] == "a box"
    # The packet that is in it holds no RDF.
    assert found.lost == ("the XMP data is damaged and was dropped",)
    assert np.array_equal(found.pixels, RGB)


@here
def test_colours_become_srgb_where_they_are_others():
    found = images.read(file("profile"))
    assert profiles.colour_space(found.icc) == "RGB"
    assert np.array_equal(found.pixels, RGB)
    written, converted = again(found)
    assert written.lost == ("JPEG XL's encoder here keeps no colour profile: converted to sRGB",)
    right = profiles.to_srgb(Image.fromarray(RGB), P3)
    assert np.abs(converted.pixels.astype(int) - np.asarray(right)).max() <= 1
    assert converted.icc is None
    # A profile that is sRGB's is nothing to convert.
    for icc in (SRGB, profiles.matrix_profile("sRGB")):
        written, same = again(images.Picture(RGB, icc=icc, lossless=True))
        assert written.lost == ()
        assert np.array_equal(same.pixels, RGB)
    gray = images.Picture(GRAY, icc=profiles.gray_profile("gamma 1.8", 1.8), lossless=True)
    written, same = again(gray)
    assert same.pixels.ndim == 2
    assert len(written.lost) == 1
    written, _ = again(images.Picture(RGB, cicp=(9, 16, 9, 1)))
    assert "HDR" in written.lost[0]


@here
def test_depths_that_the_extra_cannot_write():
    deep = GRAY.astype(np.uint16) * 257
    found = images.read(file("16 bits gray, alpha"))
    assert np.array_equal(found.pixels, deep)
    assert np.array_equal(found.alpha, (255 - GRAY).astype(np.uint16) * 257)
    assert found.profile is not None  # it is linear
    found = images.read(file("10 bits gray"))
    assert np.abs(found.pixels - (deep >> 6) * (65_535 / 1023)).max() <= 1
    found = images.read(file("16 bits"))
    assert found.pixels.dtype == np.uint8
    assert "16 bits a channel became 8" in found.lost[0]
    assert np.abs(found.pixels.astype(int) - RGB).max() <= 1
    for name in ("16 bits gray, alpha", "10 bits gray", "16 bits"):
        header, found = images.read_header(file(name)), images.read(file(name))
        assert header.bits == 8 * found.pixels.dtype.itemsize


@here
def test_animations_are_refused():
    for reader in (images.read, images.read_header):
        with pytest.raises(PictureError, match="animated"):
            reader(file("animated"))


@here
def test_a_repacked_jpeg():
    found = images.read(file("a JPEG"))
    assert np.abs(found.pixels.astype(int) - (200, 90, 30)).max() <= 3
    assert not found.lossless
    assert found.format == "jxl"


@here
def test_bombs_are_refused_before_they_are_decoded():
    with pytest.raises(PictureError, match="24 pixels|more than"):
        images.read(file("profile"), max_pixels=23)
    # A claim of 2**30 pixels a side, and nothing behind it.
    claim = b"\xff\x0a" + (0b11 << 1 | (2**30 - 1) << 3 | 1 << 33).to_bytes(6, "little") + bytes(9)
    with pytest.raises(PictureError, match="1073741824x1073741824"):
        images.read(io.BytesIO(claim))


@here
@settings(max_examples=100, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=5))
@pytest.mark.parametrize("name", ["profile", "packed EXIF and XMP", "10 bits gray", "a JPEG"])
def test_a_mutated_file_is_a_picture_or_an_error(name, edits):
    data = bytearray(file(name).getvalue())
    for at, value in edits:
        data[at % len(data)] = value

    def read():
        with contextlib.suppress(PictureError):
            found = images.read(io.BytesIO(bytes(data)), max_pixels=10**6)
            assert isinstance(found, images.Picture)

    assert takes_less(1, read)
