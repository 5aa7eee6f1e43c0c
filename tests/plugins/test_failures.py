"""What fails inside a plugin, or comes out of it wrong, is told as that plugin's."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import drawn
from torch import nn

import srzoo
import srzoo.networks.folders
from srzoo.contracts import Pair
from srzoo.errors import BrokenPluginError, ModelError, PictureError, SrzooError
from srzoo.evaluating import evaluation
from srzoo.evaluating.degrading import degrade
from srzoo.networks.runner import ModuleRunner
from srzoo.plugins import importing, kinds, origin
from srzoo.plugins.plugin import Plugin
from srzoo.training import tasks
from srzoo.training.parts import Term
from srzoo.training.sets import GuardedDataset
from srzoo.upscaling.upscaler import Upscaler

HERE = rf"failed at {Path(__file__)}:\d+: "


class Block(nn.Module):
    """Works, or does not."""

    reach = 0

    def __init__(self, *, channels: int, how: str = "raises") -> None:
        super().__init__()
        self.how = how

    def forward(self, x):
        raise {"raises": KeyError("layer"), "memory": torch.OutOfMemoryError("full"),
               "stop": KeyboardInterrupt(), "exit": SystemExit(3),
               "ours": SrzooError("odd")}[self.how]  # fmt: skip


class Odd:
    """Gives what it is told to, or raises it."""

    higher_is_better, reference, protocol, deterministic = True, True, "odd", True

    def __init__(self, *, gives: object = None) -> None:
        self.gives = gives

    def __call__(self, *_):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


class OddNet(nn.Module):
    """A network whose results are wrong."""

    scales, reach = (2,), 0

    def __init__(self, *, how: str = "size") -> None:
        super().__init__()
        self.how = how

    def forward(self, x, scale):
        if self.how == "none":
            return None
        if self.how == "exit":
            sys.exit(3)
        y = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return y[..., 1:] if self.how == "size" else y * math.nan


class OddTask:
    """A task whose parts are wrong."""

    scales = None

    def __init__(self, *, turns: object = ("generator",), terms: object = None) -> None:
        self.networks, self.helpers, self._turns, self._terms = {}, {}, turns, terms

    def turns(self, step):
        return self._turns

    def terms(self, pair, networks):
        return self._terms

    def loss_of(self, name, network, pair):
        raise ValueError("no such network")


class OddSet:
    """Pictures that are none."""

    fingerprint = "1"

    def __init__(self, *, count: object = 2) -> None:
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        raise IndexError("no such file")


@pytest.fixture(autouse=True)
def odd():
    kindred = {"blocks": Block, "metrics": Odd, "losses": Odd, "degradations": Odd,
               "generators": OddNet, "tasks": OddTask, "datasets": OddSet}  # fmt: skip
    for kind, part in kindred.items():
        getattr(kinds, kind).register("odd", part)
    yield
    for kind in kindred:
        getattr(kinds, kind).unregister("odd")


def pair():
    return Pair(*(torch.rand(1, 3, side, side) for side in (4, 8, 8)))


def edsr(**block):
    return srzoo.generators.create(
        "edsr", n_resblocks=1, n_feats=4, scale=2, block={"name": "odd", **block}
    )


def test_the_block_is_to_blame_and_not_its_generator():
    net = ModuleRunner(edsr())
    with pytest.raises(BrokenPluginError, match=rf"^block odd \(this process\) {HERE}KeyError"):
        net(np.zeros((1, 3, 8, 8), np.float32), 2)


@pytest.mark.parametrize(
    ("how", "error"),
    {"memory": torch.OutOfMemoryError, "stop": KeyboardInterrupt, "ours": SrzooError}.items(),
)
def test_what_is_nobodys_passes(how, error):
    with pytest.raises(error) as caught, importing.blamed(net := edsr(how=how)):
        net(torch.zeros(1, 3, 8, 8), 2)
    assert type(caught.value) is error


def test_a_stranger_is_to_blame_before_ours_and_the_innermost_of_them():
    ours, theirs, others = (Plugin("block", "b", "m:B", dist, "1") for dist in ("srzoo", "a", "b"))

    class Part:
        def __init__(self, inner=None):
            self.inner = inner

        def go(self):
            return self.inner.go() if self.inner else 1 / 0

    def whose(*plugins):
        part = None
        for plugin in reversed(plugins):
            part = origin.mark(Part(part), [plugin])
        with pytest.raises(BrokenPluginError) as caught, importing.blamed(part):
            part.go()
        return caught.value.what.partition(" failed")[0]

    assert whose(theirs, others) == str(others)
    assert whose(theirs, ours) == str(theirs)
    assert whose(ours, theirs, ours) == str(theirs)
    assert whose(ours) == str(ours)


@pytest.mark.parametrize("how", ["size", "none", "nan", "exit"])
def test_a_network_whose_results_are_wrong(how, monkeypatch):
    net = srzoo.generators.create("odd", how=how)
    (plugin,) = origin.made_of(net)
    theirs = replace(plugin, dist="tp", version="1.2")
    origin.mark(net, [theirs])
    upscaler = Upscaler(ModuleRunner(net), (2,), "mine")
    with pytest.raises(SrzooError, match=r"generator odd \(tp 1.2\)") as caught:
        upscaler.array(np.asarray(drawn(20, 20)), 2)
    wanted = BrokenPluginError if how in ("none", "exit") else ModelError
    assert type(caught.value) is wanted


@pytest.mark.parametrize("gives", [None, "3.2", math.nan, (1, 2), KeyError("x")], ids=repr)
def test_a_metric_that_gives_no_number(gives, tmp_path):
    for name in "ab":
        drawn(24, 24).save(tmp_path / f"{name}.png")
    srzoo.metrics.unregister("odd")
    calls = []

    class Metric(Odd):
        """Gives a number for one picture alone."""

        def __call__(self, *_):
            calls.append(1)
            self.gives = gives if len(calls) == 1 else 1.0
            return super().__call__()

    srzoo.metrics.register("odd", Metric)
    found = evaluation.evaluate(
        ["bicubic-x2"], [tmp_path], metrics=["odd"], engine="torch", keep_going=True
    )
    (failed,) = found.failed
    assert failed.what.startswith(f"{tmp_path / 'a.png'}: metric odd (this process) ")
    said = "failed at" if isinstance(gives, Exception) else "not a number"
    assert said in failed.what
    assert found.rows[0].pictures == ("b.png",)
    calls.clear()
    with pytest.raises(BrokenPluginError, match=r"a\.png: metric odd"):
        evaluation.evaluate(["bicubic-x2"], [tmp_path], metrics=["odd"], engine="torch")


@pytest.mark.parametrize("gives", [None, "x", 1.0, torch.ones(2), ValueError("wrong")], ids=str)
def test_a_loss_that_gives_no_single_number(gives):
    term = Term("odd", 1.0, srzoo.losses.create("odd", gives=gives))
    with pytest.raises(BrokenPluginError, match=r"^loss odd \(this process\) (returned|failed)"):
        term.of(pair())


@pytest.mark.parametrize(
    "gives", [None, np.zeros((4, 4, 3)), np.zeros((5, 4, 3), np.uint8), OSError("no")], ids=str
)
def test_a_degradation_that_makes_no_picture(gives):
    made = srzoo.degradations.create("odd", gives=gives)
    chance = np.random.default_rng(0)
    with pytest.raises(PictureError, match=r"a\.png: the degradation odd \(this process\) "):
        degrade(np.zeros((8, 8, 3), np.uint8), 2, made, "odd", chance, "a.png")


def test_a_task_whose_parts_are_wrong():
    for turns in (None, "generator", 3, ("judge",), [("generator",)]):
        with pytest.raises(BrokenPluginError, match="task odd .* not a tuple of generator"):
            tasks.turns_of(srzoo.tasks.create("odd", turns=turns), 0)
    for terms in (None, {"a": 1.0}, {"a": torch.ones(3)}, [1]):
        with pytest.raises(BrokenPluginError, match="task odd .* returned .*, not a "):
            tasks.terms_of(srzoo.tasks.create("odd", terms=terms), pair())
    with pytest.raises(BrokenPluginError, match=f"task odd .*{HERE}ValueError: no such network"):
        tasks.loss_of(srzoo.tasks.create("odd"), "judge", None, pair())


def test_a_set_whose_pictures_are_none():
    odd = GuardedDataset(srzoo.datasets.create("odd"))
    with pytest.raises(PictureError, match=rf"picture 1 of .*dataset odd .*{HERE}IndexError"):
        odd.sample(1, (2,))
    with pytest.raises(BrokenPluginError, match="dataset odd .* cannot be interpreted"):
        len(GuardedDataset(srzoo.datasets.create("odd", count="two")))


def test_a_picture_that_fails_ends_no_others_and_debug_shows_why(srzoo_cli, tmp_path, monkeypatch):
    srzoo.networks.folders.save(OddNet(), tmp_path / "model", generator="odd", args={})
    monkeypatch.setattr(OddNet, "forward", lambda self, x, scale: 1 / (x.shape[-1] == 20))
    for name in "ab":
        drawn(24, 24).save(tmp_path / f"{name}.png")
    arguments = ("upscale", tmp_path / "a.png", tmp_path / "b.png", "-m", tmp_path / "model",
                 "-o", tmp_path / "out", "--engine", "torch")  # fmt: skip
    result = srzoo_cli(*arguments)
    for name in "ab":
        assert f"{name}.png: generator odd (this process) failed at {__file__}:" in result.err
    assert "Traceback" not in result.err
    monkeypatch.setenv("SRZOO_DEBUG", "")
    assert "Traceback" in srzoo_cli("--debug", *arguments).err


def test_no_plugin_ends_the_program_and_a_handler_of_signals_may():
    net = edsr(how="exit")
    with pytest.raises(BrokenPluginError, match=f"block odd .*{HERE}SystemExit: 3"):
        ModuleRunner(net)(np.zeros((1, 3, 8, 8), np.float32), 2)

    def handler(number, frame):
        sys.exit(5)

    with pytest.raises(SystemExit), importing.blamed(net):
        handler(15, sys._getframe())


class OddEngine:
    """Runs nothing as it should."""

    devices, precisions, speed, packages = ("cpu",), ("fp32",), 1.0, {}
    reach, multiple, model, parameters = 0, 1, None, None
    wrong = ""

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None: ...

    def __call__(self, x, scale):
        return None if self.wrong == "call" else x.repeat(scale, 2).repeat(scale, 3)

    def bytes_per_pixel(self, scale):
        return self._told("bytes_per_pixel")

    def bytes_aside(self, scale):
        return self._told("bytes_aside")

    def free_memory(self):
        return self._told("free_memory")

    def _told(self, question):
        if self.wrong == question:
            if isinstance(self.gives, Exception):
                raise self.gives
            return self.gives
        return None if question == "free_memory" else np.int64(100)


@pytest.mark.parametrize("question", ["bytes_per_pixel", "bytes_aside", "free_memory", "call"])
@pytest.mark.parametrize("gives", ["much", -1, math.nan, KeyError("x")], ids=str)
def test_an_engine_whose_answers_are_wrong_is_named(question, gives, monkeypatch):
    kinds.engines.register("odd", OddEngine)
    monkeypatch.setattr(OddEngine, "gives", gives, raising=False)
    upscaler = srzoo.load("bicubic-x2", engine="odd")
    upscaler.array(np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(OddEngine, "wrong", question)
    with pytest.raises(SrzooError, match=r"engine odd \(this process\)") as caught:
        upscaler.array(np.zeros((8, 8, 3), np.uint8))
    if question != "call":
        said = HERE if isinstance(gives, Exception) else "returned .*, not .*"
        caught.match(said)
    kinds.engines.unregister("odd")


@pytest.mark.parametrize("how", ["none", "exit"])
def test_an_export_names_the_generator_and_not_the_exporter(how, tmp_path):
    pytest.importorskip("onnxruntime")
    from srzoo.exporting import convert

    folder = srzoo.networks.folders.save(
        OddNet(), tmp_path / "a", generator="odd", args={"how": how}
    )
    with pytest.raises(BrokenPluginError, match=r"^generator odd \(this process\)"):
        convert.write(folder, 2, "onnx", tmp_path / "made.onnx")


def test_it_costs_next_to_nothing():
    net = srzoo.generators.create("odd")
    start = sys.getallocatedblocks()
    for _ in range(1000):
        with importing.blamed(net):
            pass
    assert sys.getallocatedblocks() - start < 100
