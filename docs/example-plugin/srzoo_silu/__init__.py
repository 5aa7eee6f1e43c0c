"""A residual block with SiLU in place of ReLU: the example of srzoo's plugin guide."""

from torch import Tensor, nn


class SiLUBlock(nn.Module):
    """Two 3x3 convolutions with SiLU between: ``x + conv(silu(conv(x)))``.

    Args:
        channels: in and out.
    """

    reach = 2  # two 3x3 convolutions look two pixels far
    # On a grid (pooling, windows of 4, ...) there would be: multiple = 4
    examples = ({"channels": 8},)

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return x + self.body(x)
