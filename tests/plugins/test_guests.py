"""No package of others breaks what srzoo does: each of them is really installed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from guests import GUESTS, environment, install
from helpers import drawn

from srzoo import images

WORDS = {
    "card-missing": "card t (guest-card-missing 1.2) is no package of model folders",
    "engine-import": "half installed",
    "engine-exit": "SystemExit: 3",
    "engine-makes": "no such card",
    "engine-wrong-file": "speed",
    "format-builtin": "export-format mnn (guest-format-builtin 1.2) has the name of srzoo's own",
}
"""What a plain upscale has to say of a guest; it says nothing of others."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return install(tmp_path_factory.mktemp("guests"))


@pytest.fixture
def run(places, tmp_path):
    def go(guest, *arguments, code=0, **more):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "srzoo", *map(str, arguments)], cwd=tmp_path,
            env=environment(places[guest], **more), capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert time.monotonic() - began < 90  # what sleeps at import is not waited for
        return done

    return go


@pytest.mark.parametrize("guest", GUESTS)
def test_a_picture_is_enlarged(run, tmp_path, guest):
    drawn(24, 20).save(tmp_path / "a.png")
    done = run(guest, "upscale", "a.png", "-o", "b.png", "--json")
    assert json.loads(done.stdout)["output"].endswith("b.png")
    assert images.read(tmp_path / "b.png").size == (96, 80)
    assert WORDS.get(guest, "") in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == len(set(said))
    hidden = "has the name of srzoo's own"  # told where an export is made, not where it is kept
    assert guest in WORDS or all(hidden in line for line in said)


LISTS = """
import sys
from srzoo.cli import main
for words in ("model list", "--help", "plugin list --json", "recipe list"):
    try:
        main(words.split())
    except SystemExit as end:
        assert not end.code, words
    print("---")
"""


@pytest.mark.parametrize("guest", GUESTS)
def test_what_there_is_is_listed(places, guest):
    done = subprocess.run(
        [sys.executable, "-c", LISTS], env=environment(places[guest]), capture_output=True,
        text=True, check=True, timeout=90,
    )  # fmt: skip
    models, commands, plugins, recipes, _ = done.stdout.split("---")
    assert "edsr-x4 " in models
    assert "upscale " in commands
    assert (f'"guest-{guest}"' in plugins) == (guest != "colon")
    assert "edsr-x4 " in recipes
    wrong = [word for word in ("bad/config.json", "new/config.json") if word in done.stderr]
    assert bool(wrong) == (guest in ("card-json", "card-newer"))


@pytest.mark.parametrize(
    ("guest", "what"),
    {"card-import": "half installed", "engine-exit": "SystemExit: 3", "colon": "a colon",
     "command-builtin": "has the name of srzoo's own", "api": "no whole number",
     "interrupt": "KeyboardInterrupt", "metaclass": "plugin_api: RuntimeError",
     "handlers": "the stranger's network was built"}.items(),
)  # fmt: skip
def test_a_check_names_it(run, guest, what):
    found = run(guest, "plugin", "check", code=1 if what else 0).stdout
    lines = [line for line in found.splitlines() if f"(guest-{guest} 1.2)" in line]
    assert bool(lines) == bool(what)
    assert all(what in line for line in lines)


def test_ours_are_taken_and_theirs_are_found_by_their_full_names(run, tmp_path):
    drawn(24, 20).save(tmp_path / "a.png")
    done = run("card-released", "upscale", "a.png", "-m", "guest_card.released:edsr-x4")
    assert images.read(tmp_path / "a-edsr-x4.png").size == (48, 40), done.stderr
    listed = json.loads(run("card-released", "model", "list", "--json").stdout)
    assert "guest-card-released:edsr-x4" in str(listed)
    assert run("command-builtin", "guest-command-builtin:upscale").stdout == "STRANGER\n"
    assert "STRANGER" not in run("command-builtin", "upscale", "--help").stdout
    theirs = run("generator-builtin", "plugin", "show", "generator", "Guest_Generator_builtin:edsr",
                 code=2)  # fmt: skip
    assert "generator edsr (guest-generator-builtin 1.2) failed at " in theirs.stderr
    assert "the stranger's network was built" in theirs.stderr
    ours = run("generator-builtin", "plugin", "show", "generator", "edsr")
    assert "(srzoo " in ours.stdout


def test_a_broken_command_says_whose_it_is(run):
    done = run("command-none", "strange", code=2)
    assert "command strange (guest-command-none 1.2) is no click.Command, but int" in done.stderr
    done = run("command-fails", "strange", code=2)
    assert "command strange (guest-command-fails 1.2) failed at " in done.stderr
    assert "division by zero" in done.stderr
    assert "(of guest-command-fails 1.2)" in run("command-fails", "--help").stdout


@pytest.mark.parametrize("guest", ["exit", "interrupt", "api", "metaclass"])
def test_a_broken_part_that_is_asked_for_says_whose_it_is(run, guest):
    done = run(guest, "plugin", "show", "generator", "boom", code=2)
    assert f"generator boom (guest-{guest} 1.2) " in done.stderr


def test_a_slow_import_is_told(run, places):
    done = subprocess.run(
        [sys.executable, "-m", "srzoo", "plugin", "show", "engine", "late"],
        env=environment(places["engine-sleeps"], GUEST_SLEEP="6"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "engine late (guest-engine-sleeps 1.2) took 6 s to import" in done.stderr


CODE = """
import signal, sys, srzoo
srzoo.generators.get("boom")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


def test_handlers_of_signals_stay(places):
    subprocess.run([sys.executable, "-c", CODE], env=environment(places["handlers"]), check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_of_somebody_ends_an_import(places):
    process = subprocess.Popen(
        [sys.executable, "-m", "srzoo", "late"], env=environment(places["command-sleeps"]),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].strip() == "srzoo: interrupted"
    assert process.returncode == 130
