"""XMP in any form: its own properties are changed, all else stays, and it takes no time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from helpers import drawn, takes_less
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.PngImagePlugin import PngInfo

from srzoo import images
from srzoo.images import metadata, xmp

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMES = {
    "tiff": "http://ns.adobe.com/tiff/1.0/", "exif": "http://ns.adobe.com/exif/1.0/",
    "xap": "http://ns.adobe.com/xap/1.0/", "dc": "http://purl.org/dc/elements/1.1/",
    "iptc": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "camera": "http://ns.google.com/photos/1.0/camera/",
    "gain": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "depth": "http://ns.google.com/photos/1.0/depthmap/",
    "image": "http://ns.google.com/photos/1.0/image/",
    "holds": "http://ns.google.com/photos/1.0/container/",
    "item": "http://ns.google.com/photos/1.0/container/item/",
}  # fmt: skip


def packet(attributes: str = "", inside: str = "", names=NAMES) -> bytes:
    """A packet with prefixes that are not the usual ones."""
    declared = " ".join(f'xmlns:{key}="{uri}"' for key, uri in names.items())
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><m:xmpmeta xmlns:m='
        f'"adobe:ns:meta/"><r:RDF xmlns:r="{RDF}"><r:Description r:about="" {declared}'
        f" {attributes}>{inside}</r:Description></r:RDF></m:xmpmeta><?xpacket end='w'?>"
    ).encode()


def properties(data: bytes) -> dict[str, list[str]]:
    """All properties by their full names, whichever way they are written."""
    found: dict[str, list[str]] = {}
    for part in ET.fromstring(data.decode().lstrip("\ufeff")).iter(f"{{{RDF}}}Description"):
        for name, value in part.attrib.items():
            if not name.startswith(f"{{{RDF}}}"):
                found.setdefault(name, []).append(value)
        for child in part:
            text = ET.tostring(child, "unicode").strip() if len(child) else (child.text or "")
            found.setdefault(child.tag, []).append(text)
    return found


def name(prefix: str, local: str) -> str:
    return f"{{{NAMES[prefix]}}}{local}"


def stamped(data: bytes) -> images.Picture:
    return images.with_provenance(images.Picture(np.asarray(drawn()), xmp=data), "m")


def test_prefixes_are_not_what_counts():
    data = packet(
        'tiff:Orientation="6" exif:PixelXDimension="4" xap:CreatorTool="L"',
        "<tiff:ImageLength>7</tiff:ImageLength><iptc:DigitalSourceType>x</iptc:DigitalSourceType>",
    )
    lost: list[str] = []
    picture = stamped(xmp.with_size(xmp.descriptive_xmp(data, lost), (90, 62)))
    found = properties(picture.xmp)
    assert found[name("tiff", "Orientation")] == ["1"]
    assert found[name("exif", "PixelXDimension")] == ["90"]
    assert found[name("tiff", "ImageLength")] == ["62"]
    assert found[name("xap", "CreatorTool")][0].startswith("srzoo m ")
    assert found[name("iptc", "DigitalSourceType")] == [metadata.ENHANCED]
    other = packet('tiff:Orientation="6"', names=NAMES | {"tiff": "http://example.com/other/"})
    assert b'tiff:Orientation="6"' in xmp.descriptive_xmp(other, lost)
    assert lost == []


def test_what_only_looks_like_a_property_stays():
    text = 'tiff:Orientation="6" &lt;tiff:ImageWidth>3 '
    inside = (
        "<!-- <tiff:ImageWidth>45</tiff:ImageWidth> --><dc:title><![CDATA[<tiff:Orientation>6"
        "</tiff:Orientation></r:RDF>]]></dc:title><dc:source><r:Description"
        ' tiff:Orientation="6" xap:CreatorTool="of a part"/></dc:source>'
    )
    data = packet(f"dc:rights='{text}>/>'", inside)
    lost: list[str] = []
    kept = xmp.with_size(xmp.descriptive_xmp(data, lost), (90, 62))
    assert (kept, lost) == (data, [])
    assert set(properties(data)) <= set(properties(stamped(data).xmp))
    assert inside.encode() in stamped(data).xmp


@pytest.mark.parametrize(
    "code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="UTF-16"?>'])
def test_other_encodings(code, head):
    if head and code.startswith("utf-8"):
        head = '<?xml version="1.0"?>'
    text = head + packet('tiff:Orientation="6" dc:rights="bär"').decode()
    lost: list[str] = []
    kept = xmp.descriptive_xmp(text.encode(code), lost)
    assert lost == []
    assert properties(kept)[name("dc", "rights")] == ["bär"]
    assert properties(kept)[name("tiff", "Orientation")] == ["1"]
    assert b"UTF-16" not in kept


@pytest.mark.parametrize(
    "data",
    [
        b"", b"not XMP", b"<a/>", packet()[:-40], packet().replace(b"</r:RDF>", b""),
        packet().replace(b"r:about", b"<r:about"), b"\xff\xfe<\0x", b"\0", packet("x='1' x='2'"),
        b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + packet("", "&b;"),
        packet(inside="<dc:title>\x01</dc:title>"), packet(inside="<dc:a>"),
        packet("", "<dc:x>" * 150_000 + "</dc:x>" * 150_000), b" " * 17_000_000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_dropped_and_said(data):
    def dropped():
        lost: list[str] = []
        assert xmp.descriptive_xmp(data, lost) is None
        assert len(lost) == 1
        assert "dropped" in lost[0]
        assert xmp.with_size(data, (9, 9)) == data
        assert len(properties(stamped(data or b"?").xmp)) == 2
        assert xmp.shorten(data, 100) == (None, ())

    assert takes_less(4, dropped)


def test_several_packets():
    first, second = packet('dc:rights="one"'), packet('dc:rights="two"')
    lost: list[str] = []
    assert xmp.descriptive_xmp(first + b"\n" + second, lost) == first + b"\n"
    assert lost == ["only the first of several XMP packets was kept"]
    assert xmp.descriptive_xmp(first + bytes(30), lost) == first


POINTERS = {
    "gain map": ('gain:Version="1.0" gain:GainMapMax="3"', "", "gain map"),
    "gain map as elements": ("", "<gain:Version>1.0</gain:Version><gain:GainMapMax><r:Seq><r:li>1"
                             "</r:li></r:Seq></gain:GainMapMax>", "gain map"),
    "list of parts": ("", '<holds:Directory><r:Seq><r:li r:parseType="Resource"><holds:Item'
                      ' item:Semantic="GainMap" item:Length="9"/></r:li></r:Seq>'
                      "</holds:Directory>", "gain map"),
    "list with a video": ("", '<holds:Directory><r:Seq><r:li><holds:Item item:Semantic='
                          '"MotionPhoto"/></r:li></r:Seq></holds:Directory>', "video"),
    "motion photo": ('camera:MotionPhoto="1" camera:MotionPhotoVersion="1"', "", "video"),
    "micro video": ("", "<camera:MicroVideo>1</camera:MicroVideo><camera:MicroVideoOffset>77"
                    "</camera:MicroVideoOffset>", "video"),
    "depth": ('depth:Format="RangeInverse" depth:Data="aaaa"', "", "depth map"),
    "another photo": ("image:Data='/9j/' image:Mime='image/jpeg'", "", "other version"),
    "no video after all": ('camera:MotionPhoto="0"', "", None),
    "thumbnails": ("", '<xap:Thumbnails><r:Alt><r:li r:parseType="Resource"/></r:Alt>'
                   "</xap:Thumbnails>", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", POINTERS)
@pytest.mark.parametrize("format", ["jpg", "png", "webp", "tiff", "avif"])
def test_what_points_to_what_is_gone_goes_too(tmp_path, kind, format):
    attributes, inside, said = POINTERS[kind]
    data = packet(
        f'dc:rights="me" {attributes} camera:BurstID="7"', f"{inside}<dc:title>t</dc:title>"
    )
    kept, told = metadata.without_pointers(data)
    found = properties(kept)
    rest = {name("dc", "rights"): ["me"], name("camera", "BurstID"): ["7"],
            name("dc", "title"): ["t"]}  # fmt: skip
    assert found == rest
    assert [said in each and "gone" in each for each in told] == ([True] if said else [])
    for unused in ("hdr-gain-map", "container", "depthmap", "1.0/image"):
        assert unused.encode() not in kept or not said or "video" in said or kind == "thumbnails"
    assert metadata.without_pointers(kept) == (kept, ())
    picture = images.Picture(np.asarray(drawn()), xmp=data)
    images.write(picture, tmp_path / "a", format)
    read = images.read(tmp_path / "a")
    assert read.lost == told
    assert properties(read.xmp) == rest


def test_names_of_what_is_gone_are_not_declared_any_more():
    kept, _ = metadata.without_pointers(packet('gain:Version="1"', names={"gain": NAMES["gain"]}))
    assert b"gain" not in kept


def test_the_largest_properties_go_first():
    data = packet('dc:rights="me"', f"<dc:big>{'x' * 900}</dc:big><dc:title>t</dc:title>")
    short, names = xmp.shorten(data, len(data) - 100)
    assert names == ("big",)
    assert properties(short) == {name("dc", "rights"): ["me"], name("dc", "title"): ["t"]}
    padded = data.replace(b"<?xpacket end", b"\n" * 5000 + b"<?xpacket end")
    assert xmp.shorten(padded, len(data)) == (data, ())
    assert xmp.shorten(data, 100) == (None, ())


# Any packet.

local = st.sampled_from(["title", "CreatorTool", "Orientation", "ImageWidth", "Version", "x-1"])
prefix = st.sampled_from(["tiff", "xap", "dc", "iptc", "exif"])
text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿"),
    max_size=12,
)
white = st.sampled_from([" ", "\n", "\t  "])


def escaped(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


@st.composite
def packets(draw) -> bytes:
    attributes, inside = [], []
    for key in draw(st.sets(st.tuples(prefix, local), max_size=6)):
        value, quote = escaped(draw(text)), draw(st.sampled_from("\"'"))
        value = value.replace("'", "&apos;")
        if draw(st.booleans()):
            attributes.append(f"{draw(white)}{key[0]}:{key[1]}{draw(white)}={quote}{value}{quote}")
        else:
            inner = draw(st.sampled_from([value, f"<r:Seq><r:li>{value}</r:li></r:Seq>"]))
            inside.append(f"<{key[0]}:{key[1]}{draw(white)}>{inner}</{key[0]}:{key[1]}>")
            inside.append(draw(st.sampled_from(["", "<!-- <a> -->", "\n", "<?pi x?>"])))
    return packet("".join(attributes), "".join(inside))


@settings(max_examples=200, deadline=None)
@given(packets())
def test_all_other_properties_survive(data):
    before = properties(data)
    once = stamped(data)
    assert once.lost == ()
    after = properties(once.xmp)
    ours = {name("xap", "CreatorTool"), name("iptc", "DigitalSourceType")}
    assert {k: v for k, v in after.items() if k not in ours} == {
        k: v for k, v in before.items() if k not in ours
    }
    assert all(len(after[each]) == 1 for each in ours)
    twice = images.with_provenance(once, "m")
    assert properties(twice.xmp) == after
    lost: list[str] = []
    sized = properties(xmp.with_size(xmp.descriptive_xmp(data, lost), (90, 62)))
    changed = {key for key in before if sized[key] != before[key]}
    assert changed <= {name("tiff", "Orientation"), name("tiff", "ImageWidth")}


TALK = [
    "tiff:Orientation>6", "tiff:Orientation='6'", "tiff:ImageWidth='7'", "&lt;tiff:Orientation>8",
    "xap:CreatorTool='x'", "gain:Version", "&#13;&#10;", "&#9;", "digitalsourcetype/x", "\n",
    "<![CDATA[<tiff:Orientation>6</tiff:Orientation>]]>", "<!-- tiff:Orientation>5 -->",
    "写真",     "r:about=''", "/>", "?>", "xmlns:dc='x'", "<?xpacket end='w'?>",
]  # fmt: skip
"""What a caption may say about what is not a caption's business."""


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(TALK), text.map(escaped)), max_size=8).map(" ".join))
def test_any_caption_survives_and_turns_nothing(caption):
    data = packet(
        'gain:Version="1" tiff:ImageWidth="7"',
        f'<dc:title><r:Alt><r:li xml:lang="x-default">{caption}</r:li></r:Alt></dc:title>',
    )
    assert xmp.orientation(data) == 1
    kept = xmp.with_size(xmp.descriptive_xmp(data, []), (90, 62))
    long = f'<dc:title><r:Alt><r:li xml:lang="x-default">{caption}</r:li></r:Alt></dc:title>'
    for each in (kept, stamped(kept).xmp, xmp.shorten(kept, len(kept))[0]):
        assert long.encode() in each
        assert properties(each)[name("dc", "title")] == properties(data)[name("dc", "title")]


