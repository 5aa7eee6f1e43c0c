"""``srzoo data`` as its user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, Optional

import numpy as np
import pytest
from helpers import drawn
from PIL import Image

from srzoo.plugins import kinds


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "hr"
    for name, mode, size in (
        ("a.png", "RGB", (45, 31)),
        ("b.jpg", "RGB", (64, 48)),
        ("sub/c.png", "L", (33, 40)),
        ("sub/d.png", "RGBA", (20, 20)),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        drawn(*size, mode).save(root / name)
    (root / "note.txt").write_text("no picture")
    return root


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- cache --------------------------------------------------------------------------------


@pytest.fixture
def kept(photos, tmp_path, monkeypatch):
    """Pictures of two data sets, kept decoded."""
    from srzoo.plugins.plugin import Use
    from srzoo.recipes.sources import DataSources
    from srzoo.training.pixels import open_pixels
    from srzoo.training.sets import guarded_datasets

    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    for folder in (photos, photos / "sub"):
        use = Use("folder", {"path": str(folder)})
        open_pixels(guarded_datasets(DataSources.of(use), None, "data.train"), Use("bicubic"), (2,))
    return photos


def test_kept_pictures_are_listed_by_data_set(srzoo_cli, kept):
    found = json.loads(srzoo_cli("data", "cache", "--json").out)
    told = {one["set"]: one["pictures"] for one in found}
    assert told == {f"folder (path={kept})": 4, f"folder (path={kept / 'sub'})": 2}
    assert all(one["bytes"] > 1000 and one["used"] > 1e9 for one in found)
    shown = srzoo_cli("data", "cache", "hr/sub").out
    assert shown.splitlines()[0].split() == ["pictures", "size", "last", "used", "set"]
    assert shown.splitlines()[-1].startswith("1 kept, ")
    assert srzoo_cli("cache", "list", "pixels").out.splitlines()[-1].startswith("2 kept, ")


def test_kept_pictures_are_cleared_by_data_set(srzoo_cli, kept):
    assert srzoo_cli("data", "cache", "--clear", "hr/sub").out.startswith("1 removed, ")
    assert [one["pictures"] for one in json.loads(srzoo_cli("data", "cache", "--json").out)] == [4]
    assert srzoo_cli("data", "cache", "--clear").out.startswith("1 removed, ")
    assert srzoo_cli("data", "cache").out == "0 kept, 0 kB\n"


# --- samples ------------------------------------------------------------------------------


def test_a_sheet_shows_hr_beside_several_draws(srzoo_cli, photos, tmp_path):
    sheet = tmp_path / "sheet.png"
    told = srzoo_cli("data", "degrade", photos, "-d", "realistic", "--scale", 2, "--sheet", sheet)
    assert (told.code, told.out) == (0, f"4 of 4 pictures in {sheet}\n")
    assert pixels(sheet).shape[1] > 5 * 240  # HR and four draws
    assert files(tmp_path) == ["hr/a.png", "hr/b.jpg", "hr/note.txt", "hr/sub/c.png",
                               "hr/sub/d.png", "sheet.png"]  # fmt: skip
    other = tmp_path / "other.png"
    arguments = ["-d", "realistic", "--scale", 2, "--set", "noise_range=[60, 70]", "--sheet", other]
    assert srzoo_cli("data", "degrade", photos, *arguments).code == 0
    assert not np.array_equal(pixels(sheet), pixels(other))
    again = srzoo_cli("data", "degrade", photos, *arguments)
    assert "Give --overwrite" in again.err
    before = pixels(other)
    assert srzoo_cli("data", "degrade", photos, *arguments, "--overwrite", "--seed", 1).code == 0
    assert not np.array_equal(pixels(other), before)


def test_the_first_draw_of_a_sheet_is_what_degrade_writes(srzoo_cli, photos, tmp_path):
    sheet, lr = tmp_path / "sheet.png", tmp_path / "lr.png"
    picture = photos / "sub/d.png"
    for output in (["--sheet", sheet], ["-o", lr]):
        assert srzoo_cli("data", "degrade", picture, "-d", "wild", "--scale", 2, *output).code == 0
    # HR of 20x20 is shown twelve times as large, and so LR twenty-four times.
    wanted = pixels(lr).repeat(24, 0).repeat(24, 1)
    found = pixels(sheet)
    rows = [y for y in range(found.shape[0] - 239) if np.array_equal(found[y, 254:494], wanted[0])]
    assert any(np.array_equal(found[y : y + 240, 254:494], wanted) for y in rows)


def test_a_recipe_names_the_degradation(srzoo_cli, photos, tmp_path):
    plan = tmp_path / "mine.toml"
    plan.write_text(
        'srzoo = 1\ngenerator = "edsr"\n[data]\ntrain = "drawn"\nvalidation = "drawn"\n'
        'degradation = { name = "mild", strength = 5 }\n[[losses]]\nname = "l1"\n'
        "[train]\nsteps = 1\n"
    )
    arguments = ["data", "degrade", photos / "a.png"]
    for name, more in (("r", ["--recipe", plan]), ("d", ["-d", "mild", "--set", "strength=5"])):
        assert srzoo_cli(*arguments, tmp_path / f"{name}.png", *more).code == 0
    assert np.array_equal(pixels(tmp_path / "r.png"), pixels(tmp_path / "d.png"))
    both = srzoo_cli(*arguments, tmp_path / "x.png", "--recipe", plan, "-d", "mild")
    assert (both.code, "both name a degradation" in both.err) == (2, True)
    sheet = tmp_path / "sheet.png"
    assert srzoo_cli(*arguments, "--recipe", plan, "--sheet", sheet).code == 0
    assert sheet.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hr", "--sheet", "hr/a.png", "--overwrite"], "an input itself"),
        (["hr", "--sheet", "x.jpg"], "is not a PNG"),
        (["none", "--sheet", "x.png"], "does not exist"),
        (["hr", "-o", "lr", "--sheet", "x.png"], "Leave OUT out"),
        (["hr", "--sheet", "none/x.png"], "cannot write none/x.png"),
        (["hr", "-d", "realistic", "--set", "noise_range=3", "--sheet", "x.png"], "noise_range"),
    ],
)
def test_mistakes_with_sheets_are_one_line(srzoo_cli, photos, monkeypatch, arguments, message):
    monkeypatch.chdir(photos.parent)
    told = srzoo_cli("data", "degrade", *arguments)
    assert told.code == 2
    assert message in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert not (photos.parent / "x.png").exists()


# --- degrade ------------------------------------------------------------------------------


def test_a_folder(srzoo_cli, photos, tmp_path):
    result = srzoo_cli("data", "degrade", photos, tmp_path / "lr")
    assert (result.code, result.err) == (0, "")
    assert "4 pictures in" in result.out
    assert files(tmp_path / "lr") == ["a.png", "b.png", "sub/c.png", "sub/d.png"]
    hr = np.asarray(drawn(45, 31))[:28, :44]
    want = kinds.degradations.create("bicubic")(hr, 4, np.random.default_rng(0))
    assert np.array_equal(pixels(tmp_path / "lr/a.png"), want)
    assert pixels(tmp_path / "lr/sub/c.png").shape == (10, 8, 3)


def test_one_file(srzoo_cli, photos, tmp_path):
    assert srzoo_cli("data", "degrade", photos / "b.jpg", tmp_path / "x.png").code == 0
    assert srzoo_cli("data", "degrade", photos / "b.jpg", tmp_path / "folder").code == 0
    assert np.array_equal(pixels(tmp_path / "x.png"), pixels(tmp_path / "folder/b.png"))
    assert pixels(tmp_path / "x.png").shape == (12, 16, 3)


def test_results_depend_on_name_and_seed_alone(srzoo_cli, photos, tmp_path):
    run = ("data", "degrade", "-d", "realistic", "--scale", "2")
    for out, seed in (("one", 1), ("again", 1), ("two", 2)):
        assert srzoo_cli(*run, photos, tmp_path / out, "--seed", str(seed)).code == 0
    drawn(64, 48).save(photos / "0first.png")
    assert srzoo_cli(*run, photos, tmp_path / "more", "--seed", "1").code == 0
    assert srzoo_cli(*run, photos / "b.jpg", tmp_path / "alone", "--seed", "1").code == 0
    one = pixels(tmp_path / "one/b.png")
    for same in ("again", "more", "alone"):
        assert np.array_equal(one, pixels(tmp_path / same / "b.png")), same
    assert not np.array_equal(one, pixels(tmp_path / "two/b.png"))


def test_equal_pictures_of_other_names_differ(srzoo_cli, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / "hr").mkdir(exist_ok=True)
        drawn().save(tmp_path / "hr" / name)
    assert srzoo_cli("data", "degrade", tmp_path / "hr", tmp_path / "lr", "-d", "mild").code == 0
    a, b = (pixels(tmp_path / "lr" / name) for name in ("a.png", "b.png"))
    assert not np.array_equal(a, b)


def test_settings_reach_the_degradation(srzoo_cli, photos, tmp_path):
    run = ("data", "degrade", photos / "a.png")
    chosen = ("-d", "mixed", "--set", 'choices=["bicubic"]')
    assert srzoo_cli(*run, tmp_path / "mixed.png", *chosen).code == 0
    assert srzoo_cli(*run, tmp_path / "plain.png").code == 0
    assert np.array_equal(pixels(tmp_path / "mixed.png"), pixels(tmp_path / "plain.png"))


def test_a_result_folder_inside_the_input_is_no_input(srzoo_cli, photos):
    run = ("data", "degrade", photos, photos / "lr")
    assert srzoo_cli(*run).code == 0
    assert srzoo_cli(*run, "--overwrite").code == 0
    assert files(photos / "lr") == ["a.png", "b.png", "sub/c.png", "sub/d.png"]


def test_existing_results_are_kept(srzoo_cli, photos, tmp_path):
    (tmp_path / "lr").mkdir()
    (tmp_path / "lr/b.png").write_bytes(b"mine")
    result = srzoo_cli("data", "degrade", photos, tmp_path / "lr")
    assert result.code == 2
    assert "b.png exists. Give --overwrite" in result.err
    assert files(tmp_path / "lr") == ["b.png"]
    assert (tmp_path / "lr/b.png").read_bytes() == b"mine"
    assert srzoo_cli("data", "degrade", photos, tmp_path / "lr", "--overwrite").code == 0
    assert pixels(tmp_path / "lr/b.png").shape == (12, 16, 3)


def test_an_input_is_never_overwritten(srzoo_cli, photos):
    before = (photos / "a.png").read_bytes()
    for source, target in ((photos, photos), (photos / "a.png", photos / "a.png")):
        result = srzoo_cli("data", "degrade", source, target, "--overwrite")
        assert result.code == 2
        assert "the input itself" in result.err
    assert (photos / "a.png").read_bytes() == before


def test_a_damaged_picture_does_not_stop_the_others(srzoo_cli, photos, tmp_path):
    (photos / "a.png").write_bytes(b"no picture")
    drawn(3, 3).save(photos / "tiny.png")
    result = srzoo_cli("data", "degrade", photos, tmp_path / "lr")
    assert result.code == 1
    assert "3 pictures in" in result.out
    assert "a.png is not a picture" in result.err
    assert "tiny.png is 3x3, smaller than one LR pixel" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope", "out"), "nope does not exist"),
        (("hr/note.txt", "out"), "note.txt is not a picture"),
        (("empty", "out"), "empty contains no pictures"),
        (("hr", "file.png"), "file.png is a file"),
        (("twins", "out"), "would both become"),
        (("hr", "out", "-d", "bicubik"), "Did you mean bicubic"),
        (("hr", "out", "-d", "mild", "--set", "strenght=1"), "Did you mean strength"),
        (("hr", "out", "-d", "mild", "--set", "strength=much"), "strength is 'much'"),
        (("hr", "out", "-d", "mild", "--set", "strength"), "is not KEY=VALUE"),
        (("hr", "out", "--scale", "0"), "'0' is not a scale"),
        (("hr", "out.png"), "several results cannot go to out.png"),
        (("hr/a.png", "out.jpg"), "out.jpg is not a PNG"),
        (("hr/a.png", "file.png/out/"), "cannot create the folder"),
    ],
)
def test_mistakes_are_one_line(srzoo_cli, photos, monkeypatch, arguments, message):
    monkeypatch.chdir(photos.parent)
    Path("empty").mkdir()
    Path("file.png").write_bytes(b"")
    Path("twins").mkdir()
    for name in ("a.png", "a.jpg"):
        drawn().save(Path("twins") / name)
    result = srzoo_cli("data", "degrade", *arguments)
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert not Path("out").exists()


# --- get ----------------------------------------------------------------------------------


class Fetched:
    """A dataset that can be had, and notes how it was asked."""

    asked: list[dict] = []  # noqa: RUF012

    @staticmethod
    def fetch(*, to, split="both", verify=True, progress=None) -> list[str]:
        """Note it."""
        Fetched.asked.append({"to": to, "split": split, "verify": verify})
        return [f"{to} is complete"]


@pytest.fixture
def registered():
    Fetched.asked.clear()
    kinds.datasets.register("fetched", Fetched)
    yield Fetched.asked
    kinds.datasets.unregister("fetched")


def test_get_passes_on_what_was_said(srzoo_cli, registered, tmp_path):
    result = srzoo_cli("data", "get", "fetched")
    assert (result.code, result.out) == (0, f"{Path('data/fetched')} is complete\n")
    result = srzoo_cli(
        "data", "get", "fetched", "--split", "valid", "--to", tmp_path, "--no-verify"
    )
    assert result.code == 0
    assert registered == [
        {"to": Path("data/fetched"), "split": "both", "verify": True},
        {"to": tmp_path, "split": "valid", "verify": False},
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("div3k",), "Did you mean div2k"),
        (("folder",), "the dataset 'folder' cannot be downloaded. Download it by hand"),
        (("fetched", "--track", "x4"), "'fetched' has no --track"),
        (("div2k", "--track", "realistic_mild"), "Did you mean realistic_mild_x4"),
        (("div2k", "--url", "file:///etc"), "is not an http address"),
        (("div2k", "--url", "http://127.0.0.1:1", "--split", "test"), "'test' is not one of"),
    ],
)
def test_get_refuses(srzoo_cli, registered, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = srzoo_cli("data", "get", *arguments)
    assert result.code == 2
    assert message in result.err
    assert files(tmp_path) == []


class Yearly:
    """Photos of every year."""

    asked: list[dict] = []  # noqa: RUF012

    @classmethod
    def fetch(
        cls, *, to: Path, verify: bool = True, progress: Unknown = None,  # noqa: F821
        year: Literal["2018", "2021"] = "2021", side: Literal[1, 2] = 1, most: int | None = None,
        part: Optional[float] = 0.5, list_file: Path | None = None, small: bool = False,  # noqa: UP045
        crops: bool = True, keys: tuple[str, ...] = (), untold="x",
    ) -> list[str]:  # fmt: skip
        """Note it.

        Args:
            to: a folder.
            year: of which year; those of 2018
                are few.
            most: how many (at most).

        Returns:
            Nothing to read: it is not an argument.
        """
        given = locals()
        Yearly.asked.append({name: given[name] for name in given if name not in ("cls", "keys")})
        return ["done"]


YEARLY = {
    "to": Path("data/yearly"), "verify": True, "progress": None, "year": "2021", "side": 1,
    "most": None, "part": 0.5, "list_file": None, "small": False, "crops": True, "untold": "x",
}  # fmt: skip


@pytest.fixture
def yearly():
    Yearly.asked.clear()
    kinds.datasets.register("yearly", Yearly)
    yield Yearly.asked
    kinds.datasets.unregister("yearly")


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ((), {}),
        (("--year", "2018"), {"year": "2018"}),
        (("--side", "2", "--most=7", "--part", ".25"), {"side": 2, "most": 7, "part": 0.25}),
        (("--list-file", "a.txt", "--untold", "y"), {"list_file": Path("a.txt"), "untold": "y"}),
        (("--small", "--no-crops", "--no-verify"),
         {"small": True, "crops": False, "verify": False}),
    ],
)  # fmt: skip
def test_a_datasets_arguments_are_options(srzoo_cli, yearly, given, change):
    for arguments in (("yearly", *given), (*given, "yearly")):
        result = srzoo_cli("data", "get", *arguments)
        assert (result.code, result.out) == (0, "done\n"), result.err
        assert yearly.pop() == YEARLY | change


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--yaer", "2018"), "The dataset 'yearly' has no --yaer. (Did you mean"),
        (("--year", "2019"), "'2019' is not one of '2018', '2021'"),
        (("--most", "few"), "'few' is not a valid integer"),
        (("--keys", "a"), "'yearly' has no --keys"),
    ],
)
def test_a_datasets_options_are_checked(srzoo_cli, yearly, given, message):
    result = srzoo_cli("data", "get", "yearly", *given)
    assert (result.code, yearly) == (2, [])
    assert message in result.err


def test_help_shows_a_datasets_own_options(srzoo_cli, yearly):
    for arguments in (("yearly", "--help"), ("--help", "yearly")):
        told = srzoo_cli("data", "get", *arguments)
        shown = " ".join(told.out.split())
        assert told.code == 0
        assert "--year [2018|2021] Of which year; those of 2018 are few. [default: 2021]" in shown
        assert "--most INTEGER How many (at most)." in shown
        assert "--small / --no-small [default: no-small]" in shown
        assert "Nothing to read" not in shown
        assert "--track" not in shown
        assert "--no-verify" in shown
    assert "--track TEXT" in srzoo_cli("data", "get", "div2k", "--help").out


def test_help_lists_what_can_be_downloaded(srzoo_cli, yearly):
    told = srzoo_cli("data", "get", "--help").out.partition("can be downloaded:\n")[2]
    assert [line.split()[0] for line in told.splitlines() if line[2:3] != " "] == [
        "div2k", "yearly",
    ]  # fmt: skip
    assert "Photos of every year." in told


def test_an_installed_dataset_has_its_options(tmp_path):
    """And is imported when it is asked for, not for the help of others' commands."""
    site = tmp_path / "site"
    (site / "theirs-1.dist-info").mkdir(parents=True)
    (site / "theirs-1.dist-info/METADATA").write_text("Name: theirs\nVersion: 1\n")
    (site / "theirs-1.dist-info/entry_points.txt").write_text(
        "[srzoo.datasets]\ntheirs = theirs:Set\n"
    )
    (site / "theirs.py").write_text(
        "import sys; print('imported', file=sys.stderr)\n"
        "from typing import Literal\n"
        "class Set:\n"
        "    @staticmethod\n"
        "    def fetch(*, to, verify, progress, year: Literal['2018', '2021'] = '2021'):\n"
        "        return [f'{to.name} of {year}']\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "srzoo", "data", *arguments], check=True, text=True,
            capture_output=True, env=os.environ | {"PYTHONPATH": str(site)},
        )  # fmt: skip

    assert "imported" not in run("--help").stderr
    assert "theirs" in run("get", "--help").stdout
    assert "--year [2018|2021]" in run("get", "theirs", "--help").stdout
    assert run("get", "--year", "2018", "theirs").stdout == "theirs of 2018\n"


def test_torch_is_not_imported(photos, tmp_path):
    code = (
        "import sys; from srzoo.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stop: sys.exit(stop.code or 'torch' in sys.modules)"
    )
    run = [sys.executable, "-c", code, "data"]
    for help_ in (["--help"], ["get", "--help"]):
        subprocess.run([*run, *help_], check=True, capture_output=True)
    degrade = ["degrade", str(photos), str(tmp_path / "lr"), "-d", "realistic"]
    subprocess.run([*run, *degrade], check=True, capture_output=True)
