"""What the loopback Hub answers: one function for each kind of request the client sends."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from hub_repos import Blob, Commit, Repo, is_large

if TYPE_CHECKING:
    from loopback import Hub

LATER = 4_000_000_000  # when xet tokens expire, in seconds since 1970
NO_USER = "Invalid username or password."


@dataclass
class Reply:
    """An answer; `size` is the Content-Length of a HEAD, which has no body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request that the Hub turns down."""

    def __init__(self, status: int, message: str, code: str = "", **more: str):
        super().__init__(message)
        self.reply = refusal(status, message, code, **more)


def refusal(status: int, message: str, code: str = "", **more: str) -> Reply:
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return answer({"error": message, **more}, status, headers)


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Reply(status, json.dumps(value).encode(), {**kind, **(headers or {})})


@dataclass
class Call:
    """A request on its way through the Hub; `user` is None without a token."""

    hub: Hub
    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    user: str | None

    def json(self) -> Any:
        return json.loads(self.body)

    def asks(self, name: str) -> bool:
        return self.query.get(name, [""])[-1].lower() in ("true", "1")

    def seen(self, name: str) -> Repo:
        """The repository, if the user may know of it; the real Hub hides it the same way."""
        repo = self.hub.repos.get(name)
        if repo and (not repo.private or self.member(repo)):
            return repo
        if self.user is None:
            raise RefusedError(401, NO_USER, "RepoNotFound")
        raise RefusedError(404, "Repository not found", "RepoNotFound")

    def read(self, name: str) -> Repo:
        """The repository, if the user may have its files."""
        repo = self.seen(name)
        if not repo.gated or self.member(repo) or self.user in repo.readers:
            return repo
        said = f"Access to model {name} is restricted"
        if self.user is None:
            raise RefusedError(401, f"{said}. Please log in.", "GatedRepo")
        raise RefusedError(403, f"{said} and you are not in the authorized list.", "GatedRepo")

    def write(self, name: str) -> Repo:
        """The repository, if the user may change it."""
        if self.user is None:
            raise RefusedError(401, NO_USER, "RepoNotFound")
        repo = self.seen(name)
        if not self.member(repo):
            raise RefusedError(403, "Forbidden: pass `create_pr=1` as a query parameter")
        return repo

    def member(self, repo: Repo) -> bool:
        return self.user is not None and self.hub.belongs(self.user, repo.owner)

    def page(self, items: list[Any], size: int) -> Reply:
        """A part of a list, with a link to the next part."""
        start = int(self.query.get("cursor", ["0"])[0])
        more = {**self.query, "cursor": [str(start + size)]}
        link = f'<{self.hub.url}{self.path}?{urlencode(more, doseq=True)}>; rel="next"'
        headers = {"Link": link} if start + size < len(items) else {}
        return answer(items[start : start + size], headers=headers)


def at(repo: Repo, revision: str) -> Commit:
    """The commit, or the Hub's words for a revision it does not have."""
    if commit := repo.find(revision):
        return commit
    raise RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def whoami(call: Call) -> Reply:
    if call.user is None:
        raise RefusedError(401, NO_USER)
    orgs = [{"name": org} for org, users in call.hub.orgs.items() if call.user in users]
    role = {"accessToken": {"displayName": "test", "role": "write"}}
    return answer({"type": "user", "name": call.user, "orgs": orgs, "auth": role})


def create_repo(call: Call) -> Reply:
    if call.user is None:
        raise RefusedError(401, NO_USER)
    asked = call.json()
    owner = asked.get("organization") or call.user
    name = f"{owner}/{asked['name']}"
    if not call.hub.belongs(call.user, owner):
        said = f'You don\'t have the rights to create a model under the namespace "{owner}"'
        raise RefusedError(403, said)
    url = f"{call.hub.url}/{name}"
    if name in call.hub.repos:
        raise RefusedError(409, "You already created this model repo", url=url)
    call.hub.create(name, private=asked.get("visibility") == "private")
    return answer({"url": url, "name": name})


