"""Pictures to train and to measure on: folders, pairs of folders, repositories of the Hub."""

from ._folder import Folder
from ._hub import Hub
from ._paired import Paired
from ._pictures import fingerprint, fit, fitting, key, read_rgb, size

__all__ = [
    "Folder",
    "Hub",
    "Paired",
    "fingerprint",
    "fit",
    "fitting",
    "key",
    "read_rgb",
    "size",
]
