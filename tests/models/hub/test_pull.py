"""Models from the Hub, by the real client against the loopback one: right, or a clear error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import drawn, without_torch
from loopback import Fault, Hub

import srzoo
from srzoo.models import hub, locate
from srzoo.models.folder import read_folder
from srzoo.networks import folders

TOKEN = "hf_test"
BOTH = pytest.mark.parametrize("xet", [True, False], ids=["xet", "http"])
BEFORE = """
import json, sys, time
time.sleep = lambda seconds: None  # the client waits up to 23 s between its attempts
import srzoo
from srzoo.errors import SrzooError
said = {}
def attempt(name, call):
    try:
        said[name] = str(call())
    except SrzooError as error:
        said[name] = str(error)
"""


def run(server: Hub, code: str, *arguments: object, **env: Any) -> dict[str, str]:
    """Run the code in a process of its own; give back what it put into `said`."""
    whole = f"{BEFORE}\n{textwrap.dedent(code)}\nprint(json.dumps(said))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", whole, *map(str, arguments)],
        env=server.env(**env), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder with random weights, large enough for the Hub to treat them as large."""
    net = srzoo.generators.create("edsr", n_resblocks=1, n_feats=24, scale=2)
    args = {"n_resblocks": 1, "n_feats": 24, "scale": 2}
    folder = folders.save(net, tmp_path / "model", generator="edsr", args=args).path
    (folder / "README.md").write_text("---\nlibrary_name: srzoo\ntags:\n- srzoo\n---\n# A model\n")
    return folder


@pytest.fixture
def there(hub: Hub, model: Path) -> Hub:
    """A Hub that has it twice: v1, and on main with another card, and a file that no model has."""
    hub.create("org/edsr")
    files = contents(model)
    hub.commit("org/edsr", files)
    hub.tag("org/edsr", "v1")
    more = {"evil.py": b"raise SystemExit", "old.pth": b"\x80", "deep/config.json": b"{}"}
    hub.commit("org/edsr", {"README.md": b"# Two\n", "../evil": b"x", **more})
    return hub


PULL = """
for revision in ("", "@main", "@v1", f"@{sys.argv[1]}"):
    attempt(revision, lambda: srzoo.pull(f"org/edsr{revision}"))
attempt("short", lambda: srzoo.pull(f"org/edsr@{sys.argv[1][:8]}"))
attempt("unknown", lambda: srzoo.pull("org/edsr@v9"))
attempt("nobody", lambda: srzoo.pull("org/nobody"))
attempt("odd", lambda: srzoo.pull("org"))
"""


@BOTH
def test_by_branch_tag_and_commit(there, model, tmp_path, xet):
    first = there.log("org/edsr")[1].sha
    said = run(there, PULL, first, home=tmp_path / "home", xet=xet)
    assert contents(said["@v1"]) == contents(said[f"@{first}"]) == contents(model)
    assert contents(said[""]) == contents(said["@main"])
    assert contents(said[""]) == {**contents(model), "README.md": b"# Two\n"}
    assert "no revision" in said["short"]
    assert "all its 40 digits" in said["short"]
    assert "org/edsr has no revision 'v9'" in said["unknown"]
    assert "the Hub has no model org/nobody, or it is private" in said["nobody"]
    assert "HF_TOKEN" in said["nobody"]
    assert "Write it like org/name" in said["odd"]
    assert not list(tmp_path.rglob("evil*"))

    there.requests.clear()
    again = run(
        there, f"attempt('', lambda: srzoo.pull('org/edsr@{first}'))", home=tmp_path / "home"
    )
    assert contents(again[""]) == contents(model)
    assert there.requests == [], "a commit that is in the cache needs no Hub"

    for change in ({"offline": True}, {}):
        if not change:
            there.faults.append(Fault(".*", "close"))
        off = run(there, PULL, first, home=tmp_path / "home", **change)
        assert off["@main"] == said["@main"]
        assert off["@v1"] == said["@v1"]
        assert off[f"@{first}"] == said[f"@{first}"]
    cold = run(there, PULL, first, home=tmp_path / "cold", offline=True)
    assert "org/edsr@v1 is not complete in the cache, and HF_HUB_OFFLINE is set" in cold["@v1"]


