"""``srzoo upscale`` as its user meets it: files, exit codes, one line for each mistake."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, drawn
from PIL import Image

from srzoo.batches.ledger import NAME
from srzoo.upscaling import loading

FAST = ("-m", "bicubic-x2")


def files(folder: Path) -> list[str]:
    """All files but the ledger, hidden ones too."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return sorted(str(path.relative_to(folder)) for path in found)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_one_picture(srzoo_cli, photo):
    result = srzoo_cli("upscale", photo, *FAST)
    assert result.code == 0
    assert result.err == ""
    assert "45x31 to 90x62" in result.out
    assert "peak memory" in result.out
    assert size(photo.with_name("photo-bicubic-x2.png")) == (90, 62)
    assert files(photo.parent) == ["photo-bicubic-x2.png", "photo.png"]


def test_the_default_model_is_edsr_x4(srzoo_cli, photo):
    assert srzoo_cli("upscale", photo).code == 0
    assert size(photo.with_name("photo-edsr-x4.png")) == (180, 124)


def test_a_second_run_over_a_folder(srzoo_cli, photo):
    assert srzoo_cli("upscale", photo.parent, *FAST).code == 0
    first = photo.with_name("photo-bicubic-x2.png").read_bytes()
    again = srzoo_cli("upscale", photo.parent, *FAST, "--overwrite")
    assert again.code == 0
    assert "1 left out (results of an earlier run)" in again.out
    assert photo.with_name("photo-bicubic-x2.png").read_bytes() == first
    assert len(files(photo.parent)) == 2


def test_a_model_folder_by_path(srzoo_cli, photo, tmp_path):
    shutil.copytree(ROOT / "cards/bicubic-x3", tmp_path / "runs/mine")
    assert srzoo_cli("upscale", photo, "-m", tmp_path / "runs/mine").code == 0
    assert size(photo.with_name("photo-mine.png")) == (135, 93)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.png"], "nope.png does not exist"),
        (["zero.png"], "zero.png is empty"),
        (["text.png"], "text.png is not a picture"),
        (["cut.png"], "cannot read cut.png"),
        (["empty"], "empty contains no pictures"),
        (["photo.png", "-m", "bicubik-x2"], "Did you mean bicubic-x2"),
        (["photo.png", "-o", "photo.png", "--overwrite"], "the input itself"),
        (["photo.png", "-o", "photo.xyz"], ".xyz is not a format"),
        (["photo.png", "-o", "text.png/a.png"], "cannot create the folder"),
        (["photo.png", "-o", "/proc/a.png"], "cannot write"),
        (["photo.png", "--scale", "many"], "'many' is not a scale"),
        (["photo.png", "--size", "3840"], "'3840' is not a size"),
        (["photo.png", "--size", "9x9", "--scale", "2"], "a scale and a size are both given"),
        (["photo.png", "--max-pixels", "1K"], "more than 1,000"),
        (["photo.png", "--max-pixels", "all"], "'all' is not a valid number of pixels"),
        (["photo.png", "--jobs", "0"], "whole number from 1 to 64"),
        (["photo.png", "-o", "-", "--tile", "off", "--memory", "1MB"], "Give --memory"),
        (["photo.png", "photo.png", "-o", "-"], "a pipe takes one picture"),
        (["-"], "no output is given"),
        (["-", "-o", "empty"], "has no name"),
        (["-", "-o", "text.png"], "text.png exists"),
        (["photo.png", "--memory", "10MB"], "Give --memory"),
        (["photo.png", "--memory", "much"], "'much' is not a valid amount"),
        (["photo.png", "--tile", "3"], "whole number from 16"),
        (["photo.png", "--device", "mps"], "no mps device"),
    ],
)
def test_each_mistake_is_one_line_and_exit_code_2(
    srzoo_cli, photo, monkeypatch, arguments, message
):
    folder = photo.parent
    monkeypatch.chdir(folder)
    (folder / "zero.png").write_bytes(b"")
    (folder / "text.png").write_text("I am no picture")
    (folder / "cut.png").write_bytes(photo.read_bytes()[:900])
    (folder / "empty").mkdir()
    before = files(folder)
    model = () if "-m" in arguments else FAST
    result = srzoo_cli("upscale", *arguments, *model)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert len(result.err.strip().splitlines()) == (1 if result.err.startswith("srzoo:") else 4)
    assert files(folder) == before


def test_a_bad_picture_does_not_stop_the_others(srzoo_cli, photo, tmp_path):
    (tmp_path / "a.png").write_text("I am no picture")
    (tmp_path / "z.png").write_bytes(photo.read_bytes())
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST)
    assert result.code == 1
    assert "2 pictures" in result.out
    assert "1 failed" in result.out
    assert "a.png is not a picture" in result.err
    assert files(tmp_path / "out") == ["photo.png", "z.png"]


