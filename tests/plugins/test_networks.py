"""The report's other networks: their sizes, and what makes them what they are."""

from __future__ import annotations

import pytest
import torch

import srzoo
from srzoo.networks import folders
from srzoo.networks.summary import summarise


def summary(registry, name, size=16, **args):
    return summarise(registry.create(name, **args), torch.zeros(1, 3, size, size))


@pytest.mark.parametrize(
    ("name", "args", "trainable"),
    [
        ("srresnet", {}, 1_549_462),  # 1.55 M
        ("srgan_rrdb", {}, 1_341_571),
        ("wdsr", {}, 1_203_312),  # 1.20 M
        ("rrdbnet", {}, 16_697_987),  # 16.7 M
        ("srcnn", {}, 57_281),  # 57 K
    ],
)
def test_generator_sizes(name, args, trainable):
    net = srzoo.generators.create(name, **args)
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == trainable


def test_the_reports_generator_is_counted_as_in_the_report():
    found = summary(srzoo.generators, "srgan_rrdb")
    assert (found.total, found.trainable, found.statistics) == (1_344_643, 1_341_571, 3_072)
    assert found.layers[-1].kind == "Tanh"
    assert found.layers[-1].shape == (1, 3, 64, 64)


def test_one_dense_block_of_the_report():
    net = srzoo.generators.create("srgan_rrdb")
    block = net.body[0].blocks[0]
    assert summarise(block, torch.zeros(1, 64, 4, 4)).total == 83_648
    assert float(net.body[0].a.detach().mean()) == 1.0
    assert float(net.body[0].b.detach().mean()) == 0.5


@pytest.mark.parametrize(
    ("name", "size", "widths", "flat"),
    [("srgan", 96, (64, 512), 18_432), ("srgan_report", 128, (32, 256), 16_384)],
)
def test_discriminators_of_paper_and_report(name, size, widths, flat):
    found = summary(srzoo.discriminators, name, size)
    convolutions = [layer for layer in found.layers if layer.kind == "Conv2d"]
    assert len(convolutions) == 8
    assert (convolutions[0].shape[1], convolutions[-1].shape[1]) == widths
    assert sum(layer.kind == "BatchNorm2d" for layer in found.layers) == 7
    assert next(layer for layer in found.layers if layer.kind == "Flatten").shape == (1, flat)
    assert found.layers[-1].shape == (1, 1)


@pytest.mark.parametrize(
    ("name", "args", "parameters"),
    [
        ("srgan", {}, 23_565_505),
        ("srgan_report", {}, 17_953_377),
        ("patchgan", {}, 2_765_633),
        ("unet_sn", {}, 4_376_897),
    ],
)
def test_discriminator_sizes(name, args, parameters):
    net = srzoo.discriminators.create(name, **args)
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize("name", ["srresnet", "edsr"])
@pytest.mark.parametrize("block", srzoo.blocks.names())
def test_any_block_fits(name, block):
    net = srzoo.generators.create(name, n_resblocks=1, n_feats=10, block=block).eval()
    assert net(torch.rand(1, 3, 4, 5)).shape == (1, 3, 16, 20)
    assert (net.reach is None) == (block == "rcab")


def test_batchnorm_statistics_survive_a_model_folder(tmp_path):
    args = {"n_resblocks": 1, "n_feats": 8}
    net = srzoo.generators.create("srresnet", **args).train()
    x = torch.rand(2, 3, 9, 8)
    for _ in range(3):
        net(x)
    trained = net.eval()(x)
    assert not torch.equal(trained, net.train()(x))  # train mode uses the batch's statistics
    saved = folders.save(net, tmp_path / "m", generator="srresnet", args=args)
    again = folders.build(saved)
    assert torch.equal(again.body[2].running_mean, net.body[2].running_mean)
    assert int(again.body[2].num_batches_tracked) == 4


