"""EXIF, XMP, IPTC, GPS and texts: kept, made to fit, stripped, stamped."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers import ROOT, drawn
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from srzoo import __version__, images
from srzoo.images import metadata
from srzoo.images.png import pngwriter

WRITTEN = ["jpg", "png", "webp", "tiff", "avif"]
PLACE = {1: "N", 2: (52.0, 30.0, 15.25), 3: "E", 4: (13.0, 24.0, 18.0), 6: 34.5, 29: "2024:05:01"}
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
TOOL = "{http://ns.adobe.com/xap/1.0/}CreatorTool"
SOURCE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"

XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="uuid:7"
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 tiff:Orientation="6" tiff:ImageWidth="45" exif:PixelYDimension='31' xmp:Rating="4"
 xmp:CreatorTool="Adobe Lightroom 6.0"><tiff:ImageLength>31</tiff:ImageLength>
<dc:subject><rdf:Bag><rdf:li>b\xc3\xa4r</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def full_exif(orientation=1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a description"
    exif[0x0110] = "a camera"
    exif[0x8298] = "a photographer"
    exif[0x8769] = {
        0x829A: IFDRational(1, 250), 0x8827: 400, 0x9003: "2024:05:01 12:00:00",
        0xA002: 45, 0xA003: 31, 0x927C: b"maker" * 9, 0xA005: {1: "R98"},
    }  # fmt: skip
    exif[0x8825] = PLACE
    return exif


def doubled(picture: images.Picture) -> images.Picture:
    """As an upscaler would."""
    from dataclasses import replace

    pixels = picture.pixels.repeat(2, axis=0).repeat(2, axis=1)
    return replace(picture, pixels=pixels)


@pytest.mark.parametrize("source", WRITTEN)
@pytest.mark.parametrize("target", WRITTEN)
def test_exif_and_gps_go_along(tmp_path, source, target):
    drawn().save(tmp_path / f"a.{source}", exif=full_exif().tobytes())
    picture = doubled(images.read(tmp_path / f"a.{source}"))
    written = images.write(picture, tmp_path / f"b.{target}", target)
    assert written.lost == ()
    with Image.open(tmp_path / f"b.{target}") as image:
        found = image.getexif()
        camera, place = found.get_ifd(0x8769), found.get_ifd(0x8825)
        assert [found[tag] for tag in (0x010E, 0x0110, 0x8298)] == [
            "a description", "a camera", "a photographer",
        ]  # fmt: skip
        assert camera[0x829A] == pytest.approx(1 / 250)
        assert (camera[0x8827], camera[0x9003]) == (400, "2024:05:01 12:00:00")
        assert camera[0x927C] == b"maker" * 9
        if source != "tiff":  # Pillow writes an offset into nowhere there
            assert found.get_ifd(0xA005)[1] == "R98"
        assert (camera[0xA002], camera[0xA003]) == (90, 62)  # as it is now
        assert {tag: place[tag] for tag in PLACE} == PLACE


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", WRITTEN)
def test_orientation_is_applied_and_reset(tmp_path, orientation, suffix):
    path = tmp_path / f"turned.{suffix}"
    drawn(40, 24).save(path, exif=full_exif(orientation).tobytes())
    upright = images.read(path)
    assert images.read_size(path) == upright.size
    assert upright.size == ((24, 40) if orientation >= 5 else (40, 24))
    with Image.open(path) as image:
        stored = np.asarray(image) if suffix != "tiff" else np.asarray(drawn(40, 24))
    steps = {2: "h", 3: "hv", 4: "v", 5: "t", 6: "th", 7: "thv", 8: "tv"}.get(orientation, "")
    for step in steps:
        stored = {"h": stored[:, ::-1], "v": stored[::-1], "t": stored.swapaxes(0, 1)}[step]
    # AVIF is calculated in higher precision than Pillow does.
    assert np.abs(upright.pixels.astype(int) - stored).max() <= (3 if suffix == "avif" else 0)
    images.write(upright, tmp_path / f"again.{suffix}", images.format_of(path))
    with Image.open(tmp_path / f"again.{suffix}") as again:
        assert again.getexif().get(0x0112, 1) == 1
        assert again.getexif()[0x010E] == "a description"
        assert again.size == upright.size


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_orientation_of_16_bits(tmp_path, orientation, suffix):
    pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
    planes = np.arange(5 * 7 * 3, dtype=np.uint16).reshape(5, 7, 3) * 600
    image = pyvips.Image.new_from_array(planes).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.write_to_file(str(tmp_path / f"a{suffix}"))
    picture = images.read(tmp_path / f"a{suffix}")
    eight = Image.fromarray((planes // 257).astype(np.uint8))
    eight.getexif()[0x0112] = orientation
    from PIL import ImageOps

    assert np.array_equal(picture.pixels // 257, np.asarray(ImageOps.exif_transpose(eight)))
    assert images.read_size(tmp_path / f"a{suffix}") == picture.size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_deep_avif(tmp_path, monkeypatch, orientation):
    """AVIF turns by itself, not by EXIF; both decoders have to come to the same."""
    pytest.importorskip("pyvips", reason="the extra photo is not installed")
    wide = np.asarray(drawn(8, 6).resize((96, 64))).astype(np.uint16) * 257
    exif = full_exif(orientation).tobytes()
    picture = images.Picture(wide)
    (tmp_path / "a.avif").write_bytes(images.vips.encode_avif(picture.with_loss("", exif=exif), 95))
    deep = images.read(tmp_path / "a.avif")
    assert deep.pixels.dtype == np.uint16
    assert images.read_size(tmp_path / "a.avif") == deep.size
    monkeypatch.setattr(images.vips, "library", lambda: None)
    shallow = images.read(tmp_path / "a.avif")
    assert deep.size == shallow.size == ((64, 96) if orientation >= 5 else (96, 64))
    assert np.abs(deep.pixels / 257 - shallow.pixels).mean() < 3


@pytest.mark.parametrize("suffix", WRITTEN)
def test_xmp_goes_along_upright_and_with_its_new_size(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    images.write(images.Picture(np.asarray(drawn()), xmp=XMP), path, suffix)
    assert images.read(path).xmp is not None
    images.write(doubled(images.read(path)), tmp_path / f"b.{suffix}", suffix)
    with Image.open(tmp_path / f"b.{suffix}") as image:
        xmp = image.info["xmp"]
        width, height = image.size
    for part in (
        'tiff:Orientation="1"', f'tiff:ImageWidth="{width}"', f"exif:PixelYDimension='{height}'",
        f"<tiff:ImageLength>{height}<", 'xmp:Rating="4"', "<rdf:li>bär</rdf:li>",
    ):  # fmt: skip
        assert part in xmp.decode(), part


def test_xmp_as_others_write_it_into_png(tmp_path):
    for kind in ("add_text", "add_itxt"):
        info = PngInfo()
        getattr(info, kind)("XML:com.adobe.xmp", XMP.decode())
        drawn().save(tmp_path / "a.png", pnginfo=info)
        picture = images.read(tmp_path / "a.png")
        assert b'xmp:Rating="4"' in picture.xmp
        assert picture.texts == ()


def test_a_part_of_xmp_that_lies_elsewhere_is_said():
    far = XMP.replace(b'xmp:Rating="4"', b'xmpNote:HasExtendedXMP="0123" xmp:Rating="4"')
    lost: list[str] = []
    kept = metadata.descriptive_xmp(far, lost)
    assert lost == ["the part of the XMP data that lies apart was dropped"]
    assert b"xmpNote" not in kept
    assert b'xmp:Rating="4"' in kept


def described(xmp: bytes) -> dict[str, list[str]]:
    """All properties of an XMP packet by name, whichever way they are written."""
    found: dict[str, list[str]] = {}
    root = ET.fromstring(xmp.decode("utf-8").lstrip("\ufeff"))
    parts = list(root.iter(f"{RDF}Description"))
    for part in parts:
        for name, value in part.attrib.items():
            found.setdefault(name, []).append(value)
        for child in part:
            found.setdefault(child.tag, []).append((child.text or "").strip())
    assert len({part.get(f"{RDF}about") for part in parts}) == 1  # one subject
    return found


@pytest.mark.parametrize(
    "before",
    [
        None,
        XMP,
        XMP.replace(b'xmp:CreatorTool="Adobe Lightroom 6.0">', b"><xmp:CreatorTool>L\n6"
                    b"</xmp:CreatorTool>"),
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r='
        b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>',
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("invented", "source"), [(False, metadata.ENHANCED), (True, metadata.PARTLY_INVENTED)]
)
def test_provenance(before, invented, source):
    picture = images.Picture(np.asarray(drawn()), xmp=before)
    for _ in range(2):  # twice is like once
        picture = images.with_provenance(picture, 'a"model&co', invented=invented)
    found = described(picture.xmp)
    assert found[TOOL] == [f'srzoo a"model&co {__version__}']
    assert found[SOURCE] == [source]
    assert picture.lost == ()
    if before and b"Rating" in before:
        assert found["{http://ns.adobe.com/xap/1.0/}Rating"] == ["4"]


def test_provenance_terms_are_iptc_s():
    base = "http://cv.iptc.org/newscodes/digitalsourcetype/"
    assert f"{base}algorithmicallyEnhanced" == metadata.ENHANCED
    assert f"{base}compositeWithTrainedAlgorithmicMedia" == metadata.PARTLY_INVENTED


def test_what_ai_made_is_not_made_harmless():
    term = f"{metadata.SOURCE_TYPES}trainedAlgorithmicMedia"
    made = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" rdf:about="">'
        f"<e:DigitalSourceType>{term}</e:DigitalSourceType></rdf:Description></rdf:RDF>"
    )
    picture = images.with_provenance(images.Picture(np.asarray(drawn()), xmp=made.encode()), "m")
    assert described(picture.xmp)[SOURCE] == [term]
    captured = made.replace("trainedAlgorithmicMedia", "digitalCapture")
    picture = images.with_provenance(
        images.Picture(np.asarray(drawn()), xmp=captured.encode()), "m"
    )
    assert described(picture.xmp)[SOURCE] == [metadata.ENHANCED]


@pytest.mark.parametrize("damaged", [b"not XMP at all", b"\xff\xfe<\0x\0"])
def test_damaged_xmp_is_replaced_and_said(damaged):
    picture = images.with_provenance(images.Picture(np.asarray(drawn()), xmp=damaged), "m")
    assert described(picture.xmp)[TOOL] == [f"srzoo m {__version__}"]
    assert "XMP" in picture.lost[0]


@pytest.mark.parametrize("suffix", WRITTEN)
def test_stripped_of_all_but_colours_and_dpi(tmp_path, suffix):
    icc = images.profiles.matrix_profile("P3", images.profiles.PRIMARIES[12])
    exif = full_exif()
    exif[0x011A] = exif[0x011B] = 300.0
    full = images.Picture(
        np.asarray(drawn()), exif=exif.tobytes(), xmp=XMP, icc=icc, dpi=(300.0, 300.0),
        iptc=b"\x1c\x02\x78\0\4abcd", texts=(("Comment", "secret place"),),
    )  # fmt: skip
    images.write(images.strip_metadata(full), tmp_path / f"a.{suffix}", suffix)
    data = (tmp_path / f"a.{suffix}").read_bytes()
    for secret in (b"camera", b"Lightroom", b"secret", b"abcd", b"photographer", b"2024"):
        assert secret not in data
    again = images.read(tmp_path / f"a.{suffix}")
    assert again.icc == icc
    assert again.dpi == pytest.approx((300, 300), abs=0.1)
    assert (again.xmp, again.iptc, again.texts) == (None, None, ())
    for tag in (0x8769, 0x8825):
        assert again.exif is None or tag not in loaded(again.exif)


def loaded(exif: bytes) -> Image.Exif:
    found = Image.Exif()
    found.load(exif)
    return found


IPTC = b"\x1c\x02\x78\0\7caption\x1c\x02\x19\0\3sea"


@pytest.mark.parametrize("target", WRITTEN)
@pytest.mark.parametrize("source", ["jpg", "tiff"])
def test_iptc(tmp_path, source, target):
    picture = images.Picture(np.asarray(drawn()), iptc=IPTC)
    images.write(picture, tmp_path / f"a.{source}", source)
    picture = images.read(tmp_path / f"a.{source}")
    assert picture.iptc == IPTC
    written = images.write(picture, tmp_path / f"b.{target}", target)
    if target in ("jpg", "tiff"):
        assert images.read(tmp_path / f"b.{target}").iptc == IPTC
        from PIL import IptcImagePlugin

        with Image.open(tmp_path / f"b.{target}") as image:
            assert IptcImagePlugin.getiptcinfo(image)[2, 120] == b"caption"
    else:
        assert "has no IPTC records" in written.lost[0]


def test_texts_of_png_and_comments_of_jpeg(tmp_path):
    info = PngInfo()
    info.add_text("Title", "a title")
    info.add_itxt("Author", "Zoë", lang="en", tkey="")
    info.add_text("Comment", "long " * 500, zip=True)
    drawn().save(tmp_path / "a.png", pnginfo=info)
    picture = images.read(tmp_path / "a.png")
    assert dict(picture.texts) == {"Title": "a title", "Author": "Zoë", "Comment": "long " * 500}
    images.write(picture, tmp_path / "b.png", "png")
    assert images.read(tmp_path / "b.png").texts == picture.texts
    lost = images.write(picture, tmp_path / "b.tiff", "tiff").lost
    assert lost == ("TIFF has no place for texts: dropped Title, Author, Comment",)
    drawn().save(tmp_path / "c.jpg", comment="Grüße")
    jpeg = images.read(tmp_path / "c.jpg")
    assert jpeg.texts == (("Comment", "Grüße"),)
    for target in ("jpg", "png"):
        images.write(jpeg, tmp_path / f"d.{target}", target)
        assert images.read(tmp_path / f"d.{target}").texts == jpeg.texts
    lost = images.write(picture, tmp_path / "e.jpg", "jpg").lost
    assert lost == ("JPEG has no place for texts: dropped Title, Author",)
    assert images.read(tmp_path / "e.jpg").texts == (("Comment", "long " * 500),)


def test_metadata_behind_the_pixels_of_a_png(tmp_path):
    """EXIF, XMP and texts may follow the pixels, of 16 bits too."""
    for deep in (False, True):
        pixels = np.asarray(drawn())
        picture = images.Picture(pixels.astype(np.uint16) * 257 if deep else pixels)
        images.write(picture, tmp_path / "a.png", "png")
        data = (tmp_path / "a.png").read_bytes()
        chunk = pngwriter.chunk
        behind = chunk(b"eXIf", full_exif(6).tobytes()[6:])
        behind += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        behind += chunk(b"tEXt", b"Title\0behind")
        (tmp_path / "a.png").write_bytes(data[:-12] + behind + data[-12:])
        if deep:
            pytest.importorskip("pyvips", reason="the extra photo is not installed")
        again = images.read(tmp_path / "a.png")
        assert images.read_size(tmp_path / "a.png") == again.size == (31, 45)
        assert loaded(again.exif)[0x0110] == "a camera"
        assert b"Rating" in again.xmp
        assert again.texts == (("Title", "behind"),)
        assert np.array_equal(again.pixels[0, -1], picture.pixels[0, 0])


LONG_XMP = XMP.replace(
    b"</dc:subject>", b"</dc:subject><dc:title>" + b"x" * 70_000 + b"</dc:title>"
)


def test_metadata_too_long_for_a_jpeg(tmp_path):
    """Its segments hold 64 KB; what is too long is dropped, least useful first, and said."""
    exif = full_exif()
    exif[0x8769] = {0x927C: b"x" * 70_000, 0x8827: 400}
    picture = images.Picture(
        np.asarray(drawn()), exif=exif.tobytes(), xmp=LONG_XMP, iptc=b"y" * 70_000
    )
    written = images.write(picture, tmp_path / "a.jpg", "jpg")
    assert written.lost == (
        "the EXIF maker note is too long for a JPEG: dropped",
        "the XMP data is too long for a JPEG: dropped title",
        "the IPTC records are too long for a JPEG: dropped",
    )
    again = images.read(tmp_path / "a.jpg")
    assert loaded(again.exif)[0x0110] == "a camera"
    assert loaded(again.exif).get_ifd(0x8769)[0x8827] == 400
    assert images.write(picture, tmp_path / "a.tiff", "tiff").lost == ()
    exif[0x8769] = {0x9286: b"ASCII\0\0\0" + b"x" * 70_000}
    picture = images.Picture(np.asarray(drawn()), exif=exif.tobytes())
    lost = images.write(picture, tmp_path / "a.jpg", "jpg").lost
    assert lost[-1] == "the EXIF data is too long for a JPEG: dropped"


def test_no_thumbnail_of_the_old_picture_goes_along(tmp_path):
    drawn().save(tmp_path / "a.jpg", exif=full_exif().tobytes())
    assert re.search(rb"\xff\xd8\xff", (tmp_path / "a.jpg").read_bytes()[4:]) is None
    with_thumbnail = images.read(tmp_path / "a.jpg")
    found = loaded(with_thumbnail.exif)
    assert found.get_ifd(1) == {}


@pytest.mark.parametrize("order", "<>")
def test_the_order_of_bytes_stays(tmp_path, order):
    """Maker notes are written in it."""
    exif = full_exif()
    exif.endian = order
    drawn().save(tmp_path / "a.jpg", exif=exif.tobytes())
    picture = images.read(tmp_path / "a.jpg")
    images.write(picture, tmp_path / "b.jpg", "jpg")
    for found in (picture.exif, images.read(tmp_path / "b.jpg").exif):
        assert found[6:8] == (b"II" if order == "<" else b"MM")
        assert 0xA002 not in loaded(found).get_ifd(0x8769)  # until it is written


def test_damaged_exif_is_no_obstacle(tmp_path):
    drawn().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12" * 40)
    picture = images.read(tmp_path / "a.jpg")
    images.write(picture, tmp_path / "b.tiff", "tiff")


def test_nothing_optional_is_imported_before_it_is_needed(tmp_path):
    drawn().save(tmp_path / "a.png")
    code = (
        "import sys; from pathlib import Path; from srzoo import images;"
        f"images.write(images.read(Path({str(tmp_path / 'a.png')!r})),"
        f" Path({str(tmp_path / 'b.tif')!r}), 'tiff');"
        "sys.exit(bool({'pyvips', 'pillow_heif', 'torch'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
