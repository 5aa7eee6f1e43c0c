"""``srzoo bench``: on a tiny network and small pictures. No time is judged."""

from __future__ import annotations

import importlib.util
import json

import pytest

import srzoo
from srzoo.benching import bench as benching
from srzoo.exporting import convert, engine_facts, exports
from srzoo.models.folder import read_folder
from srzoo.networks import folders
from srzoo.plugins import kinds

ARGS = {"n_resblocks": 1, "n_feats": 8, "scale": 2}
SMALL = ("--size", "24x16", "--rounds", "1")
mnn = pytest.mark.skipif(not importlib.util.find_spec("MNN"), reason="MNN is not installed")


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A network of next to nothing, and a cache of its own."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    net = srzoo.generators.create("edsr", **ARGS)
    return folders.save(net, tmp_path / "small-x2", generator="edsr", args=ARGS).path


@pytest.fixture
def counted(monkeypatch):
    """Measurements that are told, and not made."""
    tasks: list[benching.MeasurementTask] = []

    def measured(task):
        tasks.append(task)
        return benching.Measurement(seconds=1 / len(tasks), memory=1000 * len(tasks))

    monkeypatch.setattr(benching, "run_measurement", measured)
    return tasks


@mnn
def test_json_has_everything(srzoo_cli, model):
    result = srzoo_cli("bench", model, "--engines", "mnn,torch", *SMALL, "--json")
    assert result.code == 0, result.err
    assert result.err == ""
    found = json.loads(result.out, parse_constant=pytest.fail)
    assert (found["model"], found["scale"], found["rounds"]) == ("small-x2", 2, 1)
    assert found["left_out"] == []
    assert {"numpy", "torch", "MNN"} <= set(found["versions"])
    assert found["machine"]["cpu"]
    assert found["machine"]["threads"] >= 1
    assert [row["engine"] for row in found["rows"]] == ["mnn", "torch"]
    for row in found["rows"]:
        assert row["size"] == [24, 16]
        assert row["megapixels"] == pytest.approx(48 * 32 / 1e6 / row["seconds"])
        operations = 2 * found["work"] * 24 * 16 / row["seconds"]
        assert row["share"] == pytest.approx(operations / found["gflops"] / 1e9)
        assert 1e6 < row["memory"] < 4e9


def test_the_plain_networks_work_is_counted(srzoo_cli, model, counted):
    found = json.loads(srzoo_cli("bench", model, "--engines", "torch", *SMALL, "--json").out)
    body = 3 * 8 + 3 * 8 * 8  # first, two in the block, last
    tail = 8 * 32 + 4 * 8 * 3  # to two by two, then at twice the size
    assert found["work"] == 9 * (body + tail)


def test_engines_are_measured_within_a_budget_too(srzoo_cli, model, counted):
    result = srzoo_cli(
        "bench", model, "--engines", "torch", "--baseline", *SMALL, "--memory", "300MB", "--json"
    )
    found = json.loads(result.out)
    assert found["budget"] == 300_000_000
    names = [row["engine"] for row in found["rows"]]
    assert names[:3] == ["torch", "torch, 0.30GB", benching.PLAIN_TORCH]
    budgets = {task.memory for task in counted if task.kind == benching.ENGINE}
    assert budgets == {0, 300_000_000}
    assert not any(task.memory for task in counted if task.kind != benching.ENGINE)


@mnn
def test_libraries_count_and_torch_does_not_where_it_is_not_needed(model):
    """Beside a bare start: an export needs less than what importing torch takes."""
    convert.make_kept(read_folder(model), 2, "mnn")
    run = {
        name: benching.run_measurement(
            benching.MeasurementTask("engine", name, str(model), 2, (16, 16))
        )
        for name in ("mnn", "torch")
    }
    assert run["mnn"].memory < 100e6 < run["torch"].memory


def test_a_budget_that_is_too_small_is_said(srzoo_cli, model):
    result = srzoo_cli("bench", model, "--engines", "torch", *SMALL, "--memory", "1MB", "--json")
    (gone,) = json.loads(result.out)["left_out"]
    assert gone["engine"] == "torch, 0.00GB"
    assert "--memory" in gone["why"]


def test_a_table_that_fits(srzoo_cli, model, counted):
    result = srzoo_cli(
        "bench", model, "--engines", "torch", "--baseline", *SMALL, "--size", "10000x20000"
    )
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "24x16 to 48x32"
    assert lines[1].split() == ["engine", "s", "MP/s", "speed", "memory", "share"]
    assert any(line.startswith(benching.PLAIN_TORCH) and " 1.00 " in line for line in lines)
    assert "10000x20000 to 20000x40000" in lines
    assert "GFLOP/s multiplying matrices" in " ".join(result.out.split())  # wrapped by its length


