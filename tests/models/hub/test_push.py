"""Models to the Hub: checked first, one commit, repeatable, and the same bytes back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import Fault, Hub
from test_pull import BOTH, TOKEN, contents, run

from srzoo.errors import HubError
from srzoo.modelcards import publishing
from srzoo.models import locate
from srzoo.models.folder import read_folder

FETCHED = "attempt('back', lambda: srzoo.pull(sys.argv[1], sys.argv[2]))"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A released model with weights, as somebody's own folder beside what must stay at home."""
    own = shutil.copytree(locate.released()["edsr-x4"], tmp_path / "mine")
    shutil.rmtree(own / "__pycache__", ignore_errors=True)
    (own / "checkpoints").mkdir()
    (own / "checkpoints" / "state.safetensors").write_bytes(b"large")
    (own / "notes.txt").write_text("mine")
    return own


def push(hub: Hub, *arguments: object, token: str | None = TOKEN, xet: bool = True):
    """The command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "srzoo", "push", *map(str, arguments)],
        env=hub.env(token=token, xet=xet), capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def sent(folder: Path) -> dict[str, bytes]:
    """What of a folder goes up."""
    mine = ("checkpoints/state.safetensors", "notes.txt")
    return {name: data for name, data in contents(folder).items() if name not in mine}


@BOTH
def test_push_then_pull_gives_the_same_bytes(hub, folder, tmp_path, xet):
    code = """
    for name in ("one", "two"):
        pushed = srzoo.push(sys.argv[1], "tester/edsr", tag="v1", check=False)
        said[name] = [pushed.commit, pushed.changed]
    attempt("back", lambda: srzoo.pull("tester/edsr@v1", sys.argv[2]))
    """
    said = run(hub, code, folder, tmp_path / "back", token=TOKEN, xet=xet)
    head = hub.log("tester/edsr")[0].sha
    assert said["one"] == [head, True]
    assert said["two"] == [head, False], "the same again changes nothing"
    assert len(hub.log("tester/edsr")) == 2, "one commit on top of the first"
    assert hub.tags("tester/edsr") == {"v1": head}
    back, mine = contents(tmp_path / "back"), sent(folder)
    card = back.pop("README.md")
    assert card == mine.pop("README.md") + publishing.UNCHECKED.encode()
    assert back == mine
    assert {"model.safetensors", "sample.png", "config.json"} <= back.keys()
    found = run(hub, "said['found'] = [m.repo for m in srzoo.search(scale=4, generator='edsr')]")
    assert found["found"] == ["tester/edsr"]
    again = run(hub, FETCHED, "tester/edsr", tmp_path / "third", xet=xet)
    assert contents(Path(again["back"])) == contents(tmp_path / "back")


def test_exports_go_up_with_the_model(hub, folder, tmp_path):
    """Made where there are none, taken where there are; those of other weights stay at home."""
    shutil.rmtree(folder / "onnx")
    config = read_folder(folder).config
    (folder / "config.json").write_text(replace(config, exports=()).to_json())
    code = """
    import shutil
    from srzoo.exporting import carrying
    def add_exports(folder):  # in a moment; what it does has tests of its own
        shutil.copytree(sys.argv[2], folder.path, dirs_exist_ok=True)
        return carrying.read_folder(folder.path)
    carrying.add_exports = add_exports
    def push(**more):
        return srzoo.push(sys.argv[1], "tester/edsr", check=False, **more).changed
    attempt("without", push)
    attempt("with", lambda: push(with_exports=True))
    attempt("again", lambda: push(with_exports=True))
    """
    said = run(hub, code, folder, locate.released()["edsr-x4"], token=TOKEN)
    assert [said[name] for name in ("without", "with", "again")] == ["True", "True", "False"]
    first, second = hub.log("tester/edsr")[1].sha, hub.log("tester/edsr")[0].sha
    code = "attempt('back', lambda: srzoo.pull(sys.argv[1], sys.argv[2]))"
    run(hub, code, f"tester/edsr@{first}", tmp_path / "first")
    run(hub, code, f"tester/edsr@{second}", tmp_path / "second")
    assert "onnx/model.onnx" not in contents(tmp_path / "first")
    assert read_folder(tmp_path / "first").config.exports == ()
    assert contents(tmp_path / "second")["onnx/model.onnx"]
    assert read_folder(tmp_path / "second").carries_exports
    other = replace(config, exports=(replace(config.exports[0], weights="of others"),))
    (folder / "config.json").write_text(other.to_json())
    plan = publishing.push(folder, "tester/edsr", check=False, dry_run=True)
    assert "onnx/model.onnx" not in plan.files


def test_an_export_that_was_changed_or_has_gone_is_not_published(folder):
    for how in ("has the sha256", "cannot be read"):
        (folder / "onnx/model.onnx").write_bytes(b"other")
        if how == "cannot be read":
            (folder / "onnx/model.onnx").unlink()
        with pytest.raises(HubError, match=f"model.onnx {how}.*with_exports=True"):
            publishing.push(folder, "tester/edsr", check=False, dry_run=True)


def test_the_claims_are_measured_first(hub, data, tmp_path):
    """A released name, its claims true; then a folder with one that is not."""
    arguments = ("bicubic-x2", "tester/bicubic", "--tag", "v1", "--data", data)
    done = push(hub, *arguments)
    assert done.returncode == 0, done.stderr
    assert "sample.png" in done.stdout
    assert "srzoo upscale photo.jpg --model tester/bicubic@v1" in done.stdout
    card = hub.files("tester/bicubic")["README.md"]
    assert card == (locate.released()["bicubic-x2"] / "README.md").read_bytes()

    liar = shutil.copytree(locate.released()["bicubic-x2"], tmp_path / "liar")
    text = (liar / "README.md").read_text()
    first = next(line for line in text.splitlines() if line.strip().startswith("value: 3"))
    (liar / "README.md").write_text(text.replace(first, "      value: 39.0", 1))
    done = push(hub, liar, "tester/liar", "--data", data)
    assert done.returncode == 2
    assert "claims of liar's card do not hold" in done.stderr
    assert "not 39.0000" in done.stderr
    with pytest.raises(KeyError):
        hub.files("tester/liar")


def test_nothing_is_sent_in_a_dry_run(hub, folder):
    done = push(hub, folder, "tester/edsr", "--no-check", "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["files"].keys() == sent(folder).keys()
    assert plan["commit"] is None
    assert hub.requests == []


def spoil(folder: Path, how: str) -> None:
    if how == "pickle":
        (folder / "old.pth").write_bytes(b"\x80\x04.")
    elif how == "token":
        with (folder / "README.md").open("a") as file:
            file.write("\nhf_" + "a" * 30 + "\n")
    elif how == "weights":
        data = bytearray((folder / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (folder / "model.safetensors").write_bytes(data)
    elif how == "card":
        (folder / "README.md").write_text("---\nlibrary_name: srzoo\n---\n# Mine\n")
    else:
        (folder / "README.md").unlink()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("pickle", "old.pth is a pickle"),
        ("token", "README.md contains a token of the Hub: remove it, and revoke it"),
        ("weights", "sha256"),
        ("card", "not ready to be published: .*licen.*srzoo card new"),
        ("none", "not ready to be published: .*README.md"),
    ],
)
def test_what_must_not_be_published_is_refused_before_anything_is_sent(folder, how, message):
    spoil(folder, how)
    with pytest.raises(Exception, match=message) as caught:  # the tests are offline
        publishing.push(folder, "tester/edsr", check=False)
    assert "offline" not in str(caught.value).lower()


def test_names_of_repos():
    for name in ("edsr", "a/b/c", "tester/edsr@v1"):
        with pytest.raises(HubError, match="Write it like org/name"):
            publishing.push("bicubic-x2", name, check=False)


REFUSALS = """
def push(repo, **more):
    return srzoo.push("bicubic-x2", repo, check=False, **more).commit
