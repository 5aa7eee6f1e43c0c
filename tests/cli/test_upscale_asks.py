"""What people ask of ``srzoo upscale``: a preview, a dry run, silence, names, times, strength."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, drawn, needs_torch
from PIL import Image

import srzoo
from srzoo import images
from srzoo.batches.ledger import NAME
from srzoo.comparing import preview
from srzoo.exporting import exports
from srzoo.models.folder import read_folder
from srzoo.upscaling import loading

FAST = ("-m", "bicubic-x2")


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder, the ledger too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


# Names


def test_another_size_has_another_name(srzoo_cli, photo):
    asked = [
        (), ("--scale", "3"), ("--scale", "1.5"), ("--size", "100x70"), ("--size", "long=99"),
        ("--strength", "0.5"), ("--size", "width=80", "--strength", "0.25"),
    ]  # fmt: skip
    for options in asked:
        result = srzoo_cli("upscale", photo, *FAST, *options)
        assert result.code == 0, result.err
    assert sorted(path.stem for path in photo.parent.iterdir()) == sorted(
        [
            "photo", "photo-bicubic-x2", "photo-bicubic-x2-scale-3", "photo-bicubic-x2-scale-1.5",
            "photo-bicubic-x2-size-100x70", "photo-bicubic-x2-long-99",
            "photo-bicubic-x2-strength-0.5", "photo-bicubic-x2-width-80-strength-0.25",
        ]
    )  # fmt: skip
    again = srzoo_cli("upscale", photo.parent, *FAST, "--overwrite")
    assert "1 picture in" in again.out
    assert "7 left out (results of an earlier run)" in again.out


def test_names_by_a_pattern(srzoo_cli, photo, tmp_path):
    result = srzoo_cli("upscale", photo, *FAST, "--name", "{stem} at {size}, {scale} times")
    assert result.code == 0, result.err
    assert size(tmp_path / "photo at 90x62, 2 times.png") == (90, 62)
    out = tmp_path / "out"
    command = ("upscale", photo.parent, "-o", out, *FAST, "--size", "long=100")
    assert srzoo_cli(*command, "--name", "{model}_{stem}_{size}.webp").code == 0
    assert (out / "bicubic-x2_photo_100x69.webp").is_file()
    again = srzoo_cli(*command, "--name", "{model}_{stem}_{size}.webp")
    assert "done before" in again.out


# Options before files


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-m", "bicubik-x2"), "Did you mean bicubic-x2"),
        ((*FAST, "--engine", "torhc"), "Did you mean torch"),
        ((*FAST, "--engine", "openvino", "--precision", "fp16"), "--engine torch"),
        ((*FAST, "--device", "cuba"), "Did you mean cuda"),
        ((*FAST, "--device", "mps"), "no mps device"),
        ((*FAST, "--scale", "0"), "'0' is not a scale"),
        ((*FAST, "--size", "wide=4"), "no side 'wide'"),
        ((*FAST, "--strength", "1.1"), "'1.1' is not a strength"),
        ((*FAST, "--strength", "nan"), "'nan' is not a strength"),
        ((*FAST, "--quality", "101"), "101 is not in the range"),
        ((*FAST, "--quality", "90"), "PNG has no quality"),
        ((*FAST, "--format", "doc"), "'doc' is not a format"),
        ((*FAST, "--format", "jpgg"), "Did you mean jpg?"),
        ((*FAST, "--format", "gif"), "GIF is not a format srzoo writes. Available: avif"),
        ((*FAST, "--name", "{stme}"), "Did you mean stem?"),
        ((*FAST, "--name", "../{stem}"), "names a folder"),
        ((*FAST, "-q", "-v"), "do not go together"),
        ((*FAST, "-o", "-", "--keep-times"), "--keep-times is for files"),
        ((*FAST, "-o", "-", "--name", "{stem}"), "--name names files"),
        ((*FAST, "-o", "there.png", "--format", "jpg"), "JPEG is requested"),
        ((*FAST, "-o", "there.png", "--name", "{stem}"), "Give one of them"),
    ],
)
def test_wrong_options_come_before_files_that_exist(srzoo_cli, photo, monkeypatch, options, says):
    monkeypatch.chdir(photo.parent)
    for name in ("photo-bicubic-x2.png", "there.png"):
        Path(name).write_text("mine")
    before = contents(photo.parent)
    result = srzoo_cli("upscale", "photo.png", *options)
    assert result.code == 2
    assert says in result.err
    assert "exists" not in result.err
    assert result.out == ""
    assert contents(photo.parent) == before


def test_an_ending_and_a_format_contradict_for_a_pipe_too(srzoo_cli, tmp_path):
    result = srzoo_cli("upscale", "-", *FAST, "-o", tmp_path / "x.jpg", "--format", "png")
    assert result.code == 2
    assert "ends in .jpg, but PNG is requested" in result.err


def test_a_name_for_two_is_refused(srzoo_cli, photo, monkeypatch):
    monkeypatch.chdir(photo.parent)
    shutil.copy("photo.png", "other.png")
    result = srzoo_cli("upscale", "photo.png", "other.png", *FAST, "-o", "both.png")
    assert result.code == 2
    assert "several results cannot go to both.png" in result.err
    assert not Path("both.png").exists()


@pytest.mark.parametrize(
    ("word", "suffix", "starts"),
    [
        ("jpeg", ".jpg", b"\xff\xd8"), ("JPG", ".jpg", b"\xff\xd8"), (".png", ".png", b"\x89PNG"),
        ("tif", ".tif", b"II"), ("TIFF", ".tif", b"II"), ("WebP", ".webp", b"RIFF"),
    ],
)  # fmt: skip
def test_words_for_formats(srzoo_cli, tmp_path, word, suffix, starts):
    drawn().save(tmp_path / "a.bmp")
    assert srzoo_cli("upscale", tmp_path / "a.bmp", *FAST, "--format", word).code == 0
    assert (tmp_path / f"a-bicubic-x2{suffix}").read_bytes().startswith(starts)


def test_a_quality_that_some_have(srzoo_cli, photo, tmp_path):
    drawn().save(tmp_path / "b.jpg")
    result = srzoo_cli("upscale", tmp_path, "-o", tmp_path / "out", *FAST, "--quality", "50")
    assert result.code == 0
    assert "note: --quality does not apply to PNG, which is lossless" in result.err


# Strength


def test_strength(srzoo_cli, photo, tmp_path):
    made = {}
    for strength in ("0", "0.5", "1"):
        path = tmp_path / "out" / f"{strength}.png"
        path.parent.mkdir(exist_ok=True)
        result = srzoo_cli("upscale", photo, "-o", path, "--strength", strength)  # edsr-x4
        assert result.code == 0, result.err
        made[strength] = np.asarray(Image.open(path)).astype(int)
    assert np.abs(made["0"] - made["1"]).max() > 8
    assert np.abs((made["0"] + made["1"]) / 2 - made["0.5"]).max() <= 1
    plain = Image.open(photo).resize((180, 124), Image.Resampling.BICUBIC)
    # Pillow cuts ringing off between its two passes.
    assert (np.abs(np.asarray(plain).astype(int) - made["0"]) > 2).mean() < 0.02
    assert (np.abs(np.asarray(plain).astype(int) - made["1"]) > 2).mean() > 0.3


def test_the_ledger_knows_the_strength(srzoo_cli, photo, tmp_path):
    command = ("upscale", photo.parent, "-o", tmp_path / "out", *FAST)
    assert srzoo_cli(*command, "--strength", "0.5").code == 0
    assert "1 done before" in srzoo_cli(*command, "--strength", ".5").out
    assert "1 picture in" in srzoo_cli(*command).out


# Quiet


def test_quiet_tells_errors_alone(srzoo_cli, photo, tmp_path):
    drawn(64, 64).save(tmp_path / "a.jpg", quality=5)  # worth an advice
    command = ("upscale", tmp_path, "-o", tmp_path / "out", "-q")
    result = srzoo_cli(*command)  # edsr-x4
    assert (result.code, result.out, result.err) == (0, "", "")
    (tmp_path / "b.png").write_text("I am no picture")
    result = srzoo_cli(*command, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
    assert "b.png is not a picture" in result.err
    lines = srzoo_cli(*command, "--json").out.splitlines()
    assert len(lines) == 3


def test_quiet_draws_no_progress(photo):
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "srzoo", "upscale", str(photo), *FAST, "-q"]
    subprocess.run(command, stderr=terminal, stdout=subprocess.DEVNULL, check=True)
    os.set_blocking(main_end, False)
    with pytest.raises(BlockingIOError):
        os.read(main_end, 1000)
    for end in (main_end, terminal):
        os.close(end)


# Times


@pytest.mark.parametrize("output", [None, "file.png", "out/"])
def test_keep_times(srzoo_cli, photo, tmp_path, output):
    os.utime(photo, ns=(10**18, 1_000_000_000_987_654_321))
    place = ("-o", tmp_path / output) if output and output[-1] != "/" else ()
    place = ("-o", f"{tmp_path}/{output}") if output and output[-1] == "/" else place
    assert srzoo_cli("upscale", photo, *FAST, *place, "--keep-times").code == 0
    name = {None: "photo-bicubic-x2.png", "out/": "out/photo.png"}.get(output, output)
    assert (tmp_path / name).stat().st_mtime_ns == 1_000_000_000_987_654_321


def test_a_batch_that_keeps_times_goes_on(srzoo_cli, photo, tmp_path):
    os.utime(photo, ns=(10**18, 10**18 + 7))
    command = ("upscale", photo.parent, "-o", tmp_path / "out", *FAST, "--keep-times")
    assert srzoo_cli(*command).code == 0
    assert (tmp_path / "out/photo.png").stat().st_mtime_ns == 10**18 + 7
    assert "1 done before" in srzoo_cli(*command).out
    (tmp_path / "out/photo.png").write_bytes(b"somebody else's")
    assert "exists" in srzoo_cli(*command).err


# Dry run


def test_a_dry_run_writes_nothing(srzoo_cli, photo, tmp_path):
    for name in ("b/c.jpg", "b/d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        drawn(30, 20).save(tmp_path / name)
    command = ("upscale", tmp_path, "-r", "-o", tmp_path / "out", *FAST)
    before = contents(tmp_path)
    result = srzoo_cli(*command, "--dry-run")
    assert (result.code, contents(tmp_path)) == (0, before)
    assert f"{tmp_path}/out/photo.png  45x31 to 90x62  about" in result.out
    assert f"{tmp_path}/out/b/c.jpg  30x20 to 60x40  about" in result.out
    assert "3 pictures would be made in about" in result.out
    assert result.out.endswith("; nothing is written\n")
    assert srzoo_cli(*command).code == 0
    (tmp_path / "out/b/c.jpg").write_bytes(b"somebody else's")
    (tmp_path / "e.png").write_text("I am no picture")
    drawn(9, 9).save(tmp_path / "f.png")
    before = contents(tmp_path)
    result = srzoo_cli(*command, "--dry-run")
    assert (result.code, contents(tmp_path)) == (1, before)
    assert "1 picture would be made in about" in result.out
    assert "2 would fail, 2 done before" in result.out
    assert "out/photo.png  done before" in result.out
    assert "would fail: " in result.err
    assert "c.jpg exists. Give --overwrite" in result.err
    assert "e.png is not a picture" in result.err
    told = [
        json.loads(line) for line in srzoo_cli(*command, "--dry-run", "--json").out.splitlines()
    ]
    real = [json.loads(line) for line in srzoo_cli(*command, "--json").out.splitlines()]
    assert all(line.pop("dry_run") for line in told)
    for line in (*told, *real):
        line.pop("seconds")
    assert told == real


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.png"], "nope.png does not exist"),
        (["text.png"], "text.png is not a picture"),
        (["photo.png", "-o", "text.png/a.png"], "cannot create the folder"),
        (["photo.png", "--max-pixels", "1K"], "more than 1,000"),
        (["photo.png", "--memory", "10MB"], "Give --memory"),
        (["photo.png", "-o", "there.png"], "there.png exists"),
        (["photo.png", "--size", "70000x70000", "-o", "a.jpg", "--memory", "100GB"], "at most"),
    ],
)
def test_a_dry_run_refuses_as_the_run_would(srzoo_cli, photo, monkeypatch, arguments, message):
    monkeypatch.chdir(photo.parent)
    for name in ("text.png", "there.png"):
        Path(name).write_text("I am no picture")
    before = contents(photo.parent)
    for options in (("--dry-run",), ()):
        result = srzoo_cli("upscale", *arguments, *FAST, *options)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert contents(photo.parent) == before


@needs_torch
@pytest.mark.skipif(bool(exports.missing("mnn")), reason="MNN is not installed")
def test_a_dry_run_makes_no_export(srzoo_cli, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SRZOO_ENGINE", "auto")
    own = shutil.copytree(ROOT / "cards/edsr-x4", tmp_path / "own")
    config = replace(read_folder(own).config, exports=())  # one that it carries needs no making
    (own / "config.json").write_text(config.to_json())
    result = srzoo_cli("upscale", photo, "-m", own, "--dry-run", "-v")
    assert result.code == 0, result.err
    assert not (tmp_path / "cache").exists()


def test_a_dry_run_with_nothing_to_do_loads_nothing(srzoo_cli, photo, tmp_path, monkeypatch):
    command = ("upscale", photo.parent, "-o", tmp_path / "out", *FAST)
    assert srzoo_cli(*command).code == 0
    monkeypatch.setattr(loading, "load", lambda *_: pytest.fail("a model is loaded for nothing"))
    assert "0 pictures would be made" in srzoo_cli(*command, "--dry-run").out


# Preview


def test_a_preview(srzoo_cli, photo):
    result = srzoo_cli("upscale", photo, *FAST, "--preview")
    assert result.code == 0, result.err
    sheet = photo.with_name("photo-bicubic-x2-preview.png")
    assert result.out.startswith(f"{sheet}  0,0,45,31  ")
    assert size(sheet)[0] < 2000
    assert "exists" in srzoo_cli("upscale", photo, *FAST, "--preview").err
    assert srzoo_cli("upscale", photo, *FAST, "--preview", "--overwrite").code == 0
    again = srzoo_cli("upscale", photo.parent, *FAST, "--dry-run")
    assert "1 left out (results of an earlier run)" in again.out
    target = photo.with_name("a.webp")
    result = srzoo_cli("upscale", photo, *FAST, "--preview", "-o", target, "--json", "--scale", "3")
    found = json.loads(result.out)
    assert (found["output"], found["from"], found["to"]) == (str(target), [45, 31], [135, 93])
    assert target.is_file()


def test_a_preview_says_what_differs(srzoo_cli, tmp_path, monkeypatch):
    """The strength and the page, on the sheet and in its name."""
    drawn().save(tmp_path / "a.tif", save_all=True, append_images=[drawn()])
    told = []
    draw = preview.draw
    monkeypatch.setattr(preview, "draw", lambda *given: told.append(given[1:]) or draw(*given))
    asked = ("upscale", tmp_path / "a.tif", *FAST, "--preview", "--strength", "0.3")
    for page in (1, 2):
        assert srzoo_cli(*asked, "--page", page).code == 0
        name = f"a-bicubic-x2-strength-0.3-page-{page}-preview.png"
        assert (tmp_path / name).is_file()
    assert told[1] == ("a.tif page 2", "bicubic-x2, strength 0.3")
    drawn().save(tmp_path / "b.png")
    assert srzoo_cli("upscale", tmp_path / "b.png", *FAST, "--preview", "--page", 1).code == 0
    assert (tmp_path / "b-bicubic-x2-preview.png").is_file()


@pytest.mark.parametrize("sizing", [(), ("--scale", "3"), ("--size", "300x100")])
def test_a_preview_is_what_the_whole_would_be(tmp_path, monkeypatch, sizing, srzoo_cli):
    rng = np.random.default_rng(0)
    pixels = np.full((200, 300, 3), 90, np.uint8)
    pixels[100:180, 200:290] = rng.integers(0, 255, (80, 90, 3))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    monkeypatch.setattr(preview, "SIDE", 60)
    kept = []
    draw = preview.draw
    monkeypatch.setattr(
        preview, "draw", lambda found, *rest: kept.append(found) or draw(found, *rest)
    )
    assert srzoo_cli("upscale", tmp_path / "a.png", *FAST, "--preview", *sizing).code == 0
    whole = tmp_path / "out.png"
    assert srzoo_cli("upscale", tmp_path / "a.png", *FAST, *sizing, "-o", whole).code == 0
    (found,) = kept
    place = found.place
    assert 200 <= place.x <= place.x + place.width <= 290
    assert 100 <= place.y <= place.y + place.height <= 180
    full = np.asarray(Image.open(whole)).astype(int)
    across, down = full.shape[1] / 300, full.shape[0] / 200
    left, top = round(place.x * across), round(place.y * down)
    part = full[top : top + found.enlarged.shape[0], left : left + found.enlarged.shape[1]]
    if not sizing:
        assert np.array_equal(part, found.enlarged)
    # Resized parts lie up to half a pixel off.
    assert np.abs(part.mean((0, 1)) - found.enlarged.mean((0, 1))).max() < 4
    assert np.abs(found.bicubic.astype(int) - found.enlarged).mean() < 12


def test_a_preview_enlarges_little_of_a_large_picture(monkeypatch, tmp_path, srzoo_cli):
    Image.effect_noise((3000, 2000), 60).save(tmp_path / "a.jpg")
    seen = []
    load = loading.load

    def spied(*given, **options):
        model = load(*given, **options)
        to_size = model.to_size
        model.to_size = lambda picture, route, *rest: seen.append(route) or to_size(picture, route)
        return model

    monkeypatch.setattr(loading, "load", spied)
    assert srzoo_cli("upscale", tmp_path / "a.jpg", "-m", "bicubic-x4", "--preview").code == 0
    assert len(seen) == 1
    assert max(seen[0].source) <= 480 // 4 + 2 * 32 + 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("photo.png", "photo.png"), "--preview takes one picture"),
        (("photo.png", "--dry-run"), "--preview takes one picture"),
        (("photo.png", "--name", "{stem}"), "--preview takes one picture"),
        (("-",), "a preview needs a file as input"),
        (("photo.png", "-o", "-"), "a preview needs a file as input"),
        ((".",), ". is a folder"),
        (("nope.png",), "nope.png does not exist"),
        (("photo.png", "-o", "a.doc"), "is not a format"),
        (("photo.png", "-o", "photo.png", "--overwrite"), "the input itself"),
        (("photo.png", "--size", "0x4"), "'0x4' is not a size"),
    ],
)
def test_previews_that_are_none(srzoo_cli, photo, monkeypatch, arguments, says):
    monkeypatch.chdir(photo.parent)
    before = contents(photo.parent)
    result = srzoo_cli("upscale", "--preview", *FAST, *arguments)
    assert result.code == 2
    assert says in result.err
    assert contents(photo.parent) == before


def test_a_preview_keeps_the_profile_and_is_gray_as_rgb(srzoo_cli, tmp_path):
    drawn(mode="LA").save(tmp_path / "a.png")
    assert srzoo_cli("upscale", tmp_path / "a.png", *FAST, "--preview").code == 0
    assert images.read(tmp_path / "a-bicubic-x2-preview.png").pixels.ndim == 3


def test_strength_in_python(photo):
    picture = Image.open(photo).convert("RGB")
    whole, none = (srzoo.upscale(picture, strength=s) for s in (1.0, 0.0))
    assert whole.size == none.size == (180, 124)
    assert np.abs(np.asarray(whole).astype(int) - np.asarray(none)).max() > 8


def test_every_ledger_setting_is_told(srzoo_cli, photo, tmp_path):
    command = ("upscale", photo.parent, "-o", tmp_path / "out", *FAST)
    assert srzoo_cli(*command).code == 0
    assert srzoo_cli(*command, "--strength", "0.5", "--keep-times").code == 0
    lines = (tmp_path / "out" / NAME).read_text().splitlines()
    told = [json.loads(line)["settings"] for line in lines]
    assert [(s["strength"], s["keep_times"]) for s in told] == [(None, None), (0.5, True)]
