"""``srzoo model`` and ``srzoo plugin``, and what starting the command costs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import ClassVar

import pytest
from helpers import ROOT
from own_engine import OwnEngine

import srzoo
from srzoo.evaluating import claims
from srzoo.models import locate


def test_model_list(srzoo_cli):
    result = srzoo_cli("model", "list")
    assert result.code == 0
    assert all(name in result.out for name in srzoo.list_models())
    assert max(map(len, result.out.splitlines())) <= 80
    assert "edsr" not in srzoo_cli("model", "list", "bicubic*").out
    names = [m["name"] for m in json.loads(srzoo_cli("model", "list", "*x4", "--json").out)]
    assert {"bicubic-x4", "edsr-x4"} <= set(names)
    assert all(name.endswith("x4") for name in names)
    assert "no model matches" in srzoo_cli("model", "list", "zzz").err


def test_model_list_says_what_each_is_for(srzoo_cli, tmp_path, monkeypatch):
    models = {}
    for name, tags in (
        ("plain-x4", "[x4]"), ("srgan-with-a-long-name-x4", "[perceptual]"),
        ("phone-x4", "[srzoo, real-photos]"),
    ):  # fmt: skip
        models[name] = shutil.copytree(ROOT / "cards/bicubic-x4", tmp_path / name)
        (models[name] / "README.md").write_text(f"---\ntags: {tags}\n---\n")
        config = json.loads((models[name] / "config.json").read_text())
        del config["purpose"]
        config["summary"] = "a summary of several words that takes more than a line does " * 2
        (models[name] / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(locate, "released", lambda: models)
    result = srzoo_cli("model", "list")
    assert max(map(len, result.out.splitlines())) <= 80
    for name, purpose in (
        ("plain-x4", "faithful"), ("srgan-with-a-long-name-x4", "perceptual"),
        ("phone-x4", "real photos"),
    ):  # fmt: skip
        assert re.search(rf"^{name} +4 +0.0  {purpose} +a summary", result.out, re.MULTILINE)
    shown = {m["name"]: m["purpose"] for m in json.loads(srzoo_cli("model", "list", "--json").out)}
    assert shown["phone-x4"] == "real photos"


def test_model_show(srzoo_cli):
    result = srzoo_cli("model", "show", "edsr-x4")
    assert "generator  edsr" in result.out
    assert f"{claims.read(locate.find('edsr-x4'))[0].value:.2f}" in result.out
    assert "library_name" not in result.out
    assert json.loads(srzoo_cli("model", "show", "edsr-x4", "--json").out)["scales"] == [4]
    assert srzoo_cli("model", "show", "edsr-x5").code == 2


def test_plugin_list(srzoo_cli):
    result = srzoo_cli("plugin", "list")
    assert max(map(len, result.out.splitlines())) <= 80
    assert re.search(r"generator +edsr +srzoo", result.out)
    kinds = {p["kind"] for p in json.loads(srzoo_cli("plugin", "list", "block", "--json").out)}
    assert kinds == {"block"}
    assert "mean block" in srzoo_cli("plugin", "list", "blok").err


def test_plugin_show(srzoo_cli):
    result = srzoo_cli("plugin", "show", "generator", "edsr")
    assert "generator edsr (srzoo" in result.out
    assert "n_resblocks: int, at least 0, at most 1024 = 16" in result.out
    assert "Lim et al. 2017" in result.out
    assert "mean edsr" in srzoo_cli("plugin", "show", "generator", "esdr").err


@pytest.mark.parametrize(
    ("kind", "name", "stated"),
    [
        ("engine", "mnn", {"devices": "cpu", "precisions": "fp32", "speed": "4.8", "extra": "mnn",
                           "export_format": "mnn", "packages": "MNN, onnx, onnxscript"}),
        ("engine", "torch", {"speed": "cpu 3.2, cuda 1.0, mps 1.0", "devices": "cpu, cuda, mps"}),
        ("metric", "psnr_y", {"unit": "dB", "tolerance": "0.02", "short": "psnr_y",
                              "higher_is_better": "yes"}),
        ("degradation", "bicubic", {"clean": "yes", "phrase": "shrunk by bicubic"}),
        ("generator", "edsr", {"paper": "https://arxiv.org/abs/1707.02921"}),
        ("export-format", "mnn", {"suffix": ".mnn", "extra": "mnn"}),
    ],
)  # fmt: skip
def test_plugin_show_prints_what_it_states(srzoo_cli, kind, name, stated):
    lines = srzoo_cli("plugin", "show", kind, name).out.splitlines()
    table = lines[lines.index("It states:") :]
    found = dict(line.strip().split(maxsplit=1) for line in table if len(line.split()) > 1)
    assert stated.items() <= found.items()


def test_what_a_plugin_states_fits_80_columns(srzoo_cli):
    class Long(OwnEngine):
        packages: ClassVar = {f"a-package-{n}": "numpy" for n in range(20)}
        export_format = ""

    class Wordy:
        phrase, clean = property(str), "\x1b[31m" + "made smaller " * 20

    srzoo.engines.register("long", Long)
    srzoo.degradations.register("wordy", Wordy)
    try:
        shown = srzoo_cli("plugin", "show", "engine", "long").out
        wordy = srzoo_cli("plugin", "show", "degradation", "wordy").out
    finally:
        srzoo.engines.unregister("long")
        srzoo.degradations.unregister("wordy")
    assert "a-package-19" in shown
    assert "export_format" not in shown  # it has none
    assert re.search(r"phrase +by its arguments", wordy)
    assert "\x1b" not in wordy
    assert max(map(len, (shown + wordy).splitlines())) <= 80


def test_plugin_show_of_what_states_nothing(srzoo_cli):
    assert "It states:" not in srzoo_cli("plugin", "show", "task", "gan").out


def test_plugin_check(srzoo_cli):
    result = srzoo_cli("plugin", "check")
    assert result.code == 0
    assert ", 0 problems" in result.out


def test_version_and_module():
    run = subprocess.run(
        [sys.executable, "-m", "srzoo", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout == f"srzoo {srzoo.__version__}\n"


def test_unknown_command(srzoo_cli):
    result = srzoo_cli("upscal")
    assert result.code == 2
    assert "Did you mean upscale?" in result.err
    assert result.err.startswith("Usage: srzoo")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["model", "list"],
        ["plugin", "list"],
        ["recipe", "list"],
        ["upscale", "--help"],
        ["compare", "--help"],
    ],
)
def test_looking_costs_no_torch(arguments):
    code = (
        "import sys\nfrom srzoo.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
