"""The contract, on a network made of the block."""

from srzoo.testing import Case, check_generator


def test_edsr_of_silu_blocks():
    check_generator(Case("edsr", {"n_resblocks": 2, "n_feats": 8, "scale": 2, "block": "silu"}))
