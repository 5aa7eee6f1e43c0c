"""Downloads and unpacks one archive into a folder of pictures, atomically.

Downloaded bytes are kept as ``NAME.zip.part``, with the server's tag of this version of the file in
``NAME.zip.part.tag``, so that the next run requests the rest of the same version.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from srzoo.errors import SrzooError

from . import _unpack
from ._archives import Archive

Progress = Callable[[str, int, int], None]

CHUNK = 1 << 20
TIMEOUT = 60.0
ATTEMPTS = 5
"""The number of attempts in a row without a single byte."""
PAUSE = 1.0
NETWORK = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
AGAIN = "Run the same command again to continue"


def get(archive: Archive, to: Path, url: str, verify: bool, progress: Progress | None) -> str:
    """Download one archive's pictures into ``to``, unless they exist.

    Returns:
        A sentence about the result.

    Raises:
        SrzooError: the network, the disk or the archive failed.
    """
    target = to / archive.folder
    if target.exists():
        _unpack.check_complete(target, archive)
        return f"{target} exists already"
    if not archive.sha256 and verify:
        raise SrzooError(
            f"no checksum is known for {archive.name}.zip",
            "Give --no-verify if you trust the source",
        )
    if not url.startswith(("http://", "https://")):
        raise SrzooError(f"{url!r} is not an http address", "Give --url https://...")
    part = to / f"{archive.name}.zip.part"
    try:
        to.mkdir(parents=True, exist_ok=True)
        _check_space(archive, part)
        _fetch(f"{url.rstrip('/')}/{archive.name}.zip", part, archive, verify, progress)
        if verify:
            _verify(part, archive)
        _unpack.unpack(part, to, archive)
        part.unlink()
        _tag(part).unlink(missing_ok=True)
    except OSError as error:
        raise SrzooError(
            f"cannot write to {to}: {error.strerror or error}",
            "Make room or choose another place with --to; downloaded data are kept",
        ) from error
    return f"{target} is complete: {archive.pictures} pictures"


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _check_space(archive: Archive, part: Path) -> None:
    """Check for space: the archive and its pictures, of about the same size, exist together."""
    have = part.stat().st_size if part.exists() else 0
    needed = max(archive.size - have, 0) + archive.size
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise SrzooError(
            f"{archive.name} needs {needed / 1e9:.1f} GB, {part.parent} has {free / 1e9:.1f} GB",
            "Make room or choose another place with --to",
        )


def _fetch(url: str, part: Path, archive: Archive, verify: bool, progress: Progress | None) -> None:
    """Complete ``part``, over several connections if needed."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            total = _one_connection(url, part, archive, verify, progress)
            reason = "it ended early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 and error.code not in (408, 429):
                raise SrzooError(
                    f"cannot download {url}: {error.code} {error.reason}",
                    "Check --url, or name a mirror with it",
                ) from error
            total, reason = 0, f"{error.code} {error.reason}"
        except NETWORK as error:
            total, reason = 0, str(getattr(error, "reason", error)) or type(error).__name__
        now = part.stat().st_size if part.exists() else 0
        if total and now == total:
            return
        failures = 0 if now > before else failures + 1
        if failures == ATTEMPTS:
            what = f"breaks off after {now:,} bytes" if now else "cannot be reached"
            raise SrzooError(f"{url} {what}: {reason}", AGAIN)
        time.sleep(PAUSE * failures)


def _one_connection(
    url: str, part: Path, archive: Archive, verify: bool, progress: Progress | None
) -> int:
    """Fetch missing bytes until the file or the connection ends; return the file's full size."""
    have = part.stat().st_size if part.exists() else 0
    if have == archive.size and verify:
        return have
    headers = {"User-Agent": "srzoo"}
    tag = _tag(part).read_text(encoding="utf-8") if have and _tag(part).exists() else ""
    if tag or (have and verify):  # without a tag only the checksum identifies the version
        headers["Range"] = f"bytes={have}-"
    if tag:
        headers["If-Range"] = tag
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # The server has nothing beyond these bytes: the file is complete, or a different one.
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return have
        part.unlink()
        return 0
    with answer:
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        start, total = _extent(answer, have if goes_on else 0)
        if goes_on and start != have:
            part.unlink()  # not the requested range; the next connection starts from 0
            return 0
        if verify and total != archive.size:
            raise SrzooError(
                f"{url} has {total:,} bytes, but DIV2K's own archive has {archive.size:,}",
                "Choose another place with --url, or give --no-verify if you trust this one",
            )
        if not goes_on:
            _remember(part, answer)
        with part.open("ab") as file:
            _copy(answer, file, start, total, archive.name, progress)
    return total


def _extent(answer: http.client.HTTPResponse, start: int) -> tuple[int, int]:
    """The first byte of a response, and the size of the whole file."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        extent = answer.headers.get("Content-Range", "").removeprefix("bytes ")
        first, _, total = extent.replace("/", "-").replace("--", "-").partition("-")
        total = total.rpartition("-")[2]
        if first.isdecimal() and total.isdecimal():
            return int(first), int(total)
        return -1, 0
    length = answer.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise SrzooError(f"{answer.url} does not state its size", "Choose another place with --url")
    return start, int(length)


def _remember(part: Path, answer: http.client.HTTPResponse) -> None:
    """Store the server's tag of this version; a weak tag does not guarantee equal bytes."""
    part.unlink(missing_ok=True)  # its bytes belong to another version
    etag = answer.headers.get("ETag", "")
    tag = etag if etag.startswith('"') else answer.headers.get("Last-Modified", "")
    _tag(part).write_text(tag, encoding="utf-8")


def _copy(
    answer: http.client.HTTPResponse,
    file: BinaryIO,
    done: int,
    total: int,
    name: str,
    progress: Progress | None,
) -> None:
    while done < total:
        try:
            chunk = answer.read1(min(CHUNK, total - done))
        except OSError as error:  # distinguished from errors of the disk
            raise ConnectionError(str(error)) from error
        if not chunk:
            return
        file.write(chunk)
        done += len(chunk)
        if progress:
            progress(name, done, total)


def _verify(part: Path, archive: Archive) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        part.unlink()
        _tag(part).unlink(missing_ok=True)
        raise SrzooError(
            f"{archive.name}.zip arrived damaged: its sha256 is {found}, not {archive.sha256}",
            "Run the same command again (it starts from 0), or choose another place with --url",
        )
