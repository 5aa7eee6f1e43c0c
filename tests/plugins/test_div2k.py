"""DIV2K: its folders as a dataset, and its download over a bad network."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import http.server
import io
import re
import shutil
import threading
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from helpers import drawn
from srzoo_plugins.div2k import ARCHIVES, DIV2K, TRACKS, _download, _unpack

from srzoo.errors import PictureError, SrzooError
from srzoo.plugins import kinds
from srzoo.testing import dataset as suite

NAMES = [
    "bicubic_x2", "bicubic_x3", "bicubic_x4", "unknown_x2", "unknown_x3", "unknown_x4",
    "bicubic_x8", "realistic_mild_x4", "realistic_difficult_x4", "realistic_wild_x4",
]  # fmt: skip


def png(width: int = 16, height: int = 8) -> bytes:
    file = io.BytesIO()
    drawn(width, height).save(file, "PNG")
    return file.getvalue()


# --- the table ----------------------------------------------------------------------------


def test_all_ten_tracks_have_their_archives():
    assert list(TRACKS) == NAMES
    assert len(ARCHIVES) == 22
    assert len({archive.sha256 for archive in ARCHIVES.values()}) == 22
    for archive in ARCHIVES.values():
        assert re.fullmatch("[0-9a-f]{64}", archive.sha256)
        assert archive.size > 8_000_000


@pytest.mark.parametrize(
    ("key", "name", "folder", "size", "pictures"),
    [
        ("train_HR", "DIV2K_train_HR", "DIV2K_train_HR", 3530603713, 800),
        ("valid_LR_bicubic_X4", "DIV2K_valid_LR_bicubic_X4", "DIV2K_valid_LR_bicubic/X4",
         31505881, 100),
        ("train_LR_x8", "DIV2K_train_LR_x8", "DIV2K_train_LR_x8", 65753171, 800),
        ("train_LR_wild", "DIV2K_train_LR_wild", "DIV2K_train_LR_wild", 1079873385, 3200),
        ("valid_LR_wild", "DIV2K_valid_LR_wild", "DIV2K_valid_LR_wild", 34655417, 100),
    ],
)  # fmt: skip
def test_some_archives(key, name, folder, size, pictures):
    archive = ARCHIVES[key]
    found = archive.name, archive.folder, archive.size, archive.pictures
    assert found == (name, folder, size, pictures)


# --- the dataset --------------------------------------------------------------------------


def official(root: Path, folder: str, names: list[str], size: tuple[int, int]) -> None:
    (root / folder).mkdir(parents=True)
    for name in names:
        (root / folder / name).write_bytes(png(*size))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The first three pictures of some tracks, 48 x 24."""
    for split, start in (("train", 1), ("valid", 801)):
        numbers = [f"{start + i:04}" for i in range(3)]
        official(tmp_path, f"DIV2K_{split}_HR", [f"{n}.png" for n in numbers], (48, 24))
        for scale in (2, 3, 4):
            size = 48 // scale, 24 // scale
            for kind in ("bicubic", "unknown"):
                names = [f"{n}x{scale}.png" for n in numbers]
                official(tmp_path, f"DIV2K_{split}_LR_{kind}/X{scale}", names, size)
        official(tmp_path, f"DIV2K_{split}_LR_x8", [f"{n}x8.png" for n in numbers], (6, 3))
        for folder, letter in (("mild", "m"), ("difficult", "d")):
            names = [f"{n}x4{letter}.png" for n in numbers]
            official(tmp_path, f"DIV2K_{split}_LR_{folder}", names, (12, 6))
        each = [f"{i}" for i in range(1, 5)] if split == "train" else [""]
        names = [f"{n}x4w{i}.png" for n in numbers for i in each]
        official(tmp_path, f"DIV2K_{split}_LR_wild", names, (12, 6))
    return tmp_path


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize("track", NAMES)
def test_every_track(root, track, split):
    dataset = DIV2K(root=root, track=track, split=split, first=3)
    suite.check_dataset(dataset, {"track": track})
    assert DIV2K.describe({"track": track}).clean == track.startswith("bicubic")
    sample = dataset[0]
    scale = int(track[-1])
    assert sample.hr.shape == (24, 48, 3)
    assert sample.lr.shape == (24 // scale, 48 // scale, 3)
    wild = track == "realistic_wild_x4" and split == "train"
    assert len(dataset) == (12 if wild else 3)


def test_names(root):
    assert [s.name for s in DIV2K(root=root, split="valid", first=2)] == ["0801", "0802"]
    wild = DIV2K(root=root, track="realistic_wild_x4", first=1)
    assert [s.name for s in wild] == ["0001w1", "0001w2", "0001w3", "0001w4"]


def test_whole_splits_are_800_and_100(tmp_path):
    for split, numbers in (("train", range(1, 801)), ("valid", range(801, 901))):
        for folder, suffix in (("HR", ""), ("LR_bicubic/X4", "x4")):
            place = tmp_path / f"DIV2K_{split}_{folder}"
            place.mkdir(parents=True)
            for number in numbers:
                (place / f"{number:04}{suffix}.png").touch()
    assert len(DIV2K(root=tmp_path)) == 800
    assert len(DIV2K(root=tmp_path, split="valid")) == 100
    (tmp_path / "DIV2K_train_LR_bicubic/X4/0800x4.png").unlink()
    with pytest.raises(PictureError, match="X4 lacks 0800x4.png. Run"):
        DIV2K(root=tmp_path)


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path, root):
    with pytest.raises(PictureError) as caught:
        DIV2K(root=tmp_path / "no", track="bicubic_x3", split="valid")
    assert "lacks 0801.png, 0802.png, 0803.png and 97 more" in str(caught.value)
    command = f"srzoo data get div2k --track bicubic_x3 --split valid --to {tmp_path / 'no'}"
    assert command in caught.value.fix
    (root / "DIV2K_train_LR_wild/0002x4w3.png").unlink()
    with pytest.raises(PictureError, match=r"lacks 0002x4w\*.png"):
        DIV2K(root=root, track="realistic_wild_x4", first=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"track": "realistic_mild"}, "no track 'realistic_mild'. Did you mean realistic_mild_x4"),
        ({"split": "validation"}, "no split 'validation'. Did you mean valid"),
    ],
)
def test_refused_arguments(root, arguments, message):
    with pytest.raises(SrzooError, match=message):
        DIV2K(root=root, **arguments)
    with pytest.raises(SrzooError, match=f"{next(iter(arguments))} is"):
        kinds.datasets.create("div2k", root=root, **arguments)


