"""A folded linear tail is the tail: its values, and its gradients."""

from __future__ import annotations

import pytest
import torch

import srzoo
from srzoo.networks.fold import Foldable, fold_tail

NETS = [
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 2}, 2),
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 3}, 3),
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 4}, 4),
    ("edsr", {"n_resblocks": 1, "n_feats": 4, "scale": 8}, 8),
    ("mdsr", {"n_resblocks": 1, "n_feats": 8}, 3),
    ("wdsr", {"n_resblocks": 1, "n_feats": 8}, 4),
]


def made(name, args):
    torch.manual_seed(0)
    return srzoo.generators.create(name, **args)


@pytest.mark.parametrize(("name", "args", "scale"), NETS)
def test_values_in_the_interior(name, args, scale):
    net = made(name, args)
    x = torch.rand(2, 3, 11, 9)
    border = scale * net.tail_reach
    whole = net(x, scale)[..., border:-border, border:-border]
    folded = Foldable(net, folded=True)(x, scale)
    assert folded.shape == whole.shape
    assert float((folded - whole).detach().abs().max()) < 2e-6


@pytest.mark.parametrize(("name", "args", "scale"), NETS)
def test_gradients_in_the_interior(name, args, scale):
    """Training folded and unfolded moves every weight alike."""
    net = made(name, args).double()
    x = torch.rand(2, 3, 9, 10, dtype=torch.float64)
    border = scale * net.tail_reach
    gradients = []
    for folded in (True, False):
        y = Foldable(net, folded)(x, scale)
        y = y if folded else y[..., border:-border, border:-border]
        net.zero_grad()
        y.square().mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-12)


def test_the_kernel_is_5_by_5():
    net = made("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 4})
    kernel, bias = fold_tail(net, 8, 4)
    assert kernel.shape == (48, 8, 5, 5)
    assert bias.shape == (48,)
    assert float(kernel.detach()[:, :, 0, 0].abs().max()) > 0  # the corners are reached too


def test_without_gradients_nothing_is_kept():
    net = made("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 4}).requires_grad_(False)
    kernel, bias = fold_tail(net, 8, 4)
    assert not kernel.requires_grad
    assert not bias.requires_grad


def test_folds_in_inference_mode():
    """Somebody's own ``with torch.inference_mode():`` around all of it does no harm."""
    net = made("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 4})
    kernel, bias = fold_tail(net, 8, 4)
    with torch.inference_mode():
        same, too = fold_tail(net, 8, 4)
    assert torch.equal(kernel, same)
    assert torch.equal(bias, too)


def test_upscales_in_inference_mode():
    picture = torch.rand(3, 20, 16)
    expected = srzoo.load("edsr-x4")(picture)
    with torch.inference_mode():
        assert torch.equal(srzoo.load("edsr-x4")(picture), expected)
