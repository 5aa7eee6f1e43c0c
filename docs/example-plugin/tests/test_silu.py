"""The contracts: of the block, and of a network made of it."""

from srzoo.testing import Case, check_block, check_generator


def test_the_block():
    check_block(Case("silu", {"channels": 8}))


def test_edsr_of_silu_blocks():
    check_generator(Case("edsr", {"n_resblocks": 2, "n_feats": 8, "scale": 2, "block": "silu"}))