def test_x8_where_matlab_rounded_up(tmp_path):
    official(tmp_path, "DIV2K_train_HR", ["0001.png"], (48, 28))
    official(tmp_path, "DIV2K_train_LR_x8", ["0001x8.png"], (6, 4))
    sample = DIV2K(root=tmp_path, track="bicubic_x8", first=1)[0]
    assert (sample.hr.shape, sample.lr.shape) == ((24, 48, 3), (3, 6, 3))


# --- the download -------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` from memory, as badly as ``faults`` say: one fault for each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.tag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        fault = server.faults.pop(0) if server.faults else ""
        extent, condition = self.headers["Range"], self.headers["If-Range"]
        server.asked.append((self.path, extent, condition))
        body = server.files.get(self.path)
        if fault.isdecimal():
            return self.send_error(int(fault))
        if body is None:
            return self.send_error(404)
        start = int(extent.removeprefix("bytes=").rstrip("-")) if extent else 0
        if fault == "ignore range" or (condition and condition != server.tag):
            start = 0
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        partial = start > 0
        if fault == "wrong start":
            start = 0
        rest = body[start:]
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if fault != "no length":
            self.send_header("Content-Length", str(len(rest)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if fault == "break off" else rest)
        return None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(_download, "PAUSE", 0.0)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


HR, LR = "valid_HR", "valid_LR_bicubic_X4"


def zipped(names: list[str], content: bytes | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as pack:
        for name in names:
            if name.endswith("/"):
                pack.mkdir(name)
            else:
                pack.writestr(name, png() if content is None else content)
    return file.getvalue()


def members(key: str) -> list[str]:
    suffix = "" if key.endswith("HR") else "x4"
    folder = ARCHIVES[key].folder
    return [f"{folder}/", *(f"{folder}/{n:04}{suffix}.png" for n in range(801, 901))]


@pytest.fixture
def offer(server, monkeypatch):
    """Put a small ZIP file on the server and its sum into the table."""

    def put(key: str, body: bytes | None = None, sha256: str | None = None) -> bytes:
        body = zipped(members(key)) if body is None else body
        sha256 = hashlib.sha256(body).hexdigest() if sha256 is None else sha256
        known = dataclasses.replace(ARCHIVES[key], size=len(body), sha256=sha256)
        monkeypatch.setitem(ARCHIVES, key, known)
        server.files[f"/{known.name}.zip"] = body
        return body

    put(HR)
    put(LR)
    return put


def fetch(server: Server, to: Path, **arguments) -> list[str]:
    return DIV2K.fetch(to=to, split="valid", url=server.url, **arguments)


def complete(to: Path) -> None:
    """Both folders are whole, and nothing else lies about."""
    assert sorted(path.name for path in to.iterdir()) == [
        "DIV2K_valid_HR",
        "DIV2K_valid_LR_bicubic",
    ]
    assert len(list((to / "DIV2K_valid_HR").iterdir())) == 100
    dataset = DIV2K(root=to, split="valid")
    assert len(dataset) == 100


def nothing_but_parts(to: Path) -> None:
    """No folder of pictures, nor a part of one."""
    left = [path.name for path in to.iterdir()]
    assert all(name.endswith((".zip.part", ".zip.part.tag")) for name in left), left


def test_a_good_network(server, offer, tmp_path):
    seen = []
    to = tmp_path / "deep" / "DIV2K"
    told = fetch(server, to, progress=lambda *facts: seen.append(facts))
    complete(to)
    assert len(told) == 2
    assert "complete: 100 pictures" in told[0]
    name, done, total = seen[-1]
    assert (name, done) == ("DIV2K_valid_LR_bicubic_X4", total)
    asked = list(server.asked)
    assert [path for path, _, _ in asked] == [
        "/DIV2K_valid_HR.zip", "/DIV2K_valid_LR_bicubic_X4.zip"
    ]  # fmt: skip

    assert all("exists already" in line for line in fetch(server, to))
    assert server.asked == asked  # a second run asks for nothing


@pytest.mark.parametrize(
    "faults",
    [
        ["break off"],
        ["break off", "break off", "break off", "break off", "break off", "break off", ""],
        ["break off", "ignore range"],
        ["break off", "ignore range", "break off", "break off"],
        ["503", "503", "429"],
        ["break off", "500", "break off"],
        ["break off", "wrong start"],
    ],
)
@pytest.mark.parametrize("tag", ['"one"', "", 'W/"weak"'])
def test_a_bad_network_still_gives_the_right_pictures(server, offer, tmp_path, faults, tag):
    server.tag, server.faults = tag, list(faults)
    fetch(server, tmp_path)
    complete(tmp_path)
    # A weak tag does not promise equal bytes, and is not to be asked for.
    assert {condition for _, _, condition in server.asked} <= {None, '"one"'}


def test_without_tag_and_checksum_nothing_is_pieced_together(server, offer, tmp_path):
    server.tag, server.faults = "", ["break off"]
    fetch(server, tmp_path, verify=False)
    complete(tmp_path)
    assert {extent for _, extent, _ in server.asked} == {None}


def test_a_later_run_goes_on_where_the_first_stopped(server, offer, tmp_path):
    server.faults = ["break off"] + ["503"] * 5
    with pytest.raises(SrzooError, match=r"breaks off after [\d,]+ bytes: 503") as caught:
        fetch(server, tmp_path)
    assert "again to continue" in caught.value.fix
    nothing_but_parts(tmp_path)
    have = (tmp_path / "DIV2K_valid_HR.zip.part").stat().st_size
    assert have > 0
    server.asked.clear()
    fetch(server, tmp_path)
    assert server.asked[0] == ("/DIV2K_valid_HR.zip", f"bytes={have}-", '"one"')
    complete(tmp_path)


def test_a_file_that_changed_in_between_is_fetched_anew(server, offer, tmp_path):
    server.faults = ["break off"] + ["503"] * 5
    with pytest.raises(SrzooError):
        fetch(server, tmp_path)
    server.tag = '"two"'
    offer(HR, zipped(members(HR), png(20, 12)))
    fetch(server, tmp_path)
    complete(tmp_path)
    assert DIV2K(root=tmp_path, split="valid").files[0][1].read_bytes() == png(20, 12)


def test_a_complete_part_is_not_fetched_again(server, offer, tmp_path):
    (tmp_path / "DIV2K_valid_HR.zip.part").write_bytes(server.files["/DIV2K_valid_HR.zip"])
    fetch(server, tmp_path)
    assert [path for path, _, _ in server.asked] == ["/DIV2K_valid_LR_bicubic_X4.zip"]
    complete(tmp_path)


@pytest.mark.parametrize("tag", ['"one"', ""])
@pytest.mark.parametrize("verify", [True, False])
def test_a_part_that_is_too_long_is_fetched_anew(server, offer, tmp_path, tag, verify):
    server.tag = tag
    part = tmp_path / "DIV2K_valid_HR.zip.part"
    part.write_bytes(server.files["/DIV2K_valid_HR.zip"] + b"more")
    part.with_name(part.name + ".tag").write_text(tag)
    fetch(server, tmp_path, verify=verify)
    complete(tmp_path)


def test_wrong_bytes(server, offer, tmp_path):
    body = server.files["/DIV2K_valid_HR.zip"]
    server.files["/DIV2K_valid_HR.zip"] = body[:-9] + b"x" + body[-8:]
    with pytest.raises(SrzooError, match="DIV2K_valid_HR.zip arrived damaged: its sha256 is"):
        fetch(server, tmp_path)
    assert not list(tmp_path.iterdir())
    server.files["/DIV2K_valid_HR.zip"] = body
    fetch(server, tmp_path)
    complete(tmp_path)


def test_another_size_is_refused_before_it_is_fetched(server, offer, tmp_path):
    server.files["/DIV2K_valid_HR.zip"] += b"more"
    with pytest.raises(SrzooError, match=r"has [\d,]+ bytes, but DIV2K's own archive has [\d,]+"):
        fetch(server, tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_verify_takes_another_archive(server, offer, tmp_path):
    server.files["/DIV2K_valid_HR.zip"] = zipped([*members(HR), "README.txt"])
    fetch(server, tmp_path, verify=False)
    complete(tmp_path)


def test_an_archive_without_a_known_sum(server, offer, tmp_path):
    offer(HR, sha256="")
    with pytest.raises(
        SrzooError, match="no checksum is known for DIV2K_valid_HR.zip.*--no-verify"
    ):
        fetch(server, tmp_path)
    fetch(server, tmp_path, verify=False)
    complete(tmp_path)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (["404"], r"cannot download .*/DIV2K_valid_HR.zip: 404"),
        (["403"], r"cannot download .*: 403"),
        (["503"] * 5, r"cannot be reached: 503"),
        (["no length"], r"does not state its size"),
    ],
)
def test_a_refusing_server(server, offer, tmp_path, faults, message):
    server.faults = faults
    with pytest.raises(SrzooError, match=message):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)


