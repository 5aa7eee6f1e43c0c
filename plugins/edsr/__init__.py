"""EDSR and MDSR: residual networks without normalisation.

Lim, Son, Kim, Nah, Lee, "Enhanced Deep Residual Networks for Single Image
Super-Resolution", CVPRW 2017, https://arxiv.org/abs/1707.02921

A residual block computes ``x + res_scale * conv(relu(conv(x)))``. The mean of DIV2K is
subtracted before the network and added after it.

Differs from the reference (EDSR-PyTorch, MIT licence): pictures are 0..1 and not 0..255,
and the mean is not a layer, so the state dict has no ``sub_mean`` and ``add_mean``. All
other names are the reference's.
"""

from ._blocks import ResidualBlock
from ._edsr import EDSR
from ._mdsr import MDSR

__all__ = ["EDSR", "MDSR", "ResidualBlock"]
