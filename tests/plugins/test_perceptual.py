"""The perceptual loss: its equation, its scale, what is cut off, where weights come from."""

from __future__ import annotations

import hashlib

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError
from PIL import Image
from safetensors.torch import save_file
from srzoo_plugins.metrics import FeatureDistance
from srzoo_plugins.perceptual import _calibration, _weights
from srzoo_plugins.timm import Layers, _names
from torch.nn import functional as F

import srzoo
from srzoo.contracts import Pair
from srzoo.errors import SrzooError, WeightsError

LIGHT = {"backbone": "tf_efficientnet_lite0", "weights": "random"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOCAL = {
    "vgg16": ("vgg16_hed_features", ("relu2_2", "conv5_3", "relu5_3")),
    "tf_efficientnet_lite0": ("tf_efficientnet_lite0", ("blocks.1", "blocks.2", "blocks.4")),
}


def make(**arguments):
    return srzoo.losses.create("perceptual", **arguments)


def paired(sr, hr):
    return Pair(lr=hr, hr=hr, sr=sr)


@pytest.fixture(scope="module", params=LOCAL)
def trained(request, data):
    """A loss on one of the local backbones."""
    name, layers = LOCAL[request.param]
    file = data / "backbones" / f"{name}.fp16.safetensors"
    return make(backbone=request.param, layers=layers, weights=file)


@pytest.fixture(scope="module")
def photos(data):
    """One crop of each colour photo of Set14; B x 3 x 96 x 96."""
    crops = []
    for file in sorted((data / "benchmarks/Set14/x4/HR").iterdir()):
        picture = np.asarray(Image.open(file).convert("RGB"))
        top, left = (picture.shape[0] - 96) // 2, (picture.shape[1] - 96) // 2
        crops.append(torch.tensor(picture[top : top + 96, left : left + 96]))
    return torch.stack(crops).permute(0, 3, 1, 2) / 255


def test_a_perfect_output_and_one_that_is_not(trained, photos):
    hr = photos[:2]
    for noise in (0.0, 0.1):
        sr = (
            hr + noise * torch.randn(hr.shape, generator=torch.Generator().manual_seed(0))
        ).requires_grad_()
        value = trained(paired(sr, hr))
        value.backward()
        assert bool(value > 0) == bool(noise)
        assert sr.grad is not None
        assert sr.grad.isfinite().all()
        assert bool(sr.grad.abs().sum() > 0) == bool(noise)


def test_it_grows_with_blur(trained, photos):
    hr = photos[2:4]
    small = [F.interpolate(hr, scale_factor=1 / s, mode="area") for s in (1, 2, 4, 8)]
    values = [float(trained(paired(F.interpolate(x, size=96, mode="bicubic"), hr))) for x in small]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values == sorted(set(values))


def test_its_size_is_that_of_the_pixels_error(trained, photos):
    """Each layer of each backbone, on photos that the calibration never saw."""
    sr = _calibration.blurred(photos)
    pixels = float((2 * photos - 2 * sr).square().mean())
    for name, value in trained.distances(paired(sr, photos)).items():
        assert 0.5 < float(value) * trained.factors[name] / pixels < 2, name


@pytest.mark.parametrize(("criterion", "power"), [("mse", 2), ("l1", 1)])
def test_the_calibration_pictures_give_the_pixels_error(criterion, power):
    hr = _calibration.pictures()
    sr = _calibration.blurred(hr)
    assert hr.shape == (4, 3, 96, 96)
    assert 0 <= float(hr.min()) < 0.1 < 0.9 < float(hr.max()) <= 1
    loss = make(**LIGHT, layers=["blocks.0", "blocks.1"], criterion=criterion)
    pixels = float((2 * (hr - sr)).abs().pow(power).mean())
    assert float(loss(paired(sr, hr))) == pytest.approx(pixels, rel=1e-4)


@pytest.mark.parametrize("criterion", ["mse", "l1"])
def test_it_is_equation_5(criterion, data, photos):
    """Against the equation, written out with torch's layers one after another."""
    file = data / "backbones/vgg16_hed_features.fp16.safetensors"
    layers = {"features.2": 2, "relu2_2": 8, "conv2_2": 7}
    loss = make(backbone="vgg16", layers=list(layers), weights=file, criterion=criterion)
    hr = photos[:2, :, :40, :52]
    sr = hr + 0.1 * torch.rand(hr.shape, generator=torch.Generator().manual_seed(0))
    found = loss.distances(paired(sr, hr))
    modules = loss._net.backbone.features
    mean, std = (
        torch.tensor(v).reshape(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    for name, last in layers.items():
        maps = []
        for x in ((sr - mean) / std, (hr - mean) / std):
            for module in modules[: last + 1]:
                x = F.relu(x) if isinstance(module, torch.nn.ReLU) else module(x)
            maps.append(x.detach().double())
        difference = (maps[0] - maps[1]).abs() ** (2 if criterion == "mse" else 1)
        height, width = maps[0].shape[2:]
        assert (height, width) == ((40, 52) if name == "features.2" else (20, 26))
        by_hand = difference.sum() / (height * width) / 2  # two pictures
        assert float(found[name]) == pytest.approx(float(by_hand), rel=1e-4), name
    weighted = sum(loss.factors[n] * float(found[n]) for n in layers) / 3
    assert float(loss(paired(sr, hr))) == pytest.approx(weighted, rel=1e-5)


def test_it_is_lpips_with_every_weight_one(data, photos):
    """Equation 1 of Zhang et al., against the metric that says the same."""
    file = data / "backbones/tf_efficientnet_lite0.fp16.safetensors"
    metric = FeatureDistance(weights=file, stages=[1, 2])
    with torch.no_grad():
        hr = (photos[:1] * 255).round()
        sr = (hr + 20 * torch.rand(hr.shape)).clamp(0, 255).round()
        layers = ["blocks.1", "blocks.2"]
        arguments = {"backbone": "tf_efficientnet_lite0", "weights": file, "layers": layers}
        found = make(**arguments, unit=True).distances(paired(sr / 255, hr / 255))
    arrays = [x[0].permute(1, 2, 0).to(torch.uint8).numpy() for x in (sr, hr)]
    mean = sum(float(each) for each in found.values()) / 2
    assert mean == pytest.approx(metric(*arrays, 4), rel=1e-3)


def test_unit_features_of_black_pictures_have_gradients(photos):
    sr = torch.zeros(1, 3, 40, 40, requires_grad=True)
    loss = make(backbone="vgg11", layers=["relu1_1"], weights="random", unit=True)
    loss(paired(sr, photos[:1, :, :40, :40])).backward()
    assert sr.grad is not None
    assert bool(sr.grad.isfinite().all())


@torch.no_grad()
def test_each_place_of_the_grid_comes_first_once():
    """Of shift x shift pictures; the same one nine times is as much as its nine cuts."""
    hr, sr = torch.rand(1, 3, 42, 47), torch.rand(1, 3, 42, 47)
    light = {**LIGHT, "layers": ["blocks.1"]}
    nine = paired(sr.expand(9, -1, -1, -1), hr.expand(9, -1, -1, -1))
    (found,) = make(**light, shift=3).distances(nine).values()
    each = {
        float(*make(**light).distances(paired(*(
            picture[..., y : y + 40, x : x + 45] for picture in (sr, hr)
        ))).values())
        for y in range(3) for x in range(3)
    }  # fmt: skip
    assert len(each) == 9
    assert float(found) == pytest.approx(sum(each) / 9, rel=1e-4)


def test_a_shift_below_one():
    with pytest.raises(SrzooError, match="shift is 0"):
        make(**LIGHT, layers=["blocks.1"], shift=0)


@torch.no_grad()
def test_before_and_after_the_activation(photos):
    """All from one run, where the network's activations work in place."""
    net = Layers("vgg16", ["conv1_2", "relu1_2", "conv2_1", "relu2_1"])
    before, after, before2, after2 = net(photos[:1])
    assert float(before.min()) < 0
    assert float(before2.min()) < 0
    assert torch.equal(before.relu(), after)
    assert torch.equal(before2.relu(), after2)
    assert net.modules_of == {
        "conv1_2": "features.2", "relu1_2": "features.3", "conv2_1": "features.5",
        "relu2_1": "features.6",
    }  # fmt: skip


def test_features_survive_a_shortcut_that_adds_in_place(photos):
    """Timm's ResNets run ``x += shortcut`` on what the last norm of a block gave."""
    early = Layers("resnet10t", ["layer1.0.bn2"])
    late = Layers("resnet10t", ["layer1.0.bn2", "layer2"])
    assert torch.equal(early(photos[:1])[0], late(photos[:1])[0])


@pytest.mark.parametrize(
    ("backbone", "name", "module"),
    [
        ("vgg19", "relu5_4", "features.35"),
        ("vgg19", "relu2_2", "features.8"),
        ("vgg16", "conv5_3", "features.28"),
        ("vgg11", "relu2_1", "features.4"),
        ("vgg11_bn", "conv2_1", "features.4"),
        ("vgg11_bn", "relu2_1", "features.6"),
    ],
)
def test_the_papers_names(backbone, name, module):
    with torch.device("meta"):  # weights cost a second each, and nothing here
        net = timm.create_model(backbone)
    assert _names.usual_names(net)[name] == module


@pytest.mark.parametrize(
    ("backbone", "layers", "kept"),
    [
        ("vgg11", ["relu2_1", "conv1_1"], {"features.0", "features.3"}),
        ("tf_efficientnet_lite0", ["blocks.0.0.conv_dw"], {"conv_stem", "bn1", "blocks"}),
    ],
)
def test_what_comes_after_the_last_layer_is_gone(backbone, layers, kept):
    net = Layers(backbone, layers)
    names = [name for name, _ in net.backbone.named_parameters()]
    assert {
        name.removesuffix(".weight").removesuffix(".bias") for name in names if "blocks" not in name
    } == {name for name in kept if name != "blocks"}
    assert [name for name in names if "blocks" in name] == (
        ["blocks.0.0.conv_dw.weight"] if "blocks" in kept else []
    )
    assert [m.shape[1] for m in net(torch.zeros(1, 3, 40, 40))] == (
        [32] if "blocks" in kept else [128, 64]
    )


def test_the_backbone_is_frozen_and_leaves_no_trace():
    state = torch.get_rng_state()
    first, second = (make(**LIGHT, layers=["blocks.1"]) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.factors == second.factors
    net = first._net
    assert not any(p.requires_grad for p in net.parameters())
    assert not any(module.training for module in net.modules())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    pair = Pair(*(torch.rand(2, 3, 40, 40, requires_grad=True) for _ in range(3)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = first(pair)
    assert value.dtype == torch.float32
    assert value.item() == first(pair).item()
    value.backward()
    assert pair.sr.grad is not None
    assert pair.hr.grad is None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_layer_weights():
    torch.manual_seed(0)
    pair = Pair(*(torch.rand(1, 3, 40, 40) for _ in range(3)))
    layers = ["blocks.0", "blocks.1"]
    one, two = (float(make(**LIGHT, layers=[name])(pair)) for name in layers)
    assert float(make(**LIGHT, layers=layers)(pair)) == pytest.approx((one + two) / 2, rel=1e-5)
    weighted = make(**LIGHT, layers=layers[::-1], layer_weights=[3, 1])
    assert float(weighted(pair)) == pytest.approx((one + 3 * two) / 4, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"layers": ["block.1"]}, "no layer 'block.1'. Did you mean blocks.1"),
        ({"layers": ["nowhere"]}, "no layer 'nowhere'. Available: blocks, bn1, bn2, classifier"),
        ({"layers": ["blocks.1", "blocks.1"]}, "twice"),
        ({"layers": []}, "at least 1 item"),
        ({"layers": "blocks.1"}, "be a list"),
        ({"layers": ["global_pool"]}, "returns no feature map"),
        ({"layers": ["blocks.1"], "layer_weights": [1, 2]}, "one weight for each"),
        ({"layers": ["blocks.1"], "layer_weights": [0]}, r"layer_weights\[0\] is 0"),
        ({"criterion": "l2"}, "criterion is 'l2'"),
        ({"backbone": "vgg91"}, "no model 'vgg91'.*vgg19"),
        ({"backbone": "vgg11", "layers": ["relu2_7"]}, "no layer 'relu2_7'. Did you mean relu2"),
        ({"backbone": "vit_tiny_patch16_224", "layers": ["blocks.1"]}, "any size"),
        ({"layers": ["blocks.1"], "weights": None}, "no weights are pinned.*ORG/REPO@COMMIT"),
        ({"layers": ["blocks.1"], "weights": "timm/x@main"}, "a branch may move"),
        ({"layers": ["blocks.1"], "weights": "timm/x"}, "40 digits"),
        ({"layers": ["blocks.1"], "weights": f"timm/x@{COMMIT[:-1]}"}, "40 digits"),
        ({"layers": ["blocks.1"], "sha256": "0" * 64}, "random weights have no sha256"),
        ({"layers": ["blocks.1"], "weights": "no.safetensors"}, "cannot read the weights no"),
        (
            {"layers": ["blocks.1"], "weights": "no.safetensors", "sha256": "0" * 64},
            "cannot read the weights no",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(arguments, said):
    with pytest.raises(SrzooError, match=said):
        make(**{**LIGHT, **arguments})


def test_weights_that_see_nothing(monkeypatch, tmp_path):
    net = Layers("tf_efficientnet_lite0", ["conv_stem"]).backbone
    for fill in (0.0, float("nan")):
        save_file(
            {"conv_stem.weight": torch.full_like(net.conv_stem.weight, fill)},
            tmp_path / "w.safetensors",
        )
        with pytest.raises(SrzooError, match="cannot distinguish a sharp picture from a blurred"):
            make(
                backbone="tf_efficientnet_lite0",
                layers=["conv_stem"],
                weights=tmp_path / "w.safetensors",
            )


def test_loading_is_strict(data, tmp_path):
    file = data / "backbones/tf_efficientnet_lite0.fp16.safetensors"
    found = make(backbone="tf_efficientnet_lite0", layers=["blocks.0"], weights=str(file))
    assert found.factors != make(**LIGHT, layers=["blocks.0"]).factors
    # What the kept part needs is enough, and all of it is needed.
    kept = {n: v.contiguous() for n, v in found._net.backbone.state_dict().items()}
    part = tmp_path / "part.safetensors"
    save_file(kept, part)
    again = make(backbone="tf_efficientnet_lite0", layers=["blocks.0"], weights=part)
    assert again.factors == found.factors
    with pytest.raises(WeightsError, match="does not fit the backbone"):
        make(backbone="tf_efficientnet_lite0", layers=["blocks.1"], weights=part)
    with pytest.raises(WeightsError, match="has the sha256 .*, not 000000000000"):
        make(**{**LIGHT, "weights": part}, layers=["blocks.0"], sha256="0" * 64)
    sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
    make(**{**LIGHT, "weights": part}, layers=["blocks.0"], sha256=sha256)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub that gives a small file, and notes what it is asked for."""
    asked = []
    net = Layers("tf_efficientnet_lite0", ["conv_stem"]).backbone
    save_file(dict(net.state_dict()), tmp_path / "model.safetensors")

    def download(repo, filename, *, revision):
        asked.append((repo, filename, revision))
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_another_commit_of_the_hub(hub):
    arguments = {"backbone": "tf_efficientnet_lite0", "layers": ["conv_stem"]}
    loss = make(**arguments, weights=f"timm/some.repo@{COMMIT}")
    assert hub == [("timm/some.repo", "model.safetensors", COMMIT)]
    assert loss.factors == make(**{**LIGHT, **arguments, "weights": "random"}).factors


def test_the_pinned_file_and_its_sha256(hub, monkeypatch, tmp_path):
    with pytest.raises(WeightsError, match=r"has the sha256 .*, not 11aea017b543"):
        make()
    pin = ("timm/vgg19.tv_in1k", "model.safetensors", "128d4708565b3a414bcbb9bbad440b2fe37b9f18")
    assert hub == [pin]
    sha256 = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    pin = _weights.Pin("timm/pinned", COMMIT, sha256)
    monkeypatch.setitem(_weights.PINNED, "tf_efficientnet_lite0", pin)
    make(backbone="tf_efficientnet_lite0", layers=["conv_stem"])
    assert hub[1:] == [("timm/pinned", "model.safetensors", COMMIT)]


def test_a_hub_that_does_not_answer(monkeypatch):
    errors = [
        LocalEntryNotFoundError("cannot find it in the local cache"),
        HTTPError("connection reset"),
        ConnectionError("no route"),
    ]
    for error in errors:

        def fail(*_args, error=error, **_named):
            raise error

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
        with pytest.raises(SrzooError) as caught:
            make(**{**LIGHT, "weights": f"a/b@{COMMIT}"}, layers=["conv_stem"])
        text = str(caught.value)
        assert "model.safetensors of a/b at 0123456 from the Hub: " + str(error) in text
        assert 'weights="FILE.safetensors"' in text
        assert "\n" not in text
