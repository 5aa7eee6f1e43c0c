"""GIF."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from .. import layers
from ..format import Header, ReadRequest, check_page, check_size
from ..gif.gifblocks import GIFContents, read_blocks
from ..picture import Picture
from ..pillow import ANIMATED, FileMetadata, PillowFormat, without_pillow_limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class GIF(PillowFormat):
    """GIF, read only: a palette, and one transparent colour."""

    key = "gif"
    name = "GIF"
    pillow = "GIF"
    suffixes = (".gif",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with GIF."""
        return head[:6] in (b"GIF87a", b"GIF89a")

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts in the blocks."""
        blocks, page = _chosen(file, request)
        frames = blocks.frames[: page + 1]
        clear = any(f.clear is not None or f.layer.dispose for f in frames)
        clear = clear or frames[0].layer.box != (0, 0, *blocks.size)
        channels = (1 if all(f.gray for f in frames) else 3) + clear
        return Header(blocks.size, 8, channels, len(blocks.frames))

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode a frame, as a viewer displays it."""
        blocks, page = _chosen(file, request)
        frames = blocks.frames[: page + 1]
        found = FileMetadata(lost=blocks.notes)
        found.texts = tuple(
            ("Comment", comment.decode("utf-8", "replace").strip("\0"))
            for comment in blocks.comments
        )
        found.xmp = blocks.xmp
        if len(blocks.frames) > 1:
            found.lost.append(ANIMATED.format(page + 1, len(blocks.frames)))

        def draw(at: int) -> NDArray[np.uint8]:
            return frames[at].draw(file, request.force_damaged, found.lost)

        order = [frame.layer for frame in frames]
        with without_pillow_limits():
            planes = layers.compose(blocks.size, order, draw, request.max_pixels)
            clear = any(frame.clear is not None for frame in frames)
            pixels, alpha = layers.part_alpha(planes, clear)
            if all(frame.gray for frame in frames):
                pixels = pixels[:, :, 0].copy()
            return self.picture(found, pixels, alpha, blocks.icc)


def _chosen(file: BinaryIO, request: ReadRequest) -> tuple[GIFContents, int]:
    """The contents of the file, and the index of the requested frame."""
    blocks = read_blocks(file)
    check_size(blocks.size, request)
    return blocks, check_page(len(blocks.frames), request)
