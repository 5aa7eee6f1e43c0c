"""Names of devices, and what is refused before torch is imported."""

from __future__ import annotations

import sys

import pytest
import torch

import srzoo
from srzoo.common import devices
from srzoo.errors import DeviceError, PluginError
from srzoo.exporting import engine as engines
from srzoo.exporting import engine_facts
from srzoo.networks import devices as torch_devices


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("auto", "auto"), ("CPU", "cpu"), ("cpu:0", "cpu"), ("cuda", "cuda"), ("cuda:01", "cuda:1"),
        ("mps:0", "mps"), (torch.device("cpu"), "cpu"), (torch.device("cuda", 1), "cuda:1"),
        (torch.device("mps"), "mps"), ("GPU", "gpu"), ("gpu:0", "gpu:0"), ("gpu:01", "gpu:1"),
    ],
)  # fmt: skip
def test_names(given, name):
    assert devices.parse_name(given) == name


@pytest.mark.parametrize(
    "given", ["cudda", "cuda:", "cuda:x", "cpu:1", "auto:0", "cuda:٣", "", "0"]
)
def test_no_names(given):
    with pytest.raises(DeviceError, match="is not a device"):
        devices.parse_name(given)


def test_the_nearest_name_is_told():
    with pytest.raises(DeviceError, match="Did you mean cuda"):
        devices.parse_name("cudda:1")


@pytest.fixture
def two_cards(tmp_path, monkeypatch):
    """A Linux machine with two of NVIDIA's cards, and torch for them."""
    monkeypatch.setattr(engine_facts.Build, "is_there", lambda _: True)
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(devices, "NVIDIA_GPUS", tmp_path)
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    monkeypatch.setattr(sys, "platform", "linux")


def test_an_index_is_held_against_the_cards(two_cards):
    for name in ("cuda", "cuda:0", "cuda:1"):
        engines.check("torch", name, "fp16")
    with pytest.raises(
        DeviceError, match='no cuda:2 device is available here. Use device="cuda:0" to "cuda:1"'
    ):
        engines.check("auto", "cuda:2", "auto")


def test_what_is_not_here(monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(DeviceError, match=f"no {name} device is available here"):
            engines.check("auto", name, "auto")


def test_engines_are_held_against_what_is_asked(monkeypatch):
    monkeypatch.setenv("SRZOO_ENGINE", "auto")
    engines.check("auto", "cpu", "bf16")
    with pytest.raises(PluginError, match="Did you mean torch"):
        engines.check("torhc", "auto", "auto")
    with pytest.raises(DeviceError, match='not on cpu in bf16. Use engine="torch"'):
        engines.check("openvino", "cpu", "bf16")
    monkeypatch.setenv("SRZOO_ENGINE", "nmm")
    with pytest.raises(PluginError, match="no engine is called 'nmm'"):
        engines.check("auto", "auto", "auto")


def test_torchs_devices(monkeypatch):
    assert torch_devices.find_device("cpu") == torch.device("cpu")
    assert torch_devices.list_devices()[-1].name == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_devices.find_device("auto") == torch.device("cuda")
    assert torch_devices.find_device(torch.device("cuda", 1)) == torch.device("cuda:1")
    with pytest.raises(
        DeviceError, match='no cuda:2 device is available here. Use device="cuda" or "cuda:0"'
    ):
        torch_devices.find_device("cuda:2")


def test_a_torch_device_loads():
    model = srzoo.load("bicubic-x2", device=torch.device("cpu"))
    assert next(iter(model.model.buffers())).device.type == "cpu"


def test_what_was_given_is_told_as_it_was():
    for given in (None, "Cuda:X"):
        with pytest.raises(DeviceError, match=f"^{given!r} is not a device"):
            devices.parse_name(given)
