"""SRResNet and SRGAN's discriminator.

Ledig, Theis, Huszar, Caballero, Cunningham, Acosta, Aitken, Tejani, Totz, Wang, Shi,
"Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR
2017, https://arxiv.org/abs/1609.04802 (figure 4)

Differs from the paper: the input is shifted to -1..1 like the output (the paper feeds 0..1);
the discriminator pools to 6 x 6 before it is flattened, which changes nothing for the paper's
96 x 96 crops and allows other sizes.
"""

from ._discriminator import SRGANDiscriminator
from ._srresnet import ResidualBNBlock, SRResNet

__all__ = ["ResidualBNBlock", "SRGANDiscriminator", "SRResNet"]
