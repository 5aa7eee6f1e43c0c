"""stdout holds what was asked for and nothing else; what is printed moves no terminal."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, drawn

from srzoo import images
from srzoo.cli import _streams
from srzoo.cli._streams import CONTROL, TextStream, clean
from srzoo.plugins import kinds

FAST = ("-m", "bicubic-x2")
SRZOO = (sys.executable, "-m", "srzoo")
EVIL = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x1b\\",
    "c1": "\x9b2J\x9d0;owned\x9c\x90q\x9c",
    "bidi": "\u202egnp.exe\u2066\u2069",
    "back": "safe\b\b\b\bevil\r",
    "link": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "delete": "\x7f\x0b\x0c\u2028\u2029",
}
NOISY = """
import ctypes, os
def noise(when):
    print("PYTHON", when)
    os.write(1, b"DESCRIPTOR\\n")
    ctypes.CDLL(None).printf(b"FROM C\\n")
noise("import")
def prepare(*, folder, device="auto", precision="auto"):
    noise("prepare")
    import atexit
    atexit.register(noise, "at exit")
    import srzoo_plugins.numpy
    return srzoo_plugins.numpy.Engine(folder=folder, device=device, precision=precision)
"""


@pytest.fixture
def noisy(tmp_path):
    """The environment of a command that has an engine which prints."""
    site = tmp_path / "site"
    (site / "noisy-1.0.dist-info").mkdir(parents=True)
    (site / "noisy.py").write_text(NOISY)
    (site / "noisy-1.0.dist-info/METADATA").write_text("Name: noisy\nVersion: 1.0\n")
    (site / "noisy-1.0.dist-info/entry_points.txt").write_text(
        "[srzoo.engines]\nnoisy = noisy:prepare\n"
    )
    found = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return found | {"PYTHONPATH": str(site)}


@pytest.mark.skipif(sys.platform == "win32", reason="printf through ctypes")
@pytest.mark.parametrize("unbuffered", [False, True])
def test_what_plugins_print_is_not_in_the_result(photo, noisy, tmp_path, unbuffered):
    environment = noisy | {"PYTHONUNBUFFERED": "1"} if unbuffered else noisy
    command = [*SRZOO, "upscale", str(photo), *FAST, "--engine", "noisy"]
    for more, check in (
        (["-o", "-"], lambda out: images.read_size(io.BytesIO(out)) == (90, 62)),
        (["-o", str(tmp_path / f"{unbuffered}.png"), "--json"], json.loads),
    ):
        run = subprocess.run([*command, *more], env=environment, capture_output=True, check=True)
        assert check(run.stdout)
        assert b"FROM C" not in run.stdout
        assert b"PYTHON" not in run.stdout
        assert b"DESCRIPTOR" not in run.stdout
        assert run.stderr.count(b"FROM C") == 3
        assert run.stderr.count(b"PYTHON") == 3
    assert run.stdout.endswith(b"}\n")


def test_in_one_process_everything_is_as_before(srzoo_cli, photo, tmp_path, capfd):
    import ctypes

    before = sys.stdout, sys.stderr

    def prepare(*, folder, device="auto", precision="auto"):
        os.write(1, b"DESCRIPTOR\n")
        ctypes.CDLL(None).printf(b"FROM C\n")
        print("PYTHON")  # noqa: T201
        return kinds.engines.build("numpy", folder=folder, device=device, precision=precision)

    kinds.engines.register("noisy", prepare)
    try:
        result = srzoo_cli("upscale", photo, *FAST, "--engine", "noisy", "--json", "-o",
                           tmp_path / "a.png")  # fmt: skip
    finally:
        kinds.engines.unregister("noisy")
    assert json.loads(result.out)["to"] == [90, 62]
    assert {"DESCRIPTOR", "FROM C", "PYTHON"} <= set(result.err.splitlines())
    assert (sys.stdout, sys.stderr) == before
    os.write(1, b"there\n")
    assert capfd.readouterr().out == "there\n"


def moves_nothing(text: str, *, styled: bool = False) -> bool:
    """Whether a terminal would show it, and do nothing else."""
    plain = re.sub(_streams.STYLES, "", text) if styled else text
    return not CONTROL.search(plain)


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"COLUMNS": "200"} | more


def on_a_terminal(command: list[str], **options) -> str:
    """What a terminal gets: both streams."""
    pty = pytest.importorskip("pty")
    main, terminal = pty.openpty()
    run = subprocess.Popen(command, stdout=terminal, stderr=terminal, stdin=terminal, **options)
    os.close(terminal)
    said = b""
    while True:
        try:
            data = os.read(main, 65536)
        except OSError:
            break
        if not data:
            break
        said += data
    run.wait(60)
    os.close(main)
    return said.decode("utf-8", "replace").replace("\r\n", "\n")


@pytest.fixture
def evil_model(tmp_path):
    """A model that tries to move the terminal wherever it says something."""
    folder = shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "models/evil")
    text = "".join(EVIL.values())
    config = json.loads((folder / "config.json").read_text())
    config["summary"] = f"a summary {text} that is evil"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(
        f"---\ntags: [x2]\n---\n# A card {text}\n\n[here](https://example.org) {text}\n"
    )
    return folder


@pytest.mark.parametrize("command", [("model", "show"), ("card", "show"), ("model", "list"),
                                     ("model", "show", "--json"), ("evaluate",)])  # fmt: skip
def test_what_a_model_says_is_cleaned(evil_model, srzoo_cli, command, monkeypatch):
    from srzoo.models import locate

    monkeypatch.setattr(locate, "released", lambda: {"evil": evil_model})
    reference = [] if command[1:2] == ("list",) else [str(evil_model)]
    result = srzoo_cli(*command, *reference)
    assert moves_nothing(result.out), repr(result.out)
    assert moves_nothing(result.err), repr(result.err)
    if "--json" in command:
        assert json.loads(result.out)["summary"].count("\x1b") >= 5  # as it is, escaped


@pytest.mark.skipif(sys.platform == "win32", reason="terminals")
def test_a_terminal_gets_styles_and_nothing_else(evil_model):
    said = on_a_terminal([*SRZOO, "model", "show", str(evil_model)])
    assert "A card" in said
    assert moves_nothing(said, styled=True), repr(said)


@pytest.mark.skipif(sys.platform == "win32", reason="such names")
@pytest.mark.parametrize("kind", EVIL)
def test_names_are_cleaned(srzoo_cli, tmp_path, kind):
    name = EVIL[kind].replace("/", "|")
    (tmp_path / "in").mkdir()
    drawn(9, 9).save(tmp_path / "b.png")
    (tmp_path / "b.png").rename(tmp_path / f"in/{name}.png")
    (tmp_path / f"in/{name} broken.png").write_bytes(b"no picture")
    (tmp_path / f"in/a.{name}").write_bytes(b"left out")
    for more in ([], ["--json"], ["-v"]):
        out = tmp_path / f"out {name}{len(more)}{''.join(more)}"
        result = srzoo_cli("upscale", tmp_path / "in", "-o", out, *FAST, *more)
        assert result.code == 1
        assert moves_nothing(result.out), repr(result.out)
        assert moves_nothing(result.err), repr(result.err)
    for command in (
        ("upscale", tmp_path / f"none{name}.png"), ("upscale", "-m", f"m{name}", "a.png"),
        (f"c{name}",), ("model", "show", f"m{name}"), ("plugin", "show", f"k{name}", "x"),
        ("recipe", "show", f"r{name}"), ("upscale", f"--{name}"), ("evaluate", f"m{name}"),
        ("export", "bicubic-x2", "--to", f"f{name}"), ("upscale", "a.png", "--scale", name),
    ):  # fmt: skip
        result = srzoo_cli(*command)
        assert result.code == 2, command
        assert moves_nothing(result.err), repr(result.err)


class Terminal(io.StringIO):
    encoding = "utf-8"  # pyright: ignore

    def isatty(self) -> bool:
        return True


def test_only_our_own_sequences_pass():
    styled = "\x1b[1;31mred\x1b[0m plain"
    bar = "\x1b[?25l\r\x1b[2K\x1b[1A\x1b[2K50 %\x1b[?25h"
    evil = "".join(EVIL.values())
    for raw, allowed, denied in (
        (io.StringIO(), "", styled + bar + evil), (Terminal(), styled, bar + evil),
    ):  # fmt: skip
        words = TextStream(raw)
        words.write(allowed + denied + "\n")
        assert (
            raw.getvalue() == allowed + clean(denied, _streams.STYLES * raw.isatty() or None) + "\n"
        )
        assert moves_nothing(raw.getvalue(), styled=raw.isatty())
    raw = Terminal()
    TextStream(raw).for_bars().write(bar + evil)
    assert raw.getvalue() == bar + clean(evil).replace("\\r", "\r")
    for written in ("\r 50 %", "\x1b[A", "\x1b[A\x1b[A", "\r"):  # tqdm's, of the Hub
        raw = Terminal()
        TextStream(raw).write(written)
        assert raw.getvalue() == written
    for written in ("\x1b[Ax\n", "x\r\n", "\x1b[A\n"):
        raw = Terminal()
        TextStream(raw).write(written)
        assert moves_nothing(raw.getvalue(), styled=True)
    raw = Terminal()
    TextStream(raw).write("a name that is \x1b[31mred\n")
    assert raw.getvalue().endswith("\x1b[0m\n")


def test_what_cannot_be_encoded_is_escaped():
    raw = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    words = TextStream(raw)
    assert words.write("é写\udcff\n") == 4
    words.flush()
    assert raw.buffer.getvalue() == b"\\xe9\\u5199\\udcff\n"


@pytest.mark.parametrize(
    ("words", "found"),
    {"srzoo up": "upscale", "srzoo upscale --eng": "--engine", "srzoo upscale -m edsr-x": "edsr-x4",
     "srzoo upscale --engine tor": "torch"}.items(),
)  # fmt: skip
def test_a_shell_completes(words, found):
    """Click hands its answer over as bytes."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = completion("bash_complete", asked)
    assert f"plain,{found}" in done.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell):
    done = completion(f"{shell}_source", {})
    assert "_SRZOO_COMPLETE" in done.stdout
    assert "srzoo" in done.stdout


