"""Engines on GPUs, without one: what is chosen, what is opened, and what is not trusted."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np
import onnxruntime
import pytest
from helpers import drawn

from srzoo.common import devices
from srzoo.defaults import ENGINE
from srzoo.errors import BrokenPluginError, DeviceError, FallbackWarning
from srzoo.exporting import engine, engine_facts, on_devices
from srzoo.exporting.engine_facts import Build, Facts
from srzoo.exporting.trial import trial_picture
from srzoo.models import locate
from srzoo.plugins import kinds, packages
from srzoo.upkeep import doctor
from srzoo.upscaling import loading

CUDA, DML, CPU = (f"{name}ExecutionProvider" for name in ("CUDA", "Dml", "CPU"))


@pytest.fixture(scope="module")
def model():
    """A model that carries an export, which is sooner ready than one that is made."""
    return locate.find("edsr-x4")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_cache(place, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(place))
    monkeypatch.delenv("SRZOO_ENGINE", raising=False)


@dataclass
class Machine:
    """A machine that is not this one, and what is installed there."""

    kinds: list[str]
    """Of GPUs."""
    builds: dict[str, set[str]]
    """What torch and ONNX Runtime are built for, by the first word of their file."""
    missing: set[str] = field(default_factory=set)
    """Modules."""


@pytest.fixture
def on(monkeypatch):
    find_spec = engine_facts.util.find_spec

    def put(machine):
        def is_there(build):
            return build.device in machine.builds.get(build.file.partition("/")[0], ())

        monkeypatch.setattr(devices, "gpu_kinds", lambda: machine.kinds)
        monkeypatch.setattr(Build, "is_there", is_there)
        monkeypatch.setattr(
            engine_facts.util, "find_spec",
            lambda name: None if name in machine.missing else find_spec(name),
        )  # fmt: skip

    return put


ORT_CUDA, ORT_DML = {"onnxruntime": {"cuda"}}, {"onnxruntime": {"gpu"}}
LIGHT = {"torch", "ncnn"}


@pytest.mark.parametrize(
    ("machine", "asked", "name"),
    [
        # The light install on a machine with a card: the CPU's fastest.
        (Machine(["cuda"], {}, LIGHT), "auto", "mnn"),
        (Machine(["cuda", "gpu"], {}, LIGHT), "auto", "mnn"),
        (Machine(["mps"], {}, LIGHT), "auto", "mnn"),
        # Torch for CPUs alone is no better there.
        (Machine(["cuda"], {}), "auto", "mnn"),
        (Machine(["cuda"], {"torch": {"cuda"}}), "auto", ENGINE),
        # What somebody installed for the card is for the card.
        (Machine(["cuda"], ORT_CUDA, LIGHT), "auto", "onnxruntime"),
        (Machine(["cuda"], ORT_CUDA), "auto", "onnxruntime"),
        (Machine(["cuda"], {"torch": {"cuda"}, **ORT_CUDA}), "auto", ENGINE),
        (Machine(["cuda", "gpu"], ORT_DML, LIGHT), "auto", "onnxruntime"),
        (Machine(["gpu"], ORT_DML), "auto", "onnxruntime"),
        (Machine([], ORT_CUDA, LIGHT), "auto", "mnn"),
        # By name what nobody has measured, too; but nothing that is measured gives way to it.
        (Machine(["gpu"], {}, LIGHT), "gpu", "openvino"),
        (Machine(["gpu"], {}), "gpu:1", "openvino"),
        (Machine(["gpu"], ORT_DML, LIGHT), "gpu", "onnxruntime"),
        (Machine(["mps"], {}, LIGHT), "mps", "onnxruntime"),
        (Machine(["mps"], {}), "mps", ENGINE),
        (Machine(["cuda"], ORT_CUDA, LIGHT), "cpu", "mnn"),
    ],
)  # fmt: skip
def test_which_engine_is_chosen(model, on, machine, asked, name):
    on(machine)
    assert engine.choose(model, device=asked).name == name


@pytest.mark.parametrize(
    ("machine", "asked", "precision", "says"),
    [
        (Machine(["cuda"], {}), "cuda", "auto", r"runs edsr-x4 on cuda\. Install torch for cuda: "),
        (Machine(["cuda"], {}, LIGHT), "cuda", "auto", r'Install it: pip install "srzoo\[torch\]"'),
        (Machine(["gpu"], {}, {"openvino"}), "gpu", "auto",
         "Install onnxruntime for gpu: pip uninstall onnxruntime, then pip install onnxruntime-d"),
        (Machine(["gpu"], {}), "gpu", "fp16", 'Use device="auto"'),
    ],
)  # fmt: skip
def test_what_runs_on_a_card_is_told(model, on, machine, asked, precision, says):
    on(machine)
    with pytest.raises(DeviceError, match=says):
        engine.choose(model, device=asked, precision=precision)


def test_a_build_for_another_device_is_refused_at_once(on):
    on(Machine(["cuda"], {}))
    with pytest.raises(DeviceError, match="installed onnxruntime does not support cuda"):
        engine.check("onnxruntime", "cuda:0", "auto")
    on(Machine([], {}))
    with pytest.raises(DeviceError, match='no gpu device is available here: .* Use device="cpu"'):
        engine.check("auto", "gpu", "auto")
    with pytest.raises(DeviceError, match='torch does not run on gpu. Use engine="auto"'):
        engine.check("torch", "gpu", "auto")


def test_how_a_build_is_known(tmp_path, monkeypatch):
    torchs = engine_facts.find("torch").built_for[0]
    cuda, dml = engine_facts.find("onnxruntime").built_for
    (tmp_path / "torch").mkdir()
    (tmp_path / "onnxruntime/capi").mkdir(parents=True)
    monkeypatch.setattr(
        engine_facts.packages, "folders", lambda target: [[tmp_path / target.partition(":")[0]]]
    )
    assert torchs.is_there()  # there is no file: who knows
    for text, there in (
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False),
        ("debug = False\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", True),
        ("cuda = None\nhip = '6.2.1'\n", True),
        ("__version__ = '2.9.0+cpu'\nhip = None\n", False),
    ):
        (tmp_path / "torch/version.py").write_text(text)
        assert torchs.is_there() == there
    for name, found in (
        ("onnxruntime", (False, False)), ("onnxruntime-gpu", (True, False)),
        ("ort-nightly-gpu", (True, False)), ("onnxruntime-directml", (False, True)),
    ):  # fmt: skip
        file = tmp_path / "onnxruntime/capi/build_and_package_info.py"
        file.write_text(f"package_name = '{name}'\n__version__ = '1.22.0'\n")
        assert (cuda.is_there(), dml.is_there()) == found


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ({"device": "mps"}, "built_for has 'mps', which is not among its devices"),
        ({"has": "("}, "is not a regular expression"),
        ({"have": ""}, "unknown key 'have'"),
    ],
)
def test_a_build_that_is_wrong(build, says):
    class Mine:
        devices = ("cpu", "cuda")
        built_for = ({"device": "cuda", "file": "a/b", "has": "", "install": "it", **build},)

    with pytest.raises(BrokenPluginError, match=says):
        engine_facts.of_class(Mine, "mine")


class Card:
    """A session of ONNX Runtime on a card, which the CPU stands for."""

    opened: list[tuple[list[str], list[dict[str, str]], int]]
    starts, off, falls_back = True, 0.0, False
    real = onnxruntime.InferenceSession

    def __init__(self, path, options, providers, provider_options, enable_fallback):
        type(self).opened.append((providers, provider_options, enable_fallback))
        self.providers = providers
        if providers[0] != CPU:
            assert options.execution_mode == onnxruntime.ExecutionMode.ORT_SEQUENTIAL
            assert not options.enable_mem_pattern
            if not self.starts:
                raise RuntimeError("libcublas.so.12: cannot open\nand more")
            if self.falls_back:
                self.providers = [CPU]
        self.inner = type(self).real(path, options, providers=[CPU])

    def get_providers(self):
        return self.providers

    def get_modelmeta(self):
        return self.inner.get_modelmeta()

    def run(self, names, given):
        (y,) = self.inner.run(names, given)
        return [y + self.off if self.providers[0] != CPU else y]


@pytest.fixture
def card(monkeypatch, on):
    """ONNX Runtime with CUDA, on a machine with a card."""
    made = type("Made", (Card,), {"opened": []})
    monkeypatch.setattr(onnxruntime, "InferenceSession", made)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    on(Machine(["cuda"], ORT_CUDA))
    return made


def build(model, device="auto", name="onnxruntime"):
    return kinds.engines.build(name, folder=model.path, device=device, precision="auto")


X = trial_picture(31, 26)


@pytest.mark.parametrize(("asked", "index"), [("auto", "0"), ("cuda", "0"), ("cuda:1", "1")])
def test_a_card_is_used(model, card, asked, index):
    runner = build(model, asked)
    ((providers, (options, none), fallback),) = [each for each in card.opened if each[0][0] == CUDA]
    assert (providers, none, fallback) == ([CUDA, CPU], {}, 0)
    assert (options["device_id"], options["use_tf32"]) == (index, "0")
    assert runner.device.partition(":")[0] == "cuda"
    here = build(model, "cpu")
    assert np.array_equal(runner(X, 4), here(X, 4))
    assert runner.bytes_per_pixel(4) == on_devices.MORE * here.bytes_per_pixel(4)
    assert runner.bytes_aside(4) == on_devices.MORE * here.bytes_aside(4)
    assert (runner.free_memory(), here.free_memory()) == (on_devices.CARD, None)


def test_directml_is_opened(model, card, on, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [DML, CPU])
    on(Machine(["gpu"], ORT_DML))
    assert build(model).device == "gpu"
    assert build(model, "gpu:1").device == "gpu:1"
    given = [options[0] for providers, options, _ in card.opened if providers[0] == DML]
    assert given == [{"device_id": "0"}, {"device_id": "1"}]


@pytest.mark.parametrize(
    ("starts", "falls_back", "says"),
    [
        (False, False, "ONNX Runtime cannot use cuda: libcublas.so.12: cannot open"),
        (True, True, "ONNX Runtime cannot use cuda: CUDAExecutionProvider cannot be loaded"),
    ],
)
def test_a_card_that_does_not_start(model, card, starts, falls_back, says):
    card.starts, card.falls_back = starts, falls_back
    with pytest.warns(FallbackWarning, match=f"cuda is not used: {says}"):
        runner = build(model)
    assert (runner.device, runner.free_memory()) == ("cpu", None)
    assert runner(X, 4).shape == (1, 3, 124, 104)
    with pytest.raises(DeviceError, match=says):
        build(model, "cuda")


def test_a_provider_that_is_not_there_after_all(model, card, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.warns(FallbackWarning, match="cuda is not used: .* has no CUDAExecutionProvider"):
        made = loading.load(model.path, engine="auto")
    assert made.runner.device == "cpu"
    with pytest.raises(DeviceError, match="has no CUDAExecutionProvider"):
        build(model, "cuda")


@pytest.mark.parametrize("asked", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("off", "says"), [(0.02, "off by 5.[01] levels"), (np.nan, "values that are not finite")]
)
def test_a_card_that_computes_something_else(model, card, asked, off, says):
    card.off = off
    with pytest.warns(FallbackWarning, match=f"cuda is not used: .*{says}"):
        runner = build(model, asked)
    assert runner.device == "cpu"
    card.off = 0.0
    assert np.array_equal(runner(X, 4), build(model, "cpu")(X, 4))


def test_a_picture_goes_through_a_card(model, card):
    picture = np.asarray(drawn(40, 33))
    got = loading.load(model.path, engine="auto").array(picture)
    want = loading.load(model.path, engine="onnxruntime", device="cpu").array(picture)
    assert np.array_equal(got, want)
    assert CUDA in {providers[0] for providers, _, _ in card.opened}


class Core:
    """OpenVINO's, with GPUs for which the CPU stands."""

    def __init__(self, real, devices):
        self.real, self.available_devices, self.opened = real, devices, []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def compile_model(self, path, device, options):
        self.opened.append((device, options))
        return self.real.compile_model(path, "CPU", options)


