"""The SRGAN of the report that srzoo reproduces: a generator of four RRDBs, a discriminator.

The idea of residual-in-residual dense blocks is Wang et al., "ESRGAN: Enhanced
Super-Resolution Generative Adversarial Networks", 2018, https://arxiv.org/abs/1809.00219; the
report's have three convolutions, BatchNorm, and learned mixing:

    RDB:   c1 = PReLU(BN(conv(x))), c2 = PReLU(BN(conv([c1, x]))), y = x + BN(conv([c2, c1]))
    RRDB:  y = a * x + b * RDB(RDB(RDB(x))),  a and b learned for each channel, from 1 and 0.5

Differs from the report: pictures are 0..1 outside (0..255 there). Its layer summary does not
state which of two 64-to-64 convolutions outside the RRDBs is 1 x 1; the parameter count fits one
3 x 3 and one 1 x 1, and here the one at high resolution is 1 x 1, where that is 16 times
cheaper. BatchNorm has PyTorch's epsilon and momentum. The discriminator pools to 8 x 8, which
changes nothing for the report's 128 x 128 crops.
"""

from ._discriminator import ReportDiscriminator
from ._generator import SRGANRRDB

__all__ = ["SRGANRRDB", "ReportDiscriminator"]