def test_no_server_at_all(server, offer, tmp_path):
    with pytest.raises(SrzooError, match="cannot be reached: .*[Rr]efused"):
        DIV2K.fetch(to=tmp_path, split="valid", url="http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["file:///etc", "ftp://host/x", "nonsense"])
def test_only_http(offer, tmp_path, url):
    with pytest.raises(SrzooError, match="is not an http address"):
        DIV2K.fetch(to=tmp_path, url=url)


@pytest.mark.parametrize(
    "name",
    ["../x.png", "DIV2K_valid_HR/../../x.png", "/tmp/x.png", "..\\x.png", "C:x.png", "a/..", ".."],
)
def test_a_hostile_archive_writes_nothing(server, offer, tmp_path, name):
    offer(HR, zipped([*members(HR), name]))
    to = tmp_path / "to"
    with pytest.raises(SrzooError, match="DIV2K_valid_HR.zip is not a valid archive: it contains"):
        fetch(server, to)
    nothing_but_parts(to)
    assert [path.name for path in tmp_path.iterdir()] == ["to"]


def test_a_link_in_an_archive(server, offer, tmp_path):
    file = io.BytesIO(zipped(members(HR)))
    with zipfile.ZipFile(file, "a") as pack:
        link = zipfile.ZipInfo("DIV2K_valid_HR/link.png")
        link.external_attr = 0o120777 << 16
        pack.writestr(link, "/etc/passwd")
    offer(HR, file.getvalue())
    with pytest.raises(SrzooError, match="it contains 'DIV2K_valid_HR/link.png'"):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)


