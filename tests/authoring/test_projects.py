"""A project of each kind is written, installed, tested, listed, used and removed."""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from helpers import ROOT, drawn

from srzoo import SrzooError
from srzoo.authoring import projects
from srzoo.plugins import kinds, references

KINDS = list(kinds.KINDS)
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
"""The second says, in pip's own way, that nothing is fetched to build with."""


def name_of(kind):
    return f"tp-{kind}"


BUILD = """
import contextlib, os, sys
from pathlib import Path
from zipfile import ZipFile
from setuptools import build_meta
_, site, *kinds = sys.argv
sys.stdout = open(os.devnull, "w")  # what logs keeps it
for kind in kinds:
    with contextlib.chdir(kind):
        ZipFile(build_meta.build_editable(".")).extractall(site)
        for wheel in Path().glob("*.whl"):
            wheel.unlink()
"""
"""What pip does to install projects editable, in one process: each is built, and unpacked."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project of each kind, and an environment that has them installed."""
    folder = tmp_path_factory.mktemp("authoring")
    for kind in KINDS:
        projects.new(kind, name_of(kind), folder / "projects" / kind)
    venv.create(folder / "env", with_pip=False)
    (own,) = (folder / "env").rglob("site-packages")
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(places)]
    (own / "srzoo-and-what-it-needs.pth").write_text("".join(lines))
    subprocess.run([sys.executable, "-c", BUILD, own, *KINDS], cwd=folder / "projects", check=True)
    return folder


def python(place):
    return str(place / "env" / ("Scripts" if os.name == "nt" else "bin") / "python")


def pip(place, *words):
    run = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python(place)]
    subprocess.run([*run, *words], cwd=place, check=True)


