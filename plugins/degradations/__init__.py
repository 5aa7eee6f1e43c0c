"""Degradations, which make an LR picture from an HR picture: from bicubic to a phone's JPEGs.

Each is a pure function of the HR picture, the scale and the random generator.
Results are not shifted against the HR picture: a network that learns to undo a degradation should
not have to learn a shift as well.
"""

from ._bicubic import Bicubic, imresize
from ._camera import Difficult, Mild, Unknown, Wild
from ._mixed import Mixed
from ._realistic import Realistic

__all__ = ["Bicubic", "Difficult", "Mild", "Mixed", "Realistic", "Unknown", "Wild", "imresize"]
