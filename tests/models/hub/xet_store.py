"""Reads what the real hf_xet wrote under a `local://` folder: which file it was, and its bytes.

The formats (shard and xorb) are those of https://huggingface.co/docs/xet. Chunks must not be
compressed, which `HF_XET_DATA_XORB_COMPRESSION_POLICY=none` sees to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

RECORD = 48  # bytes of every header and entry in a shard
VERIFIED, HAS_SHA256 = 1 << 31, 1 << 30
END = b"\xff" * 32


class Term(NamedTuple):
    """A run of chunks in one xorb."""

    xorb: str
    first: int
    end: int


class Stored(NamedTuple):
    """A file in the store."""

    xet: str
    sha256: str
    terms: tuple[Term, ...]


def digest(raw: bytes) -> str:
    """The way xet writes a hash: four little-endian integers."""
    return b"".join(raw[i : i + 8][::-1] for i in range(0, 32, 8)).hex()


def find(folder: Path, sha256: str) -> tuple[str, bytes] | None:
    """The xet hash and the bytes of the file with this sha256."""
    store = folder / "xet" / "xorbs"
    for shard in sorted((store / "shards").glob("*.mdb")):
        for stored in entries(shard.read_bytes()):
            if stored.sha256 == sha256:
                return stored.xet, b"".join(chunks(store / "xorbs", stored.terms))
    return None


def entries(shard: bytes) -> Iterator[Stored]:
    """The files that a shard lists."""
    at = RECORD
    while (name := shard[at : at + 32]) != END:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        at += RECORD
        terms = tuple(term(shard, at + RECORD * i) for i in range(count))
        at += RECORD * count * (2 if flags & VERIFIED else 1)
        sha256 = digest(shard[at : at + 32]) if flags & HAS_SHA256 else ""
        at += RECORD if flags & HAS_SHA256 else 0
        yield Stored(digest(name), sha256, terms)


def term(shard: bytes, at: int) -> Term:
    _, _, first, end = struct.unpack_from("<IIII", shard, at + 32)
    return Term(digest(shard[at : at + 32]), first, end)


def chunks(xorbs: Path, terms: tuple[Term, ...]) -> Iterator[bytes]:
    for term in terms:
        raw, at = (xorbs / f"default.{term.xorb}").read_bytes(), 0
        for index in range(term.end):
            size, packed = int.from_bytes(raw[at + 1 : at + 4], "little"), raw[at + 4]
            if packed:
                raise ValueError("a compressed chunk: the client ran without hub.env()")
            if index >= term.first:
                yield raw[at + 8 : at + 8 + size]
            at += 8 + size