@pytest.mark.parametrize(
    ("there", "asked", "used"),
    [
        (["CPU", "GPU"], "gpu", "GPU"), (["CPU", "GPU"], "gpu:0", "GPU"),
        (["CPU", "GPU.0", "GPU.1"], "gpu", "GPU.0"), (["CPU", "GPU.0", "GPU.1"], "gpu:1", "GPU.1"),
        (["CPU", "GPU"], "auto", "CPU"),  # nobody has measured it
    ],
)  # fmt: skip
def test_openvino_on_a_gpu(model, on, monkeypatch, there, asked, used):
    module = sys.modules[kinds.engines.get("openvino").__module__]
    core = Core(module._core(), there)
    monkeypatch.setattr(module, "_core", lambda: core)
    on(Machine(["gpu"], {}))
    runner = build(model, asked, "openvino")
    device, options = core.opened[-1]
    assert device == used
    assert options["INFERENCE_PRECISION_HINT"] == "f32"
    assert ("INFERENCE_NUM_THREADS" in options) == (used == "CPU")
    assert np.array_equal(runner(X, 4), build(model, "cpu", "openvino")(X, 4))


def test_openvino_without_a_gpu(model, monkeypatch):
    module = sys.modules[kinds.engines.get("openvino").__module__]
    for there, says in ((["CPU"], "no GPU here, not gpu:1"), (["CPU", "GPU"], "one GPU here")):
        core = Core(module._core(), there)
        monkeypatch.setattr(module, "_core", lambda core=core: core)
        with pytest.raises(DeviceError, match=f"OpenVINO finds {says}"):
            build(model, "gpu:1", "openvino")