def test_two_pictures_of_one_name(server, offer, tmp_path):
    offer(HR, zipped([*members(HR), "other/0801.png"]))
    with pytest.raises(SrzooError, match="two files called 0801.png"):
        fetch(server, tmp_path)


def test_an_archive_with_too_few_pictures(server, offer, tmp_path):
    offer(HR, zipped(members(HR)[:50]))
    with pytest.raises(SrzooError, match="it contains 49 of 100 pictures"):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)


@pytest.mark.parametrize("damage", ["no zip", "crc", "cut"])
def test_a_damaged_archive(server, offer, tmp_path, damage):
    body = bytearray(zipped(members(HR)))
    if damage == "crc":
        body[body.rindex(b"IDAT") + 9] ^= 255
    offer(HR, {"no zip": b"<html>", "crc": bytes(body), "cut": bytes(body[:-40])}[damage])
    with pytest.raises(SrzooError, match="DIV2K_valid_HR.zip is not a valid archive"):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)


def test_a_folder_that_is_not_whole_is_left_alone(server, offer, tmp_path):
    (tmp_path / "DIV2K_valid_HR").mkdir()
    (tmp_path / "DIV2K_valid_HR/0801.png").write_bytes(b"mine")
    with pytest.raises(SrzooError, match="contains 1 of 100 pictures. Move it away"):
        fetch(server, tmp_path)
    assert (tmp_path / "DIV2K_valid_HR/0801.png").read_bytes() == b"mine"
    assert server.asked == []


