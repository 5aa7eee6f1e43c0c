"""DIV2K: 900 photos of 2K resolution, with LR pictures in ten tracks.

Agustsson, Timofte, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study",
CVPRW 2017; the realistic tracks and x8: Timofte et al., NTIRE 2018.
https://data.vision.ee.ethz.ch/cvl/DIV2K/ (for academic research only)
"""

from ._archives import ARCHIVES, TRACKS, Archive
from ._dataset import DIV2K

__all__ = ["ARCHIVES", "DIV2K", "TRACKS", "Archive"]