def validate_yaml(call: Call) -> Reply:
    empty = {"message": "empty or missing yaml metadata in repo card"}
    found = [] if call.json()["content"].startswith("---") else [empty]
    return answer({"errors": [], "warnings": found})


def list_models(call: Call) -> Reply:
    """Those with every tag asked for; fields beyond the usual ones only when asked."""
    found = [r for r in call.hub.repos.values() if not r.private or call.member(r)]
    infos = [info for info in (repo.info(repo.head) for repo in found) if matches(call, info)]
    order = call.query.get("sort", ["downloads"])[0]
    infos.sort(key=lambda info: (info.get(order, 0), info["id"]), reverse=True)
    limit = int(call.query.get("limit", [call.hub.page_size])[0])
    return call.page([shown(call, info) for info in infos], min(limit, call.hub.page_size))


def matches(call: Call, info: Mapping[str, Any]) -> bool:
    wanted = [tag for each in call.query.get("filter", []) for tag in each.split(",")]
    wanted += call.query.get("pipeline_tag", [])
    author, word = (call.query.get(key, [""])[0].lower() for key in ("author", "search"))
    tagged = set(wanted) <= set(info["tags"])
    return tagged and author in ("", info["author"].lower()) and word in info["id"].lower()


def shown(call: Call, info: Mapping[str, Any]) -> dict[str, Any]:
    """The real Hub gives lastModified, sha and siblings for `full` or `expand` only."""
    if expand := call.query.get("expand"):
        keys = {"_id", "id", "modelId", *expand}
    else:
        keys = {"_id", "id", "modelId", "private", "downloads", "likes", "tags", "createdAt"}
        keys |= {"pipeline_tag", "library_name"}
        if call.asks("full"):
            keys |= {"author", "sha", "lastModified", "gated", "disabled", "siblings"}
        keys |= {key for key in ("cardData", "config") if call.asks(key)}
    return {key: value for key, value in info.items() if key in keys}


def model_info(call: Call, name: str, revision: str = "main") -> Reply:
    repo = call.seen(name)
    commit = at(repo, revision)
    info = repo.info(commit)
    if call.asks("blobs"):
        info["siblings"] = [sibling(*item) for item in sorted(commit.files.items())]
    if expand := call.query.get("expand"):
        info = {key: value for key, value in info.items() if key in {"_id", "id", *expand}}
    return answer(info)


def sibling(path: str, blob: Blob) -> dict[str, Any]:
    found = {"rfilename": path, "size": len(blob.data), "blobId": blob.oid}
    lfs = {"sha256": blob.sha256, "size": len(blob.data), "pointerSize": len(blob.pointer)}
    return {**found, "lfs": lfs} if blob.lfs else found


