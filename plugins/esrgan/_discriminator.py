from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


def _normed(inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding=1, bias=False)
    return spectral_norm(conv)


class UNetSN(nn.Module):
    """Real-ESRGAN's U-Net with spectral normalisation: a logit for every pixel, B x 1 x h x w.

    Args:
        n_feats: channels of the first convolution.
    """

    min_size = 8
    examples = ({"n_feats": 8},)

    def __init__(self, *, n_feats: Annotated[int, Ge(1), Le(4_096)] = 64) -> None:
        super().__init__()
        n = n_feats
        self.conv0 = nn.Conv2d(3, n, 3, padding=1)
        self.conv1 = _normed(n, 2 * n, 4, 2)
        self.conv2 = _normed(2 * n, 4 * n, 4, 2)
        self.conv3 = _normed(4 * n, 8 * n, 4, 2)
        self.conv4 = _normed(8 * n, 4 * n)
        self.conv5 = _normed(4 * n, 2 * n)
        self.conv6 = _normed(2 * n, n)
        self.conv7 = _normed(n, n)
        self.conv8 = _normed(n, n)
        self.conv9 = nn.Conv2d(n, 1, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 x h x w."""
        y0 = F.leaky_relu(self.conv0(y), 0.2)
        y1 = F.leaky_relu(self.conv1(y0), 0.2)
        y2 = F.leaky_relu(self.conv2(y1), 0.2)
        y3 = F.leaky_relu(self.conv3(y2), 0.2)
        for conv, skip in ((self.conv4, y2), (self.conv5, y1), (self.conv6, y0)):
            larger = F.interpolate(y3, skip.shape[2:], mode="bilinear", align_corners=False)
            y3 = F.leaky_relu(conv(larger), 0.2) + skip
        y3 = F.leaky_relu(self.conv7(y3), 0.2)
        return self.conv9(F.leaky_relu(self.conv8(y3), 0.2))
