"""ESRGAN's generator, and Real-ESRGAN's discriminator.

Wang, Yu, Wu, Gu, Liu, Dong, Qiao, Loy, "ESRGAN: Enhanced Super-Resolution Generative
Adversarial Networks", 2018, https://arxiv.org/abs/1809.00219

Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data", 2021, https://arxiv.org/abs/2107.10833

State dicts have BasicSR's names, so that weights of BasicSR and its relatives fit.

Differs from the reference: only x4 (Real-ESRGAN's x2 and x1 fold pixels first); the
discriminator resizes odd sizes to those of its skip connections instead of failing.
"""

from ._discriminator import UNetSN
from ._rrdbnet import RRDBNet

__all__ = ["RRDBNet", "UNetSN"]
