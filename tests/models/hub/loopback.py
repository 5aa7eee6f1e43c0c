"""A Hugging Face Hub on the loopback interface, for tests that run the real client against it.

It keeps what is pushed to it in memory (and in a folder what hf_xet stores itself), hides and
refuses what the real one hides and refuses, and fails in the ways that tests ask for.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self
from urllib.parse import parse_qs

import xet_store
from hub_repos import ATTRIBUTES, Blob, Commit, Repo, is_large
from hub_routes import Call, RefusedError, Reply, dispatch, refusal

INVALID = "Invalid credentials in Authorization header"


class Request(NamedTuple):
    """A request the Hub has seen; the path comes with its query."""

    method: str
    path: str
    token: str | None = None
    agent: str = ""


@dataclass
class Fault:
    """Something that goes wrong with requests whose "METHOD path" the pattern is found in.

    status    answers with `status`; `code` and `message` are the Hub's error headers, and `page`
              is a body like that of a proxy in place of the Hub's JSON
    truncate  sends the first `after` bytes of the body (half of it) and closes
    corrupt   flips the bits of a byte in the middle of the body
    reset     resets the connection, after `after` bytes of the body or before any answer
    close     closes the connection politely before any answer
    slow      waits `delay` seconds before the answer, or (`trickle`) between its parts
    """

    match: str
    kind: Literal["status", "truncate", "corrupt", "reset", "close", "slow"]
    times: int | None = None
    status: int = 503
    code: str = ""
    message: str = "made to fail"
    page: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    after: int | None = None
    delay: float = 5.0
    trickle: bool = False
    seen: int = 0


class Hub:
    """The Hub: what tests set up and look at, and a server while it is entered."""

    def __init__(self, folder: Path):
        self.cas = folder / "cas"
        self.home = folder / "home"
        self.tokens = {"hf_test": "tester"}
        self.orgs: dict[str, set[str]] = {}
        self.page_size = 1000
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, Blob] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.crashes: list[BaseException] = []
        self.lock = threading.RLock()
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        self.servers = [Server(self), Server(self)]
        self.url, self.cdn = (f"http://127.0.0.1:{s.server_port}" for s in self.servers)
        for server in self.servers:
            poll = {"poll_interval": 0.02}
            threading.Thread(target=server.serve_forever, kwargs=poll, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.closing.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        if self.crashes and kind is None:
            raise self.crashes[0]

    def env(
        self,
        token: str | None = None,
        home: Path | None = None,
        xet: bool = True,
        offline: bool = False,
    ) -> dict[str, str]:
        """The whole environment of a client: this process's, with no HF_ variable but these."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        return kept | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home or self.home),
            "HF_TOKEN": token or "",
            "HF_HUB_DISABLE_XET": str(int(not xet)),
            "HF_HUB_OFFLINE": str(int(offline)),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_ETAG_TIMEOUT": "2",
            "HF_HUB_DOWNLOAD_TIMEOUT": "2",
            "HF_XET_DATA_XORB_COMPRESSION_POLICY": "none",
            "HF_XET_TELEMETRY_ENABLED": "0",
            "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1",
            "HF_XET_CLIENT_RETRY_BASE_DELAY": "10ms",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def create(self, repo: str, private: bool = False, gated: bool = False) -> Repo:
        """A repository with the commit that every one begins with."""
        with self.lock:
            self.repos[repo] = made = Repo(repo, private, gated)
            made.add({".gitattributes": Blob(ATTRIBUTES.encode())}, "initial commit", "system")
            return made

    def commit(
        self,
        repo: str,
        files: Mapping[str, bytes | None],
        message: str = "a commit",
        parent: str | None = None,
        branch: str = "main",
    ) -> str:
        """A commit on top of the branch or of `parent`; None deletes. Any path will do."""
        blobs: dict[str, Blob | None] = dict.fromkeys(files)
        for path, data in files.items():
            if data is not None:
                blobs[path] = blob = Blob(data, is_large(path, len(data), data[:512]))
                self.large.update({blob.sha256: blob} if blob.lfs else {})
        with self.lock:
            return self.repos[repo].add(blobs, message, "tester", parent, branch).sha

    def tag(self, repo: str, name: str, revision: str = "main") -> str:
        self.repos[repo].tags[name] = sha = self.find(repo, revision).sha
        return sha

    def find(self, repo: str, revision: str = "main") -> Commit:
        if commit := self.repos[repo].find(revision):
            return commit
        raise KeyError(f"{repo} has no {revision}")

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """Every file but .gitattributes."""
        files = self.find(repo, revision).files
        return {path: blob.data for path, blob in files.items() if path != ".gitattributes"}

    def log(self, repo: str, revision: str = "main") -> list[Commit]:
        return self.repos[repo].log(revision)

    def tags(self, repo: str) -> dict[str, str]:
        return dict(self.repos[repo].tags)

    def belongs(self, user: str, namespace: str) -> bool:
        return user == namespace or user in self.orgs.get(namespace, ())

    def stored(self, sha256: str) -> Blob | None:
        """A large file, which came by LFS, or which hf_xet wrote to its store."""
        if sha256 not in self.large and (found := xet_store.find(self.cas, sha256)):
            self.large[sha256] = Blob(found[1], lfs=True, xet=found[0])
        return self.large.get(sha256)

    def user(self, token: str | None) -> str | None:
        if token is None or token in self.tokens:
            return self.tokens.get(token or "")
        raise RefusedError(401, INVALID)

    def fault(self, request: Request) -> Fault | None:
        """The first fault that is still to happen to such a request."""
        with self.lock:
            for fault in self.faults:
                due = fault.times is None or fault.seen < fault.times
                if due and re.search(fault.match, f"{request.method} {request.path}"):
                    fault.seen += 1
                    return fault
        return None

    def reply(self, request: Request, headers: Mapping[str, str], body: bytes) -> Reply:
        path, _, query = request.path.partition("?")
        with self.lock:
            try:
                user = self.user(request.token)
            except RefusedError as error:
                return error.reply
            asked = parse_qs(query)
            return dispatch(Call(self, request.method, path, asked, headers, body, user))