def test_json_lines(srzoo_cli, photo, tmp_path):
    (tmp_path / "a.png").write_text("I am no picture")
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST, "--json")
    bad, good = (json.loads(line) for line in result.out.splitlines())
    assert "not a picture" in bad["error"]
    assert bad["output"] is None
    assert good["error"] is None
    assert good["to"] == [90, 62]
    assert good["route"] == "x2"
    again = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST, "--json")
    assert again.code == 1
    bad, good = (json.loads(line) for line in again.out.splitlines())
    assert "not a picture" in bad["error"]
    assert good["skipped"] == "done before"
    assert good["output"] == str(tmp_path / "out" / "photo.png")


def test_what_a_format_cannot_hold_is_said(srzoo_cli, tmp_path):
    drawn(mode="RGBA").save(tmp_path / "clear.png")
    result = srzoo_cli("upscale", tmp_path / "clear.png", *FAST, "-o", tmp_path / "flat.jpg")
    assert "note: JPEG has no transparency" in result.out


def test_quality(srzoo_cli, photo, tmp_path):
    for quality in (30, 95):
        srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / f"{quality}.jpg", "--quality", quality)
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2


ODD = [
    "Zürich am See.png", "-m.png", "--help.png", "写真.png", "ä" * 125 + "a.png", "line\nend.png",
    "tab\t and 'quotes\".png", "trailing .png", "a.b.c.png", "%s {0} [red].png", "\x1b[31m.png",
    os.fsdecode(b"\xff\xfe.png"),
]  # fmt: skip


def test_odd_names(srzoo_cli, tmp_path):
    for i, name in enumerate(ODD):
        drawn(9 + i, 9).save(tmp_path / "b.png")
        (tmp_path / "-in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "b.png").rename(tmp_path / "-in" / name)
    out = tmp_path / "o\nut"
    result = srzoo_cli("upscale", tmp_path / "-in", "-o", out, *FAST)
    assert result.code == 0
    assert files(out) == sorted(ODD)
    assert len(result.out.splitlines()) == len(ODD) + 1  # one line each
    assert "\x1b" not in result.out
    result = srzoo_cli("upscale", tmp_path / "-in", "-o", tmp_path / "json", *FAST, "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert {Path(line["output"]).name for line in lines} == set(ODD)
    assert {line["to"][0] for line in lines} == {18 + 2 * i for i in range(len(ODD))}
    again = srzoo_cli("upscale", tmp_path / "-in", "-o", out, *FAST)
    assert f"{len(ODD)} done before" in again.out


def test_dashes_and_odd_names_by_name(srzoo_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn(9, 9).save("-m.png")
    Path("-m.png").rename("-")
    assert srzoo_cli("upscale", "-o", "a.png", *FAST, "./-").code == 0
    Path("-").rename("-m.png")
    assert srzoo_cli("upscale", *FAST, "--", "-m.png").code == 0
    assert files(tmp_path) == ["-m-bicubic-x2.png", "-m.png", "a.png"]
    result = srzoo_cli("upscale", *FAST, "no\nsuch.png")
    assert result.code == 2


def test_any_size_is_told(srzoo_cli, photo, tmp_path):
    result = srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / "a.png", "--size", "long=100")
    assert result.code == 0
    assert size(tmp_path / "a.png") == (100, 69)
    assert "45x31 to 100x69 (x2, x2, then resized to 100x69)" in result.out
    assert srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / "b.png", "--scale", "1.5").code == 0
    assert size(tmp_path / "b.png") == (68, 47)


def test_a_model_of_several_scales_asks_for_one(srzoo_cli, photo, tmp_path):
    shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "mine")
    config = json.loads((tmp_path / "mine/config.json").read_text())
    config["scales"] = [2, 3]
    (tmp_path / "mine/config.json").write_text(json.dumps(config))
    result = srzoo_cli("upscale", photo.parent, "-o", tmp_path / "out", "-m", tmp_path / "mine")
    assert result.code == 2
    assert "Choose the scale: 2, 3" in result.err
    assert not (tmp_path / "out").exists()


def xmp_of(path: Path) -> bytes:
    data = path.read_bytes()
    return (
        data[data.find(b"<x:xmpmeta") : data.find(b"</x:xmpmeta>")] if b"xmpmeta" in data else b""
    )


