"""The loopback Hub against the real client: what it gives, refuses, and how it fails."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from loopback import Fault, Hub

BEFORE = """
import json, time
from pathlib import Path
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
time.sleep = lambda seconds: None  # the client waits up to 23 s between its attempts
api, said = HfApi(), {}
def attempt(name, call):
    try:
        said[name] = call()
    except Exception as error:
        said[name] = type(error).__name__, str(error)
def pull(repo, revision=None, **more):
    return snapshot_download(repo, revision=api.resolve_revision(repo, revision=revision), **more)
"""
CARD = b"""---
license: mit
library_name: srzoo
pipeline_tag: image-to-image
tags:
- srzoo
- "x4"
base_model: someone/other
model-index:
- name: edsr
  results:
  - task:
      type: image-to-image
---
# A model
"""
WEIGHTS = b"\0" + bytes(range(256)) * 2000
FILES = {"README.md": CARD, "config.json": b'{"a": 1}', "model.safetensors": WEIGHTS}
TOKEN = "hf_test"
BOTH = pytest.mark.parametrize("xet", [True, False], ids=["xet", "http"])


def client(hub: Hub, code: str, *arguments: object, **env: Any) -> dict[str, Any]:
    """Run the code in a process of its own, and give back what it put into `said`."""
    whole = f"import sys\n{BEFORE}\n{textwrap.dedent(code)}\nprint(json.dumps(said))"
    command = [sys.executable, "-c", whole, *map(str, arguments)]
    done = subprocess.run(
        command, env=hub.env(**env), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def errors(said: Mapping[str, Any]) -> dict[str, str]:
    """The names of the exceptions."""
    return {name: error[0] for name, error in said.items()}


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    found = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    return {name: data for name, data in found.items() if name != ".gitattributes"}


def paths(hub: Hub) -> list[str]:
    return [f"{request.method} {request.path}" for request in hub.requests]


PUSH = """
api.create_repo("tester/m", exist_ok=True)
api.create_repo("tester/m", exist_ok=True)
head = api.model_info("tester/m").sha
made = api.upload_folder(repo_id="tester/m", folder_path=sys.argv[1], parent_commit=head)
api.create_tag("tester/m", tag="v1")
refs = api.list_repo_refs("tester/m")
said["tags"] = {tag.name: tag.target_commit for tag in refs.tags}
said["branches"] = {branch.name: branch.target_commit for branch in refs.branches}
said["made"] = made.oid
Path(sys.argv[1], "config.json").write_text("{}")
stale = dict(repo_id="tester/m", folder_path=sys.argv[1], parent_commit=head)
attempt("stale", lambda: api.upload_folder(**stale))
attempt("tagged", lambda: api.create_tag("tester/m", tag="v1"))
api.create_tag("tester/m", tag="gone")
api.delete_tag("tester/m", tag="gone")
"""

PULL = """
said["info"] = api.model_info("tester/m", revision="v1").tags
for revision in (None, "v1", sys.argv[1]):
    said[str(revision)] = pull("tester/m", revision, library_name="srzoo")