def test_engines_take_turns_and_the_best_counts(srzoo_cli, model, counted):
    found = json.loads(
        srzoo_cli(
            "bench", model, "--engines", "torch,torch", "--size", "24x16", "--size", "16x24",
            "--rounds", "3", "--json",
        ).out
    )  # fmt: skip
    assert [(task.kind, task.size) for task in counted] == [
        ("product", (1, 1)), ("engine", (24, 16)), ("engine", (16, 24)),
    ] * 3  # fmt: skip
    assert [row["seconds"] for row in found["rows"]] == [1 / 8, 1 / 9]
    assert [row["memory"] for row in found["rows"]] == [8000, 9000]


def test_engines_that_are_not_installed_are_named(srzoo_cli, model, counted, monkeypatch):
    monkeypatch.setattr(exports, "missing", lambda _format: "pip install it")
    result = srzoo_cli("bench", model, *SMALL, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    stated = {name: engine_facts.find(name) for name in kinds.engines.names()}
    others = {name for name, its in stated.items() if its.export_format}
    assert {row["engine"] for row in found["rows"]}.isdisjoint(others)
    left = {gone["engine"]: gone["why"] for gone in found["left_out"]}
    assert set(left) == others
    assert all("Install it: pip install it" in why for why in left.values())
    told = srzoo_cli("bench", model, *SMALL)
    assert "without mnn: mnn is not installed" in told.out


def test_what_fails_at_one_size_is_named(srzoo_cli, model, monkeypatch):
    def measured(task):
        if task.kind == "plain" and task.size == (999, 999):
            raise srzoo.errors.ModelError("it died", "Try less")
        return benching.Measurement(1.0, 1000)

    monkeypatch.setattr(benching, "run_measurement", measured)
    monkeypatch.setattr(exports, "missing", lambda _format: "pip install it")
    arguments = ("bench", model, "--engines", "torch", "--baseline", *SMALL, "--size", "999x999")
    found = json.loads(srzoo_cli(*arguments, "--json").out)
    assert len(found["rows"]) == 3
    assert {"engine": benching.PLAIN_TORCH, "size": [999, 999], "why": "it died. Try less."} in (
        found["left_out"]
    )
    told = srzoo_cli(*arguments).out
    assert f"without {benching.PLAIN_TORCH} at 999x999: it died" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engines", "mnx"), "Did you mean mnn?"),
        (("--engines", "mnn,mnx"), "no engine is called 'mnx'"),
        (("--engines", ","), "--engines names no engine"),
        (("--size", "512"), "--size 512: not the size of a picture. Write WIDTHxHEIGHT"),
        (("--size", "8x512"), "from 16 to 20000"),
        (("--size", "64x64", "--size", "big"), "--size big"),
        (("--rounds", "0"), "--rounds"),
        (("--scale", "3"), "small-x2 enlarges by 2, not by 3. Choose the scale: 2."),
    ],
)
def test_refusals_come_before_the_work(srzoo_cli, model, counted, monkeypatch, arguments, message):
    monkeypatch.setattr(benching.making, "make_kept", lambda *_: pytest.fail("an export was made"))
    result = srzoo_cli("bench", model, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert counted == []


def test_an_engine_that_was_asked_for_has_to_be_there(srzoo_cli, model, monkeypatch, counted):
    monkeypatch.setattr(exports, "missing", lambda _format: "pip install it")
    result = srzoo_cli("bench", model, "--engines", "mnn", *SMALL)
    assert (result.code, result.out, counted) == (2, "", [])
    assert "mnn is not installed. Install it: pip install it." in result.err


def test_what_a_process_says_and_that_it_dies_are_errors(model):
    nowhere = benching.MeasurementTask("engine", "torch", str(model / "nowhere"), 2, (16, 16))
    with pytest.raises(srzoo.errors.ModelError, match="no model is called"):
        benching.run_measurement(nowhere)
    with pytest.raises(srzoo.errors.ModelError, match="exit code 1: KeyError: 'nothing'"):
        benching.run_measurement(
            benching.MeasurementTask("nothing", "torch", str(model), 2, (16, 16))
        )


def test_all_engines_are_those_that_run_the_model(srzoo_cli, model, counted):
    assert srzoo_cli("bench", model, *SMALL).code == 0
    assert "numpy" not in {task.name for task in counted}
    refused = srzoo_cli("bench", model, *SMALL, "--engines", "numpy")
    assert refused.code == 2
    assert "numpy runs models of bicubic, not of edsr" in refused.err