# --- the disk -----------------------------------------------------------------------------


class Full(io.BytesIO):
    def write(self, _data) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_the_disk_fills_up_while_fetching(server, offer, tmp_path, monkeypatch):
    real = Path.open

    def opened(self, mode="r", *rest, **named):
        if self.suffix == ".part" and mode in ("ab", "wb"):
            real(self, mode).close()
            return Full()
        return real(self, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(SrzooError, match="cannot write to .*: No space left on device"):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(_download, "PAUSE", 0.0)
    assert (tmp_path / "DIV2K_valid_HR.zip.part").exists()


def test_the_disk_fills_up_while_unpacking(server, offer, tmp_path, monkeypatch):
    copies = []

    def copyfileobj(source, copy, size):
        copies.append(copy.write(source.read()))
        if len(copies) == 40:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_unpack.shutil, "copyfileobj", copyfileobj)
    with pytest.raises(SrzooError, match="No space left on device"):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)
    monkeypatch.setattr(_unpack.shutil, "copyfileobj", lambda a, b, n: b.write(a.read()))
    server.asked.clear()
    fetch(server, tmp_path)
    assert len(server.asked) == 1  # the HR archive had arrived already
    complete(tmp_path)


def test_an_interrupt_while_unpacking(server, offer, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_unpack.shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path)
    nothing_but_parts(tmp_path)


def test_too_little_room_is_said_before_anything_is_fetched(server, offer, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 9, 100))
    with pytest.raises(SrzooError, match=r"DIV2K_valid_HR needs 0.0 GB, .* has 0.0 GB"):
        fetch(server, tmp_path)
    assert server.asked == []


def test_a_place_that_cannot_be_written(server, offer, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SrzooError, match="cannot write to .*file/x"):
        fetch(server, tmp_path / "file/x")


def test_registered():
    assert "div2k" in kinds.datasets.names()
    assert not [
        p for p in kinds.datasets.check() if p.plugin.target.startswith("srzoo_plugins.div2k")
    ]
