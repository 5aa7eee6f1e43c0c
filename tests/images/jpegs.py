"""JPEG files for tests, made and taken apart by hand."""

from __future__ import annotations

import io
import struct

from helpers import drawn
from PIL import Image

XAP = b"http://ns.adobe.com/xap/1.0/\0"


def encoded(image: Image.Image | None = None, **options) -> bytes:
    """A JPEG by Pillow."""
    out = io.BytesIO()
    (image or drawn(200, 150)).save(out, "JPEG", **options)
    return out.getvalue()


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """The file with more segments, right behind SOI."""
    return data[:2] + b"".join(segments) + data[2:]


def place(data: bytes, marker: int) -> int:
    """Where a marker's segment begins, before the first scan or at it."""
    at = 2
    while data[at + 1] != marker:
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return at


def exif(
    entries: list[tuple[int, int, int, bytes]], order: str = "<", behind: bytes = b""
) -> bytes:
    """EXIF data of one directory: tag, type, count, and four bytes of value or offset."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    lines = b"".join(
        struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")[:4]
        for tag, kind, count, value in entries
    )
    count = struct.pack(f"{order}H", len(entries))
    return b"Exif\0\0" + head + count + lines + bytes(4) + behind