def completion(instruction, asked):
    environment = os.environ | {"_SRZOO_COMPLETE": instruction} | asked
    done = subprocess.run([sys.executable, "-m", "srzoo"], env=environment, text=True,
                          capture_output=True)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize(
    ("line", "code", "stdout", "stderr"),
    [
        ("model list >/dev/full", 1, "", "cannot write to standard output: No space left"),
        ("model list --json >/dev/full", 1, "", "cannot write to standard output: No space left"),
        ("model list >&-", 1, "", "cannot write to standard output: it is closed"),
        ("model show none 2>/dev/full", 2, "", ""),
        ("model show none 2>&- >&- <&-", 2, "", ""),
        ("upscale photo.png -m bicubic-x2 -o - >/dev/full", 2, "", "No space left"),
        ("upscale photo.png -m bicubic-x2 -o - >&-", 2, "", "standard output is closed"),
        ("upscale - -m bicubic-x2 -o - <&-", 2, "", "standard input is closed"),
        ("--help >/dev/full", 1, "", "cannot write to standard output"),
        ("model list 2>&-", 0, "bicubic-x2", ""),
        ("model show edsr-x4 | head -c 5", 0, "name ", ""),
        ("plugin show generator bicubic | head -c 5", 0, "gener", ""),
    ],
)
def test_closed_and_full_streams(photo, line, code, stdout, stderr):
    shell = f"{sys.executable} -m srzoo {line}"
    run = subprocess.run(shell, shell=True, cwd=photo.parent, capture_output=True, text=True,
                         check=False)  # fmt: skip
    assert run.returncode == code, run.stderr
    assert stdout in run.stdout
    assert stderr in run.stderr
    assert len(run.stderr.splitlines()) == bool(stderr)
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
def test_the_work_is_done_though_nobody_hears_of_it(photo):
    for i, closed in enumerate((">/dev/full", ">&- 2>&- <&-", ">/dev/full 2>/dev/full --json")):
        shell = f"{sys.executable} -m srzoo upscale photo.png -m bicubic-x2 -o {i}.png {closed}"
        run = subprocess.run(shell, shell=True, cwd=photo.parent, check=False)
        assert run.returncode == 1  # words were lost
        assert images.read_size(photo.with_name(f"{i}.png")) == (90, 62)
        assert images.read(photo.with_name(f"{i}.png")).size == (90, 62)
    assert len(list(Path(photo.parent).iterdir())) == 4