def test_provenance_and_strip(srzoo_cli, tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    drawn().save(tmp_path / "a.jpg", exif=exif, quality=95)
    for name, options in {"own": [], "strip": ["--strip"], "none": ["--no-provenance"],
                          "neither": ["--strip", "--no-provenance"]}.items():  # fmt: skip
        target = tmp_path / f"{name}.jpg"
        assert srzoo_cli("upscale", tmp_path / "a.jpg", *FAST, "-o", target, *options).code == 0
        with Image.open(target) as image:
            assert (image.getexif().get(0x010F) == "Maker") == ("--strip" not in options)
        assert (b"srzoo bicubic-x2" in xmp_of(target)) == ("--no-provenance" not in options)


def test_advice_is_given_once(srzoo_cli, tmp_path):
    for name in ("a", "b", "c"):
        drawn(64, 64).save(tmp_path / f"{name}.jpg", quality=5)
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", "--json")  # edsr-x4
    assert result.code == 0
    assert len(result.out.splitlines()) == 3
    assert result.err.count("warning:") == 1
    assert re.search(r"/[abc]\.jpg: ", result.err)  # whichever was read first
    clean = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "bicubic", *FAST)
    assert clean.err == ""


def test_a_long_run_is_told_before(srzoo_cli, tmp_path):
    drawn(48, 40).save(tmp_path / "a.png")
    result = srzoo_cli("upscale", tmp_path / "a.png", *FAST, "-v", "--scale", "4")
    assert "\n48x40 to 192x160 (x2, x2): about 0 s, 0 MB uncompressed\n" in result.err
    drawn(48, 40).save(tmp_path / "b.png")
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST, "--verbose")
    assert "\n2 pictures: about" in result.err


