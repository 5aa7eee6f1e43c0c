"""An engine of somebody else becomes ``auto`` by what it states; not a slow or a silent one."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest
from helpers import ROOT, drawn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_engine import CardEngine, OwnEngine

import srzoo
from srzoo.benching.bench import _Bench
from srzoo.common import devices
from srzoo.defaults import ENGINE
from srzoo.errors import BrokenPluginError, DeviceError, FallbackWarning, PluginWarning
from srzoo.exporting import engine, engine_facts, exports
from srzoo.exporting.exports import ExportRecord
from srzoo.plugins import kinds
from srzoo.upkeep import doctor
from srzoo.upscaling import loading


@contextlib.contextmanager
def registered(**engines):
    for name, kind in engines.items():
        srzoo.engines.register(name, kind)
    try:
        yield
    finally:
        for name in engines:
            srzoo.engines.unregister(name)


@pytest.fixture(autouse=True)
def no_card(monkeypatch):
    """And torch for all devices, whichever is installed here."""
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    monkeypatch.setattr(engine_facts.Build, "is_there", lambda _: True)


@pytest.fixture
def only(monkeypatch):
    """Hide modules, as if their packages were not installed."""
    find_spec = engine_facts.util.find_spec

    def hide(*names):
        monkeypatch.setattr(
            engine_facts.util, "find_spec", lambda name: None if name in names else find_spec(name)
        )

    return hide


def test_one_without_a_base_class_is_taken_and_used(model, cache):
    with registered(own=OwnEngine):
        assert engine.choose(model) == engine.Choice("own", "the fastest installed")
        made = loading.load(model.path, engine="auto")
        picture = np.asarray(drawn(20, 24))
        assert np.array_equal(made.array(picture), picture.repeat(2, 0).repeat(2, 1))
    assert engine.choose(model).name != "own"


def test_one_for_a_card_is_taken_there_and_nowhere_else(model, cache, monkeypatch):
    with registered(card=CardEngine):
        for device in ("cuda", "cuda:1"):
            assert engine.choose(model, device=device, precision="fp16").name == "card"
        for device, precision in (
            ("cuda", "fp32"), ("cuda", "auto"), ("cuda", "bf16"), ("mps", "fp16"), ("cpu", "fp16"),
        ):  # fmt: skip
            assert engine.choose(model, device=device, precision=precision).name == ENGINE
        assert engine.choose(model, precision="fp16").name == ENGINE  # there is no card
        monkeypatch.setattr(devices, "has_gpu", lambda: True)
        monkeypatch.setattr(sys, "platform", "linux")
        assert engine.choose(model, precision="fp16").name == "card"
        assert engine.choose(model) == engine.Choice(
            ENGINE, "no faster one for cuda and fp32 is installed"
        )
        monkeypatch.setattr(CardEngine, "precisions", ("fp32", "fp16"))
        assert engine.choose(model).name == "card"
        assert engine.choose(model, device="cpu").name != "card"


@pytest.mark.parametrize(
    ("speed", "cpu", "cuda"),
    [(2.0, False, False), ({"cpu": 2.0, "cuda": 2.0}, False, True),
     ({"cpu": 900.0, "cuda": 0.9}, True, False), ({"cuda": 900.0}, False, True),
     (900.0, True, False)],
)  # fmt: skip
def test_speeds_are_compared_on_one_device(model, cache, monkeypatch, speed, cpu, cuda):
    monkeypatch.setattr(OwnEngine, "devices", ("cpu", "cuda"))
    monkeypatch.setattr(OwnEngine, "speed", speed)
    with registered(own=OwnEngine):
        for device, taken in (("cpu", cpu), ("cuda", cuda)):
            assert (engine.choose(model, device=device).name == "own") == taken


@pytest.mark.parametrize("missing", [False, True])
def test_what_is_slower_or_missing_is_not_said_to_be_nowhere(
    model, cache, monkeypatch, only, missing
):
    monkeypatch.setattr(CardEngine, "speed", 1000.0 if missing else 0.5)
    monkeypatch.setattr(CardEngine, "packages", {"fastlib": "fastlib"}, raising=False)
    only(*["fastlib"] * missing)
    with registered(card=CardEngine):
        chosen = engine.choose(model, device="cuda", precision="fp16")
    assert chosen == engine.Choice(ENGINE, "no faster one for cuda and fp16 is installed")


def test_the_extras_that_are_named_are_there():
    named = {engine_facts.of(plugin).extra for plugin in kinds.engines if not plugin.is_foreign}
    there = metadata.metadata("srzoo").get_all("Provides-Extra")
    assert {exports.MAKING_EXTRA, *named} - {""} <= {*there}


def test_one_for_a_card_that_is_asked_for_elsewhere_is_refused(model, cache):
    with registered(card=CardEngine):
        with pytest.raises(DeviceError, match="card runs on cuda in fp16, not on cpu in auto"):
            engine.check("card", "cpu", "auto")
        with pytest.raises(DeviceError, match="not on auto in fp32"):
            engine.check("card", "auto", "fp32")


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(speeds=st.lists(st.floats(0, 10), max_size=4))
def test_the_fastest_is_taken_and_none_before_a_faster_default(model, cache, only, speeds):
    only("MNN", "openvino", "onnxruntime", "ncnn")
    own = {f"own{n}": type("Own", (OwnEngine,), {"speed": s}) for n, s in enumerate(speeds)}
    with registered(**own):
        name = engine.choose(model).name
    default = engine_facts.find(ENGINE).speed_on("cpu")
    if max(speeds, default=0) > default:
        assert own[name].speed == max(speeds)
    else:
        assert name == ENGINE


def test_a_slower_one_is_not_taken_even_with_its_export(model, cache, only):
    def make(path):
        path.write_text("x")
        path.with_suffix(".bin").write_text("x")
        return ExportRecord()

    exports.keep(model, 2, "ncnn", make)
    only("MNN", "openvino", "onnxruntime")
    for work in (None, 1, 10**9):
        chosen = engine.choose(model, work=work)
        assert chosen == engine.Choice(ENGINE, "no faster one is installed")
    assert engine.choose(model, "ncnn").name == "ncnn"
    only("MNN", "openvino", "onnxruntime", "torch")
    assert engine.choose(model).name == "ncnn"  # there is nothing better


def test_one_that_takes_long_to_begin_is_for_much_work(model, cache, monkeypatch):
    monkeypatch.setattr(OwnEngine, "first_use", 30.0, raising=False)
    with registered(own=OwnEngine):
        assert engine.choose(model, work=10**10) == engine.Choice(
            "own", "the fastest installed", prepares=True
        )
        little = engine.choose(model, work=1000)
    assert little == engine.Choice(
        ENGINE, "torch enlarges 1,000 pixels before another one is ready"
    )


def test_one_that_states_no_device_is_not_taken(model, cache, monkeypatch):
    monkeypatch.setattr(OwnEngine, "devices", ())
    with registered(own=OwnEngine):
        assert engine.choose(model).name != "own"


@pytest.mark.parametrize(
    "error", [DeviceError("the driver is too old"), BrokenPluginError("it cannot be imported")]
)
def test_one_that_cannot_after_all_is_replaced(model, cache, error):
    class Fails(OwnEngine):
        def __init__(self, *, folder, device="auto", precision="auto"):
            raise error

    with registered(own=Fails):
        with pytest.warns(FallbackWarning, match=f"own is not used: {error.what}"):
            made = loading.load(model.path, engine="auto")
        assert isinstance(made.runner, srzoo.engines.ModuleRunner)
        with pytest.raises(type(error), match=error.what):
            loading.load(model.path, engine="own")


def test_wrong_facts_are_passed_over(model, cache):
    class Wrong(OwnEngine):
        devices = ("toaster",)

    with registered(own=Wrong):
        with pytest.warns(PluginWarning, match="devices has 'toaster'"):
            assert engine.choose(model).name != "own"
        with pytest.raises(BrokenPluginError, match="devices has 'toaster'"):
            engine.check("own", "auto", "auto")


CODE = """
import sys
from pathlib import Path
from srzoo.exporting import engine
from srzoo.models.folder import read_folder
engine.check("theirs", "cpu", "auto")
chosen = engine.choose(read_folder(Path(sys.argv[1])), device="cpu")
print(chosen.name, "theirs" in sys.modules, "torch" in sys.modules)
"""
STATED = '[theirs]\ndevices = ["cpu"]\nprecisions = ["fp32"]\nspeed = 1000\n'


@pytest.mark.parametrize(("stated", "taken"), [(STATED, True), ("", False)])
def test_one_of_an_installed_package_is_chosen_without_an_import(
    model, cache, tmp_path, stated, taken
):
    """By its file; without one never, whatever its class says."""
    site = tmp_path / "site"
    (site / "theirs").mkdir(parents=True)
    (site / "theirs/__init__.py").write_text("class Engine: devices, speed = ('cpu',), 1000.0")
    (site / "theirs/engines.toml").write_text(stated)
    (site / "theirs-1.0.dist-info").mkdir()
    (site / "theirs-1.0.dist-info/METADATA").write_text("Name: theirs\nVersion: 1.0\n")
    entry = "[srzoo.engines]\ntheirs = theirs:Engine\n"
    (site / "theirs-1.0.dist-info/entry_points.txt").write_text(entry)
    told = subprocess.run(
        [sys.executable, "-c", CODE, model.path], env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert (told[0] == "theirs") == taken
    assert told[1:] == ["False", "False"]


def test_the_registry_has_a_public_name():
    assert srzoo.engines.registry is kinds.engines
    assert set(srzoo.engines.__all__) <= {*dir(srzoo.engines)}
    for name in srzoo.engines.__all__:
        assert getattr(srzoo.engines, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = srzoo.engines.nothing


def test_the_doctor_and_the_bench_ask_what_it_states(model, cache, monkeypatch):
    with registered(card=CardEngine, own=OwnEngine):
        found = {one.name: one for one in doctor.engines()}
        bench = _Bench(model, 2, None)
        assert bench.engine("card", explicit=False) is None
        assert bench.engine("own", explicit=False) is not None
        with pytest.raises(DeviceError, match="card runs on cuda in fp16, not on cpu"):
            bench.engine("card", explicit=True)
    assert [(gone.engine, "not on cpu" in gone.why) for gone in bench.left_out] == [("card", True)]
    assert (found["own"].devices, found["own"].missing) == (("cpu",), "")
    assert not found["card"].devices
    assert found["card"].missing == "no cuda device is available here"
    assert doctor.try_engine(found["card"]) == found["card"]
    long = replace(found["own"], first_use=60.0)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried"))
    assert doctor.try_engine(long) == long  # it would compile for a minute


@pytest.mark.parametrize("name", ["torch", "mnn", "ncnn", "onnx", "openvino"])
def test_the_zoos_engines_import_what_is_public(name):
    public = {f"srzoo.{room}" for room in ("building", "contracts", "engines", "errors")}
    for path in (ROOT / "plugins" / name).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                found = {node.module}
                if node.module == "srzoo":
                    found = {f"srzoo.{each.name}" for each in node.names}
            elif isinstance(node, ast.Import):
                found = {each.name for each in node.names}
            else:
                continue
            inside = {each for each in found if each.partition(".")[0] == "srzoo"}
            assert inside <= public, path
