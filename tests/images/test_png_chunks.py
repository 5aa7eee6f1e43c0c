"""What stands beside a PNG's pixels: kept, or dropped with a note; it never blocks a picture."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from icc import P3, SRGB
from PIL import Image
from pngs import png

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images.png import pngtexts
from srzoo.images.png.pngwriter import XMP_KEYWORD, chunk

VALUES = np.asarray(drawn())
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


def made(*before: bytes, after: tuple[bytes, ...] = ()) -> bytes:
    return png(VALUES, before=before, after=after, idat=2**20)


def read(data: bytes) -> images.Picture:
    picture = images.read(io.BytesIO(data))
    assert np.array_equal(picture.pixels, VALUES)
    assert images.read_header(io.BytesIO(data)).size == picture.size
    return picture


def exif_bytes(text: str = "a camera") -> bytes:
    exif = Image.Exif()
    exif[0x0110] = text
    return exif.tobytes()[6:]


def texts(kind: bytes, key: bytes, text: bytes) -> bytes:
    if kind == b"tEXt":
        return chunk(kind, key + b"\0" + text)
    if kind == b"zTXt":
        return chunk(kind, key + b"\0\0" + zlib.compress(text))
    return chunk(b"iTXt", key + b"\0\0\0en\0\0" + text)


PILLOW_S = [
    "exif", "dpi", "xmp", "transparency", "icc_profile", "gamma", "chromaticity", "srgb", "aspect",
    "loop", "default_image", "duration", "interlace", "background", "photoshop", "comment", "mp",
    "jfif", "bbox", "blend", "disposal", "timestamp", "version", "compression", "cicp", "iCCP",
    "XML:com.adobe", "Raw profile type", "Raw profile type unknown", "Software", "chunks",
]  # fmt: skip


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("behind", [False, True])
def test_texts_of_any_name_are_texts(kind, behind):
    """None takes the place of what stands elsewhere."""
    ihdr_like = [texts(kind, key.encode(), b"nonsense") for key in PILLOW_S]
    real = [
        chunk(b"iCCP", b"p\0\0" + zlib.compress(P3)),
        chunk(b"eXIf", exif_bytes()),
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        texts(b"iTXt", XMP_KEYWORD.encode(), XMP),
    ]
    both = [*real, *ihdr_like]
    picture = read(made(after=tuple(both)) if behind else made(*both))
    assert picture.texts == tuple((key, "nonsense") for key in PILLOW_S)
    assert (picture.icc, picture.xmp, picture.alpha, picture.lost) == (P3, XMP, None, ())
    assert picture.dpi == pytest.approx((300, 300), abs=0.01)
    assert loaded(picture.exif)[0x0110] == "a camera"
    out = io.BytesIO()
    images.write(picture, out, "png")
    again = read(out.getvalue())
    assert (again.texts, again.icc, again.dpi) == (picture.texts, P3, picture.dpi)


def loaded(exif: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(exif)
    return found


@pytest.mark.parametrize("deep", [False, True])
@settings(max_examples=40, deadline=None)
@given(
    given=st.lists(
        st.tuples(
            st.text(st.characters(codec="latin-1", exclude_characters="\0"), max_size=90),
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        ),
        max_size=5,
    )
)
def test_texts_come_back_or_are_named(deep, given):
    given = [(key, text) for key, text in given if key != XMP_KEYWORD and "Raw" not in key]
    pixels = VALUES.astype(np.uint16) if deep else VALUES
    out = io.BytesIO()
    written = images.write(images.Picture(pixels, texts=tuple(given)), out, "png")
    kept = tuple(each for each in given if 1 <= len(each[0]) <= 79)
    assert written.texts == kept
    assert bool(written.lost) == (len(kept) < len(given))
    assert images.read(io.BytesIO(out.getvalue())).texts == kept


def test_keywords_that_png_cannot_hold():
    given = (("写真", "a"), ("x" * 80, "b"), ("Title", "写真"))
    out = io.BytesIO()
    written = images.write(images.Picture(VALUES, texts=given), out, "png")
    assert written.lost == (f"PNG has no place for texts: dropped 写真, {'x' * 80}",)
    assert read(out.getvalue()).texts == (("Title", "写真"),)


def raw(kind: str, data: bytes) -> bytes:
    body = f"\n{kind}\n{len(data):8}\n".encode() + data.hex("\n", 36).encode() + b"\n"
    return texts(b"zTXt", b"Raw profile type " + kind.encode(), body)


def test_what_imagemagick_writes_as_texts():
    """EXIF, IPTC, XMP and profiles in hexadecimal digits."""
    records = b"\x1c\x02\x78\0\7caption"
    block = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records
    other = b"8BIM\x03\xed\4name\0" + struct.pack(">I", 3) + b"abc\0"
    picture = read(
        made(
            raw("exif", b"Exif\0\0" + exif_bytes()), raw("iptc", other + block), raw("icc", P3),
            raw("xmp", XMP),
        )
    )  # fmt: skip
    assert loaded(picture.exif)[0x0110] == "a camera"
    assert (picture.iptc, picture.icc, picture.xmp, picture.texts) == (records, P3, XMP, ())
    assert picture.lost == ()
    app1 = read(made(raw("APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP)))
    assert app1.xmp == XMP
    real = read(made(raw("exif", exif_bytes("old")), chunk(b"eXIf", exif_bytes("new"))))
    assert loaded(real.exif)[0x0110] == "new"


def broken(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    ("odd", "note"),
    [
        (broken(chunk(b"eXIf", exif_bytes())), "the eXIf chunk has a wrong checksum"),
        (broken(chunk(b"iCCP", b"p\0\0" + zlib.compress(P3))), "the iCCP chunk has a wrong check"),
        (broken(chunk(b"tEXt", b"Title\0text")), "the tEXt chunk has a wrong checksum"),
        (chunk(b"pHYs", b"\0\0\1"), "the pHYs chunk has a wrong length"),
        (chunk(b"pHYs", struct.pack(">IIB", 2**32 - 1, 2**32 - 1, 1)), "the resolution"),
        (chunk(b"cICP", b"\1"), "the cICP chunk has a wrong length"),
        (chunk(b"gAMA", b"\1" * 5), "the gAMA chunk has a wrong length"),
        (chunk(b"cHRM", b""), "the cHRM chunk has a wrong length"),
        (chunk(b"tRNS", b"\0\1"), "the tRNS chunk is out of place or of a wrong length"),
        (chunk(b"PLTE", b"\0\1"), "the PLTE chunk is out of place or of a wrong length"),
        (chunk(b"eXIf", b"no exif"), "the EXIF data is damaged"),
        (chunk(b"eXIf", exif_bytes()) + chunk(b"eXIf", b"2"), "the eXIf chunk appears twice"),
        (chunk(b"iCCP", b"p"), "the colour profile is damaged"),
        (chunk(b"iCCP", b"p\0\0" + zlib.compress(P3)[:-9]), "the colour profile is damaged"),
        (chunk(b"iCCP", b"p\0\0" + zlib.compress(b"no profile")), "the colour profile is damaged"),
        (chunk(b"zTXt", b"Title\0\0nonsense"), "a text is damaged"),
        (chunk(b"iTXt", b"Title\0\1\0\0\0nonsense"), "a text is damaged"),
        (chunk(b"iTXt", b""), "a text is damaged"),
        (raw("exif", b"Exif\0\0no exif"), "the EXIF data is damaged"),
        (texts(b"tEXt", b"Raw profile type exif", b"zzz"), "the text 'Raw profile type exif' is"),
        (texts(b"tEXt", b"Raw profile type icc", b"\nicc\n 9\nxyz"), "the text 'Raw profile type"),
        (chunk(b"caBX", b"jumbf"), "the content credentials"),
        (chunk(b"mDCV", bytes(24)), "the mastering display's colours"),
        (chunk(b"sTER", b"\1"), "that the picture is a stereo pair"),
    ],
)  # fmt: skip
def test_harmless_damage_is_dropped_and_said(odd, note):
    picture = read(made(odd))
    assert len(picture.lost) == 1
    assert picture.lost[0].startswith(note)
    assert (picture.alpha, picture.dpi) == (None, None)
    for format in ("png", "jpg", "tiff"):
        images.write(picture, io.BytesIO(), format)


@pytest.mark.parametrize("place", ["before", "after"])
def test_colours_behind_the_pixels_are_not_theirs(place):
    key = chunk(b"tRNS", struct.pack(">3H", *VALUES[3, 4]))
    if place == "after":
        assert read(made(after=(key,))).alpha is None
    else:
        assert images.read(io.BytesIO(made(key))).alpha is not None


@pytest.mark.parametrize(
    ("x", "y", "unit", "dpi", "told"),
    [
        (3937, 3937, 1, (100, 100), None),
        (3937, 1969, 1, (100, 50), "0.5001:1"),
        (1, 1, 0, None, None),
        (1000, 1000, 0, None, None),
        (1, 2, 0, None, "2:1"),
        (2834, 2835, 1, (72, 72), None),
        (0, 5, 1, None, None),
        (300, 300, 7, None, None),
    ],
)
def test_resolution_or_shape_of_pixels(x, y, unit, dpi, told):
    picture = read(made(chunk(b"pHYs", struct.pack(">IIB", x, y, unit))))
    assert picture.dpi == (None if dpi is None else pytest.approx(dpi, abs=0.1))
    note = f"the pixels are not square ({told}): kept as they are"
    assert picture.lost == ((note,) if told else ())


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


MANY = {
    "texts": lambda: made(*[chunk(b"tEXt", b"k%d\0v" % n) for n in range(50_000)]),
    "texts of one name": lambda: made(*[chunk(b"tEXt", b"Comment\0v")] * 50_000),
    "unknown": lambda: made(*[chunk(b"teSt", b"")] * 50_000),
    "no text": lambda: made(*[chunk(b"iTXt", b"")] * 50_000),
    "profiles": lambda: made(*[chunk(b"iCCP", b"p\0\0x")] * 50_000),
    "pixels": lambda: made(after=(chunk(b"IDAT", b""),) * 50_000),
    "raw profiles": lambda: made(*[raw("exif", b"")] * 10_000),
    "a bomb of a text": lambda: made(chunk(b"zTXt", b"k\0\0" + bomb(5 * 10**7))),
    "bombs of texts": lambda: made(*[chunk(b"zTXt", b"k\0\0" + bomb(10**6))] * 300),
    "a bomb of XMP": lambda: made(texts(b"iTXt", b"a", b"b"), chunk(b"iTXt", XMP_KEYWORD.encode()
                                  + b"\0\1\0\0\0" + bomb(5 * 10**7))),
    "a bomb of a profile": lambda: made(chunk(b"iCCP", b"p\0\0" + bomb(5 * 10**7))),
    "a large profile": lambda: made(chunk(b"iCCP", b"p\0\0" + zlib.compress(P3 + bytes(2**21)))),
    "a large text": lambda: made(chunk(b"zTXt", b"k\0\0" + bomb(2**20))),
}  # fmt: skip


@pytest.mark.parametrize("what", MANY)
def test_time_is_bounded(what):
    """Of chunks without number, and of what is small and becomes large."""
    data = MANY[what]()

    def read_and_written():
        picture = read(data)
        for format in ("png", "jpg", "tiff"):
            images.write(picture, io.BytesIO(), format)

    assert takes_less(4, read_and_written)  # some 0.5 on a quiet machine
    picture = read(data)
    if what == "a large profile":
        assert picture.icc == P3 + bytes(2**21)
    if what == "a large text":
        assert picture.texts == (("k", "\0" * 2**20),)
    if what == "texts":
        assert len(picture.texts) == pngtexts.MOST
        assert picture.lost == ("it has more than 10,000 texts: the others were dropped",)
    if "bomb" in what:
        assert any("too large" in note for note in picture.lost)


def test_a_megabyte_of_xmp_is_kept():
    packet = XMP.replace(b"<r:RDF", b"<!--" + b"x" * 2**20 + b"--><r:RDF")
    body = XMP_KEYWORD.encode() + b"\0\1\0\0\0" + zlib.compress(packet)
    picture = read(made(chunk(b"iTXt", body)))
    assert (picture.xmp, picture.lost) == (packet, ())


@pytest.mark.parametrize("length", [0, 5, 2**20, 2**31, 2**32 - 1])
def test_a_chunk_of_a_wrong_length(length):
    """What follows cannot be found; it is refused, and not for what it stands beside."""
    odd = struct.pack(">I", length) + chunk(b"tEXt", b"Title\0" + b"x" * 30)[4:]
    with pytest.raises(PictureError):
        read(made(odd))
    after = images.read(io.BytesIO(made(after=(odd,))))
    assert np.array_equal(after.pixels, VALUES)
    assert "the file's end is missing or damaged" in after.lost


def test_profiles_that_contradict_each_other():
    """iCCP counts more than sRGB, gAMA and cHRM."""
    others = [chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100_000))]
    assert read(made(*others, chunk(b"iCCP", b"p\0\0" + zlib.compress(SRGB)))).icc == SRGB
    assert read(made(*others)).icc is None