attempt("first", lambda: push("tester/a", tag="v1"))
attempt("moved", lambda: srzoo.push(sys.argv[1], "tester/a", check=False, tag="v1").commit)
attempt("other", lambda: push("other/a"))
attempt("taken", lambda: push("other/taken"))
attempt("private", lambda: push("tester/a", private=True))
attempt("hidden", lambda: push("tester/hidden", private=True))
"""


def test_refusals(hub, folder):
    hub.create("other/taken")
    said = run(hub, REFUSALS, folder, token=TOKEN)
    assert said["first"] == hub.log("tester/a")[-2].sha
    assert "remains on the earlier commit" in said["moved"]
    assert hub.tags("tester/a")["v1"] == said["first"]
    for name in ("other", "taken"):
        assert "no permission for other/" in said[name], said[name]
    assert "tester/a exists, and is public" in said["private"]
    assert hub.repos["tester/hidden"].private
    code = "attempt('new', lambda: srzoo.push('bicubic-x2', 'tester/new', check=False).commit)"
    for token in (None, "hf_wrong"):
        said = run(hub, code, token=token)
        assert "the Hub rejects the token" in said["new"]
        assert "og in with: hf auth login, or set HF_TOKEN" in said["new"]


BREAKS = {
    "create": Fault("POST .*/repos/create", "status"),
    "yaml": Fault("POST .*/validate-yaml", "status"),
    "upload": Fault("(PUT|POST) .*(upload|lfs|xet).*|GET .*xet-write.*", "status"),
    "commit": Fault("POST .*/commit/.*", "status"),
    "reset": Fault("POST .*/commit/.*", "reset", after=None),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_push_that_breaks_off_can_be_repeated(hub, folder, tmp_path, name):
    hub.create("tester/edsr")
    before = hub.files("tester/edsr")
    fault = BREAKS[name]
    hub.faults.append(Fault(fault.match, fault.kind, after=fault.after))
    code = "attempt('push', lambda: srzoo.push(sys.argv[1], 'tester/edsr', check=False).changed)"
    said = run(hub, code, folder, token=TOKEN, xet=False)
    assert "the Hub failed to answer of tester/edsr" in said["push"], said
    assert "\n" not in said["push"]
    assert hub.files("tester/edsr") == before
    hub.faults.clear()
    assert run(hub, code, folder, token=TOKEN, xet=False)["push"] == "True"
    assert hub.files("tester/edsr").keys() == sent(folder).keys()


@BOTH
def test_a_commit_whose_answer_is_lost_is_no_failure_twice(hub, folder, xet):
    """It landed: with xet the client notices by itself, and in any case the next push does."""
    hub.create("tester/edsr")
    hub.faults.append(Fault("POST .*/commit/", "reset", times=1, after=0))
    code = "attempt('push', lambda: srzoo.push(sys.argv[1], 'tester/edsr', check=False).changed)"
    first = run(hub, code, folder, token=TOKEN, xet=xet)["push"]
    assert (first == "True") == xet, first
    assert run(hub, code, folder, token=TOKEN, xet=xet)["push"] == "False"
    assert len(hub.log("tester/edsr")) == 2


def test_somebody_else_was_faster(hub, folder, monkeypatch):
    """The branch moves between our look at it and our commit: refused, theirs stays."""
    code = """
    from srzoo.modelcards import publishing
    there = publishing._has_all_files
    def raced(api, ref, stage):
        found = there(api, ref, stage)
        if not raced.done:
            raced.done = True
            api.upload_file(path_or_fileobj=b"theirs", path_in_repo="x.txt", repo_id=ref.repo)
        return found
    raced.done = False
    publishing._has_all_files = raced
    attempt("push", lambda: srzoo.push(sys.argv[1], "tester/edsr", check=False).commit)
    """
    said = run(hub, code, folder, token=TOKEN)
    assert "tester/edsr has changed meanwhile; nothing was written" in said["push"]
    assert hub.files("tester/edsr") == {"x.txt": b"theirs"}
