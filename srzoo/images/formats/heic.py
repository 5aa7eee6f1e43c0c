"""HEIC, by pillow-heif."""

from __future__ import annotations

import importlib
import importlib.util
import io
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from ..bmff import boxes, heif
from ..decoding import Decoded, split_alpha
from ..format import DEEP, Memory, ReadRequest, check_size
from ..picture import Picture
from ..pillow import FileMetadata, to_pil
from ._heif import HEIF, UNSPECIFIED, box_facts, is_known_cicp, unpremultiply

if TYPE_CHECKING:
    from numpy.typing import NDArray

BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

QUALITY = 85
SLICE, SLICES = 2**22, 8
"""Pixels of a slice, and the most slices: with 16, x265 writes outside its buffer."""
LARGEST = 15 * 2**20
"""The largest size of a slice in bytes: libde265, which most decoders use, accepts 16 MiB."""


class HEIC(HEIF):
    """HEIC: read with up to 12 bits, written with 8."""

    key = "heic"
    name = "HEIC"
    pillow = "HEIF"
    suffixes = (".heic", ".heif", ".hif", ".heics", ".heifs")
    writes = True
    max_side = 16_384
    gray = False
    quality = QUALITY
    memory = Memory((10.4, 11.6), decoder=4.7)

    @property
    def install(self) -> str | None:
        """The command for the extra, if it is missing."""
        return None if importlib.util.find_spec("pillow_heif") else "pip install 'srzoo[heic]'"

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether one of its brands is HEIF's; AVIF has its own."""
        return bool(BRANDS & set(boxes.brands(head)))

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The file opened by pillow-heif."""
        return importlib.import_module("pillow_heif").HeifImageFile(_readable(file))

    def frame_count(self, image: Image.Image) -> int:
        """One: the other pictures belong to the photo."""
        return 1

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """From pillow-heif."""
        return int(image.info.get("bit_depth", 8))

    def decoded_bits(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> int:
        """All bits."""
        return self.stored_bits(file, image)

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata from pillow-heif and the boxes."""
        found = super().read_metadata(file, image)
        if box_facts(found).sequence:
            found.lost.append("the moving pictures of the sequence are gone")
        return found

    def decode_pixels(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """8 bits as Pillow returns them, more as 16."""
        if self.stored_bits(file, image) <= 8:
            return super().decode_pixels(file, image, found)
        opened = importlib.import_module("pillow_heif").open_heif(
            _readable(file), convert_hdr_to_8bit=False, hdr_to_16bit=True
        )
        planes: NDArray[Any] = np.asarray(opened[opened.primary_index])
        planes = (planes | planes >> int(opened.info["bit_depth"])).astype(
            np.uint16
        )  # scales white to the maximum
        icc = found.info.get("icc_profile")
        planes = planes[:, :, None] if planes.ndim == 2 else planes
        pixels, alpha = split_alpha(planes, clear=planes.shape[2] in (2, 4))
        if alpha is not None and opened.premultiplied_alpha:
            pixels = unpremultiply(pixels, alpha)
        return pixels, alpha, icc

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the file, whose data may differ in size from its boxes."""
        picture = super().read(file, request)
        check_size(picture.size, request)
        return picture

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode by pillow-heif."""
        quality = quality or QUALITY
        given = {"icc_profile": picture.icc, "exif": picture.exif, "xmp": picture.xmp}
        options: dict[str, Any] = {key: value for key, value in given.items() if value}
        options |= {"quality": quality, "chroma": 444 if quality >= DEEP else 420}
        if picture.cicp:
            primaries, transfer = picture.cicp[:2]
            options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
            options |= {"matrix_coefficients": 6, "full_range_flag": 1}
        # Slower presets take longer than upscaling, and files are hardly better.
        encoder = {"preset": "ultrafast"}
        slices = min(-(-picture.size[0] * picture.size[1] // SLICE), SLICES)
        if slices > 1:
            encoder["x265:slices"] = str(slices)
        options["enc_params"] = encoder
        image = to_pil(picture)
        image.info.clear()
        image.info.update(options)
        importlib.import_module("pillow_heif").from_pillow(image).save(file, **options)
        if file.tell() > slices * LARGEST:
            raise ValueError(
                f"it has {file.tell():,} bytes of data, and readers of HEIC take"
                f" {slices * LARGEST:,}: use a lower quality"
            )


def _readable(file: BinaryIO) -> BinaryIO:
    """The file; or a copy with other colour numbers, if libheif would refuse them."""
    facts = heif.read_facts(file)
    file.seek(0)
    if facts.nclx and facts.cicp and not is_known_cicp(facts.cicp):
        return io.BytesIO(heif.with_cicp(file.read(), UNSPECIFIED))
    return file
