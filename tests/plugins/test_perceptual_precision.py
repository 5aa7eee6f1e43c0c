"""The backbone of the perceptual loss in bf16 where a card has it, and in fp32 elsewhere."""

from __future__ import annotations

import pytest
import torch
from srzoo_plugins.perceptual import Perceptual
from torch import nn

import srzoo
from srzoo.contracts import Pair
from srzoo.errors import SrzooError

SMALL = {"backbone": "vgg11", "layers": ("relu2_1",), "weights": "random"}


def pair() -> Pair:
    torch.manual_seed(0)
    hr = torch.rand(2, 3, 32, 32)
    sr = (hr + 0.1 * torch.randn_like(hr)).requires_grad_()
    return Pair(lr=hr, hr=hr, sr=sr)


def types(loss: Perceptual) -> set[torch.dtype]:
    """In what the backbone's convolutions give their results."""
    found = set()

    def see(module, _inputs, output):
        if isinstance(module, nn.Conv2d):
            found.add(output.dtype)

    with nn.modules.module.register_module_forward_hook(see):
        loss(pair())
    return found


def test_on_the_cpu_it_is_as_it_was():
    values = []
    for precision in ("auto", "fp32"):
        loss, given = Perceptual(**SMALL, precision=precision), pair()
        assert types(loss) == {torch.float32}
        value = loss(given)
        value.backward()
        values.append((value.detach(), given.sr.grad))
        with torch.autocast("cpu"):  # whatever the generator is trained in
            assert torch.equal(loss(given).detach(), value.detach())
    assert all(torch.equal(a, b) for a, b in zip(*values, strict=True))


def test_bf16_is_near_and_gives_fp32():
    whole, half = Perceptual(**SMALL), Perceptual(**SMALL, precision="bf16")
    assert types(half) == {torch.bfloat16}
    given = pair()
    value = half(given)
    value.backward()
    assert value.dtype == torch.float32
    assert value.detach() == pytest.approx(float(whole(pair()).detach()), rel=0.02)
    assert given.sr.grad is not None
    assert given.sr.grad.isfinite().all()
    assert half(Pair(lr=given.lr, hr=given.hr, sr=given.hr)) == 0


@pytest.mark.parametrize("has", [True, False])
def test_auto_asks_the_card(monkeypatch, has):
    asked = []

    def supported(including_emulation=True):
        asked.append(including_emulation)
        return has

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    loss = Perceptual(**SMALL)
    assert loss._in_bf16(torch.device("cuda")) is has
    assert asked == [False], "not what is emulated"
    assert not loss._in_bf16(torch.device("cpu"))
    assert not Perceptual(**SMALL, precision="fp32")._in_bf16(torch.device("cuda"))


def test_another_precision_is_refused():
    with pytest.raises(SrzooError, match="precision is 'fp16'"):
        srzoo.losses.create("perceptual", **SMALL, precision="fp16")