def tree(call: Call, name: str, revision: str, folder: str = "") -> Reply:
    files = at(call.seen(name), revision).files
    inside = f"{folder}/" if folder else ""
    found = [blob.entry(path) for path, blob in files.items() if path.startswith(inside)]
    if folder and not found:
        raise RefusedError(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
    parts = {path[: cut.start()] for path in files for cut in re.finditer("/", path)}
    made = [part for part in parts if part.startswith(inside) and part]
    found += [{"type": "directory", "path": part, "oid": "0" * 40, "size": 0} for part in made]
    if not call.asks("recursive"):
        found = [item for item in found if "/" not in item["path"][len(inside) :]]
    return call.page(sorted(found, key=lambda item: item["path"]), call.hub.page_size)


def paths_info(call: Call, name: str, revision: str) -> Reply:
    files = at(call.seen(name), revision).files
    asked = parse_qs(call.body.decode()).get("paths", [])
    return answer([files[path].entry(path) for path in asked if path in files])


def commits(call: Call, name: str, revision: str) -> Reply:
    repo = call.seen(name)
    at(repo, revision)
    found = [
        {"id": c.sha, "title": c.message, "message": "", "date": c.date}
        | {"authors": [{"user": c.author}]}
        for c in repo.log(revision)
    ]
    return call.page(found, call.hub.page_size)


def refs(call: Call, name: str) -> Reply:
    repo = call.seen(name)

    def listed(kind: str, shas: Mapping[str, str]) -> list[dict[str, str]]:
        made = {n: {"name": n, "ref": f"refs/{kind}/{n}"} for n in shas}
        return [{**made[n], "targetCommit": sha} for n, sha in shas.items()]

    empty: dict[str, list[Any]] = {"converts": [], "pullRequests": []}
    found = {"branches": listed("heads", repo.branches), "tags": listed("tags", repo.tags)}
    return answer(found | empty)


def create_tag(call: Call, name: str, revision: str) -> Reply:
    repo, tag = call.write(name), call.json()["tag"]
    commit = at(repo, revision)
    if tag in repo.tags:
        raise RefusedError(409, "Tag reference exists already")
    repo.tags[tag] = commit.sha
    return answer({})


def delete_tag(call: Call, name: str, tag: str) -> Reply:
    repo = call.write(name)
    if tag not in repo.tags:
        raise RefusedError(404, f"Tag {tag} does not exist", "RevisionNotFound")
    del repo.tags[tag]
    return answer({})


def preupload(call: Call, name: str, revision: str) -> Reply:
    present = at(call.write(name), revision).files
    modes = []
    for asked in call.json()["files"]:
        path, sample = asked["path"], base64.b64decode(asked["sample"])
        mode = "lfs" if is_large(path, asked["size"], sample) else "regular"
        oid = {"oid": present[path].etag} if path in present else {}
        modes.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **oid})
    return answer({"files": modes})


def lfs_batch(call: Call, name: str) -> Reply:
    call.write(name)
    verify = {"href": f"{call.hub.url}/{name}.git/info/lfs/objects/verify"}
    objects = []
    for asked in call.json()["objects"]:
        if asked["oid"] not in call.hub.large:
            upload = {"href": f"{call.hub.cdn}/upload/{asked['oid']}?signature=test"}
            asked = {**asked, "actions": {"upload": upload, "verify": verify}}
        objects.append(asked)
    return answer({"transfer": "basic", "objects": objects})


def lfs_upload(call: Call, oid: str) -> Reply:
    blob = Blob(call.body, lfs=True)
    if blob.sha256 != oid:
        raise RefusedError(400, "The bytes do not have this sha256")
    call.hub.large[oid] = blob
    return answer({})


def lfs_verify(call: Call, name: str) -> Reply:
    call.write(name)
    blob = call.hub.large.get(call.json()["oid"])
    if blob is None or len(blob.data) != call.json()["size"]:
        raise RefusedError(404, "Object not found")
    return answer({})


def xet_token(call: Call, name: str, access: str, revision: str) -> Reply:
    at(call.write(name) if access == "write" else call.read(name), revision)
    url = f"local://{call.hub.cas}"
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": "xet"}
    headers["X-Xet-Token-Expiration"] = str(LATER)
    return answer({"casUrl": url, "exp": LATER, "accessToken": "xet"}, headers=headers)