def test_a_tree_and_a_second_run(srzoo_cli, tmp_path, monkeypatch):
    for name in ("a.png", "b/a.jpg", "b/c/d.webp"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        drawn().save(tmp_path / "in" / name)
    command = ("upscale", tmp_path / "in", "-r", "-o", tmp_path / "in/out", *FAST)
    assert srzoo_cli(*command).code == 0
    assert files(tmp_path / "in/out") == ["a.png", "b/a.jpg", "b/c/d.webp"]
    with monkeypatch.context() as patch:
        patch.setattr(loading, "load", lambda *_: pytest.fail("a model is loaded for nothing"))
        again = srzoo_cli(*command)
    assert again.code == 0
    assert "0 pictures" in again.out
    assert "3 done before" in again.out
    other = srzoo_cli(*command, "--skip-existing", "--quality", "50")
    assert "3 skipped (they exist)" in other.out
    changed = srzoo_cli(*command, "--quality", "50")
    assert "3 pictures" in changed.out
    (tmp_path / "in/out/a.png").write_bytes(b"somebody else's")
    refused = srzoo_cli(*command, "--quality", "50")
    assert refused.code == 1
    assert "a.png exists. Give --overwrite" in refused.err
    assert srzoo_cli(*command, "--quality", "50", "--overwrite").code == 0
    assert size(tmp_path / "in/out/a.png") == (90, 62)


def pipe(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "srzoo", "upscale", *FAST, *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def test_a_pipe(srzoo_cli, photo, tmp_path):
    srzoo_cli("upscale", photo, *FAST, "-o", tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    both = pipe("-", "-o", "-", data=photo.read_bytes())
    assert (both.returncode, both.stdout, both.stderr) == (0, whole, b"")
    assert pipe(photo, "-o", "-").stdout == whole
    result = pipe("-", "-o", tmp_path / "file.png", data=photo.read_bytes())
    assert result.returncode == 0
    assert (tmp_path / "file.png").read_bytes() == whole
    drawn().save(tmp_path / "a.webp", lossless=True)
    own = pipe("-", "-o", "-", data=(tmp_path / "a.webp").read_bytes()).stdout
    assert (own[:4], own[8:12]) == (b"RIFF", b"WEBP")
    deep = pipe("-", "-o", "-", "--format", "tiff", data=photo.read_bytes()).stdout
    assert deep[:2] == b"II"


@pytest.mark.parametrize(
    ("arguments", "data", "message"),
    [
        (["-", "-o", "-"], b"", "standard input is empty"),
        (["-", "-o", "-"], b"I am no picture", "standard input is not a picture"),
        (["-", "-o", "-"], "cut", "cannot read standard input"),
        (["-", "-o", "-", "--memory", "1MB"], "whole", "Give --memory"),
        (["-", "-o", "no/such/place/x.xyz"], "whole", ".xyz is not a format"),
    ],
)
def test_a_pipe_with_nothing_good_in_it(photo, arguments, data, message):
    given = {"cut": photo.read_bytes()[:900], "whole": photo.read_bytes()}.get(data, data)
    result = pipe(*arguments, data=given)
    assert result.returncode == 2
    assert result.stdout == b""
    assert message in result.stderr.decode()
    assert len(result.stderr.splitlines()) == 1


def test_a_pipe_that_nobody_reads(tmp_path):
    drawn(900, 900).save(tmp_path / "a.png")
    command = f"{sys.executable} -m srzoo upscale a.png -m bicubic-x2 -o - | head -c 10"
    run = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert len(run.stdout) == 10
    assert run.stderr == b""


def begun(folder: Path, command: list[str], done: int) -> subprocess.Popen[str]:
    """A run that has ``done`` pictures in its ledger."""
    before = len(ledger_lines(folder))
    # Where the tests run in the background, Ctrl-C is ignored by whatever they start.
    listening = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=listening
    )
    deadline = time.monotonic() + 60
    while len(ledger_lines(folder)) < before + done and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return run


def ledger_lines(folder: Path) -> list[bytes]:
    path = folder / NAME
    return path.read_bytes().splitlines() if path.exists() else []


def many(folder: Path, count: int) -> Path:
    """Small pictures of two formats in three folders."""
    base = np.asarray(drawn(40, 30))
    for i in range(count):
        path = folder / f"{i % 3}" / f"{i:03}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(base, i, axis=1)).save(path)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_batch_goes_on(srzoo_cli, tmp_path, number):
    inputs, out = many(tmp_path / "in", 250), tmp_path / "out"
    arguments = ["upscale", str(inputs), "-r", "-o", str(out), *FAST]
    run = begun(out, [sys.executable, "-m", "srzoo", *arguments], done=5)
    run.send_signal(number)
    start = time.monotonic()
    _, err = run.communicate(timeout=60)
    assert time.monotonic() - start < 10
    assert run.returncode == 130
    assert err.strip() == "srzoo: interrupted"
    done = files(out)
    assert 5 <= len(done) < 250
    assert sorted(json.loads(line)["target"] for line in ledger_lines(out)) == done
    result = srzoo_cli(*arguments)
    assert f"{len(done)} done before" in result.out
    assert srzoo_cli("upscale", inputs, "-r", "-o", tmp_path / "whole", *FAST).code == 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_several_times_it_ends_with_exactly_the_right_files(srzoo_cli, tmp_path):
    inputs, out = many(tmp_path / "in", 200), tmp_path / "out"
    (inputs / "0/broken.png").write_bytes(b"I am no picture")
    arguments = ["upscale", str(inputs), "-r", "-o", str(out), *FAST]
    for i in range(5):
        run = begun(out, [sys.executable, "-m", "srzoo", *arguments], done=7 + 11 * i)
        assert run.poll() is None
        run.kill()
        run.communicate()
        (out / "0/.srzoo-part-left.png").write_bytes(b"half")
    before = len(ledger_lines(out))
    result = srzoo_cli(*arguments, "--json")
    assert result.code == 1
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert len(lines) == 201
    kept = [line for line in lines if line["skipped"] == "done before"]
    assert before - 10 <= len(kept) <= before
    assert [line["input"] for line in lines if line["error"]] == [str(inputs / "0/broken.png")]
    assert srzoo_cli("upscale", inputs, "-r", "-o", tmp_path / "whole", *FAST).code == 1
    assert contents(out) == contents(tmp_path / "whole")
    assert len(files(out)) == 200
    assert sorted({json.loads(line)["target"] for line in ledger_lines(out)}) == files(out)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_leaves_nothing_half_written(tmp_path):
    drawn(2000, 1500).save(tmp_path / "photo.png")
    command = [sys.executable, "-m", "srzoo", "upscale", "photo.png", "-m", "bicubic-x4"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".srzoo-*")) and time.monotonic() < deadline:
        time.sleep(0.01)  # until it is writing
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.strip().endswith("srzoo: interrupted")
    assert "Traceback" not in err
    assert files(tmp_path) == ["photo.png"]


def test_a_closed_pipe_is_no_traceback(tmp_path):
    command = f"{sys.executable} -m srzoo plugin list --json | true"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert run.stderr == ""


def test_progress_is_drawn_on_a_terminal_only(tmp_path, photo):
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "srzoo", "upscale", str(photo), *FAST, "--tile", "16"]
    subprocess.run(command, stderr=terminal, stdout=subprocess.DEVNULL, check=True)
    os.close(terminal)
    assert b"photo.png" in os.read(main_end, 100_000)
    os.close(main_end)
    again = subprocess.run([*command, "--overwrite"], capture_output=True, check=True)
    assert again.stderr == b""


def test_the_same_bytes_whatever_the_tile(srzoo_cli, photo, tmp_path):
    for tile in ("off", "16", "auto"):
        result = srzoo_cli("upscale", photo, *FAST, "--tile", tile, "-o", tmp_path / f"{tile}.png")
        assert result.code == 0
    results = [np.asarray(Image.open(tmp_path / f"{tile}.png")) for tile in ("off", "16", "auto")]
    assert all(np.array_equal(results[0], other) for other in results)