@pytest.mark.parametrize("inside", [
    "<dc:title>tiff:Orientation>6</dc:title>", "<!-- <tiff:Orientation>6</tiff:Orientation> -->",
    '<dc:source><r:Description tiff:Orientation="6"/></dc:source>',
])  # fmt: skip
@pytest.mark.parametrize("format", ["jpg", "png", "webp", "tiff", "avif"])
def test_only_the_picture_s_own_property_turns_it(tmp_path, format, inside):
    """Pillow finds it in captions, comments and in what is said of another picture."""
    image, path = drawn(), tmp_path / f"a.{format}"
    images.write(images.Picture(np.asarray(image), xmp=packet("", inside)), path, format)
    assert images.read(path).size == image.size
    assert inside.encode() in images.read(path).xmp


@pytest.mark.parametrize("told", [
    (' o:Orientation = "6"', ""), ("", "<o:Orientation>\n6 </o:Orientation>"),
])  # fmt: skip
@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_it_turns_a_picture_whatever_its_prefix(tmp_path, format, told):
    image, path = drawn(), tmp_path / f"a.{format}"
    data = packet(*told, names={"o": NAMES["tiff"]})
    if format == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", data.decode())
        image.save(path, pnginfo=info)
    else:
        image.save(path, "JPEG" if format == "jpg" else format, xmp=data)
    assert images.read(path).size == image.size[::-1]


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        packets().flatmap(
            lambda data: st.tuples(st.integers(0, len(data)), st.binary(max_size=8)).map(
                lambda change: data[: change[0]] + change[1] + data[change[0] + len(change[1]) :]
            )
        ),
    )
)
def test_any_bytes(data):
    lost: list[str] = []
    kept = xmp.descriptive_xmp(data, lost)
    assert kept is not None or lost
    picture = stamped(xmp.with_size(data, (3, 3)))
    assert xmp.parse(picture.xmp)
    assert metadata.descriptive_xmp(picture.xmp, []) is not None