def test_what_the_machine_has_is_shown(on, tmp_path, monkeypatch, srzoo_cli):
    (tmp_path / "0000:01:00.0").mkdir()
    (tmp_path / "0000:01:00.0/information").write_text("Model: \t\t Some Card\nIRQ: 5\n")
    monkeypatch.setattr(devices, "NVIDIA_GPUS", tmp_path)
    on(Machine(["cuda", "gpu"], {}, LIGHT))
    found = doctor.all_devices()
    assert [(one.name, one.title) for one in found] == [
        ("cuda:0", "Some Card"), ("gpu", ""), ("cpu", "")
    ]  # fmt: skip
    engines = {one.name: one for one in doctor.engines()}
    assert engines["openvino"].devices == ("gpu", "cpu")
    assert engines["onnxruntime"].devices == ("cpu",)
    assert "Some Card" in srzoo_cli("devices").out
    on(Machine(["gpu"], {}, {*LIGHT, "openvino"}))
    assert [one.name for one in doctor.all_devices()] == ["cuda:0", "cpu"]


def test_a_build_of_another_name_has_a_version(monkeypatch):
    monkeypatch.setattr(
        packages, "_modules", lambda: {"onnxruntime": {"onnxruntime-gpu", "broken"}}
    )
    versions = {"onnxruntime-gpu": "1.22.0", "MNN": "3"}
    monkeypatch.setattr(packages, "version", versions.get)
    shown = {one.name: one.version for one in doctor.engines()}
    assert (shown["onnxruntime"], shown["mnn"]) == ("1.22.0", "3")


def test_what_may_be_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    monkeypatch.setattr(devices, "RENDERERS", tmp_path)
    for vendor, there in (("0x10de", []), ("0x8086", ["gpu"])):
        (tmp_path / "renderD128/device").mkdir(parents=True, exist_ok=True)
        (tmp_path / "renderD128/device/vendor").write_text(f"{vendor}\n")
        assert devices.gpu_kinds() == there
    monkeypatch.setattr(devices, "has_gpu", lambda: True)
    assert devices.gpu_kinds() == ["cuda", "gpu"]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert devices.gpu_kinds() == ["mps"]


def test_an_engine_that_states_nothing_runs_on_nothing_known():
    assert not any(map(Facts().runs_on, devices.KINDS))
