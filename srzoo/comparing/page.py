"""A comparison as a page: one HTML file with a divider between any two pictures."""

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
from .comparison import SHOWN_SIDE

if TYPE_CHECKING:
    from ..contracts import U8
    from .comparison import ComparedImage, Comparison

TEMPLATE = Path(__file__).with_name("page.html")
SCRIPT = Path(__file__).with_name("page.js")
LOSSLESS = 12_000_000
"""Total bytes of the pictures up to which they are stored without loss."""
QUALITY = 95


def render(comparison: Comparison) -> str:
    """The whole page, with embedded pictures, style and script.

    Pictures are lossless; large ones become JPEG, which the page states.
    """
    width, height = comparison.pictures[-1].pixels.shape[1::-1]
    pictures, lossless = _embed(comparison)
    zoom = max(1, SHOWN_SIDE // max(comparison.crop.width, comparison.crop.height))
    sentences = figure.sentences(comparison)
    if (comparison.part.width, comparison.part.height) != comparison.result_size:
        sentences.append(
            f"This page has {comparison.part.width} x {comparison.part.height} pixels of it."
        )
    if not lossless:
        sentences.append(f"Here, pictures other than LR are JPEG of quality {QUALITY}.")
    script = "\n" + SCRIPT.read_text(encoding="utf-8")
    values: dict[str, object] = {
        "title": html.escape(f"{comparison.source}: {comparison.scale} times as large"),
        "heading": html.escape(comparison.source),
        "width": width,
        "height": height,
        "crop": comparison.crop,
        "crop_width": comparison.crop.width * zoom,
        "crop_height": comparison.crop.height * zoom,
        "figures": "\n".join(
            _figure(comparison, one, picture)
            for one, picture in zip(comparison.pictures, pictures, strict=True)
        ),
        "sentences": "\n".join(f"  <p>{html.escape(sentence)}</p>" for sentence in sentences),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    # In a single pass, so that inserted text is not replaced again.
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: str(values[match[1]]), text)
    return text.encode("utf-8", "replace").decode()  # a file's name need not be UTF-8


def _figure(comparison: Comparison, image: ComparedImage, picture: str) -> str:
    """One picture, of which the page shows the crop before its script runs."""
    name, value = html.escape(image.name), html.escape(figure.note(comparison, image))
    crop = comparison.crop
    height, width = comparison.pictures[-1].pixels.shape[:2]
    shares = {
        "left": -crop.x / crop.width,
        "top": -crop.y / crop.height,
        "width": width / crop.width,
        "height": height / crop.height,
    }
    style = "; ".join(f"{key}: {share:.6%}" for key, share in shares.items())
    best = ' class="best"' if figure.is_best(comparison, image) else ""
    return (
        f'    <figure{best} data-name="{name}" data-value="{value}">'
        f'<div class="crop"><img alt="{name}: the crop" style="{style}" src="{picture}"></div>'
        f'<figcaption>{name} <span class="value">{value}</span></figcaption></figure>'
    )


def _embed(comparison: Comparison) -> tuple[list[str], bool]:
    """A data URI for each picture, and whether all are lossless."""
    uris: list[str] = []
    for one in comparison.pictures:
        uris.append(_uri(one.pixels, "webp", comparison.icc, lossless=True, method=2))
        if sum(map(len, uris)) > LOSSLESS:
            break
    else:
        return uris, True
    # Not lossy WebP, which halves the resolution of colours.
    lossy: dict[str, Any] = {"quality": QUALITY, "subsampling": 0, "optimize": True}
    others = [_uri(one.pixels, "jpeg", comparison.icc, **lossy) for one in comparison.pictures[1:]]
    return [uris[0], *others], False


def _uri(pixels: U8, format: str, icc: bytes | None, **options: Any) -> str:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, format, icc_profile=icc, **options)
    return f"data:image/{format};base64,{base64.b64encode(packed.getvalue()).decode()}"
