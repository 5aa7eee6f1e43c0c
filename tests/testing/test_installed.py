"""``srzoo plugin check`` and ``pytest --srzoo``, on packages that are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from srzoo.errors import MissingPluginError
from srzoo.testing import pytest_plugin

BLOCK = """
from torch import nn
class {name}(nn.Module):
    "A convolution."
    {reach}
    def __init__(self, *, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
    def forward(self, x):
        return self.conv(x)
"""
LEAVES = """
import os
class Leaves:
    "It ends the process."
    reference = True
    def __call__(self, pair):
        os._exit(7)
"""
COMMANDS = """
import click
@click.command()
def greets():
    "Greet."
"""
PACKAGES = {
    "tiny-parts": {
        "blocks": {"mild": "tiny_mild:Mild", "far": "tiny_far:Far", "ends": "tiny_ends:Ends"},
        "losses": {"leaves": "tiny_leaves:Leaves"},
    },
    "tiny-slow": {"commands": {"sleeps": "tiny_sleeps:greets", "greets": "tiny_greets:greets"}},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what pip would have written."""
    folder = tmp_path_factory.mktemp("site")
    for name, groups in PACKAGES.items():
        info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [
            f"[srzoo.{group}]\n" + "".join(f"{a} = {b}\n" for a, b in parts.items())
            for group, parts in groups.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
    (folder / "tiny_mild.py").write_text(BLOCK.format(name="Mild", reach="reach = 1"))
    (folder / "tiny_far.py").write_text(BLOCK.format(name="Far", reach="reach = 3"))
    (folder / "tiny_leaves.py").write_text(LEAVES)
    (folder / "tiny_ends.py").write_text("\n\nraise SystemExit(3)\n")
    (folder / "tiny_greets.py").write_text(COMMANDS)
    (folder / "tiny_sleeps.py").write_text("import time\ntime.sleep(90)\n" + COMMANDS)
    return folder


def run(site, folder, *arguments, code):
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_each_part_is_told_by_itself(site, tmp_path):
    """One that is wrong has its author's line; one that ends the process ends no other."""
    out = run(site, tmp_path, "srzoo", "plugin", "check", "Tiny_Parts", "--json", code=1)
    found = {part["name"]: part for part in json.loads(out)}
    assert found["mild"]["ok"]
    assert not found["far"]["ok"]
    (fault,) = found["far"]["faults"]
    assert "reach is 1, but it states 3: write `reach = 1`" in fault["what"]
    assert fault["file"] == str(site / "tiny_far.py")
    assert fault["line"] == 5
    (fault,) = found["leaves"]["faults"]
    assert fault["what"] == "loss leaves (tiny-parts 1.2) ended its process, with exit code 7"


def test_one_that_hangs_is_given_up(site, tmp_path):
    out = run(site, tmp_path, "srzoo", "plugin", "check", "tiny-slow", "--timeout", "3", code=1)
    assert "command greets (tiny-slow 1.2): ok" in out
    assert "command sleeps (tiny-slow 1.2): does not end in 3 s" in out
    assert out.endswith("2 plugins, 1 problem\n")


@pytest.mark.parametrize("name", ["mild", "block:mild", "tiny-parts:mild", "block:Tiny.Parts:mild"])
def test_names_that_mean_a_part(name, site, monkeypatch):
    from srzoo.cli._plugin_check import _means
    from srzoo.plugins.plugin import Plugin

    assert _means(name, Plugin("block", "mild", "tiny_mild:Mild", "tiny-parts", "1.2"))
    assert not _means(name, Plugin("loss", "other", "tiny_mild:Mild", "others", "1.2"))


def test_a_name_of_nothing():
    from srzoo.cli._plugin_check import _chosen

    with pytest.raises(MissingPluginError, match="no package is called 'edsrr'. .* edsr"):
        _chosen(["edsrr"], None, True)


@pytest.fixture
def project(tmp_path):
    """A project of somebody's, with a test that looks what the run has imported."""

    def make(name, more=""):
        (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n{more}')
        (tmp_path / "test_own.py").write_text(
            textwrap.dedent("""
            import sys
            def test_own():
                assert ("srzoo.testing.parts" in sys.modules) == ("--srzoo" in sys.argv)
            """)
        )
        return tmp_path

    return make


USUAL = ("pytest", "-p", "no:cacheprovider", "-v")


def test_pytest_collects_the_parts_of_a_project(site, project):
    out = run(site, project("tiny_parts"), *USUAL, "--srzoo", "-k", "not leaves", code=1)
    assert "block:mild(channels=16)::reach bounds the receptive field PASSED" in out
    assert "block:far(channels=16)::reach is no larger FAILED" in out
    assert f"write `reach = 1`\n{site / 'tiny_far.py'}:5\n" in out
    assert "test_own.py::test_own PASSED" in out
    assert "cannot be imported: SystemExit: 3: fix it, or its entry point" in out
    assert f"\n{site / 'tiny_ends.py'}:3\n" in out
    assert "2 failed, " in out
    assert "Traceback" not in out


def test_pytest_leaves_other_projects_alone(site, project):
    out = run(site, project("others"), *USUAL, code=0)
    assert "1 passed" in out
    assert "block:" not in out


def test_pytest_by_the_configuration(site, project):
    folder = project("tiny-parts", "[tool.pytest.ini_options]\nsrzoo = true\n")
    (folder / "test_own.py").write_text("def test_own(): pass\n")
    listed = run(site, folder, *USUAL, "--collect-only", code=0)
    assert "reach bounds the receptive field" in listed
    assert "test_own" in listed
    listed = run(site, folder, *USUAL, "--collect-only", "test_own.py", code=0)
    assert "1 test collected" in listed


@pytest.mark.parametrize(
    ("name", "more", "what"),
    [("elsewhere", "", "elsewhere has no installed plugins: pip install -e"),
     ("tiny-parts", '[project.entry-points."srzoo.blocks"]\nnew = "a:B"\n', "block new of")],
)  # fmt: skip
def test_pytest_says_what_is_not_installed(project, name, more, what):
    with pytest.raises(pytest.UsageError, match=what):
        pytest_plugin.parts_of(project(name, more))


def test_a_folder_without_a_project(tmp_path):
    with pytest.raises(pytest.UsageError, match="names no project: write .project. and name"):
        pytest_plugin.parts_of(tmp_path)