def test_srcnn_leaves_chroma_to_bicubic():
    torch.manual_seed(0)
    net = srzoo.generators.create("srcnn", scale=2).eval()
    x = torch.rand(1, 3, 8, 9)
    change = (net(x) - srzoo.generators.create("bicubic", scale=2)(x)).detach()
    assert float(change.abs().max()) > 0.01
    assert torch.allclose(change[:, 0], change[:, 1], atol=1e-6)
    assert torch.allclose(change[:, 0], change[:, 2], atol=1e-6)


def test_wdsr_is_weight_normalised():
    net = srzoo.generators.create("wdsr", n_resblocks=1)
    names = [name for name, _ in net.named_parameters() if "parametrizations" in name]
    assert len(names) == 2 * (2 + 3)  # g and v of the block's two, head, tail and skip


def test_the_wide_blocks_are_wide():
    wide_a = srzoo.blocks.create("wide_a", channels=32)
    wide_b = srzoo.blocks.create("wide_b", channels=32)
    assert [layer.out_channels for layer in wide_a.body if hasattr(layer, "out_channels")] == [
        128,
        32,
    ]
    assert [layer.out_channels for layer in wide_b.body if hasattr(layer, "out_channels")] == [
        192, 25, 32,
    ]  # fmt: skip


def test_spectral_norms_are_one():
    net = srzoo.discriminators.create("unet_sn", n_feats=8).train()
    for _ in range(60):
        net(torch.rand(1, 3, 16, 16))
    weight = net.eval().conv4.weight.flatten(1)
    assert float(torch.linalg.matrix_norm(weight.detach(), 2)) == pytest.approx(1, abs=0.02)


def test_patchgan_sees_70_pixels():
    net = srzoo.discriminators.create("patchgan", n_feats=4).eval()
    x = torch.rand(1, 3, 200, 200, requires_grad=True)
    y = net(x)
    y[0, 0, 11, 11].backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_timm_starts_from_a_local_file(data):
    path = data / "backbones/tf_efficientnet_lite0.fp16.safetensors"
    net = srzoo.discriminators.create("timm", weights=str(path), frozen=True)
    random = srzoo.discriminators.create("timm")
    name = "blocks.1.0.conv_pw.weight"
    assert not torch.equal(net.backbone.get_parameter(name), random.backbone.get_parameter(name))
    assert all(not p.requires_grad for p in net.backbone.parameters())
    assert net(torch.rand(1, 3, 40, 50)).shape == (1, 1, 5, 7)
    with pytest.raises(srzoo.SrzooError, match="does not fit the backbone: 'conv1.0.weight' and"):
        srzoo.discriminators.create("timm", backbone="resnet10t", weights=str(path))


def test_plugin_show_prints_the_layer_table(srzoo_cli):
    out = srzoo_cli("plugin", "show", "generator", "srgan_rrdb").out
    assert "1,344,643 parameters: 1,341,571 trainable, 3,072 not" in out
    assert "body.3                MixedRRDB      64x24x24         128" in out
    assert max(map(len, out.splitlines())) <= 100
    assert "1x16x16" in srzoo_cli("plugin", "show", "discriminator", "timm").out
    assert "3x96x96" in srzoo_cli("plugin", "show", "generator", "mdsr").out


def test_blending_is_said(srzoo_cli, tmp_path, photo):
    args = {"n_blocks": 1, "n_feats": 4, "growth": 2}
    torch.manual_seed(0)
    net = srzoo.generators.create("rrdbnet", **args)
    folders.save(net, tmp_path / "small", generator="rrdbnet", args=args)
    exact = srzoo_cli("upscale", photo, "-m", tmp_path / "small", "--tile", "20")
    assert "blended" not in exact.out
    blended = srzoo_cli(
        "upscale", photo, "-m", tmp_path / "small", "--tile", "16", "-o", tmp_path / "b.png"
    )
    assert "note: tiles were blended, not exact" in blended.out
