"""Parses an XMP packet in one pass, with the places of its properties.

Only the picture's own properties count: attributes and children of the descriptions in rdf:RDF.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

LARGEST = 16_000_000
"""The largest size of a packet in bytes."""
MOST = 50_000
"""The largest number of elements and attributes of a packet: more would take seconds."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
XAP, NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
HDRGM = "http://ns.adobe.com/hdr-gain-map/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
IPTC_EARLY = "http://iptc.org/std/Iptc4xmpExt/2008-02-19/"
GOOGLE = "http://ns.google.com/photos/"
USUAL = {
    "rdf": RDF, "tiff": TIFF, "exif": EXIF, "xmp": XAP, "xap": XAP, "xmpNote": NOTE,
    "Iptc4xmpExt": IPTC, "hdrgm": HDRGM, "GCamera": f"{GOOGLE}1.0/camera/",
    "GDepth": f"{GOOGLE}1.0/depthmap/", "GImage": f"{GOOGLE}1.0/image/",
    "Container": f"{GOOGLE}1.0/container/",
}  # fmt: skip
"""The namespaces of prefixes that a packet uses without declaring them."""

DAMAGED_XMP = "the XMP data is damaged and was dropped"

ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
NAME = re.compile(rb"<[^\s/>]+")
Edit = tuple[int, int, bytes]
"""From, to, and the replacement."""


class UnreadableError(ValueError):
    """A packet is damaged, or too large; the text is a sentence for ``Picture.lost``."""


@dataclass
class Property:
    """One property: an attribute or an element.

    Attributes:
        space, name: its namespace and its name in it.
        start, end: its place, including the white space before an attribute.
        inner: the place of its value.
    """

    space: str
    name: str
    start: int
    end: int
    inner: tuple[int, int]


@dataclass
class Packet:
    """A packet, and the places of its parts.

    Attributes:
        data: the packet as UTF-8.
        properties: in order.
        declared: prefix, namespace, and place of all declarations above them.
        about: the value of ``rdf:about``, with quotes.
        rdf: beginning and end of rdf:RDF's start tag, and of its end tag; the same if it is one
            tag.
        nodes: of each description in it, the end of the name in its start tag, and the prefixes
            that it declares.
        above: prefixes that are declared above the descriptions, and their namespaces.
        more: whether another packet follows, which is not in ``data``.
    """

    data: bytes
    properties: list[Property] = field(default_factory=list[Property])
    declared: list[tuple[str, str, int, int]] = field(
        default_factory=list[tuple[str, str, int, int]]
    )
    about: bytes = b'""'
    rdf: tuple[int, int, int, int] = (0, 0, 0, 0)
    nodes: list[tuple[int, set[str]]] = field(default_factory=list[tuple[int, set[str]]])
    above: dict[str, str] = field(default_factory=dict[str, str])
    more: bool = False

    def value(self, each: Property) -> bytes:
        """A property's value in its encoded form."""
        return self.data[slice(*each.inner)]

    def edit(self, edits: Iterable[Edit]) -> bytes:
        """The packet with replacements at places that do not overlap."""
        parts: list[bytes] = []
        at = 0
        for start, end, new in sorted(edits):
            if start >= at:
                parts += [self.data[at:start], new]
                at = end
        return b"".join([*parts, self.data[at:]])

    def without(self, gone: Iterable[Property], more: Iterable[Edit] = ()) -> bytes:
        """The packet without some properties, and with other edits."""
        return self.edit([*((each.start, each.end, b"") for each in gone), *more])


