"""The example of srzoo's plugin guide: two blocks, a loss, a trained model and a command."""

from ._blocks import SPAB, SiLUBlock
from ._loss import FocalFrequency

__all__ = ["SPAB", "FocalFrequency", "SiLUBlock"]
