"""XMP: kept byte by byte, with changes at single places."""

from __future__ import annotations

import html
import re
from dataclasses import replace

from .._version import __version__
from .picture import Picture
from .xmppacket import (
    EXIF,
    GOOGLE,
    HDRGM,
    IPTC,
    IPTC_EARLY,
    NOTE,
    RDF,
    TIFF,
    XAP,
    Edit,
    Packet,
    Property,
    UnreadableError,
    append_edit,
    parse,
)

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = f"{SOURCE_TYPES}algorithmicallyEnhanced"
"""IPTC: altered by an algorithm that leaves the main content as it is."""
PARTLY_INVENTED = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
"""IPTC: edited with generative AI."""
STRONGER = ("trainedAlgorithmicMedia", "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia")
"""Sources that must not be replaced by a weaker statement."""
EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)

GAIN_MAP = "the gain map (Ultra HDR) is gone"
VIDEO = "the motion photo's video is gone"
DEPTH = "the depth map is gone"
SOUND = "the recorded sound is gone"
ANOTHER = "the other version of the photo (GImage) is gone"
APART = "the part of the XMP data that lies apart was dropped"
"""Sentences for ``Picture.lost``."""

WHOLLY = {
    HDRGM: GAIN_MAP, "http://ns.apple.com/HDRGainMap/1.0/": GAIN_MAP,
    f"{GOOGLE}1.0/depthmap/": DEPTH,
    f"{GOOGLE}1.0/focus/": DEPTH, f"{GOOGLE}1.0/image/": ANOTHER, f"{GOOGLE}1.0/audio/": SOUND,
}  # fmt: skip
"""Namespaces that only describe data outside the photo."""
OPPO = "http://ns.oplus.com/photos/1.0/camera/"
CONTAINERS = (f"{GOOGLE}1.0/container/", f"{GOOGLE}dd/")
"""Prefixes of namespaces that list the contents of a file."""
FILE_REFERENCES = (*WHOLLY, *CONTAINERS)
SEMANTICS = {
    b"GainMap": GAIN_MAP, b"MotionPhoto": VIDEO, b"Depth": DEPTH, b"depth": DEPTH,
    b"Audio": SOUND, b"audio/": SOUND,
}  # fmt: skip
"""Sentences by the names of contents in such a list."""

SIDES = (b"2", b"3", b"4", b"5", b"6", b"7", b"8")
"""Orientations that rotate or mirror a picture."""
MOVES = ("MotionPhoto", "MicroVideo", "MicroVideoOffset", "VideoLength")
"""Properties that are not 0 if there is a video."""