HARM = {
    "tags": "<x:Orientation>", "sizes": "<tiff:ImageWidth>1", "tools": "<xap:CreatorTool>",
    "open": "<", "tools that close": "<xap:CreatorTool>1</xap:CreatorTool>",
    "empty": "<xap:CreatorTool/>", "attributes": '<dc:a b="c" d="e"/>', "quotes": '"',
    "spaces": " ",
    "RDF": "<r:RDF>", "many RDF": "<r:RDF/>", "names": '<dc:a xmlns:a="b"/>',
    "text": "&amp;", "comments": "<!---->", "CDATA": "<![CDATA[", "xpackets": "<?xpacket end?>",
    "pointers": "<gain:Version/>",
    "terms": "http://cv.iptc.org/newscodes/digitalsourcetype/",
}  # fmt: skip


@pytest.mark.parametrize("where", ["inside", "outside", "attribute", "alone"])
@pytest.mark.parametrize("kind", HARM)
def test_time_grows_with_length_and_no_more(kind, where):
    """60 KB took 20 s, 384 KB 172 s."""
    repeated = HARM[kind] * (1_000_000 // len(HARM[kind]))
    data = {
        "inside": packet("", repeated), "outside": packet() + repeated.encode(),
        "attribute": packet(f"dc:rights='{repeated}'"), "alone": repeated.encode(),
    }[where]  # fmt: skip

    def all_of_it():
        lost: list[str] = []
        kept = xmp.descriptive_xmp(data, lost) or data
        picture = stamped(xmp.with_size(kept, (9, 9)))
        xmp.shorten(replace(picture).xmp, 60_000)
        xmp.orientation(data)

    assert takes_less(4, all_of_it)
