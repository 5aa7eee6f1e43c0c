"""What is given to pip: names and folders, and no others."""

from __future__ import annotations

import sys
import tomllib

import pytest
import torch
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

import srzoo
from srzoo import SrzooError
from srzoo.authoring import installing
from srzoo.errors import MissingPluginError, ModelError
from srzoo.models import locate
from srzoo.plugins import kinds, known, packages


@pytest.mark.parametrize("name", ["my-pkg", "My_Pkg", "a", "pkg[fast]", "pkg[a,b]==1.0.post1+cpu"])
def test_names_are_given_to_pip(name):
    command = installing.install_command([name])
    assert command == [sys.executable, "-m", "pip", "install", name]


@pytest.mark.parametrize(
    "name",
    ["-r", "--index-url=x", "x; rm -rf ~", "git+https://a/b", "x @ https://a", "../x", "a b", "",
     "x>=1", "x==", "x==1 --pre", "./x", "-", "x\\n"],
)  # fmt: skip
def test_what_is_no_name_is_refused(name):
    with pytest.raises(SrzooError, match="not a package name"):
        installing.install_command([name])


@given(st.text(max_size=12))
def test_nothing_that_passes_is_an_option_or_an_address(text):
    if installing.REQUIREMENT.fullmatch(text):
        assert text[0].isalnum()
        assert not set(text) & set(" /\\:;@<>|&$`'\"\n")


def test_a_project_has_a_pyproject(tmp_path):
    with pytest.raises(SrzooError, match="not a project"):
        installing.install_command([], [tmp_path])
    with pytest.raises(SrzooError, match="no package is named"):
        installing.install_command([])
    (tmp_path / "pyproject.toml").touch()
    assert installing.install_command([], [tmp_path])[-2:] == ["-e", str(tmp_path.resolve())]


@pytest.mark.parametrize(
    ("name", "what"),
    [("srzoo", "srzoo itself"), ("SRZOO", "srzoo itself"), ("numpy", "provides no plugin"),
     ("no-such-package", "not installed"), ("--yes", "not installed")],
)  # fmt: skip
def test_what_is_no_plugin_package_stays(name, what):
    with pytest.raises(SrzooError, match=what):
        installing.uninstall_command(name)


def test_without_pip_another_program_is_named(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(packages, "version", lambda name: None)
    with pytest.raises(SrzooError, match=r"pip is missing from .* uv pip install my-pkg -e /"):
        installing.install_command(["my-pkg"], [tmp_path])


def test_it_says_that_nothing_came(srzoo_cli, monkeypatch):
    monkeypatch.setattr(installing, "run", lambda command: 0)
    done = srzoo_cli("plugin", "install", "--yes", "my-pkg")
    assert (done.code, done.out) == (0, "")
    assert "no new plugin was installed" in done.err


def test_it_says_what_it_runs_and_asks(srzoo_cli, monkeypatch):
    ran = []
    monkeypatch.setattr(installing, "run", lambda command: ran.append(command) or 7)
    done = srzoo_cli("plugin", "install", "my-pkg")
    assert not ran
    assert "pip install my-pkg" in done.err
    assert "runs the code of a package's author" in done.err
    assert done.code != 0
    assert srzoo_cli("plugin", "install", "--yes", "my-pkg").code == 7
    assert ran == [[sys.executable, "-m", "pip", "install", "my-pkg"]]


def test_a_missing_name_answers_which_package_has_it():
    for part in known.listed():
        for name in (part.name, f"{part.package.replace('-', '_')}:{part.name}"):
            with pytest.raises((MissingPluginError, ModelError)) as caught:
                locate.find(name) if part.kind == "model" else kinds.kind(part.kind).get(name)
            assert part.package in caught.value.fix
            assert part.command in caught.value.fix
            assert "runs its author's code" in caught.value.fix
        with pytest.raises(SrzooError) as other:
            kinds.blocks.get(f"other:{part.name}")
        assert part.package not in other.value.fix


@pytest.mark.parametrize(
    "words",
    ["attention", "upscale a.png -m spab-x2", "model show spab-x2", "plugin check silu",
     "plugin check srzoo-silu", "plugin show loss focal_frequency", "plugin try silu --as block",
     "train edsr-x4 --set generator.block=silu -o out"],
)  # fmt: skip
def test_every_command_answers_so(srzoo_cli, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = srzoo_cli(*words.split())
    assert done.code == 2
    assert "srzoo plugin install -e docs/example-plugin" in " ".join(done.err.split())


def test_the_list_of_known_plugins_is_true():
    """The example's parts stand there as its own project has them, and nothing invented."""
    assert {part.package for part in known.listed()} == {"srzoo-silu"}
    for part in known.listed():
        project = tomllib.loads((ROOT / part.source / "pyproject.toml").read_text())["project"]
        assert project["name"] == part.package
    (card,) = project["entry-points"]["srzoo.cards"].values()
    models = (ROOT / part.source / card.replace(".", "/")).glob("*/config.json")
    found = {(part.kind, part.name) for part in known.listed()}
    stated = {
        (kind, name)
        for kind, registry in kinds.KINDS.items()
        for name in project["entry-points"].get(registry.group, ())
    } | {("model", path.parent.name) for path in models}
    assert found == stated
    with pytest.raises(SrzooError, match="not on PyPI"):
        installing.install_command(["Srzoo_silu"])


def test_nothing_advises_itself(srzoo_cli):
    assert torch.nn  # imported before: a first import of some seconds would be told
    for kind in ("block", "task"):
        for plugin in kinds.kind(kind):
            shown = srzoo_cli("plugin", "show", kind, plugin.name)
            assert shown.code == 0
            assert "See: srzoo plugin show" not in shown.out + shown.err
    with pytest.raises(SrzooError, match="needs channels. Give channels: int"):
        srzoo.blocks.create("residual")