def without_pointers(xmp: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """A packet without references to other parts of the old file, and sentences on these parts.

    Gain maps, motion photos, depth, lists of a file's contents, extended XMP, thumbnails. None
    for a packet that cannot be read.
    """
    packet, notes = _find_pointers(xmp)
    return packet and packet.data, notes


def _find_pointers(xmp: bytes) -> tuple[Packet | None, tuple[str, ...]]:
    try:
        packet = parse(xmp)
    except UnreadableError as error:
        return None, (str(error),)
    gone: list[Property] = []
    notes: dict[str, None] = {}
    for each in packet.properties:
        what = _target_of(packet, each)
        if what is not None:
            gone.append(each)
            notes |= dict.fromkeys(what)
    if packet.more:
        notes["only the first of several XMP packets was kept"] = None
    if gone:
        packet = parse(_undeclared(packet.without(gone), {each.space for each in gone}))
    return packet, tuple(notes)


def _target_of(packet: Packet, each: Property) -> tuple[str, ...] | None:
    """The targets of a property, as sentences; None if it refers to nothing."""
    if each.space in WHOLLY:
        return (WHOLLY[each.space],)
    if each.space.startswith(CONTAINERS):
        value = packet.data[each.start : each.end]
        found = dict.fromkeys(what for sign, what in SEMANTICS.items() if sign in value)
        return tuple(found)
    if each.name.startswith(("MotionPhoto", "MicroVideo")) or each.space == OPPO:
        there = each.name in MOVES and packet.value(each).strip() != b"0"
        return (VIDEO,) if there else ()
    if (each.space, each.name) == (NOTE, "HasExtendedXMP"):
        return (APART,)
    return () if (each.space, each.name) == (XAP, "Thumbnails") else None


def _undeclared(xmp: bytes, spaces: set[str]) -> bytes:
    """Remove declarations of unused namespaces."""
    packet = parse(xmp)
    ours = [
        each for each in packet.declared if each[1] in spaces or each[1].startswith(FILE_REFERENCES)
    ]
    prefixes = list(dict.fromkeys(prefix for prefix, *_ in ours))[:50]
    unused = {prefix for prefix in prefixes if prefix.encode() + b":" not in xmp}
    return packet.edit((start, end, b"") for prefix, _, start, end in ours if prefix in unused)


def orientation(xmp: bytes) -> int:
    """The orientation in a packet, 1 to 8 as in EXIF; 1 if it has none."""
    try:
        packet = parse(xmp)
    except UnreadableError:
        return 1
    values = [packet.value(each).strip() for each in _orientations(packet)]
    return next((int(value) for value in values if value in SIDES), 1)


def _orientations(packet: Packet) -> list[Property]:
    return [each for each in packet.properties if (each.space, each.name) == (TIFF, "Orientation")]


def descriptive_xmp(xmp: bytes, lost: list[str]) -> bytes | None:
    """A packet to keep: upright like EXIF's, and without references to dropped parts.

    ``lost`` gets sentences on these. None if the packet cannot be read.
    """
    packet, notes = _find_pointers(xmp)
    lost += [sentence for sentence in notes if sentence not in lost]
    if packet is None:
        return None
    turned = [each for each in _orientations(packet) if packet.value(each).strip() in SIDES]
    return packet.edit((*each.inner, b"1") for each in turned)


def with_size(xmp: bytes, size: tuple[int, int]) -> bytes:
    """A packet with its sizes, if any, changed to those of the picture; unchanged if damaged."""
    sides = {
        (TIFF, "ImageWidth"): size[0], (EXIF, "PixelXDimension"): size[0],
        (TIFF, "ImageLength"): size[1], (EXIF, "PixelYDimension"): size[1],
    }  # fmt: skip
    try:
        packet = parse(xmp)
    except UnreadableError:
        return xmp
    return packet.edit(
        (*each.inner, str(sides[each.space, each.name]).encode())
        for each in packet.properties
        if (each.space, each.name) in sides and packet.value(each).strip().isdigit()
    )


def shorten(xmp: bytes, limit: int) -> tuple[bytes | None, tuple[str, ...]]:
    """A packet of at most ``limit`` bytes without its largest properties; and their names."""
    try:
        packet = parse(xmp)
    except UnreadableError:
        return None, ()
    last = max(packet.data.rfind(b"<?xpacket end"), packet.rdf[3])
    padding = packet.rdf[3] + len(packet.data[packet.rdf[3] : last].rstrip())
    edits: list[Edit] = [(padding, last, b""), (len(packet.data.rstrip()), len(packet.data), b"")]
    over = len(packet.data) - sum(end - start for start, end, _ in edits) - limit
    gone: list[Property] = []
    for each in sorted(packet.properties, key=lambda each: each.start - each.end):
        if over <= 0:
            break
        gone.append(each)
        over -= each.end - each.start
    if over > 0:
        return None, ()
    return packet.without(gone, edits), tuple(dict.fromkeys(each.name for each in gone))


def join_extended(xmp: bytes, extension: bytes) -> bytes:
    """A packet with the properties of its extended XMP.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    main, more = parse(xmp), parse(extension)
    start, end = more.rdf[1], more.rdf[2]
    edits: list[Edit] = []
    for at, declares in more.nodes:
        missing = {key: uri for key, uri in more.above.items() if key and key not in declares}
        extra = "".join(f' xmlns:{key}="{html.escape(uri)}"' for key, uri in missing.items())
        edits.append((at - start, at - start, extra.encode()))
    inner = Packet(more.data[start:end]).edit(edits)
    pointers = [e for e in main.properties if (e.space, e.name) == (NOTE, "HasExtendedXMP")]
    return main.without(pointers, [append_edit(main, inner)])


def with_provenance(picture: Picture, model: str, *, invented: bool = False) -> Picture:
    """The picture with its provenance in XMP.

    ``xmp:CreatorTool`` becomes "srzoo MODEL VERSION"; ``Iptc4xmpExt:DigitalSourceType`` states
    that an algorithm enhanced the picture or, with ``invented``, that generative AI edited it. A
    statement that generative AI made the picture is kept.

    Args:
        picture: the picture.
        model: the model's name.
        invented: whether the model was trained to invent detail.
    """
    lost = picture.lost
    packet = parse(EMPTY.encode())
    if picture.xmp:
        try:
            packet = parse(picture.xmp)
        except UnreadableError:
            lost = (*lost, "the XMP data is damaged and was replaced")
    old = [
        each
        for each in packet.properties
        if (each.space, each.name) == (XAP, "CreatorTool")
        or (each.space in (IPTC, IPTC_EARLY) and each.name == "DigitalSourceType")
    ]
    before = b" ".join(packet.data[each.start : each.end] for each in old)
    digital = {term.decode() for term in re.findall(rb"digitalsourcetype/(\w+)", before)}
    source = PARTLY_INVENTED if invented else ENHANCED
    for term in STRONGER:
        if term in digital:
            source = SOURCE_TYPES + term
            break
    tool = "".join(c for c in f"srzoo {model} {__version__}" if c.isprintable())
    description = (
        b"<rdf:Description rdf:about=" + packet.about + b' xmlns:rdf="' + RDF.encode() + b'"'
        b' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        b' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        b' xmp:CreatorTool="' + html.escape(tool).encode("utf-8", "replace") + b'"'
        b' Iptc4xmpExt:DigitalSourceType="' + source.encode() + b'"/>'
    )
    return replace(picture, xmp=packet.without(old, [append_edit(packet, description)]), lost=lost)