def commit(call: Call, name: str, branch: str) -> Reply:
    """The lines are a header with the message and the parent, and a line for each file."""
    repo = call.write(name)
    if branch not in repo.branches:
        raise RefusedError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    lines = [json.loads(line) for line in call.body.splitlines()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    head = repo.branches[branch]
    if header.get("parentCommit", head) != head:
        raise RefusedError(412, "A commit has happened since. Please refresh and try again.")
    changes: dict[str, Blob | None] = {}
    for line in lines:
        if line["key"] != "header":
            changes.update(change(call.hub, repo.commits[head], line["key"], line["value"]))
    made = repo.add(changes, header["summary"], call.user or "", branch=branch)
    url = f"{call.hub.url}/{name}/commit/{made.sha}"
    return answer({"success": True, "commitOid": made.sha, "commitUrl": url})


def change(hub: Hub, head: Commit, kind: str, value: Mapping[str, Any]) -> dict[str, Blob | None]:
    path = value["path"]
    if kind == "file":
        return {path: Blob(base64.b64decode(value["content"]))}
    if kind == "lfsFile":
        if blob := hub.stored(value["oid"]):
            return {path: blob}
        raise RefusedError(400, f"LFS pointer of {path} points to a file that does not exist")
    gone = [p for p in head.files if p == path or p.startswith(path.rstrip("/") + "/")]
    if not gone:
        raise RefusedError(404, "A file with this name doesn't exist", "EntryNotFound")
    return dict.fromkeys(gone)


def resolve(call: Call, name: str, revision: str, path: str) -> Reply:
    """A small file, or the way to a large one, which lies with another host."""
    made = at(call.read(name), revision)
    if path not in made.files:
        refused = refusal(404, "Entry not found", "EntryNotFound")
        refused.headers["X-Repo-Commit"] = made.sha
        return refused
    blob = made.files[path]
    headers = {"X-Repo-Commit": made.sha, "Content-Disposition": "inline"}
    if not blob.lfs:
        return contents(call, blob, headers)
    headers |= {"X-Linked-Etag": f'"{blob.etag}"', "X-Linked-Size": str(len(blob.data))}
    headers["Location"] = f"{call.hub.cdn}/storage/{blob.sha256}?name={quote(path)}"
    if blob.xet:
        auth = f"{call.hub.url}/api/models/{name}/xet-read-token/{made.sha}"
        headers |= {"X-Xet-Hash": blob.xet, "Link": f'<{auth}>; rel="xet-auth"'}
    return Reply(302, b"Found", headers)


def storage(call: Call, oid: str) -> Reply:
    blob = call.hub.stored(oid)
    return contents(call, blob, {}) if blob else refusal(404, "No such object")


def contents(call: Call, blob: Blob, headers: Mapping[str, str]) -> Reply:
    """All of a file, or the range asked for."""
    headers = {"ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes", **headers}
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("Range", ""))
    if not match:
        return Reply(200, blob.data, headers)
    size, first = len(blob.data), int(match[1])
    if first >= size:
        return Reply(416, b"", {"Content-Range": f"bytes */{size}"})
    end = min(size, int(match[2] or size) + 1)
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    return Reply(206, blob.data[first:end], headers)


NAME = "([^/]+/[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Reply]]] = [
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/repos/create", create_repo),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("GET", "/api/models", list_models),
    ("GET", f"/api/models/{NAME}", model_info),
    ("GET", f"/api/models/{NAME}/revision/([^/]+)", model_info),
    ("GET", f"/api/models/{NAME}/tree/([^/]+)(?:/(.+))?", tree),
    ("POST", f"/api/models/{NAME}/paths-info/([^/]+)", paths_info),
    ("GET", f"/api/models/{NAME}/commits/([^/]+)", commits),
    ("GET", f"/api/models/{NAME}/refs", refs),
    ("POST", f"/api/models/{NAME}/tag/([^/]+)", create_tag),
    ("DELETE", f"/api/models/{NAME}/tag/([^/]+)", delete_tag),
    ("POST", f"/api/models/{NAME}/preupload/([^/]+)", preupload),
    ("POST", f"/api/models/{NAME}/commit/([^/]+)", commit),
    ("GET", f"/api/models/{NAME}/xet-(read|write)-token/([^/]+)", xet_token),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", lfs_batch),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/verify", lfs_verify),
    ("PUT", "/upload/([0-9a-f]{64})", lfs_upload),
    ("GET", "/storage/([0-9a-f]{64})", storage),
    ("GET", f"/{NAME}/resolve/([^/]+)/(.+)", resolve),
]


def dispatch(call: Call) -> Reply:
    """HEAD is answered like GET; the body is then left out."""
    method = "GET" if call.method == "HEAD" else call.method
    for verb, pattern, function in ROUTES:
        match = re.fullmatch(pattern, call.path)
        if verb == method and match:
            parts = [unquote(part) for part in match.groups() if part is not None]
            try:
                return function(call, *parts)
            except RefusedError as error:
                return error.reply
    return refusal(404, f"The loopback Hub has no {call.method} {call.path}")