class Server(ThreadingHTTPServer):
    """Of the two servers one plays the host of large files."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub: Hub):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error and not isinstance(error, ConnectionError):
            self.hub.crashes.append(error)


class Handler(BaseHTTPRequestHandler):
    """Reads a request, and sends the Hub's reply or a fault."""

    protocol_version = "HTTP/1.1"
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    pieces: ClassVar[int] = 8

    def serve(self) -> None:
        hub, body = self.server.hub, self.body()
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        agent = self.headers.get("User-Agent", "")
        request = Request(self.command, self.path, token, agent)
        with hub.lock:
            hub.requests.append(request)
        fault = hub.fault(request)
        if fault and fault.kind == "slow" and not fault.trickle:
            hub.closing.wait(fault.delay)
        if fault and fault.kind == "reset" and fault.after is None:
            return self.reset()
        if fault and fault.kind == "close":
            self.close_connection = True
            return None
        if fault and fault.kind == "status":
            reply = failed(fault)
        else:
            headers = {name.title(): value for name, value in self.headers.items()}
            reply = hub.reply(request, headers, body)
        return self.send(reply, fault)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, reply: Reply, fault: Fault | None) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        match fault.kind if fault else None:
            case "corrupt":
                self.wfile.write(flipped(reply.body))
            case "truncate" | "reset":
                self.cut(reply.body, fault)
            case "slow":
                self.trickle(reply.body, fault)
            case _:
                self.wfile.write(reply.body)

    def cut(self, body: bytes, fault: Fault | None) -> None:
        after = fault.after if fault else None
        self.wfile.write(body[: len(body) // 2 if after is None else after])
        self.close_connection = True
        if fault and fault.kind == "reset":
            self.reset()

    def trickle(self, body: bytes, fault: Fault | None) -> None:
        step = max(1, -(-len(body) // self.pieces))
        for start in range(0, len(body), step):
            if fault and fault.trickle:
                self.server.hub.closing.wait(fault.delay)
            self.wfile.write(body[start : start + step])

    def reset(self) -> None:
        """Close without the polite end: the client gets a reset."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests have hub.requests instead."""


def failed(fault: Fault) -> Reply:
    reply = refusal(fault.status, fault.message, fault.code)
    if fault.page:
        reply = Reply(fault.status, fault.page.encode(), {"Content-Type": "text/html"})
    reply.headers.update(fault.headers)
    return reply


def flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    other = bytes(255 - byte for byte in body[middle : middle + 1])
    return body[:middle] + other + body[middle + 1 :]
