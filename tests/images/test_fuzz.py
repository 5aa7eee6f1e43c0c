"""Damaged files of every format: a picture or one line, soon, and no others."""

from __future__ import annotations

import io
import time

import pytest
from helpers import drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import formats

SAMPLES = {
    "jpg": ("JPEG", "RGB"), "png": ("PNG", "RGBA"), "webp": ("WEBP", "RGBA"),
    "tiff": ("TIFF", "RGB"), "gif": ("GIF", "P"), "bmp": ("BMP", "RGB"), "ppm": ("PPM", "RGB"),
    "sgi": ("SGI", "RGB"), "tga": ("TGA", "RGBA"), "ico": ("ICO", "RGBA"), "pcx": ("PCX", "RGB"),
    "qoi": ("QOI", "RGB"), "jp2": ("JPEG2000", "RGB"), "avif": ("AVIF", "RGB"),
}  # fmt: skip
SLOW = 2.0
"""Seconds that reading a small file may take, on a machine that is busy."""


def sample(key: str) -> bytes:
    out = io.BytesIO()
    format, mode = SAMPLES[key]
    drawn(48, 32, mode).save(out, format, **({"xmp": b"<x/>"} if key in ("jpg", "webp") else {}))
    return out.getvalue()


DATA = {key: sample(key) for key in SAMPLES}


class Named(io.BytesIO):
    """Some formats are known by their name."""

    name = ""


def read(key: str, data: bytes, force: bool) -> None:
    file = Named(data)
    file.name = f"a{formats.named(key).suffixes[0]}"
    start = time.perf_counter()
    try:
        header = images.read_header(
            file, images.ReadRequest(max_pixels=100_000, force_damaged=force)
        )
        picture = images.read(file, max_pixels=100_000, force_damaged=force)
    except PictureError as error:
        assert "\n" not in str(error)
    else:
        assert header.size == picture.size
        assert picture.pixels.size <= 300_000
        images.to_pil(picture)
    assert time.perf_counter() - start < SLOW


@pytest.mark.parametrize("key", SAMPLES)
def test_every_format_is_known(key):
    read(key, DATA[key], False)
    assert formats.named(key).recognises(DATA[key][:4096], formats.named(key).suffixes[0])


@pytest.mark.parametrize("key", SAMPLES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(data=st.data())
def test_changed_bytes(key, data):
    """Near the beginning, where headers are."""
    whole = bytearray(DATA[key])
    for _ in range(data.draw(st.integers(1, 6))):
        reach = data.draw(st.sampled_from([32, 256, len(whole)]))
        at = data.draw(st.integers(0, min(reach, len(whole)) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF, whole[at] ^ 1]))
    read(key, bytes(whole), data.draw(st.booleans()))


@pytest.mark.parametrize("key", SAMPLES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_cut_off_and_joined(key, data):
    whole = DATA[key]
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(0, len(whole)))
    joined = whole[:start] + data.draw(st.binary(max_size=40)) + whole[stop:]
    read(key, joined, data.draw(st.booleans()))
