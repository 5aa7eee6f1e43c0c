"""Repositories of the loopback Hub: commits that never change, branches, tags, model cards."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

LARGE = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".npz", ".png", ".jpg", ".jpeg")
LARGE_BYTES = 10_000_000
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE)


def is_large(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps a file outside of git: large and binary ones."""
    return path.endswith(LARGE) or size > LARGE_BYTES or b"\0" in sample


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data)).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file's bytes; `xet` is their hash in the xet store, for files that came that way."""

    data: bytes
    lfs: bool = False
    xet: str | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def pointer(self) -> bytes:
        lines = ("version https://git-lfs.github.com/spec/v1", f"oid sha256:{self.sha256}")
        return "\n".join((*lines, f"size {len(self.data)}\n")).encode()

    @cached_property
    def oid(self) -> str:
        """What git calls the file."""
        return git_hash(self.pointer if self.lfs else self.data)

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid

    def entry(self, path: str) -> dict[str, Any]:
        """As a line of the tree."""
        found: dict[str, Any] = {"type": "file", "path": path, "oid": self.oid}
        found["size"] = len(self.data)
        if self.lfs:
            size = len(self.data)
            found["lfs"] = {"oid": self.sha256, "size": size, "pointerSize": len(self.pointer)}
        if self.xet:
            found["xetHash"] = self.xet
        return found


@dataclass(frozen=True)
class Commit:
    """A state of the repository, named after everything in it and before it."""

    message: str
    parent: str | None
    number: int
    author: str
    files: Mapping[str, Blob]

    @cached_property
    def sha(self) -> str:
        listed = sorted((path, blob.oid) for path, blob in self.files.items())
        return hashlib.sha1(repr((self.parent, self.message, listed)).encode()).hexdigest()

    @property
    def date(self) -> str:
        minute, second = divmod(self.number, 60)
        return f"2026-01-01T{minute // 60:02}:{minute % 60:02}:{second:02}.000Z"


@dataclass
class Repo:
    """A model repository."""

    name: str
    private: bool = False
    gated: bool = False
    downloads: int = 0
    likes: int = 0
    readers: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.name.split("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[self.branches["main"]]

    def add(
        self,
        changes: Mapping[str, Blob | None],
        message: str,
        author: str,
        parent: str | None = None,
        branch: str = "main",
    ) -> Commit:
        """A commit on a branch, which begins at `parent` when it is new; None deletes a file."""
        parent = parent or self.branches.get(branch) or self.branches.get("main")
        before = self.commits[parent].files if parent else {}
        files = {p: blob for p, blob in {**before, **changes}.items() if blob is not None}
        commit = Commit(message, parent, len(self.commits), author, files)
        self.commits[commit.sha] = commit
        self.branches[branch] = commit.sha
        return commit

    def find(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag or a whole sha; a short sha is none of them."""
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(sha)

    def log(self, revision: str = "main") -> list[Commit]:
        """From the newest commit to the first."""
        found, commit = [], self.find(revision)
        while commit:
            found.append(commit)
            commit = self.commits.get(commit.parent or "")
        return found

    def info(self, commit: Commit) -> dict[str, Any]:
        """Everything the Hub can say of a model."""
        card, files = card_data(commit.files), sorted(commit.files)
        names = [{"rfilename": path} for path in files]
        return {
            "_id": git_hash(self.name.encode())[:24],
            "id": self.name,
            "modelId": self.name,
            "author": self.owner,
            "sha": commit.sha,
            "lastModified": commit.date,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "downloads": self.downloads,
            "likes": self.likes,
            "tags": tags_of(card, files),
            "siblings": names,
            "cardData": card,
            "config": config_of(commit.files),
            **{key: card[key] for key in ("pipeline_tag", "library_name") if key in card},
        }


def card_data(files: Mapping[str, Blob]) -> dict[str, Any]:
    """The simple values and lists of a model card's metadata; nested ones are left out."""
    text = files["README.md"].data.decode() if "README.md" in files else ""
    found: dict[str, Any] = {}
    key = ""
    for line in front_matter(text).splitlines():
        if match := re.match(r"([\w-]+):\s*(.*)", line):
            key, value = match.groups()
            if inline := re.fullmatch(r"\[(.*)\]", value):
                found[key] = [unquoted(item) for item in inline[1].split(",")]
            else:
                found[key] = unquoted(value) if value else []
        elif match := re.match(r"\s{0,2}- ([^:]*|\S+:\S+)$", line):
            found[key].append(unquoted(match[1]))
    return {key: value for key, value in found.items() if value}


def front_matter(text: str) -> str:
    match = re.match(r"---\r?\n(.*?)\n---", text, re.DOTALL)
    return match[1] if match else ""


def unquoted(value: str) -> str:
    return value.strip().strip("'\"")


def tags_of(card: Mapping[str, Any], files: list[str]) -> list[str]:
    """The tags that the Hub derives from a card and the files beside it."""
    plain = [card.get("library_name"), card.get("pipeline_tag"), *listed(card, "tags")]
    made = ["safetensors"] if any(path.endswith(".safetensors") for path in files) else []
    for prefix, key in (("license", "license"), ("dataset", "datasets"), ("base_model",) * 2):
        made += [f"{prefix}:{value}" for value in listed(card, key)]
    return list(dict.fromkeys([tag for tag in plain if tag] + made + ["region:us"]))


def listed(card: Mapping[str, Any], key: str) -> list[str]:
    value = card.get(key, [])
    return [value] if isinstance(value, str) else value


def config_of(files: Mapping[str, Blob]) -> dict[str, Any]:
    """Of config.json the Hub's listing shows these keys only."""
    raw = files["config.json"].data if "config.json" in files else b"{}"
    try:
        config = json.loads(raw)
    except ValueError:
        return {}
    if not isinstance(config, dict):
        return {}
    return {key: config[key] for key in ("architectures", "model_type") if key in config}