def test_into_a_folder_of_its_own(there, model, tmp_path):
    code = """
    attempt("to", lambda: srzoo.pull("org/edsr@v1", sys.argv[1]))
    attempt("again", lambda: srzoo.pull("org/edsr@v1", sys.argv[1]))
    """
    said = run(there, code, tmp_path / "a/b")
    assert contents(tmp_path / "a/b") == contents(model)
    assert not any(path.is_symlink() for path in (tmp_path / "a/b").iterdir())
    assert read_folder(tmp_path / "a/b").config == read_folder(model).config
    assert "exists. Choose another folder" in said["again"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_wherever_a_model_is_taken(there, model, tmp_path, tiny):
    """load, upscale on the command line, a recipe's init."""
    code = """
    import numpy as np
    from srzoo import training; from srzoo.recipes import recipe
    from srzoo.recipes.recipe import check
    picture = np.zeros((8, 9, 3), np.uint8)
    attempt("load", lambda: srzoo.load("org/edsr@v1")(picture).shape)
    attempt("forced", lambda: srzoo.load("hf://org/edsr@v1")(picture).shape)
    attempt("typo", lambda: srzoo.load("runs/nothing"))
    from srzoo.training.parts import _init
    net = srzoo.generators.create("edsr", n_resblocks=1, n_feats=24, scale=2)
    attempt("init", lambda: _init(net, "org/edsr@v1"))
    """
    (tmp_path / "org/edsr@v1").mkdir(parents=True)  # hf:// does not look at it
    said = run(there, code)
    assert said["load"] == said["forced"] == "(16, 18, 3)"
    assert (
        "the folder runs/nothing does not exist, and the Hub has no model runs/nothing"
        in said["typo"]
    )
    assert said["init"].startswith("12 of 12 tensors copied from org/edsr@v1")
    photo = tmp_path / "photo.png"
    from helpers import drawn

    drawn(20, 16).save(photo)
    command = [sys.executable, "-m", "srzoo", "upscale", str(photo), "-m", "org/edsr@v1"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "big.png")], env=there.env(), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    from PIL import Image

    with Image.open(tmp_path / "big.png") as big:
        assert big.size == (40, 32)


def test_damaged_on_the_way(there, model, tmp_path):
    """The client takes what has the right length; we compare the sha256; --overwrite mends it."""
    fault = Fault(r"GET /(storage|org)/.*", "corrupt", after=0)
    there.faults.append(fault)
    code = """
    attempt("bad", lambda: srzoo.pull("org/edsr@v1"))
    attempt("used", lambda: srzoo.load("org/edsr@v1"))
    """
    files = contents(model)
    there.faults[:] = [Fault(r"GET .*(safetensors|storage).*", "corrupt")]
    said = run(there, code, home=tmp_path / "home", xet=False)
    for name in ("bad", "used"):
        assert "the weights of org/edsr@v1 are damaged" in said[name], said
        assert "srzoo pull org/edsr@v1 --overwrite" in said[name]
    there.faults.clear()
    code = "attempt('good', lambda: srzoo.pull('org/edsr@v1', force=True))"
    said = run(there, code, home=tmp_path / "home", xet=False)
    assert contents(said["good"]) == files


def test_what_engines_run_without_torch_comes_along(hub, tmp_path):
    """And nobody else's ONNX file; compared with config.json, too."""
    files = contents(locate.released()["edsr-x4"])
    hub.create("org/edsr")
    hub.commit("org/edsr", {**files, "onnx/other.onnx": b"other", "model.onnx": b"other"})
    hub.tag("org/edsr", "v1")
    code = "attempt('back', lambda: srzoo.pull('org/edsr@v1', sys.argv[1]))"
    run(hub, code, tmp_path / "back", home=tmp_path / "home")
    assert contents(tmp_path / "back") == files
    code = "attempt('bad', lambda: srzoo.pull('org/edsr'))"
    hub.commit("org/edsr", {"onnx/model.onnx": files["onnx/model.onnx"][:-1] + b"x"})
    said = run(hub, code, home=tmp_path / "home")["bad"]
    assert "the exports of org/edsr are damaged: the sha256 of model.onnx is" in said


def test_without_torch_an_export_runs_or_a_line_says_what_to_install(hub, tmp_path):
    """Where config.json names an export that the repo lacks, torch does it if it is there."""
    pytest.importorskip("MNN")
    files = contents(locate.released()["edsr-x4"])
    hub.create("org/whole")
    hub.commit("org/whole", files)
    hub.create("org/part")
    hub.commit("org/part", {k: v for k, v in files.items() if k != "onnx/model.onnx"})
    none = json.loads(files["config.json"])
    del none["exports"]
    hub.create("org/none")
    hub.commit("org/none", {**files, "config.json": json.dumps(none).encode()})
    drawn(20, 16).save(tmp_path / "photo.png")
    light = without_torch(tmp_path / "light")

    def upscale(repo: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "srzoo", "upscale", str(tmp_path / "photo.png"), "-m", repo,
             "-o", str(tmp_path / "large.png"), "--overwrite"],
            env=hub.env() | {"SRZOO_CACHE": str(tmp_path / repo), "SRZOO_ENGINE": "auto"} | more,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert upscale("org/whole", **light).returncode == 0
    done = upscale("org/part", **light)
    assert done.returncode == 2
    assert "model.onnx cannot be read" in done.stderr
    done = upscale("org/none", **light)
    assert done.returncode == 2
    assert 'pip install "srzoo[torch]"' in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    shutil.rmtree(tmp_path / "org/part", ignore_errors=True)
    done = upscale("org/part")
    assert done.returncode == 0, done.stderr
    assert "mnn is not used" in done.stderr


