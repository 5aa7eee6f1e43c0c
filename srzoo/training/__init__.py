"""Training: a recipe to a model folder that stops and resumes at any step.

``assemble`` builds every part, ``fit`` runs the loop, and the folder it writes is a model
folder from the first checkpoint on.
"""

from .assemble import Parts, assemble
from .loop import fit
from .stages import train
from .watch import Outcome, Watch

__all__ = ["Outcome", "Parts", "Watch", "assemble", "fit", "train"]
