"""The degradation of the benchmarks and of most papers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._imresize import imresize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

__all__ = ["Bicubic", "imresize"]


class Bicubic:
    """MATLAB's antialiased bicubic ``imresize``, bit for bit; it is not random.

    The LR pictures of Set5, Set14, BSD100 and DIV2K's bicubic tracks were made this way (Agustsson,
    Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution", CVPRW 2017).
    """

    deterministic = True
    clean = True
    phrase = "shrunk by bicubic"

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Make the LR picture.

        Args:
            hr: uint8 H x W x 3, H and W multiples of ``scale``.
            scale: 1 or more.
            rng: not used.

        Returns:
            uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape or size.
        """
        return imresize(hr, scale)
