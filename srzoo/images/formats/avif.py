"""AVIF."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import AvifImagePlugin, Image

from ...errors import PictureError
from .. import vips
from ..bmff import boxes, heif
from ..decoding import Decoded
from ..format import DEEP, Memory, ReadRequest
from ..picture import PHOTO, Picture, display_name, gray_to_rgb, reduce_to_8_bits
from ..pillow import ANIMATED, SIDEWAYS, FileMetadata, save_with_pillow
from ._heif import HEIF, box_facts, unpremultiply

BRANDS = {b"avif", b"avis"}
HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
BT601 = (5, 6)
"""The numbers of the usual matrices in ITU-T H.273."""
BT470M, DERIVED = 4, 12
"""Primaries from which BT.601's matrix is derived, and the number of a derived matrix."""
GRAY_ALPHA = "AVIF with transparency has no gray: written as RGB"

QUALITY = 85
MAX_PIXELS = 2**28


class AVIF(HEIF):
    """AVIF: up to 12 bits; more than 8 need pyvips."""

    key = "avif"
    name = "AVIF"
    pillow = "AVIF"
    loader = "heifload"
    suffixes = (".avif", ".avifs")
    writes = True
    max_side = 32_768  # its readers, including libavif, support no more
    bits = 12
    quality = QUALITY
    memory = Memory((9.7, 8.8), decoder=5.6)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether AVIF is one of its brands, and its major brand is not HEIC."""
        brands = boxes.brands(head)
        return bool(BRANDS & set(brands)) and brands[0] not in HEVC

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The file opened by libavif; a copy that makes it calculate in full precision.

        libavif passes 8 bits with BT.601's matrix to libyuv, which calculates in steps of 1/64:
        colours are wrong by up to two levels, with a drift each time. It converts the same matrix
        with another number itself.
        """
        data = file.read()
        facts = heif.read_facts(io.BytesIO(data))
        usual = facts.cicp is not None and facts.cicp[2] in BT601
        if facts.nclx and usual and facts.bits == 8 and not facts.sequence:
            at = facts.nclx[0] + 4
            named = struct.pack(">H", BT470M) + data[at + 2 : at + 4] + struct.pack(">H", DERIVED)
            data = data[:at] + named + data[at + 6 :]
        return AvifImagePlugin.AvifImageFile(io.BytesIO(data))

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """From the codec's configuration."""
        return heif.read_facts(file).bits or 8

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata from libavif and the boxes."""
        found = super().read_metadata(file, image)
        if box_facts(found).sequence and (frames := self.frame_count(image)) > 1:
            found.lost.append(ANIMATED.format(image.tell() + 1, frames))
        return found

    def needs_vips(self, image: Image.Image, found: FileMetadata, bits: int) -> bool:
        """If Pillow would lose depth; pyvips does not support frames."""
        return self.frame_count(image) == 1 and super().needs_vips(image, found, bits)

    def decode_pixels(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """Crop to the clean aperture, which Pillow does not do."""
        by_vips = self.needs_vips(image, found, self.stored_bits(file, image))
        pixels, alpha, icc = super().decode_pixels(file, image, found)
        if (crop := _crop(image, found)) and not by_vips:
            left, top, width, height = crop
            part = (slice(top, top + height), slice(left, left + width))
            pixels, alpha = pixels[part], None if alpha is None else alpha[part]
        return pixels, alpha, icc

    def upright_size(self, image: Image.Image, found: FileMetadata) -> tuple[int, int]:
        """The size of the clean aperture after rotation."""
        crop = _crop(image, found)
        width, height = crop[2:] if crop else image.size
        return (height, width) if found.orientation in SIDEWAYS else (width, height)

    def decode_with_vips(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """Already rotated; colours may be multiplied by alpha, and gray is stored as RGB."""
        found.orientation = 1
        pixels, alpha, icc = super().decode_with_vips(file, image, found)
        if alpha is not None and box_facts(found).premultiplied:
            pixels = unpremultiply(pixels, alpha)
        if pixels.ndim == 3 and box_facts(found).gray:
            pixels = np.ascontiguousarray(pixels[:, :, 0])
        return pixels, alpha, icc

    def fit_depth(self, picture: Picture) -> Picture:
        """Convert 16 bits to 12."""
        if vips.library() is None:
            return reduce_to_8_bits(
                picture, f"16 bits a channel became 8; to keep {self.bits}: {PHOTO}"
            )
        if picture.pixels.ndim == 2:
            picture = gray_to_rgb(picture, f"AVIF of {self.bits} bits has no gray: written as RGB")
        return picture.with_loss(f"16 bits a channel became {self.bits}: AVIF holds no more")

    def fit(self, picture: Picture) -> Picture:
        """The picture, adapted; the encoder does not support gray with transparency."""
        if picture.pixels.ndim == 2 and picture.alpha is not None:
            picture = gray_to_rgb(picture, GRAY_ALPHA)
        return super().fit(picture)

    def check_writable(self, file: Path | BinaryIO, size: tuple[int, int]) -> None:
        """Also refuse pictures that libavif would write but cannot read."""
        super().check_writable(file, size)
        if size[0] * size[1] > MAX_PIXELS:
            raise PictureError(
                f"cannot write {display_name(file)}: AVIF's readers take at most"
                f" {MAX_PIXELS:,} pixels, the result has {size[0]}x{size[1]}",
                "Choose another format: png or tiff",
            )

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode 8 bits by Pillow, more by pyvips."""
        quality = quality or QUALITY
        if picture.pixels.dtype == np.uint16:
            file.write(vips.encode_avif(picture, quality))
            return
        options: dict[str, Any] = {"quality": quality}
        if picture.pixels.ndim == 3:
            # From RGB, and from RGBA to 4:2:0, libavif uses libyuv, which rounds chroma down: a
            # shift to green. From RGBA to 4:4:4, and to multiply by alpha, it converts itself. An
            # opaque alpha changes nothing and is not written.
            fine = quality >= DEEP or picture.alpha is not None
            options["subsampling"] = "4:4:4" if fine else "4:2:0"
            if picture.alpha is None:
                options["alpha_premultiplied"] = True
                opaque = np.full(picture.pixels.shape[:2], 255, np.uint8)
                picture = replace(picture, alpha=opaque)
        encoded = io.BytesIO()
        save_with_pillow(picture, encoded, "AVIF", options)
        data = encoded.getvalue()
        file.write(heif.with_cicp(data, picture.cicp) if picture.cicp else data)


def _crop(image: Image.Image, found: FileMetadata) -> tuple[int, int, int, int] | None:
    """The clean aperture: left, top, width and height; None if it is the whole picture."""
    crop = box_facts(found).crop
    if not crop or crop[0] + crop[2] > image.width or crop[1] + crop[3] > image.height:
        return None
    return crop