class _Reader:
    """Processes Expat's events, down to the level of properties."""

    def __init__(self, data: bytes) -> None:
        self.packet = Packet(data)
        self.parser = expat.ParserCreate("utf-8")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.depth = self.count = self.rdf = 0
        self.scope: dict[str, str] = {}
        self.undo: list[tuple[int, str, str | None]] = []
        self.open: Property | None = None
        self.found = False

    def read(self) -> Packet:
        packet = self.packet
        try:
            self.parser.Parse(packet.data, True)
        except expat.ExpatError as error:
            if error.code != expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]:
                raise UnreadableError(DAMAGED_XMP) from error
            whole = packet.data[: self.parser.ErrorByteIndex]
            next_one = whole.rfind(b"<?xpacket begin")
            packet.data = whole[:next_one] if next_one > packet.rdf[3] else whole
            packet.more = True
        if not self.found:
            raise UnreadableError(DAMAGED_XMP)
        return packet

    def doctype(self, *_: object) -> NoReturn:
        raise UnreadableError("the XMP data declares a document type and was dropped")

    def resolved(self, name: str) -> tuple[str, str]:
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return self.scope.get("", ""), name
        return self.scope.get(prefix) or USUAL.get(prefix, ""), local

    def start(self, name: str, attributes: list[str]) -> None:
        self.count += 1 + len(attributes) // 2
        if self.count > MOST:
            raise UnreadableError("the XMP data has too many parts and was dropped")
        self.depth += 1
        level = self.depth - self.rdf if self.rdf else 0
        if level > 2:
            return
        at = self.parser.CurrentByteIndex
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            if key == "xmlns" or key.startswith("xmlns:"):
                prefix = key[6:]
                self.undo.append((self.depth, prefix, self.scope.get(prefix)))
                self.scope[prefix] = value
        tag = self.tag(at)
        end = self.packet.data.index(b">", tag[-1][3] if tag else at) + 1
        space, local = self.resolved(name)
        if level == 0 and (space, local) == (RDF, "RDF"):
            self.rdf = self.depth
            if not self.found:
                self.packet.rdf = (at, end, at, end)
                self.packet.above = dict(self.scope)
        elif level == 1:
            self.node(at, tag)
        elif level == 2:
            self.open = Property(space, local, at, end, (end, end))

    def tag(self, at: int) -> list[tuple[str, int, int, int]]:
        """The attributes of a start tag: name, its beginning, beginning and end of its value."""
        data = self.packet.data
        name = NAME.match(data, at)
        place = name.end() if name else at
        found: list[tuple[str, int, int, int]] = []
        while each := ATTRIBUTE.match(data, place):
            place = each.end()
            key = each[1].decode()
            found.append((key, each.start(), each.start(2), place))
            if key.startswith("xmlns:"):
                self.packet.declared.append((key[6:], self.scope[key[6:]], each.start(), place))
        return found

    def node(self, at: int, tag: list[tuple[str, int, int, int]]) -> None:
        """A description, whose attributes are properties."""
        packet = self.packet
        name = NAME.match(packet.data, at)
        declares = {key[6:] for key, *_ in tag if key.startswith("xmlns:")}
        packet.nodes.append((name.end() if name else at, declares))
        for key, start, value, end in tag:
            if key == "xmlns" or key.startswith("xmlns:"):
                continue
            space, local = self.resolved(key) if ":" in key else ("", key)
            if space in (RDF, "") and local == "about":
                if len(packet.nodes) == 1:
                    packet.about = packet.data[value:end]
            elif space not in (RDF, ""):
                packet.properties.append(Property(space, local, start, end, (value + 1, end - 1)))

    def empty(self, end: int) -> bool:
        """Whether the start tag that ends there is also the end tag."""
        return self.packet.data[end - 2 : end] == b"/>"

    def end(self, _name: str) -> None:
        level = self.depth - self.rdf if self.rdf else 0
        at = self.parser.CurrentByteIndex
        if self.rdf and level == 0:
            self.rdf = 0
            if not self.found:
                first, end = self.packet.rdf[:2]
                if self.empty(end):
                    self.packet.rdf = (first, end, first, end)
                else:
                    self.packet.rdf = (first, end, at, self.packet.data.index(b">", at) + 1)
                self.found = True
        elif level == 2 and (each := self.open):
            if not self.empty(each.end):
                each.inner = (each.inner[0], at)
                each.end = self.packet.data.index(b">", at) + 1
            self.packet.properties.append(each)
            self.open = None
        while self.undo and self.undo[-1][0] == self.depth:
            _, prefix, before = self.undo.pop()
            if before is None:
                del self.scope[prefix]
            else:
                self.scope[prefix] = before
        self.depth -= 1


def to_utf8(xmp: bytes) -> bytes:
    """A packet as UTF-8 without a byte order mark; it may be UTF-16 or UTF-32.

    Raises:
        UnreadableError: it has none of these encodings.
    """
    xmp = xmp.removeprefix(b"\xef\xbb\xbf")
    wide = {
        b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be", b"\xff\xfe\0\0": "utf-32",
        b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
        b"<\0": "utf-16-le", b"\0<": "utf-16-be",
    }  # fmt: skip
    for head, code in wide.items():
        if xmp.startswith(head):
            try:
                text = xmp.decode(code)
            except UnicodeDecodeError:
                raise UnreadableError(DAMAGED_XMP) from None
            return re.sub(r"^\s*<\?xml\s[^>]*>", "", text).encode("utf-8", "replace")
    return xmp.rstrip(b"\0").lstrip(b"\0 \t\r\n")


def parse(xmp: bytes) -> Packet:
    """Parse a packet.

    Raises:
        UnreadableError: it is damaged or too large.
    """
    if len(xmp) > LARGEST:
        raise UnreadableError("the XMP data is too large and was dropped")
    try:
        return _Reader(to_utf8(xmp)).read()
    except (ValueError, KeyError) as error:  # accepted by expat, but not by the patterns
        raise (
            error if isinstance(error, UnreadableError) else UnreadableError(DAMAGED_XMP)
        ) from error


def append_edit(packet: Packet, inner: bytes) -> Edit:
    """An insertion at the end of rdf:RDF."""
    start, end, closing, _ = packet.rdf
    if closing != start:
        return closing, closing, inner
    name = NAME.match(packet.data, start)
    ends = b"</" + (name[0][1:] if name else b"") + b">"
    return end - 2, end, b">" + inner + ends  # it was a single tag
