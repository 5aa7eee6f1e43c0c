"""srzoo.models: what there is to know of the released models."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from types import ModuleType

import pytest

import srzoo
from srzoo.errors import PluginWarning
from srzoo.models import locate


def named(*pattern):
    return [model.name for model in srzoo.models(*pattern)]


def test_a_record_says_what_folder_and_card_say():
    record = srzoo.models("edsr-x4")[0]
    assert isinstance(record, srzoo.ModelRecord)
    assert (record.name, record.purpose, record.scales) == ("edsr-x4", "faithful", (4,))
    assert (record.parameters, record.licence) == (1517571, "apache-2.0")
    assert srzoo.Figure("Set5", 4, "psnr_y", 31.5091) in record.figures
    assert record.path == locate.find("edsr-x4").path
    assert record.summary == locate.find("edsr-x4").config.summary
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.name = "other"


def test_text_is_looked_for_and_a_pattern_is_for_the_whole():
    assert named() == srzoo.list_models()
    assert set(named("edsr")) == {"edsr-x4", "edsrgan-x4", "edsrgan-real-x4"}
    assert named("gan-real") == ["edsrgan-real-x4"]
    assert named("edsr-*") == ["edsr-x4"] == srzoo.list_models("edsr-*")
    assert named("edsr?x4") == named("[e]dsr-x4") == ["edsr-x4"]
    assert named("nothing") == []


def test_it_is_still_the_room():
    assert isinstance(srzoo.models, ModuleType)
    assert srzoo.models is sys.modules["srzoo.models"]
    assert srzoo.models.locate is locate


def test_a_broken_folder_is_left_out(tmp_path, monkeypatch):
    found = {}
    for name in ("bicubic-x2", "edsr-x4", "srgan-x4"):
        found[name] = tmp_path / name
        shutil.copytree(locate.find(name).path, found[name])
    monkeypatch.setattr(locate, "released", lambda: found)
    (found["edsr-x4"] / "config.json").write_text("{")
    (found["srgan-x4"] / "README.md").unlink()
    with pytest.warns(PluginWarning, match="config.json"):
        two = srzoo.models()
    assert [record.name for record in two] == ["bicubic-x2", "srgan-x4"]
    assert (two[1].licence, two[1].figures) == (None, ())
