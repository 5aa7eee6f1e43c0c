"""Network.from_pretrained and push_to_hub, by the real client against the loopback Hub."""

from __future__ import annotations

import shutil

import pytest
from test_pull import TOKEN, run

import srzoo
from srzoo.errors import HubError, ModelError
from srzoo.models import locate

CALLS = """
import torch
def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(
        a.state_dict().values(), b.state_dict().values(), strict=True))
net = srzoo.generators.create("edsr", n_resblocks=1, n_feats=8, scale=4)
url = net.push_to_hub(
    "tester/own", card=sys.argv[1], commit_message="by hand", tag="v1", check=False,
    purpose="faithful", summary="by hand",
)
said["url"] = url
back = srzoo.Network.from_pretrained("tester/own")
said["same"] = same(net, back)
said["kind"] = type(back).__name__
said["own kind"] = same(net, type(net).from_pretrained("tester/own", revision="v1"))
attempt("other kind", lambda: srzoo.network("bicubic-x2").from_pretrained("tester/own"))
attempt("revision", lambda: srzoo.Network.from_pretrained("tester/own", revision="v2"))
attempt("nothing", lambda: srzoo.Network.from_pretrained("tester/nothing"))
again = srzoo.Network.from_pretrained("tester/own", force_download=True)
said["again"] = same(again, srzoo.Network.from_pretrained(srzoo.pull("tester/own")))
# A generator that inherits from nothing:
srzoo.Network.push_to_hub(net, "tester/other", card=sys.argv[1], check=False)
said["config"] = (srzoo.pull("tester/own") / "config.json").read_text()
"""


@pytest.fixture
def card(tmp_path):
    """A folder with a complete card, and a model in it that must not go up."""
    source = locate.find("edsr-x4").path
    shutil.copytree(source, tmp_path / "card")
    return tmp_path / "card"


def test_to_the_hub_and_back(hub, card):
    said = run(hub, CALLS, card, token=TOKEN)
    assert said["url"] == f"{hub.url}/tester/own"
    assert said["same"]
    assert said["own kind"]
    assert said["again"]
    assert said["kind"] == "EDSR"
    assert "is EDSR, not Bicubic" in said["other kind"]
    assert "no revision 'v2'" in said["revision"]
    assert "no model tester/nothing" in said["nothing"]
    assert '"summary": "by hand"' in said["config"]
    assert '"name": "own"' in said["config"]
    head = hub.log("tester/own")[0]
    assert head.message == "by hand"
    assert {"README.md", "config.json", "model.safetensors", "sample.png"} <= set(head.files)
    assert not [name for name in head.files if name.endswith((".bin", ".py", ".pt"))]


def test_what_is_wrong_is_said_before_anything_is_sent(tmp_path):
    net = srzoo.network("bicubic-x2")
    with pytest.raises(HubError, match=r"has no README\.md"):
        net.push_to_hub("me/mine", card=tmp_path)
    with pytest.raises(HubError, match="not a name for a repo"):
        net.push_to_hub("mine", card=tmp_path)
    with pytest.raises(HubError, match="is not a model on the Hub"):
        srzoo.Network.from_pretrained("mine", revision="v1")
    with pytest.raises(ModelError, match="no model is called"):
        srzoo.Network.from_pretrained("mine")


def test_folders_and_released_names(tmp_path):
    net = srzoo.Network.from_pretrained("bicubic-x2")
    folder = net.save_pretrained(tmp_path / "mine", summary="by hand")
    assert type(net).from_pretrained(folder).scales == (2,)
    with pytest.raises(ModelError, match="exists"):
        net.save_pretrained(folder)
    net.save_pretrained(folder, overwrite=True)


@pytest.mark.parametrize("name", sorted(srzoo.generators.names()))
def test_the_zoos_generators_have_the_methods(name):
    plugin = srzoo.generators.find(name)
    if plugin.dist == "srzoo":
        assert issubclass(srzoo.generators.get(name), srzoo.Network)