said["one"] = hf_hub_download("tester/m", "config.json", revision="v1")
found = api.verify_repo_checksums("tester/m", revision=sys.argv[1])
said["wrong"] = list(found.mismatches)
"""


@pytest.mark.parametrize(
    ("pushed", "pulled"),
    [(True, True), (False, False), (True, False)],
    ids=["xet", "http", "xet-then-http"],
)
def test_what_is_pushed_is_pulled(hub: Hub, tmp_path: Path, pushed: bool, pulled: bool) -> None:
    files = {**FILES, "more/odd name é.bin": b"\0" * 300_000}
    said = client(hub, PUSH, write(tmp_path / "a", files), token=TOKEN, xet=pushed)
    sha = said["made"]
    assert (said["tags"], said["branches"]) == ({"v1": sha}, {"main": sha})
    assert hub.tags("tester/m") == {"v1": sha}
    assert hub.files("tester/m", "v1") == files
    assert [commit.message for commit in hub.log("tester/m")][1:] == ["initial commit"]
    assert said["stale"][0] == said["tagged"][0] == "HfHubHTTPError"
    assert "412" in said["stale"][1]
    assert "A commit has happened since" in said["stale"][1]
    assert "409" in said["tagged"][1]
    assert (hub.find("tester/m").files["model.safetensors"].xet is not None) == pushed
    assert any("xet-write-token" in path for path in paths(hub)) == pushed
    assert any(path.startswith("PUT /upload/") for path in paths(hub)) != pushed

    hub.requests.clear()
    said = client(hub, PULL, sha, token=TOKEN, home=tmp_path / "b", xet=pulled)
    assert read(said["None"]) == read(said["v1"]) == read(said[sha]) == files
    assert said["one"].startswith(said["v1"])
    assert said["wrong"] == []
    assert {"srzoo", "x4", "license:mit", "safetensors"} <= set(said["info"])
    assert any("xet-read-token" in path for path in paths(hub)) == (pushed and pulled)
    assert any("srzoo" in request.agent for request in hub.requests)
    storage = [request for request in hub.requests if request.path.startswith("/storage/")]
    assert bool(storage) != (pushed and pulled)
    assert not any(request.token for request in storage)

    hub.requests.clear()
    code = """
    said["all"] = pull("tester/m", sys.argv[1])
    said["one"] = hf_hub_download("tester/m", "config.json", revision=sys.argv[1])
    """
    cached = client(hub, code, sha, home=tmp_path / "b", xet=pulled)
    assert read(cached["all"]) == files
    assert hub.requests == []


@BOTH
def test_a_commit_whose_answer_is_lost(hub: Hub, tmp_path: Path, xet: bool) -> None:
    """With xet the client sends it again, which then is a commit on a parent of before."""
    hub.create("tester/m")
    hub.faults.append(Fault("POST .*/commit/", "reset", times=1, after=0))
    code = """
    head = api.model_info("tester/m").sha
    more = dict(repo_id="tester/m", folder_path=sys.argv[1], parent_commit=head)
    attempt("lost", lambda: api.upload_folder(**more))
    """
    said = client(hub, code, write(tmp_path / "a", FILES), token=TOKEN, xet=xet)
    assert said["lost"][0] == ("HfHubHTTPError" if xet else "ReadError")
    assert ("412" in said["lost"][1]) == xet
    assert hub.files("tester/m") == FILES


def test_history(tmp_path: Path) -> None:
    shas = []
    for name in ("a", "b"):
        with Hub(tmp_path / name) as hub:
            hub.create("tester/m")
            first = hub.commit("tester/m", {"a": b"1", "b": b"2"})
            hub.tag("tester/m", "v1")
            second = hub.commit("tester/m", {"a": b"3", "b": None}, "second")
            aside = hub.commit("tester/m", {"c": b"4"}, parent=first, branch="aside")
        assert hub.files("tester/m") == {"a": b"3"}
        assert hub.files("tester/m", "v1") == {"a": b"1", "b": b"2"}
        assert hub.files("tester/m", "aside") == {"a": b"1", "b": b"2", "c": b"4"}
        assert [commit.sha for commit in hub.log("tester/m")][:2] == [second, first]
        shas.append((first, second, aside))
    assert shas[0] == shas[1]


def test_access(hub: Hub, tmp_path: Path) -> None:
    hub.orgs["friends"] = {"tester"}
    for name, more in {"open": {}, "hidden": {"private": True}, "gated": {"gated": True}}.items():
        hub.create(f"other/{name}", **more)
        hub.commit(f"other/{name}", FILES)
    hub.create("tester/own", private=True)
    hub.create("other/granted", gated=True).readers.add("tester")
    hub.commit("other/granted", FILES)
    code = """
    push = dict(repo_id="other/open", folder_path=sys.argv[1])
    for name, token in {"nobody": False, "wrong": "hf_wrong", "tester": "hf_test"}.items():
        as_user = HfApi(token=token)
        attempt(name + " create", lambda: as_user.create_repo("other/new", exist_ok=True))
        attempt(name + " push", lambda: as_user.upload_folder(**push))
        for repo in ("hidden", "gated", "missing"):
            attempt(f"{name} {repo}", lambda: snapshot_download(f"other/{repo}", token=token))
    attempt("wrong whoami", lambda: HfApi(token="hf_wrong").whoami())
    attempt("no whoami", lambda: HfApi().whoami())
    attempt("wrong open", lambda: snapshot_download("other/open", token="hf_wrong"))
    user = HfApi(token="hf_test")
    user.create_repo("friends/new")
    said["seen"] = [user.whoami()["name"], user.model_info("tester/own").private]
    said["granted"] = snapshot_download("other/granted", token="hf_test")
    said["listed"] = [sorted(m.id for m in each.list_models()) for each in (api, user)]
    """
    said = client(hub, code, write(tmp_path / "a", FILES))
    public = ["friends/new", "other/gated", "other/granted", "other/open"]
    assert said.pop("seen") == ["tester", True]
    assert said.pop("listed") == [public, [*public, "tester/own"]]
    assert read(said.pop("granted")) == FILES
    assert {name: words for name, (_, words) in said.items() if "403" in words}.keys() == {
        "tester create",
        "tester push",
        "tester gated",
    }
    assert errors(said) == {
        "nobody create": "HfHubHTTPError",
        "nobody push": "RepositoryNotFoundError",
        "nobody hidden": "RepositoryNotFoundError",
        "nobody gated": "GatedRepoError",
        "nobody missing": "RepositoryNotFoundError",
        "wrong create": "HfHubHTTPError",
        "wrong push": "HfHubHTTPError",
        "wrong hidden": "HfHubHTTPError",
        "wrong gated": "HfHubHTTPError",
        "wrong missing": "HfHubHTTPError",
        "tester create": "HfHubHTTPError",
        "tester push": "HfHubHTTPError",
        "tester hidden": "RepositoryNotFoundError",
        "tester gated": "GatedRepoError",
        "tester missing": "RepositoryNotFoundError",
        "wrong whoami": "HfHubHTTPError",
        "no whoami": "LocalTokenNotFoundError",
        "wrong open": "HfHubHTTPError",
    }


def test_what_is_not_there(hub: Hub) -> None:
    hub.create("tester/m")
    sha = hub.commit("tester/m", FILES)
    code = """
    attempt("branch", lambda: pull("tester/m", "nowhere"))
    attempt("short", lambda: pull("tester/m", sys.argv[1][:7]))
    attempt("sha", lambda: pull("tester/m", "0" * 40))
    attempt("file", lambda: hf_hub_download("tester/m", "nothing.json"))
    attempt("tag", lambda: api.delete_tag("tester/m", tag="nothing"))
    """
    said = client(hub, code, sha, token=TOKEN)
    missing = dict.fromkeys(("branch", "short", "sha", "tag"), "RevisionNotFoundError")
    assert errors(said) == {**missing, "file": "RemoteEntryNotFoundError"}


def test_models_are_found_by_tags_author_and_words(hub: Hub) -> None:
    hub.page_size = 2
    for number in range(5):
        name = f"tester/model-{number}"
        hub.create(name).downloads = number
        hub.commit(name, {**FILES, "config.json": b'{"model_type": "edsr"}'})
    hub.commit(hub.create("other/plain").name, {"README.md": b"no metadata"})
    code = """
    def names(**more):
        return [model.id for model in api.list_models(**more)]
    said["all"] = names()
    said["tagged"] = names(filter=["srzoo", "x4"])
    said["untagged"] = names(filter=["srzoo", "x8"])
    said["author"] = names(author="other")
    said["search"] = names(search="MODEL-3")
    said["limit"] = names(filter="srzoo", limit=3)
    usual, = api.list_models(search="model-3")
    full, = api.list_models(search="model-3", full=True, cardData=True, fetch_config=True)
    some, = api.list_models(search="model-3", expand=["lastModified", "sha"])
    said["usual"] = usual.downloads, usual.library_name, usual.last_modified, usual.card_data
    said["full"] = full.sha, full.card_data.license, full.config, len(full.siblings)
    said["some"] = some.sha, some.tags, some.last_modified.year
    """
    said = client(hub, code)
    found = [f"tester/model-{number}" for number in (4, 3, 2, 1, 0)]
    sha = hub.find(found[1]).sha
    assert said == {
        "all": [*found, "other/plain"],
        "tagged": found,
        "untagged": [],
        "author": ["other/plain"],
        "search": [found[1]],
        "limit": found[:3],
        "usual": [3, "srzoo", None, None],
        "full": [sha, "mit", {"model_type": "edsr"}, 4],
        "some": [sha, None, 2026],
    }
    assert sum("cursor=" in path for path in paths(hub)) >= 5


def test_a_tree_comes_in_pages(hub: Hub) -> None:
    hub.create("tester/m")
    files = {f"part{n}/data": b"%d" % n for n in range(5)}
    hub.commit("tester/m", files)
    hub.page_size = 3
    said = client(hub, """said["all"] = pull("tester/m")""")
    assert read(said["all"]) == files


def test_the_server_is_down(hub: Hub, tmp_path: Path) -> None:
    """Each step of a push and of a pull fails in a repository of its own."""
    steps = {
        "create": ("POST /api/repos/create", 1),
        "yaml": ("POST /api/validate-yaml", 1),
        "preupload": ("POST .*preupload/preupload/", 6),
        "commit": ("POST .*commit/commit/", 6),
        "info": ("GET /api/models/tester/info$", 1),
        "tree": ("GET .*tree/tree/", 6),
        "head": ("HEAD .*tester/head/", 7),
        "get": ("GET .*tester/get/resolve/", 1),
        "list": (r"GET /api/models\?", 6),
    }
    for name in (*steps, "slowly"):
        hub.create(f"tester/{name}")
        hub.commit(f"tester/{name}", {"config.json": b"{}"})
    hub.faults += [Fault(match, "status") for match, _ in steps.values()]
    again = Fault("GET .*slowly/tree/", "status", times=2)
    hub.faults.append(again)
    code = """
    def push(repo):
        return api.upload_folder(repo_id=repo, folder_path=sys.argv[1])
    attempt("create", lambda: api.create_repo("tester/new"))
    attempt("yaml", lambda: push("tester/yaml"))
    Path(sys.argv[1], "README.md").unlink()
    attempt("preupload", lambda: push("tester/preupload"))
    attempt("commit", lambda: push("tester/commit"))
    for name in ("info", "tree", "head", "get"):
        attempt(name, lambda: pull("tester/" + name, allow_patterns="config.json"))
    attempt("list", lambda: list(api.list_models(author="tester")))
    said["slowly"] = pull("tester/slowly")
    """
    said = client(hub, code, write(tmp_path / "a", FILES), token=TOKEN)
    assert read(said.pop("slowly")) == {"config.json": b"{}"}
    assert again.seen == 2
    tried = {name: fault.seen for name, fault in zip(steps, hub.faults, strict=False)}
    assert tried == {name: times for name, (_, times) in steps.items()}
    plain = dict.fromkeys(said, "HfHubHTTPError")
    offline = {"info": "RevisionResolutionError", "tree": "LocalEntryNotFoundError"}
    assert errors(said) == plain | offline | {"head": "LocalEntryNotFoundError"}


def test_a_page_in_place_of_an_answer(hub: Hub, tmp_path: Path) -> None:
    """The client reads JSON before it looks at the status, or without looking."""
    hub.create("tester/m")
    page = "<html>down for maintenance</html>"
    hub.faults.append(Fault("validate-yaml", "status", page=page))
    hub.faults.append(Fault("GET /api/models/", "status", status=200, page=page))
    code = """
    attempt("push", lambda: api.upload_folder(repo_id="tester/m", folder_path=sys.argv[1]))
    attempt("pull", lambda: pull("tester/m"))
    """
    said = client(hub, code, write(tmp_path / "a", FILES), token=TOKEN)
    assert errors(said) == {"push": "JSONDecodeError", "pull": "JSONDecodeError"}


def test_a_transfer_goes_wrong(hub: Hub) -> None:
    """Cut short at its end a download goes on from there; reset, it does not."""
    kinds = {
        "cut": Fault("", "truncate", times=1, after=100_000),
        "always": Fault("", "truncate", after=0),
        "broken": Fault("", "corrupt"),
        "head": Fault("", "reset"),
        "gone": Fault("", "close"),
        "reset": Fault("", "reset", times=1),
        "middle": Fault("", "reset", times=1, after=100_000),
        "closed": Fault("", "close", times=1),
        "late": Fault("", "slow", times=1, delay=2.5),
        "drops": Fault("", "slow", trickle=True, delay=0.1),
    }
    for name, fault in kinds.items():
        data = WEIGHTS + name.encode()
        hub.create(f"tester/{name}")
        hub.commit(f"tester/{name}", {"config.json": b"{}", "model.safetensors": data})
        blob = hub.find(f"tester/{name}").files["model.safetensors"]
        large = f"GET /storage/{blob.sha256}"
        fault.match = f"HEAD /tester/{name}/" if name in ("head", "gone") else large
        hub.faults.append(fault)
    code = """
    for name in sys.argv[1:]:
        attempt(name, lambda: hf_hub_download("tester/" + name, "model.safetensors"))
    """
    said = client(hub, code, *kinds)
    for name in ("cut", "closed", "late", "drops"):
        assert Path(said.pop(name)).read_bytes() == WEIGHTS + name.encode()
    broken = Path(said.pop("broken")).read_bytes()
    assert len(broken) == len(WEIGHTS + b"broken")
    assert broken != WEIGHTS + b"broken"
    assert errors(said) == {
        "always": "RemoteProtocolError",
        "gone": "RemoteProtocolError",
        "head": "ReadError",
        "reset": "ReadError",
        "middle": "ReadError",
    }


def test_a_part_of_a_file(hub: Hub) -> None:
    hub.create("tester/m")
    hub.commit("tester/m", {"small": b"0123456789"})
    found = []
    for wanted in ("bytes=4-", "bytes=2-3", "bytes=10-"):
        server = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
        server.request("GET", "/tester/m/resolve/main/small", headers={"Range": wanted})
        answer = server.getresponse()
        found.append((answer.status, answer.headers["Content-Range"], answer.read()))
        server.close()
    assert found == [
        (206, "bytes 4-9/10", b"456789"),
        (206, "bytes 2-3/10", b"23"),
        (416, "bytes */10", b""),
    ]


def test_paths_that_lead_elsewhere(hub: Hub, tmp_path: Path) -> None:
    outside = tmp_path / "evil"
    bad = ["../evil", "a/../../../../../../evil", str(outside), "C:\\evil"]
    for number, path in enumerate(bad):
        hub.create(f"tester/bad{number}")
        hub.commit(f"tester/bad{number}", {path: b"evil", "config.json": b"{}"})
    code = """
    for number in range(4):
        attempt(str(number), lambda: pull(f"tester/bad{number}"))
    said["wanted"] = pull("tester/bad0", allow_patterns="config.json")
    """
    said = client(hub, code)
    assert read(said.pop("wanted"))["config.json"] == b"{}"
    assert set(errors(said).values()) == {"ValueError"}
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_without_the_network(hub: Hub, tmp_path: Path) -> None:
    hub.create("tester/m")
    sha = hub.commit("tester/m", FILES)
    code = """
    for name, more in {"all": {}, "some": {"allow_patterns": "config.json"}}.items():
        attempt(name, lambda: pull("tester/m", **more))
        attempt(name + " sha", lambda: pull("tester/m", sys.argv[1], **more))
    attempt("create", lambda: api.create_repo("tester/new"))
    attempt("list", lambda: list(api.list_models()))
    attempt("name", lambda: snapshot_download("tester/m"))
    """
    filled = client(hub, """said["all"] = pull("tester/m", allow_patterns="config.json")""")
    hub.requests.clear()
    said = client(hub, code, sha, offline=True)
    assert said.pop("some") == said.pop("some sha") == filled["all"]
    offline = dict.fromkeys(("create", "list"), "OfflineModeIsEnabled")
    assert errors(said) == offline | {
        "all": "LocalEntryNotFoundError",
        "all sha": "LocalEntryNotFoundError",
        "name": "IncompleteSnapshotError",
    }
    said = client(hub, code, sha, offline=True, home=tmp_path / "empty")
    assert said["all"][0] == said["some"][0] == "RevisionResolutionError"
    assert said["all sha"][0] == said["some sha"][0] == "LocalEntryNotFoundError"
    assert hub.requests == []
    with Hub(tmp_path / "closed") as closed:
        pass
    said = client(closed, code, sha, home=hub.home)
    assert said.pop("some") == filled["all"]
    assert said["create"][0] == said["list"][0] == "ConnectError"
