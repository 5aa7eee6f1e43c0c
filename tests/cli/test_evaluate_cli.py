"""``srzoo evaluate`` and ``srzoo card``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from helpers import ROOT, drawn, needs_torch

from srzoo.comparing import comparison
from srzoo.errors import DeviceError, FallbackWarning
from srzoo.evaluating import claims, evaluation
from srzoo.exporting import engine
from srzoo.models.folder import read_folder
from srzoo.plugins import kinds


@pytest.fixture
def copy(tmp_path):
    """A released model's folder to write into, its card without results."""
    folder = shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "bicubic-x2")
    (folder / "README.md").write_text("---\nlibrary_name: srzoo\n---\n\n# bicubic-x2\n")
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A set of two pictures that has a short name: Tiny."""
    folder = tmp_path / "home/benchmarks/Tiny/x2"
    for part, size in (("HR", (64, 48)), ("LR", (32, 24))):
        (folder / part).mkdir(parents=True)
        for name in ("a.png", "b.png"):
            drawn(*size).save(folder / part / name)
    monkeypatch.setenv("SRZOO_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_table_that_fits(srzoo_cli, tiny):
    result = srzoo_cli("evaluate", "bicubic-x2", "--data", "Tiny", "--self-ensemble")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].split() == [
        "model", "data", "pictures", "param.", "s", "psnr_y", "ssim_y",
    ]  # fmt: skip
    assert lines[1].split()[:5] == ["bicubic-x2", "Tiny", "x2", "2", "0"]
    assert "x2/LR" in result.out.replace("\n  ", "")
    # A path is whole, however long: somebody may copy it.
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)
    assert "psnr_y: PSNR in dB, Y of BT.601" in result.out
    assert "self-ensemble: mean over 8" in result.out
    assert result.err == ""


def test_json_has_everything(srzoo_cli, tiny):
    arguments = ("evaluate", "bicubic-x2", "--data", "Tiny", "--metric", "ssim_rgb", "--json")
    (row,) = json.loads(srzoo_cli(*arguments).out)["rows"]
    assert (row["model"], row["dataset"], row["scale"], row["parameters"]) == (
        "bicubic-x2", "Tiny", 2, 0,
    )  # fmt: skip
    assert (row["pictures"], row["count"], row["failed"]) == (["a.png", "b.png"], 2, [])
    assert row["lr"] == str(tiny / "benchmarks/Tiny/x2/LR")
    (value,) = row["values"]
    assert value["metric"] == "ssim_rgb"
    assert len(value["each"]) == 2
    assert 0 < value["value"] < 1


def test_infinite_values_are_valid_json(srzoo_cli, tmp_path):
    for part in ("HR", "LR"):
        (tmp_path / "same" / part).mkdir(parents=True)
    drawn(40, 40).resize((1, 1)).resize((20, 20)).save(tmp_path / "same/LR/a.png")
    drawn(40, 40).resize((1, 1)).resize((40, 40)).save(tmp_path / "same/HR/a.png")
    out = srzoo_cli("evaluate", "bicubic-x2", "--data", tmp_path / "same", "--json").out
    assert json.loads(out, parse_constant=pytest.fail)["rows"][0]["values"][0]["value"] is None


@needs_torch
def test_several_models_write_each_its_own_card(srzoo_cli, tiny, copy, tmp_path):
    other = shutil.copytree(copy, tmp_path / "other")
    shutil.copytree(tiny / "benchmarks/Tiny", tiny / "benchmarks/More")
    (tiny / "benchmarks/More/x2/HR/a.png").unlink()
    arguments = ("evaluate", copy, other, "--data", "Tiny", "--data", "More", "--write-card")
    result = srzoo_cli(*arguments)
    assert result.code == 0
    assert result.err.count("written: ") == 2
    for folder in (copy, other):
        first = (folder / "README.md").read_text()
        assert f"- name: {folder.name}\n" in first
        assert "| Tiny x2 |" in first
        assert "| More x2 |" in first
    assert srzoo_cli(*arguments).code == 0
    assert (other / "README.md").read_text() == first


@needs_torch
def test_a_closed_pipe_takes_nothing_from_the_card(tiny, copy):
    """As with ``srzoo evaluate ... --write-card | head -1``."""
    command = [sys.executable, "-m", "srzoo", "evaluate", copy, "--data", "Tiny", "--write-card"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        run.stdout.close()
    assert [claim.dataset for claim in claims.read(read_folder(copy))] == ["Tiny", "Tiny"]


@needs_torch
def test_cards_of_the_system_are_refused_at_once(srzoo_cli, tiny, copy, monkeypatch):
    before = (copy / "README.md").read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    result = srzoo_cli("evaluate", copy, "--data", "Tiny", "--write-card")
    assert result.code == 2
    assert result.out == ""
    assert "not writable" in result.err
    assert (copy / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "Tinny"), "mean Tiny"),
        (("--data", "Tiny", "--metric", "psnr"), "mean psnr_y"),
        (("--data", "Tiny", "--scale", "3"), "enlarges by 2, not by 3"),
        (("--data", "Tiny", "--metric", "pyiqa/lpips"), "srzoo[metrics]"),
        ((), "--data"),
    ],
)
def test_refusals(srzoo_cli, tiny, arguments, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    result = srzoo_cli("evaluate", "bicubic-x2", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


@needs_torch
def test_hr_alone_names_its_degradation(srzoo_cli, tiny, copy):
    folder = tiny / "benchmarks/Tiny/x2/HR"
    result = srzoo_cli("evaluate", copy, "--data", folder, "--write-card", "--seed", "5")
    assert "Tiny x2 bicubic" in result.out
    assert "| Tiny x2 bicubic, seed 5 |" in (copy / "README.md").read_text()
    assert (
        "mean bicubic"
        in srzoo_cli("evaluate", copy, "--data", folder, "--degradation", "bicubid").err
    )


@needs_torch
def test_card_show(srzoo_cli, tiny, copy):
    assert "claims no results" in srzoo_cli("card", "show", copy).out
    assert srzoo_cli("card", "check", copy).code == 0
    srzoo_cli("evaluate", copy, "--data", "Tiny", "--write-card")
    result = srzoo_cli("card", "show", copy)
    assert "Tiny x2  psnr_y" in result.out
    assert "ssim_y: SSIM" in result.out
    assert max(map(len, result.out.splitlines())) <= 80
    shown = json.loads(srzoo_cli("card", "show", copy, "--json").out)
    assert [claim["metric"] for claim in shown] == ["psnr_y", "ssim_y"]


@needs_torch
def test_card_check_finds_a_wrong_number(srzoo_cli, tiny, copy, monkeypatch):
    srzoo_cli("evaluate", copy, "--data", "Tiny", "--write-card")
    result = srzoo_cli("card", "check", copy)
    assert result.code == 0
    assert result.out.count("holds") == 2
    readme = copy / "README.md"
    claim = json.loads(srzoo_cli("card", "show", copy, "--json").out)[0]["value"]
    text = readme.read_text()
    readme.write_text(text.replace(f"value: {claim}", f"value: {claim + 0.5:.4f}"))
    result = srzoo_cli("card", "check", copy)
    assert result.code == 1
    assert f"{claim + 0.5:.4f}" in result.out
    assert f"{claim:.4f}" in result.out
    assert result.out.count("FAILS") == 1
    found = json.loads(srzoo_cli("card", "check", copy, "--json").out)
    assert [check["holds"] for check in found] == [False, True]
    assert srzoo_cli("card", "check", copy, "--tolerance", "psnr_y=1").code == 0
    for wrong in ("psnr_y", "psnr_y=x", "psnr_y=-1", "psnr_y=nan", "=1"):
        result = srzoo_cli("card", "check", copy, "--tolerance", wrong)
        assert (result.code, "not a tolerance" in result.err) == (2, True)
    readme.write_text(text.replace("PSNR in dB,", "PSNR in cB,"))
    result = srzoo_cli("card", "check", copy)
    assert "the card's protocol is 'PSNR in cB" in result.err
    monkeypatch.delenv("SRZOO_DATA")
    result = srzoo_cli("card", "check", copy)
    assert result.code == 2
    assert "set SRZOO_DATA" in result.err
    assert srzoo_cli("card", "check", copy, "--data", tiny).code == 0
    assert srzoo_cli("card", "check", copy, "--data", tiny / "benchmarks").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bicubic-x2", "bicubic-x3", "bicubic-x4", "edsr-x4"])
def test_the_released_cards_hold(srzoo_cli, data, monkeypatch, name):
    """Without the 100 pictures of BSD100, which take an EDSR minutes on two cores."""
    read = claims.read
    small = lambda folder: [c for c in read(folder) if c.dataset != "BSD100"]  # noqa: E731
    monkeypatch.setattr(claims, "read", small)
    result = srzoo_cli("card", "check", name, "--data", data)
    assert result.code == 0, result.out
    assert result.out.count("holds") == 4


@needs_torch
def test_a_place_of_this_machine_is_refused_before_any_work(srzoo_cli, copy):
    metric = json.dumps({"name": "feature_distance", "weights": "/nowhere/v.safetensors"})
    arguments = ("evaluate", copy, "--data", "Tiny", "--metric", metric, "--write-card")
    found = srzoo_cli(*arguments)
    assert found.code == 2
    assert "/nowhere/v.safetensors is a path of this machine" in found.err


@needs_torch
def test_one_bad_picture_does_not_lose_the_table(srzoo_cli, tiny, copy):
    good = json.loads(srzoo_cli("evaluate", copy, "--data", "Tiny", "--json").out)["rows"][0]
    part = tiny / "benchmarks/Tiny/x2"
    drawn(33, 24).save(part / "LR/a.png")
    (part / "HR/c.png").write_bytes(b"no picture")
    (part / "LR/c.png").write_bytes(b"no picture")
    drawn(64, 48).save(part / "HR/d.png")  # without a partner
    before = (copy / "README.md").read_bytes()
    result = srzoo_cli("evaluate", copy, "--data", "Tiny", "--write-card")
    assert result.code == 1
    assert " 1 of 4 " in result.out
    for name in ("a.png", "c.png", "d.png"):
        assert sum("left out: " in x and name in x for x in result.err.splitlines()) == 1
    assert "no card is written" in result.err
    assert (copy / "README.md").read_bytes() == before
    found = json.loads(srzoo_cli("evaluate", copy, "--data", "Tiny", "--json").out)["rows"][0]
    assert (found["pictures"], found["count"]) == (["b.png"], 1)
    assert sorted(each["picture"] for each in found["failed"]) == ["a.png", "c.png", "d.png"]
    assert [v["each"] for v in found["values"]] == [v["each"][1:] for v in good["values"]]
    for name in ("b.png", "d.png"):
        (part / "HR" / name).unlink()
    result = srzoo_cli("evaluate", copy, "--data", "Tiny", "--json")  # none is left: still JSON
    assert result.code == 1
    assert json.loads(result.out, parse_constant=pytest.fail)["rows"][0]["count"] == 0


def test_a_metric_that_fails_on_one_picture(srzoo_cli, tiny):
    part = tiny / "benchmarks/Tiny/x2"
    drawn(12, 10).save(part / "HR/small.png")
    drawn(6, 5).save(part / "LR/small.png")
    result = srzoo_cli("evaluate", "bicubic-x2", "--data", "Tiny")
    assert (result.code, "2 of 3" in result.out) == (1, True)
    assert "small.png" in result.err
    assert "too small" in result.err


def test_finished_results(srzoo_cli, tiny, tmp_path):
    out = tmp_path / "results"
    assert (
        srzoo_cli("upscale", tiny / "benchmarks/Tiny/x2/LR", "-o", out, "-m", "bicubic-x2").code
        == 0
    )
    model = json.loads(srzoo_cli("evaluate", "bicubic-x2", "--data", "Tiny", "--json").out)
    for path in sorted(out.glob("*.png")):
        path.rename(out / f"{path.stem}_bicubic-x2_x2.png")
    for layout in ("flat", "a folder for each set"):
        result = srzoo_cli("evaluate", "--sr", out, "--data", "Tiny", "--scale", "2", "--json")
        (row,) = json.loads(result.out)["rows"]
        assert (result.code, row["model"], row["count"]) == (0, out.name, 2), layout
        assert (row["parameters"], row["seconds"]) == (None, None)
        assert row["values"] == model["rows"][0]["values"]
        if layout == "flat":  # BasicSR's is the other
            (tmp_path / "moved").mkdir()
            out.rename(tmp_path / "moved/Tiny")
            (tmp_path / "moved").rename(out)
    (out / "Tiny/a_bicubic-x2_x2.png").unlink()
    result = srzoo_cli("evaluate", "--sr", out, "--data", "Tiny", "--scale", "2")
    assert (result.code, "1 of 2" in result.out, "a.png has no result" in result.err) == (
        1, True, True,
    )  # fmt: skip
    drawn(20, 20).save(out / "Tiny/a_other.png")
    result = srzoo_cli("evaluate", "--sr", out, "--data", "Tiny", "--scale", "2")
    assert (result.code, "a_other.png has 20x20 pixels" in result.err) == (1, True)
    drawn(20, 20).save(out / "Tiny/a_third.png")
    result = srzoo_cli("evaluate", "--sr", out, "--data", "Tiny", "--scale", "2")
    assert result.code == 1
    assert "may be its result: a_other.png, a_third.png" in result.err
    result = srzoo_cli("evaluate", "--sr", out, "--data", "Tiny")
    assert (result.code, "Give the scale" in result.err) == (2, True)
    assert "Leave --write-card out" in srzoo_cli(
        "evaluate", "--sr", out, "--data", "Tiny", "--scale", "2", "--write-card"
    ).err  # fmt: skip


def test_photos_without_hr(srzoo_cli, tmp_path):
    drawn(30, 20).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    arguments = ("evaluate", "bicubic-x2", "--lr", tmp_path)
    result = srzoo_cli(*arguments, "--metric", "sharpness", "--json")
    (row,) = json.loads(result.out)["rows"]
    assert (result.code, row["count"], row["failed"][0]["picture"]) == (1, 1, "b.png")
    result = srzoo_cli(*arguments, "--metric", "ssim_y", "--metric", "sharpness")
    assert (result.code, result.out) == (2, "")
    assert "no HR pictures are given, which ssim_y needs" in result.err
    assert "sharpness" in result.err
    (tmp_path / "b.png").unlink()
    result = srzoo_cli("evaluate", "--sr", tmp_path, "--metric", "sharpness")
    assert (result.code, "sharpness" in result.out) == (0, True)


def test_all_missing_sets_are_named_at_once(srzoo_cli, tiny):
    result = srzoo_cli(
        "evaluate", "bicubic-x2", "--data", "Nope", "--data", "Tiny", "--data", "Nil"
    )
    assert result.code == 2
    assert "'Nope'" in result.err
    assert "'Nil'" in result.err


def test_engines_of_exports_show_the_parameters(srzoo_cli, tiny):
    pytest.importorskip("onnxruntime")
    result = srzoo_cli("evaluate", "bicubic-x2", "--data", "Tiny", "--engine", "onnxruntime")
    assert result.code == 0, result.err
    assert "?" not in result.out
    assert "run by engine onnxruntime" in result.out


@needs_torch
def test_what_ran_is_told_where_an_engine_that_was_chosen_could_not(srzoo_cli, tiny, monkeypatch):
    """It is chosen once; whoever takes its place is told, for the figures are its."""

    class Broken:
        devices, precisions, speed = ("cpu",), ("fp32",), 9e9

        def __init__(self, *, folder, device, precision):
            raise DeviceError("no such library", "Install it")

    monkeypatch.delenv("SRZOO_ENGINE")
    monkeypatch.setattr(engine, "_missing", lambda name, _: name not in ("torch", "broken"))
    chosen, choose = [], engine.choose
    monkeypatch.setattr(engine, "choose", lambda *a, **k: chosen.append(1) or choose(*a, **k))
    kinds.engines.register("broken", Broken)
    try:
        with pytest.warns(FallbackWarning, match="broken is not used"):
            found = evaluation.evaluate(["bicubic-x2"], ["Tiny"], engine="auto", device="cpu")
        assert found.engines == ("torch",)
        one = tiny / "benchmarks/Tiny/x2/LR/a.png"
        with pytest.warns(FallbackWarning, match="broken is not used"):
            both = comparison.compare(["bicubic-x2"], one, engine="auto", device="cpu")
        assert both.engines == ("torch",)
        assert len(chosen) == 2
        told = srzoo_cli("evaluate", "bicubic-x2", "--data", "Tiny", "--device", "cpu", "--json")
        assert json.loads(told.out)["engine"] == "torch"
        assert len(chosen) == 3
    finally:
        kinds.engines.unregister("broken")
