"""What makes a small picture out of a large one: from MATLAB's bicubic to a phone's JPEGs.

Each is a pure function of the HR picture, the scale and the random generator that it is given.
Enlarged again, its results lie over the HR picture without a shift: a network that is trained
to undo a degradation must not have to learn a shift as well.
"""

from ._bicubic import Bicubic, imresize
from ._camera import Difficult, Mild, Unknown, Wild
from ._mixed import Mixed
from ._realistic import Realistic

__all__ = ["Bicubic", "Difficult", "Mild", "Mixed", "Realistic", "Unknown", "Wild", "imresize"]
