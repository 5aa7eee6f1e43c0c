"""Datasets for training and evaluation: folders, pairs of folders, repositories of the Hub."""

from ._folder import Folder
from ._hub import Hub
from ._paired import Paired

__all__ = ["Folder", "Hub", "Paired"]
