"""No package of others breaks what srzoo does: each of them is really installed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import guests
import pytest
from guests import GUESTS, environment, install
from helpers import drawn

from srzoo import images

WORDS = {
    "card-missing": "card t (guest-card-missing 1.2) is not a package of model folders",
    "engine-import": "half installed",
    "engine-exit": "SystemExit: 3",
    "engine-makes": "no such card",
    "engine-wrong-file": "speed",
    "member": "boom is not used: ",
    "memory": "boom is not used: engine boom (guest-memory 1.2) returned '9', not bytes_per_pixel",
    "words": "engine boom (guest-words 1.2) cannot be imported from guest_words:Engine: E",
    "lines": "the entry points of guest-lines 1.2 in ",
    "gone": "card t (guest-gone 1.2) is not a package of model folders",
    "format-builtin": "export-format mnn (guest-format-builtin 1.2) has the name of one of srzoo's",
}
"""What has to be said of a guest; nothing is said of others."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return install(tmp_path_factory.mktemp("guests"), GUESTS)


@pytest.fixture
def run(places, tmp_path):
    def go(guest, *commands, code=0, **more):
        done = guests.run(places[guest], tmp_path, list(commands), **more)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "unexpected error" not in done.stderr
        return done

    return go


@pytest.mark.parametrize("guest", GUESTS)
def test_what_there_is_is_listed_and_a_picture_enlarged(run, tmp_path, guest):
    drawn(24, 20).save(tmp_path / "a.png")
    ours = any(word in guest for word in ("builtin", "released", "makes"))
    upscale = f"upscale a.png -o b.png --json -m {'edsr-x4' if ours else 'bicubic-x4'}"
    done = run(guest, "model list", "--help", "plugin list --json", "recipe list", upscale)
    models, commands, plugins, recipes, enlarged = done.stdout.split("---")
    assert "edsr-x4 " in models
    assert "upscale " in commands
    nameless = {"colon": False, "lines": False, "bytes": False}
    assert (f'"guest-{guest}"' in plugins) == nameless.get(guest, True)
    assert "edsr-x4 " in recipes
    wrong = [word for word in ("bad/config.json", "new/config.json") if word in done.stderr]
    assert bool(wrong) == (guest in ("card-json", "card-newer"))
    assert json.loads(enlarged)["output"].endswith("b.png")
    assert images.read(tmp_path / "b.png").size == (96, 80)
    assert WORDS.get(guest, "") in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == len(set(said))
    hidden = "has the name of one of srzoo's"  # told where an export is made, not where it is kept
    assert guest in WORDS or wrong or all(hidden in line for line in said)


@pytest.mark.parametrize("command", [
    "plugin show metric boom", "plugin show dataset boom", "plugin show engine boom",
    "upscale a.png --engine boom", "data get boom",
])  # fmt: skip
def test_members_that_raise_are_told_as_its_own(run, tmp_path, command):
    drawn(24, 20).save(tmp_path / "a.png")
    done = run("member", command, code=2)
    assert " boom (guest-member 1.2) failed at " in done.stderr or "guest_member." in done.stderr


def test_members_that_raise_are_passed_over(run, tmp_path):
    (tmp_path / "hr").mkdir()
    drawn(24, 20).save(tmp_path / "hr" / "a.png")
    measure = "evaluate bicubic-x2 --data hr --metric boom"
    done = run("member", measure, "data get --help", "devices")
    assert "guest_member.Metric states " in done.stderr
    assert "dataset boom (guest-member 1.2) failed at " in done.stderr


@pytest.mark.parametrize(
    ("guest", "what"),
    {"card-import": "half installed", "engine-exit": "SystemExit: 3", "colon": "a colon",
     "command-builtin": "has the name of one of srzoo's", "api": "not a whole number",
     "interrupt": "KeyboardInterrupt", "metaclass": "plugin_api: RuntimeError",
     "handlers": "the stranger's network was built"}.items(),
)  # fmt: skip
def test_a_check_names_it(run, guest, what):
    found = run(guest, "plugin check", code=1 if what else 0).stdout
    lines = [line for line in found.splitlines() if f"(guest-{guest} 1.2)" in line]
    assert bool(lines) == bool(what)
    assert all(what in line for line in lines)


def test_ours_are_taken_and_theirs_are_found_by_their_full_names(run, tmp_path):
    drawn(24, 20).save(tmp_path / "a.png")
    done = run("card-released", "upscale a.png -m guest_card.released:edsr-x4", "model list --json")
    assert images.read(tmp_path / "a-edsr-x4.png").size == (48, 40), done.stderr
    assert "guest-card-released:edsr-x4" in str(json.loads(done.stdout.split("---")[1]))
    done = run("command-builtin", "guest-command-builtin:upscale", "upscale --help")
    theirs, ours = done.stdout.split("---")
    assert theirs == "STRANGER\n"
    assert "STRANGER" not in ours
    theirs = run("generator-builtin", "plugin show generator Guest_Generator_builtin:edsr", code=2)
    assert "generator edsr (guest-generator-builtin 1.2) failed at " in theirs.stderr
    assert "the stranger's network was built" in theirs.stderr
    ours = run("generator-builtin", "plugin show generator edsr")
    assert "(srzoo " in ours.stdout


def test_a_broken_command_says_whose_it_is(run):
    done = run("command-none", "strange", code=2)
    assert "command strange (guest-command-none 1.2) is not a click.Command, but int" in done.stderr
    done = run("command-fails", "--help", "strange", code=2)
    assert "command strange (guest-command-fails 1.2) failed at " in done.stderr
    assert "division by zero" in done.stderr
    assert "(of guest-command-fails 1.2)" in done.stdout


@pytest.mark.parametrize("guest", ["exit", "interrupt", "api", "metaclass"])
def test_a_broken_part_that_is_asked_for_says_whose_it_is(run, guest):
    done = run(guest, "plugin show generator boom", code=2)
    assert f"generator boom (guest-{guest} 1.2) " in done.stderr


def test_a_slow_import_is_told(run):
    done = run("engine-sleeps", "plugin show engine late", GUEST_SLEEP="6")
    assert "engine late (guest-engine-sleeps 1.2) took 6 s to import" in done.stderr


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