def run(place, *words, code=0):
    done = subprocess.run(
        [python(place), *map(str, words)], cwd=place, capture_output=True, text=True,
        env=os.environ | ENVIRONMENT | {"SRZOO_CACHE": str(place / "cache")},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_each_passes_its_own_ci(place):
    """What ci.yml runs, of all of them at once."""
    text = (place / "projects/block/.github/workflows/ci.yml").read_text()
    assert "ruff check . && ruff format --check ." in text
    assert "pytest" in text
    for words in (["check", "-q"], ["format", "--check", "-q"]):
        ruff = Path(sys.executable).with_name("ruff")
        subprocess.run([ruff, *words, "projects"], cwd=place, check=True)
    tests = [f"projects/{kind}/tests" for kind in KINDS]
    done = run(place, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert re.search(r"\b15 passed", done)


USE = """
import sys, numpy as np, srzoo, torch
from pathlib import Path
from srzoo.contracts import Pair
from srzoo.plugins import kinds
from srzoo.plugins.plugin import Use
def made(kind, **args): return kinds.kind(kind).create(f"tp-{kind}", **args)
x = torch.rand(1, 3, 16, 16)
edsr = dict(n_resblocks=1, n_feats=8, scale=2)
assert srzoo.generators.create("edsr", block="tp-block", **edsr)(x).shape[-1] == 32
sr = made("generator", scale=2)(x)
pair = Pair(x, torch.rand_like(sr), sr)
assert made("loss")(pair) > 0
judge = made("discriminator")
assert made("adversarial-loss").for_discriminator(judge, pair) > 0
game = srzoo.tasks.create("gan", discriminator="tp-discriminator", loss="tp-adversarial-loss")
assert set(game.turns(0)) == {"generator", "discriminator"}
task = made("task")
assert task.terms(pair, task.networks)["light"] >= 0
hr = made("dataset", side=64)[0].hr
lr = made("degradation")(hr, 2, np.random.default_rng(0))
big = srzoo.load("tp-card", engine="tp-engine").array(lr)
assert big.shape == hr.shape
assert made("metric")(big, hr, 2) < 60
assert made("export-format").suffix == ".zip"
assert made("importer").recognise({}) is None
"""


def test_each_is_listed_and_used(place):
    listed = json.loads(run(place, "-m", "srzoo", "plugin", "list", "--json"))
    found = {one["kind"]: one for one in listed if one["dist"].startswith("srzoo-tp-")}
    assert {kind: one["name"] for kind, one in found.items()} == {k: name_of(k) for k in KINDS}
    run(place, "-c", USE)
    drawn(24, 20).save(place / "a.png")
    assert "a.png" in run(place, "-m", "srzoo", "tp-command", "a.png")


DRY = """
import shlex, sys
from pathlib import Path
from srzoo.cli._main import main
own = ['stages=["all"]', 'data.train="tp-dataset"', 'data.validation="tp-dataset"',
       'train.metrics=["psnr_y"]', "data.lr_crop=16", "data.batch=2"]
for readme in sorted(Path("projects").glob("*/README.md")):
    for line in readme.read_text().splitlines():
        if line.startswith("    srzoo train "):
            words, made = shlex.split(line)[1:], list(own)
            made += [] if "losses=" in line else ['losses=["l1"]']
            if "edsrgan" in line:
                made += ['init=""', "average_stages=1"]
                if "discriminator" not in line:
                    made += ['adversarial.discriminator="tp-discriminator"']
            if "generator=" not in line:
                made += ["generator.n_resblocks=1", "generator.n_feats=8"]
            try:
                code = main([*words, *(w for one in made for w in ("--set", one)), "--dry-run"])
            except SystemExit as end:
                code = end.code
            print(f"RAN {readme.parent.name}:", code or 0)
"""


SHOW = """
from srzoo.cli import _plugin_show
from srzoo.plugins import kinds
for kind in kinds.KINDS:
    print("=====")
    _plugin_show.show(kinds.kind(kind).find(f"tp-{kind}"))
"""


@pytest.fixture(scope="module")
def said(place):
    """What one process prints that tries the recipes, and then shows every part."""
    return run(place, "-c", DRY + SHOW)


def test_what_a_readme_says_to_train_is_ready_to_run(said):
    """The recipe takes the part as it is, with pictures that are drawn."""
    ran = re.findall(r"^RAN (.*): (\d+)$", said, re.MULTILINE)
    assert len(ran) >= 8
    assert not [kind for kind, code in ran if code != "0"]


def test_each_is_shown(said):
    """Types, facts, arguments from examples; nothing advises itself."""
    shown = dict(zip(KINDS, said.split("=====\n")[1:], strict=True))
    assert "kernel: one of 3, 5, 7 = 3" in shown["block"]
    assert "With channels = 8" in shown["block"]
    assert "An output pixel depends on 1 pixel on each side." in shown["block"]
    assert "depends on 4 pixels" in shown["generator"]
    assert re.search(r"min_size +4", shown["discriminator"])
    assert re.search(r"precisions +fp32", shown["engine"])
    assert "tp-card: plain bicubic" in shown["card"]
    assert "--least" in shown["command"]
    assert re.search(r"methods +recognise, convert", shown["importer"])
    assert "plugin show" not in "".join(shown.values())


def test_install_and_uninstall(place):
    """Last, for the environment is empty then."""
    srzoo = "-m", "srzoo", "plugin"
    run(place, *srzoo, "uninstall", "--yes", "Srzoo.TP_block")
    assert "srzoo-tp-block" not in run(place, *srzoo, "list", "--json")
    said = run(place, *srzoo, "install", "--yes", "-e", "projects/block")
    assert said == "installed: block tp-block (srzoo-tp-block 0.1.0)\n"
    pip(place, "uninstall", "-q", "--yes", *(f"srzoo-tp-{kind}" for kind in KINDS))
    assert "srzoo-tp-" not in run(place, *srzoo, "list", "--json")


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_whole_and_named(kind, tmp_path):
    name = "wide_thing-2"
    made = projects.new(kind, name, tmp_path / "made")
    assert made.dist == "srzoo-wide-thing-2"
    settings = tomllib.loads((made.folder / "pyproject.toml").read_text())
    (group,) = settings["project"]["entry-points"]
    assert group == kinds.kind(kind).group
    files = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*.*")}
    assert {"README.md", ".github/workflows/ci.yml", "srzoo_wide_thing_2/__init__.py",
            "tests/test_wide_thing_2.py"} <= files  # fmt: skip
    assert "Apache License" in (made.folder / "LICENSE").read_text()
    assert made.use.strip() in (made.folder / "README.md").read_text()
    for path in made.folder.rglob("*.*"):
        if path.is_file():
            assert "{{" not in path.read_text().replace("${{", "")
    assert os.listdir(tmp_path) == ["made"]


@pytest.mark.parametrize(
    ("kind", "name", "what"),
    [
        ("block", "Silu", "not a valid name for a plugin"), ("block", "a b", "not a valid name"),
        ("block", "-x", "not a valid name"), ("block", "a--b", "not a valid name"),
        ("block", "../x", "not a valid name"),
        ("block", "x" * 41, "not a valid name"), ("block", "é", "not a valid name"),
        ("block", "true", "not a valid name"),
        ("block", "", "not a valid name"),
        ("blok", "x", "no kind of plugin"), ("block", "residual", "block residual \\(srzoo "),
        ("card", "edsr-x4", "model edsr-x4"), ("command", "upscale", "command upscale"),
        ("engine", "torch", "engine torch"), ("block", "plugins", "module srzoo_plugins"),
        ("card", "cards", "module srzoo_cards"), ("block", "spab", "has this name: srzoo-silu"),
        ("loss", "silu", "has this name: srzoo-silu"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_project_leaves_nothing(kind, name, what, tmp_path):
    with pytest.raises(SrzooError, match=what):
        projects.new(kind, name, tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_stays(tmp_path):
    made = projects.new("block", "mine", tmp_path)
    assert made.folder == tmp_path / "srzoo-mine"
    before = sorted(made.folder.rglob("*"))
    for place in (tmp_path, tmp_path / "srzoo-mine/pyproject.toml"):
        with pytest.raises(SrzooError, match="exists"):
            projects.new("block", "mine", place)
    assert sorted(made.folder.rglob("*")) == before


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def full(path, text, **_):
        if path.name == "LICENSE":
            raise OSError("no space")
        path.write_bytes(text.encode())

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SrzooError, match="no space"):
        projects.new("block", "mine", tmp_path / "made")
    assert not list(tmp_path.iterdir())


def test_names_of_keywords_and_imports_do_no_harm(tmp_path):
    for kind, name in (
        ("loss", "none"),
        ("block", "tensor"),
        ("engine", "class"),
        ("loss", "pair"),
    ):
        made = projects.new(kind, name, tmp_path / f"{kind}-{name}")
        source = (made.folder / f"srzoo_{name}/__init__.py").read_text()
        names = re.findall(r"^class (\w+)", source, re.MULTILINE)
        assert f"import {names[-1]}\n" not in source
        compile(source, name, "exec")


def test_the_command_prints_what_comes_next(srzoo_cli, tmp_path):
    done = srzoo_cli("plugin", "new", "block", "mine", "--dir", str(tmp_path / "a b"))
    first, second, *_ = done.out.splitlines()
    assert first == f"pip install -e '{tmp_path / 'a b'}'"
    assert second == "srzoo plugin check mine"
    assert "generator.block=mine" in done.out
    assert not references.is_reference(first)


def test_templates_are_in_the_wheel():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "authoring/templates/*/*" in data["package-data"]["srzoo"]
    assert {path.name for path in projects.TEMPLATES.iterdir()} == {*KINDS, "common"}