def test_a_cache_that_was_changed_is_refused(there, tmp_path):
    code = """
    from pathlib import Path
    folder = srzoo.pull("org/edsr@v1")
    file = (folder / "model.safetensors").resolve()
    file.write_bytes(bytes(len(file.read_bytes())))
    attempt("changed", lambda: srzoo.pull("org/edsr@v1"))
    """
    assert "are damaged" in run(there, code, home=tmp_path / "home")["changed"]


FAULTS = {
    "503 on the config": Fault(".*resolve/.*config.json", "status"),
    "503 on the weights": Fault("(GET|HEAD) .*safetensors", "status"),
    "reset": Fault("HEAD .*", "reset"),
    "cut short": Fault("GET .*(safetensors|storage).*", "truncate"),
    "html": Fault("HEAD .*", "status", status=200, page="<html>proxy</html>"),
    "hangs": Fault("GET .*(safetensors|storage).*", "slow", delay=20),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_hub_that_fails(there, tmp_path, name):
    fault = FAULTS[name]
    there.faults.append(replace(fault))
    code = "attempt('bad', lambda: srzoo.pull('org/edsr', sys.argv[1]))"
    said = run(there, code, tmp_path / "to", home=tmp_path / "home", xet=False)
    assert said["bad"].startswith("the Hub failed to answer of org/edsr: "), said
    assert "\n" not in said["bad"]
    assert "try again" in said["bad"]
    assert not (tmp_path / "to").exists()
    there.faults.clear()
    again = run(there, code, tmp_path / "to", home=tmp_path / "home", xet=False)
    assert Path(again["bad"]) == tmp_path / "to"


def test_private_and_gated(hub, model, tmp_path):
    for name, more in {"hidden": {"private": True}, "gated": {"gated": True}}.items():
        hub.create(f"tester/{name}", **more)
        hub.commit(f"tester/{name}", contents(model))
    hub.tokens["hf_other"] = "other"
    code = """
    for name in ("hidden", "gated"):
        attempt(name, lambda: srzoo.pull(f"tester/{name}"))
    """
    nobody, other, owner = (
        run(hub, code, token=token, home=tmp_path / str(token))
        for token in (None, "hf_other", TOKEN)
    )
    for said in (nobody, other):
        assert "the Hub has no model tester/hidden, or it is private" in said["hidden"]
        assert "hf auth login" in said["hidden"]
        assert "tester/gated is gated: its owner gives access on request" in said["gated"]
    assert contents(owner["hidden"]) == contents(owner["gated"]) == contents(model)
    wrong = run(hub, code, token="hf_wrong", home=tmp_path / "wrong")
    assert "hf auth login" in wrong["hidden"]


def test_no_model_of_ours(hub, model, tmp_path):
    files = contents(model)
    config = json.loads(files["config.json"])
    needs = {"requires": ["nobody-has"]}
    repos = {
        "empty": {},
        "foreign": {"config.json": b'{"architectures": ["Bert"]}'},
        "newer": {"config.json": json.dumps({**config, "srzoo": 99}).encode()},
        "headless": {"config.json": files["config.json"]},
        "needy": {
            **files,
            "config.json": json.dumps({**config, **needs}).encode(),
        },
    }
    for name, some in repos.items():
        hub.create(f"org/{name}")
        hub.commit(f"org/{name}", {"README.md": b"# x\n", **some})
    code = "[attempt(name, lambda: srzoo.load(f'org/{name}')) for name in sys.argv[1:]]"
    said = run(hub, code, *repos)
    assert "org/empty has no config.json: it is not a srzoo model" in said["empty"]
    assert "not a srzoo config" in said["foreign"]
    assert "Upgrade srzoo" in said["newer"]
    assert "org/headless has no model.safetensors" in said["headless"]
    assert "pip install nobody-has" in said["needy"]


@pytest.fixture
def small(tmp_path, model):
    """A disk too small for the model, if one can be mounted here."""
    if not hasattr(os, "geteuid") or os.geteuid():
        pytest.skip("only root mounts a tmpfs")
    size = (model / "model.safetensors").stat().st_size // 2
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@BOTH
def test_a_full_disk_under_the_cache(there, small, xet):
    code = "attempt('full', lambda: srzoo.pull('org/edsr@v1'))"
    said = run(there, code, home=small, xet=xet)
    assert "the disk is full" in said["full"]
    assert "HF_HOME" in said["full"]


def test_a_full_disk_under_the_target(there, model, tmp_path, small):
    code = "attempt('full', lambda: srzoo.pull('org/edsr@v1', sys.argv[1]))"
    said = run(there, code, small / "to", home=tmp_path / "home")
    assert "cannot write" in said["full"]
    assert "No space left on device" in said["full"]
    assert list(small.iterdir()) == [], "nothing half-written stays"
    assert contents(Path(run(there, code, tmp_path / "to")["full"])) == contents(model)


SEARCH = """
def names(*words, **more):
    return [found.repo for found in srzoo.search(*words, **more)]
said["all"] = names()
said["x4"] = names(scale=4)
said["edsr"] = names(generator="edsr")
said["both"] = names(generator="edsr", scale=4)
said["author"] = names(author="ann")
said["words"] = names("portrait")
said["two"] = names(limit=2)
said["tags"] = [found.tags for found in srzoo.search("portrait")]
"""


def test_search(hub):
    """By the tags that cards set, through pages, and nothing of other libraries."""
    hub.page_size = 2
    card_ = "---\nlibrary_name: {}\ntags:\n- super-resolution\n- {}\n- {}\n- x{}\n---\n"
    for repo, library, generator, scale in (
        ("ann/edsr-2", "srzoo", "edsr", 2), ("ann/edsr-4", "srzoo", "edsr", 4),
        ("bob/portrait-4", "srzoo", "wdsr", 4), ("bob/mine", "srzoo", "edsr", 4),
        ("bob/other", "diffusers", "edsr", 4),
    ):  # fmt: skip
        hub.create(repo)
        hub.commit(repo, {"README.md": card_.format(library, library, generator, scale).encode()})
    said = run(hub, SEARCH)
    assert sorted(said["all"]) == ["ann/edsr-2", "ann/edsr-4", "bob/mine", "bob/portrait-4"]
    assert sorted(said["x4"]) == ["ann/edsr-4", "bob/mine", "bob/portrait-4"]
    assert sorted(said["edsr"]) == ["ann/edsr-2", "ann/edsr-4", "bob/mine"]
    assert sorted(said["both"]) == ["ann/edsr-4", "bob/mine"]
    assert sorted(said["author"]) == ["ann/edsr-2", "ann/edsr-4"]
    assert said["words"] == ["bob/portrait-4"]
    assert len(said["two"]) == 2
    assert {"srzoo", "wdsr", "x4"} <= set(said["tags"][0])
    command = [sys.executable, "-m", "srzoo", "search", "--scale", "4"]
    done = subprocess.run(command, env=hub.env(), capture_output=True, text=True, check=True)
    assert "bob/portrait-4" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
    done = subprocess.run(
        [*command, "--json"], env=hub.env(), capture_output=True, text=True, check=True
    )
    assert {model["repo"] for model in json.loads(done.stdout)} == set(said["x4"])
    hub.faults.append(Fault("GET /api/models.*", "status"))
    said = run(hub, "attempt('bad', lambda: srzoo.search())")
    assert said["bad"].startswith("the Hub failed to answer: ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("org/edsr", hub.Reference("org/edsr")),
        ("org/edsr@v1", hub.Reference("org/edsr", "v1")),
        ("hf://org/edsr@refs/pr/1", hub.Reference("org/edsr", "refs/pr/1")),
        ("edsr-x4", None),
        ("a/b/c", None),
        ("org/edsr@", None),
        ("./edsr", hub.Reference("./edsr")),
    ],
)
def test_references(text, found):
    assert hub.parse(text) == found
    if found and not text.startswith("hf://"):
        assert str(found) == text


FILES = """
for name in ("config", "recipe"):
    attempt(name, lambda: srzoo.load(f"org/{name}"))
    attempt(f"{name} to", lambda: srzoo.pull(f"org/{name}", to=f"{sys.argv[1]}/{name}"))
"""


def test_a_model_that_names_a_file_is_refused(hub, model, tmp_path):
    """A path of a stranger's choice may lead to something here; nothing of it is run."""
    place = tmp_path / "part.py"
    place.write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')\nclass Part: pass")
    files = contents(model)
    config = json.loads(files["config.json"])
    config["args"]["block"] = f"{place}:Part"
    hub.create("org/config")
    hub.commit("org/config", {**files, "config.json": json.dumps(config).encode()})
    hub.create("org/recipe")
    recipe = f'srzoo = 1\nlosses = ["{place.as_posix()}:Part"]\n'.encode()
    hub.commit("org/recipe", {**files, "recipe.toml": recipe})
    for text in run(hub, FILES, tmp_path, home=tmp_path / "home").values():
        assert "names code in a file" in text
        assert "part.py:Part" in text
    assert not (tmp_path / "RAN").exists()
    assert not (tmp_path / "recipe").exists()
