"""A comparison as a page: one HTML file with a divider between any two of the pictures."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from . import figure
from .comparison import LOOK

if TYPE_CHECKING:
    from ..contracts import U8
    from .comparison import ComparedImage, Comparison

TEMPLATE = Path(__file__).with_name("page.html")
SCRIPT = Path(__file__).with_name("page.js")
LOSSLESS = 12_000_000
"""Bytes of all pictures together up to which not a pixel of them may change."""
QUALITY = 95


def render(found: Comparison) -> str:
    """The whole page, with nothing outside it: pictures, style and script are embedded.

    Pictures are lossless; large ones become JPEG, and the page says so.
    """
    width, height = found.pictures[-1].pixels.shape[1::-1]
    pictures, lossless = _embedded(found)
    zoom = max(1, LOOK // max(found.crop.width, found.crop.height))
    sentences = figure.sentences(found)
    if (found.part.width, found.part.height) != found.whole:
        sentences.append(f"This page has {found.part.width} x {found.part.height} pixels of it.")
    if not lossless:
        sentences.append(f"Here, pictures other than LR are JPEG of quality {QUALITY}.")
    script = "\n" + SCRIPT.read_text(encoding="utf-8")
    values: dict[str, object] = {
        "title": html.escape(f"{found.source}: {found.scale} times as large"),
        "heading": html.escape(found.source),
        "width": width,
        "height": height,
        "crop": found.crop,
        "crop_width": found.crop.width * zoom,
        "crop_height": found.crop.height * zoom,
        "figures": "\n".join(
            _figure(found, one, picture)
            for one, picture in zip(found.pictures, pictures, strict=True)
        ),
        "sentences": "\n".join(f"  <p>{html.escape(said)}</p>" for said in sentences),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    # In one pass: what is put in is not looked through again.
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: str(values[match[1]]), text)
    return text.encode("utf-8", "replace").decode()  # a file's name need not be UTF-8


def _figure(found: Comparison, one: ComparedImage, picture: str) -> str:
    """One picture, of which the page shows the crop before its script runs."""
    name, value = html.escape(one.name), html.escape(figure.note(found, one))
    crop = found.crop
    height, width = found.pictures[-1].pixels.shape[:2]
    shares = {
        "left": -crop.x / crop.width,
        "top": -crop.y / crop.height,
        "width": width / crop.width,
        "height": height / crop.height,
    }
    style = "; ".join(f"{key}: {share:.6%}" for key, share in shares.items())
    best = ' class="best"' if figure.is_best(found, one) else ""
    return (
        f'    <figure{best} data-name="{name}" data-value="{value}">'
        f'<div class="crop"><img alt="{name}: the crop" style="{style}" src="{picture}"></div>'
        f'<figcaption>{name} <span class="value">{value}</span></figcaption></figure>'
    )


def _embedded(found: Comparison) -> tuple[list[str], bool]:
    """A data URI for each picture, and whether all are lossless."""
    uris: list[str] = []
    for one in found.pictures:
        uris.append(_uri(one.pixels, "webp", found.icc, lossless=True, method=2))
        if sum(map(len, uris)) > LOSSLESS:
            break
    else:
        return uris, True
    # Not lossy WebP, which halves the colours' resolution.
    lossy: dict[str, Any] = {"quality": QUALITY, "subsampling": 0, "optimize": True}
    others = [_uri(one.pixels, "jpeg", found.icc, **lossy) for one in found.pictures[1:]]
    return [uris[0], *others], False


def _uri(pixels: U8, format: str, icc: bytes | None, **options: Any) -> str:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format, icc_profile=icc, **options)
    return f"data:image/{format};base64,{base64.b64encode(packed.getvalue()).decode()}"
