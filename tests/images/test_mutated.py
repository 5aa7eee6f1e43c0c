"""Mutated PNG, GIF and WebP: a picture or a PictureError, and soon."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icc import SRGB
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pngs import chunks_of, png

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import vips
from srzoo.images.format import ReadRequest
from srzoo.images.png.pngwriter import SIGNATURE, chunk


def saved(format: str, image: Image.Image | None = None, **options) -> bytes:
    out = io.BytesIO()
    (image or drawn(20, 14, "RGBA")).save(out, format, **options)
    return out.getvalue()


def full_png() -> bytes:
    info, exif = PngInfo(), Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    info.add_text("Title", "a" * 40, zip=True)
    info.add_itxt("XML:com.adobe.xmp", "<x/>")
    info.add_text("Raw profile type exif", "\nexif\n 4\n00112233\n")
    return saved("PNG", pnginfo=info, exif=exif, icc_profile=SRGB, dpi=(9, 9))


def deep_png() -> bytes:
    values = np.random.default_rng(0).integers(0, 65_536, (9, 11, 3))
    return png(values, 16, interlaced=True, before=[chunk(b"cICP", b"\x09\x10\0\1")], idat=50)


MOVING = {"save_all": True, "append_images": [drawn(20, 14, "RGBA").rotate(90)] * 2}
PALETTE = drawn(20, 14).quantize(16)
SEEDS = {
    "png": full_png(),
    "16 bits": deep_png(),
    "palette": saved("PNG", PALETTE, transparency=3),
    "apng": saved("PNG", **MOVING),
    "gif": saved("GIF", PALETTE, comment=b"a comment", transparency=3),
    "animated gif": saved("GIF", **MOVING),
    "webp": saved("WEBP", exif=Image.Exif(), icc_profile=SRGB, xmp=b"<x/>"),
    "lossless webp": saved("WEBP", lossless=True),
    "animated webp": saved("WEBP", **MOVING),
}
NUMBERS = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]


@st.composite
def mutated(draw, data: bytes) -> bytes:
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, min(len(data) - 1, draw(st.sampled_from([60, 10**6]))))))
        kind = draw(st.sampled_from(["byte", "bit", "number", "cut", "insert", "repeat", "lose"]))
        if kind == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "bit" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "number":
            form = draw(st.sampled_from([">I", "<I", ">H", "<H"]))
            number = draw(st.sampled_from(NUMBERS)) % 2 ** (8 * struct.calcsize(form))
            data[at : at + struct.calcsize(form)] = struct.pack(form, number)
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=20))
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 60))] * draw(st.integers(1, 50))
        else:
            del data[at : at + draw(st.integers(1, 60))]
    return bytes(data)


def checked(data: bytes) -> bytes:
    """A PNG with right checksums again, as far as its chunks can be told."""
    try:
        parts = [(name, data[at : at + length]) for name, at, length in chunks_of(data)]
    except struct.error:
        return data
    return data[:8] + b"".join(chunk(name, body) for name, body in parts)


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_picture_or_an_error(seed, data):
    given = data.draw(mutated(SEEDS[seed]))
    if SEEDS[seed].startswith(SIGNATURE) and data.draw(st.booleans()):
        given = checked(given)
    request = ReadRequest(10**6, data.draw(st.sampled_from([None, 1, 2])), data.draw(st.booleans()))
    without_vips = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch:
        if without_vips:
            patch.setattr(vips, "library", lambda: None)
        assert takes_less(1, lambda: read_and_written(given, request))


def read_and_written(given, request):
    try:
        header = images.read_header(io.BytesIO(given), request)
        picture = images.read(
            io.BytesIO(given),
            max_pixels=request.max_pixels,
            page=request.page,
            force_damaged=request.force_damaged,
        )
    except PictureError:
        return
    assert header.size == picture.size
    for format in ("png", "jpg") if max(picture.size) < 65_500 else ("png",):
        images.write(picture, io.BytesIO(), format)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"cICP", b"gAMA", b"cHRM"]
            ),
            st.one_of(
                st.binary(max_size=40),
                st.builds(lambda k, b: k + b"\0\0" + zlib.compress(b), st.sampled_from(
                    [b"k", b"Raw profile type exif", b"Raw profile type iptc",
                     b"Raw profile type APP1", b"XML:com.adobe.xmp"]), st.binary(max_size=90)),
                st.builds(lambda k, b: k + b"\0\0\n1\n9\n" + b.hex().encode(), st.sampled_from(
                    [b"Raw profile type iptc", b"Raw profile type exif"]), st.one_of(
                        st.binary(max_size=90), st.binary().map(lambda b: b"8BIM\4\4" + b),
                        st.binary().map(lambda b: b"Exif\0\0II*\0" + b))),
                st.binary(max_size=90).map(lambda b: b"MM\0*\0\0\0\x08" + b),
            ),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_what_stands_beside_the_pixels_never_blocks_them(given):
    values = np.asarray(drawn())
    data = png(values, before=[chunk(*each) for each in given], idat=2**20)
    picture = images.read(io.BytesIO(data))
    assert sorted(picture.size) == [31, 45]
    for format in ("png", "jpg", "tiff", "webp"):
        images.write(picture, io.BytesIO(), format)
