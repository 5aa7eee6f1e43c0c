"""EDSR and MDSR: the papers' sizes, and what makes them these networks."""

from __future__ import annotations

import pytest
import torch

import srzoo
from srzoo.errors import ArgumentError


def count(net) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("name", "args", "parameters"),
    [
        ("edsr", {"n_resblocks": 8}, 926_723),  # as the report builds it
        ("edsr", {}, 1_517_571),
        ("edsr", {"scale": 2}, 1_369_859),  # 1.37 M
        ("edsr", {"scale": 3}, 1_554_499),  # 1.55 M
        ("mdsr", {}, 3_227_203),  # 3.23 M
        ("mdsr", {"n_resblocks": 80}, 7_953_987),  # 7.95 M
        ("bicubic", {}, 0),
    ],
)
def test_parameter_counts(name, args, parameters):
    assert count(srzoo.generators.create(name, **args)) == parameters


def test_the_full_model_is_43_million():
    with torch.device("meta"):
        net = srzoo.generators.create("edsr", n_resblocks=32, n_feats=256, res_scale=0.1)
    assert count(net) == 43_089_923


def test_res_scale_scales_the_residual():
    torch.manual_seed(0)
    block = srzoo.blocks.create("residual", channels=4)
    scaled = srzoo.blocks.create("residual", channels=4, res_scale=0.1)
    scaled.load_state_dict(block.state_dict())
    x = torch.rand(1, 4, 5, 5)
    assert torch.allclose(scaled(x) - x, 0.1 * (block(x) - x), atol=1e-6)


def test_a_block_without_res_scale_says_so():
    class Plain(torch.nn.Module):
        reach = 0

        def __init__(self, *, channels: int) -> None:
            super().__init__()

    srzoo.blocks.register("plain", Plain)
    try:
        assert srzoo.generators.create("edsr", block="plain").reach == 4
        with pytest.raises(ArgumentError, match="no argument 'res_scale'"):
            srzoo.generators.create("edsr", block="plain", res_scale=0.1)
    finally:
        srzoo.blocks.unregister("plain")


def test_block_arguments():
    net = srzoo.generators.create("edsr", block={"name": "rcab", "reduction": 8}, n_resblocks=1)
    assert net.body[0].attention[1].out_channels == 8
    with pytest.raises(srzoo.SrzooError, match="mean rcab"):
        srzoo.generators.create("edsr", block="rcba")


@pytest.mark.parametrize(("name", "args"), [("edsr", {"scale": 5}), ("mdsr", {"scales": [2, 7]})])
def test_other_scales_are_refused(name, args):
    with pytest.raises(ArgumentError, match="It should be 2, 3, 4 or 8"):
        srzoo.generators.create(name, **args)


def test_mdsr_has_a_path_for_each_scale():
    torch.manual_seed(0)
    net = srzoo.generators.create("mdsr", n_resblocks=1, n_feats=8).eval()
    with pytest.raises(ValueError, match="enlarges by"):
        net(torch.rand(1, 3, 4, 4))
    x = torch.rand(1, 3, 4, 4)
    before = net(x, 3)
    with torch.no_grad():
        net.upsample[0][0].weight.zero_()  # that of x2
    assert torch.equal(net(x, 3), before)


def test_names_and_shapes_are_those_of_edsr_pytorch(data):
    """Weights of that project, without its mean-shift layers, load as they are."""
    from safetensors.torch import load_file

    net = srzoo.generators.create("edsr", n_resblocks=16, n_feats=64, scale=4)
    net.load_state_dict(load_file(data / "weights/edsr_r16f64_x4_first.safetensors"), strict=True)
