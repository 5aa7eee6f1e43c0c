"""Plugins are found in metadata, loaded when asked for, and refused with a reason."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint, PathDistribution

import pytest
from helpers import ROOT

from srzoo.errors import (
    ArgumentError,
    BrokenPluginError,
    MissingPluginError,
    PluginConflictError,
    PluginError,
    SrzooError,
)
from srzoo.plugins import kinds
from srzoo.plugins.plugin import Use
from srzoo.plugins.registry import Registry

GROUP = "srzoo.blocks"


def distribution(folder, name, lines, version="1.0"):
    """A distribution as pip leaves it behind: a folder of metadata."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n" + "\n".join(lines) + "\n")
    return PathDistribution(info)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Three distributions with good, broken and contested plugins."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "good_one.py").write_text(
        "def make(*, channels, depth=2):\n    '''A block.'''\n    return (channels, depth)\n"
        "def newer(*, channels):\n    '''Of the future.'''\nnewer.plugin_api = 99\n"
        "def sloppy(channels, **rest): return channels\n"
    )
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('half installed')\n")
    found = [
        distribution(tmp_path, "alpha", ["plain = good_one:make", "twice = good_one:make"]),
        distribution(tmp_path, "beta", ["bad = broken_one:make", "twice = good_one:make"]),
        distribution(tmp_path, "gamma", ["newer = good_one:newer", "sloppy = good_one:sloppy"]),
    ]
    yield Registry("block", GROUP, lambda group: entries(found, group))
    for name in ("good_one", "broken_one"):
        sys.modules.pop(name, None)


def entries(distributions, group) -> list[EntryPoint]:
    return [e for d in distributions for e in d.entry_points if e.group == group]


def test_listing_imports_nothing(registry):
    assert registry.names() == ["bad", "newer", "plain", "sloppy", "twice"]
    assert "plain" in registry
    assert "nothing" not in registry
    assert not {"good_one", "broken_one"} & set(sys.modules)


def test_one_plugin_is_imported_when_asked_for(registry):
    assert registry.create("plain", channels=3) == (3, 2)
    assert "good_one" in sys.modules
    assert "broken_one" not in sys.modules


def test_missing_gives_the_nearest_name(registry):
    with pytest.raises(MissingPluginError, match=r"no block is called 'plian'.*mean plain\?"):
        registry.get("plian")


def test_conflict_names_both_and_takes_a_qualified_name(registry):
    with pytest.raises(PluginConflictError, match=r"alpha 1\.0.*beta 1\.0.*alpha:twice or beta"):
        registry.get("twice")
    assert registry.create("beta:twice", channels=1) == (1, 2)


def test_broken_names_the_plugin_and_chains_the_cause(registry):
    with pytest.raises(BrokenPluginError, match=r"block bad \(beta 1\.0\).*half installed") as info:
        registry.get("bad")
    assert isinstance(info.value.__cause__, RuntimeError)


def test_going_over_plugins_stops_at_none(registry, tmp_path):
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "odd.py").write_text("make = int\ndef wordy(): ...\nwordy.plugin_api = 'two'\n")
    more = distribution(tmp_path, "delta", ["gone = leaving:make", "odd = odd:wordy"])
    found = [*registry._found(GROUP), *entries([more], GROUP)]
    loaded = dict(Registry("block", GROUP, lambda group: found).loaded())
    broken = {plugin.full_name for plugin, it in loaded.items() if isinstance(it, PluginError)}
    assert broken == {"beta:bad", "gamma:newer", "delta:gone", "delta:odd"}
    assert len(loaded) == 8


def test_what_tells_no_arguments_is_broken(registry, monkeypatch):
    registry.register("word", type("Word", (), {"__signature__": "none"}))
    with pytest.raises(BrokenPluginError, match="block word.*does not reveal its arguments"):
        registry.create("word")
    assert any("does not reveal" in problem.what for problem in registry.check())


def test_a_package_without_metadata_is_unknown(tmp_path):
    info = tmp_path / "half-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nhalf = half:make\n")
    found = PathDistribution(info).entry_points
    (plugin,) = Registry("block", GROUP, lambda group: found)
    assert (plugin.name, plugin.version) == ("half", "")


def test_all_plugins_are_gone_over_in_one_place():
    assert {plugin.kind for plugin in kinds.plugins()} <= set(kinds.KINDS)
    assert len(kinds.plugins()) == sum(len(list(registry)) for registry in kinds.KINDS.values())


def test_newer_plugin_api_is_refused(registry):
    with pytest.raises(BrokenPluginError, match="plugin API 99.*Upgrade srzoo"):
        registry.get("newer")


@pytest.mark.parametrize(
    ("use", "context", "message"),
    [
        ({"name": "plain", "chanels": 3}, {}, "no argument 'chanels'.*mean channels"),
        ("plain", {}, "needs channels"),
        ({"name": "plain", "channels": 1}, {"channels": 2}, "channels is set by the program"),
        ({"depth": 1}, {}, "no plugin name"),
    ],
)
def test_wrong_arguments_are_named(registry, use, context, message):
    with pytest.raises(ArgumentError, match=message):
        registry.build(use, **context)


def test_use_reads_names_and_mappings():
    assert Use.of("rcab") == Use("rcab")
    assert Use.of({"name": "rcab", "reduction": 8}) == Use("rcab", {"reduction": 8})


def test_allow_list(registry, monkeypatch):
    monkeypatch.setenv("SRZOO_PLUGINS", "beta")
    assert registry.names() == ["bad", "twice"]
    assert registry.create("twice", channels=1) == (1, 2)  # no conflict left
    with pytest.raises(MissingPluginError, match="alpha has it"):
        registry.get("plain")
    monkeypatch.setenv("SRZOO_PLUGINS", "")
    assert registry.names() == []


def test_register_is_local_and_explicit(registry):
    registry.register("mine", lambda *, channels: channels)
    assert registry.create("mine", channels=7) == 7
    registry.register("mine", lambda *, channels: -channels)  # a cell run twice
    assert registry.create("mine", channels=7) == -7
    with pytest.raises(PluginError, match="already called 'plain'"):
        registry.register("plain", lambda: None)
    with pytest.raises(PluginError, match="colon"):
        registry.register("a:b", lambda: None)
    registry.unregister("mine")
    assert "mine" not in registry


def test_check_finds_every_fault_and_goes_on(registry):
    problems = [(problem.plugin.name, problem.what) for problem in registry.check()]
    assert sum(name == "twice" for name, _ in problems) == 2
    assert any(name == "bad" and "half installed" in what for name, what in problems)
    sloppy = {what for name, what in problems if name == "sloppy"}
    assert sloppy == {
        "has no docstring: describe it and its source",
        "argument channels is not keyword-only: write * before it",
        "takes **rest: name every argument",
    }
    assert not any(name == "plain" for name, _ in problems)


def test_what_is_installed_is_in_order():
    for registry in kinds.KINDS.values():
        assert registry.check() == []


def test_every_kind_of_the_design_has_a_registry():
    assert set(kinds.KINDS) == {
        "generator", "discriminator", "block", "loss", "adversarial-loss", "task",
        "dataset", "degradation", "metric", "engine", "export-format", "importer", "card",
        "command",
    }  # fmt: skip
    with pytest.raises(SrzooError, match="mean generator"):
        kinds.kind("generater")


def test_metadata_is_read_in_one_room():
    for path in (ROOT / "srzoo").rglob("*.py"):
        if path.parent.name != "plugins":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"importlib import .*metadata|importlib\.metadata", text), path
