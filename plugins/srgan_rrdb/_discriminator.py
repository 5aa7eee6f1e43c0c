from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from ..srgan import SRGANDiscriminator


class ReportDiscriminator(SRGANDiscriminator):
    """The report's discriminator: the paper's with 32..256 filters, for 128 x 128 crops.

    The flattened features are 8 x 8 x 256 = 16,384.

    Args:
        n_feats: filters of the first convolution.
        pooled: the side that features are pooled to; 128 x 128 crops give 8 without pooling.
        hidden: width of the first dense layer.
    """

    examples = ({"n_feats": 4, "hidden": 16},)

    def __init__(
        self,
        *,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 32,
        pooled: Annotated[int, Ge(1), Le(64)] = 8,
        hidden: Annotated[int, Ge(1), Le(65_536)] = 1024,
    ) -> None:
        super().__init__(n_feats=n_feats, pooled=pooled, hidden=hidden)
