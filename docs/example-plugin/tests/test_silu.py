"""The contracts: of the parts, of a network made of them, and what the command does."""

from __future__ import annotations

from pathlib import Path

import torch
from click.testing import CliRunner
from PIL import Image
from srzoo_silu.command import attention

import srzoo
from srzoo.contracts import Pair
from srzoo.testing import Case, check_block, check_generator, check_loss


def test_the_block():
    check_block(Case("silu", {"channels": 8}))


def test_edsr_of_silu_blocks():
    check_generator(Case("edsr", {"n_resblocks": 2, "n_feats": 8, "scale": 2, "block": "silu"}))


def test_spans_block():
    check_block(Case("spab", {"channels": 8}))


def test_the_attention_is_even_and_bounded():
    """Equation 6: as much for -h as for h, nothing for 0, at most a half."""
    block = srzoo.blocks.create("spab", channels=4)
    h = torch.linspace(-20, 20, 81)
    factors = block.attention(h)
    assert torch.allclose(factors, -factors.flip(0))
    assert factors.abs().max() <= 0.5
    assert factors[40] == 0


def test_the_loss():
    check_loss(Case("focal_frequency"))


def test_the_worst_frequency_counts_most():
    x = torch.linspace(0, 6.2832, 33)[:32].expand(1, 3, 32, 32)
    hr = torch.zeros(1, 3, 32, 32)
    pair = Pair(lr=hr[..., :16, :16], hr=hr, sr=0.1 * torch.sin(x) + 0.01 * torch.sin(5 * x))
    focal = srzoo.losses.create("focal_frequency")(pair)
    even = srzoo.losses.create("focal_frequency", alpha=0.0)(pair)
    mse = (pair.sr - pair.hr).square().mean()
    assert torch.allclose(even, mse)  # Parseval
    assert 0.98 * even < focal < even  # the strong sine keeps its weight, the faint one loses it


def test_the_command(tmp_path: Path):
    Image.new("RGB", (12, 10), "orange").save(tmp_path / "photo.png")
    done = CliRunner().invoke(attention, [str(tmp_path / "photo.png")], catch_exceptions=False)
    assert "3 blocks" in done.output
    with Image.open(tmp_path / "photo-attention.png") as made:
        assert (made.mode, made.size) == ("L", (36, 10))
    none = CliRunner().invoke(attention, [str(tmp_path / "photo.png"), "-m", "bicubic-x2"])
    assert "has no SPAB" in str(none.exception)
