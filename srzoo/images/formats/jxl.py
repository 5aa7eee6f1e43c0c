"""JPEG XL, by pillow-jxl-plugin."""

from __future__ import annotations

import importlib
import importlib.util
import io
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import metadata, profiles
from ..decoding import split_alpha
from ..format import DAMAGED, Header, Memory, ReadRequest, check_size
from ..picture import Picture, reduce_to_8_bits
from ..pillow import FileMetadata, PillowFormat, without_pillow_limits
from . import _jxl
from .jpeg import JPEG

INSTALL = "pip install 'srzoo[jxl]'"
QUALITY = 90
PACKED = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1}
"""Channels by the plugin's names of modes."""
NO_PROFILE = "JPEG XL's encoder here keeps no colour profile: converted to sRGB"


class JXL(PillowFormat):
    """JPEG XL: 8 bits, and 16 in gray; lossy or lossless."""

    key = "jxl"
    name = "JPEG XL"
    suffixes = (".jxl",)
    writes = True
    max_side = 2**30 - 1
    bits = 16
    quality = QUALITY
    dpi_in_exif = True
    memory = Memory((7.7, 10.2), decoder=3.1)

    @property
    def install(self) -> str | None:
        """The command for the extra, if it is missing."""
        return None if importlib.util.find_spec("pillow_jxl") else INSTALL

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins as a codestream or a container."""
        return head.startswith((_jxl.CODESTREAM, _jxl.CONTAINER))

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts in the codestream's header; the plugin would decode the whole picture."""
        facts = _read_facts(file, request)
        colours = 1 if facts.gray else 3
        return Header(facts.size, _bits(facts), colours + facts.alpha)

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the file."""
        facts = _read_facts(file, request)
        file.seek(0)
        decoder: Any = importlib.import_module("pillow_jxl").Decoder(num_threads=-1)
        jpeg, info, data, icc, _ = decoder(file.read())
        if jpeg:
            picture = JPEG().read(io.BytesIO(data), replace(request, page=None))
            return replace(picture, format=self.key)
        with without_pillow_limits():
            found = _found(facts)
            channels = PACKED[info.mode]
            size = (info.height, info.width, channels)
            depth = np.uint16 if len(data) == 2 * np.prod(size) else np.uint8
            planes = np.frombuffer(data, depth).reshape(size)
            pixels, alpha = split_alpha(planes, channels in (2, 4))
            if facts.floats or (facts.bits > 8 and depth == np.uint8):
                found.lost.append(self.depth_note(facts.bits))
            icc = None if facts.cicp else icc
            picture = self.picture(found, pixels, alpha, icc)
            return replace(picture, lossless=facts.lossless)

    def fit_depth(self, picture: Picture) -> Picture:
        """Keep 16 bits only in gray."""
        if picture.pixels.ndim == 2 and picture.alpha is None:
            return picture
        return reduce_to_8_bits(
            picture, "16 bits a channel became 8: JPEG XL's encoder here accepts no more"
        )

    def fit(self, picture: Picture) -> Picture:
        """The picture in sRGB, the only colours that the encoder stores."""
        picture = super().fit(picture)
        if picture.icc is None:
            return picture
        if picture.icc and _like_srgb(picture.icc):
            return replace(picture, icc=None)
        if picture.pixels.dtype == np.uint16:
            picture = reduce_to_8_bits(
                picture, "16 bits a channel became 8: the profile was applied"
            )
        converted = profiles.to_srgb(Image.fromarray(picture.pixels), picture.icc or b"")
        if converted is None:
            return picture.with_loss("the colour profile is damaged and was dropped", icc=None)
        pixels = np.asarray(converted)
        pixels = pixels[:, :, 1] if picture.pixels.ndim == 2 else pixels
        return picture.with_loss(NO_PROFILE, pixels=pixels, icc=None)

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode; lossless if the input was lossless and no quality is requested."""
        planes = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
        if picture.alpha is not None:
            planes = np.concatenate([planes, picture.alpha[:, :, None]], axis=2)
        mode = ("L", "LA", "RGB", "RGBA")[int(planes.shape[2]) - 1]
        lossless = quality == 100 or (picture.lossless and quality is None)
        beside = bool(picture.exif or picture.xmp)
        encoder: Any = importlib.import_module("pillow_jxl").Encoder(
            mode="I;16" if planes.dtype == np.uint16 else mode,
            lossless=lossless,
            quality=100 if lossless else quality or QUALITY,
            use_container=beside,
            effort=3,
        )
        exif = bytes(4) + picture.exif.removeprefix(b"Exif\0\0") if picture.exif else None
        width, height = picture.size
        file.write(
            encoder(
                planes.tobytes(), width, height,
                jpeg_encode=False, exif=exif, jumb=None, xmp=picture.xmp, compress=False,
            )
        )  # fmt: skip


def _read_facts(file: BinaryIO, request: ReadRequest) -> _jxl.JxlFacts:
    """The header.

    Raises:
        PictureError: the picture is too large, or animated.
    """
    facts = _jxl.read_facts(file)
    check_size(facts.size, request)
    if facts.animated:
        raise PictureError(
            "it is animated, and its reader here gives the last frame alone",
            "Split it into frames first",
        )
    return facts


def _bits(facts: _jxl.JxlFacts) -> int:
    return 16 if facts.bits > 8 and facts.gray and not facts.floats else 8


def _found(facts: _jxl.JxlFacts) -> FileMetadata:
    """The metadata; pixels are upright already."""
    found = FileMetadata(xmp=facts.parts.get(b"xml "), lost=list(facts.lost))
    exif = facts.parts.get(b"Exif", b"")
    start = int.from_bytes(exif[:4], "big") + 4
    if exif[:2] in (b"II", b"MM"):
        start = 0  # a common mistake of writers
    try:
        if exif:
            found.exif.load(exif[start:])
            metadata.orientation(found.exif)
    except DAMAGED:
        found.exif = Image.Exif()
        found.lost.append("the EXIF data is damaged and was dropped")
    if facts.cicp and not profiles.is_like_srgb(facts.cicp, facts.gray):
        found.cicp = facts.cicp
    return found


def _like_srgb(icc: bytes) -> bool:
    """Whether a conversion from a profile to sRGB changes no colour by more than a level."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    if profiles.colour_space(icc) == "GRAY":
        table = np.arange(256, dtype=np.uint8)[None]
    else:
        table = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    converted = profiles.to_srgb(Image.fromarray(table), icc)
    if converted is None:
        return False
    shown = table if table.ndim == 3 else table[:, :, None]
    return int(np.abs(np.asarray(converted).astype(int) - shown).max()) <= 1
