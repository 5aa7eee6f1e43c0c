"""A word where a photo needs another model, and what each model is for."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from srzoo import images
from srzoo.models import locate
from srzoo.models.folder import read_folder
from srzoo.upscaling import guidance

RECIPE = """
srzoo = 1
[generator]
name = "edsr"
[data]
train = {{ {train} }}
validation = "folder"
degradation = {degradation}
[[losses]]
name = "l1"
[train]
steps = 1
{game}
"""
GAME = '[adversarial]\ndiscriminator = "patchgan"'
CONFIG = """{{"srzoo": 1, "generator": "edsr", "args": {{}}, "scales": [{scale}], "weights":
 {{"file": "model.safetensors", "sha256": "0", "dtype": "float16"}}, "summary": ""}}"""


@pytest.fixture
def model(tmp_path):
    """Makes model folders, with a recipe or with tags on a card."""

    def make(name, recipe=None, tags=None, scale=4):
        path = tmp_path / name
        path.mkdir()
        (path / "config.json").write_text(CONFIG.format(scale=scale))
        if recipe:
            (path / "recipe.toml").write_text(recipe)
        if tags:
            (path / "README.md").write_text(f"---\nlicense: x\n{tags}\n---\n# Hello\n- faithful\n")
        return read_folder(path)

    return make


FOLDER = 'name = "folder", path = "x"'


def written(degradation="bicubic", game="", train=FOLDER):
    made_by = degradation if degradation.startswith("{") else f'"{degradation}"'
    return RECIPE.format(degradation=made_by, game=game, train=train)


def div2k(track):
    return written(train=f'name = "div2k", root = "x", track = "{track}"')


def paired(more):
    return written(train=f'name = "paired", hr = "x", scale = 4, {more}')


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (written(), "faithful"),
        (written(game=GAME), "perceptual"),
        (written("mixed"), "real photos"),
        (written("mixed", GAME), "real photos"),
        (div2k("realistic_wild_x4"), "real photos"),
        (div2k("bicubic_x4"), "faithful"),
        (written(train='name = "div2k", root = "x"'), "faithful"),
        (paired('lr = "phone"'), "real photos"),
        (paired('lr = "LR_bicubic/X4"'), "faithful"),
        (paired('lr = "small", clean = true'), "faithful"),
        (written('{ name = "mixed", choices = ["bicubic"] }'), "faithful"),
        (written("not-installed"), "faithful"),
        (None, "faithful"),
        ("srzoo = 99", "faithful"),
    ],
)
def test_the_recipe_tells_what_a_model_is_for(model, recipe, expected):
    assert guidance.purpose(model("a", recipe)) == expected


@pytest.mark.parametrize(
    "tags",
    ["tags: [x, perceptual]", 'tags:\n- x\n- "perceptual"\n', "tags: [x, perceptual]  # mine",
     "tags:\n- x  # one\n# between\n- perceptual # the other", "tags:\n  - x\n  - 'perceptual'",
     "{tags: [perceptual]}".removeprefix("{").removesuffix("}"), "tags: [\n  perceptual,\n  x]"],
)  # fmt: skip
def test_a_tag_counts_more(model, tags):
    assert guidance.purpose(model("a", written("mixed"), tags)) == "perceptual"


def test_metadata_that_cannot_be_read_tell_nothing(model):
    assert guidance.purpose(model("a", written("mixed"), "tags: [perceptual")) == "real photos"


def test_a_comment_behind_a_tag_is_none_of_it(model):
    found = model("a", tags="tags:\n- real-photos  # of phones")
    assert guidance.purpose(found) == "real photos"


def test_config_json_counts_most(model):
    found = model("a", written("mixed"), "tags: [perceptual]")
    values = json.loads((found.path / "config.json").read_text())
    (found.path / "config.json").write_text(json.dumps({**values, "purpose": "faithful"}))
    assert guidance.purpose(read_folder(found.path)) == "faithful"


def test_every_released_model_says_its_name_and_purpose():
    for name in locate.list_models():
        config = locate.find(name).config
        assert config.name == name
        assert config.purpose


def test_a_purpose_that_is_stated_costs_no_imports():
    code = (
        "import sys\nfrom srzoo.models import locate\nfrom srzoo.upscaling import guidance\n"
        "for name in locate.list_models(): guidance.purpose(locate.find(name))\n"
        "heavy = [n for n in sys.modules if n in ('huggingface_hub', 'yaml', 'torch') or"
        " n.startswith('srzoo_plugins')]\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_released_model_has_a_purpose():
    found = {name: guidance.purpose(locate.find(name)) for name in locate.list_models()}
    faithful = {"bicubic-x4", "edsr-x4", "srresnet-x4"}
    assert {found[name] for name in faithful} == {"faithful"}
    assert found["srgan-x4"] == found["edsrgan-x4"] == "perceptual"
    assert found["edsrgan-real-x4"] == "real photos"


@pytest.fixture(scope="module")
def photo(data):
    with Image.open(data / "train" / "photos" / "colorfulcups.jpg") as image:
        return image.convert("RGB").resize((600, 450), Image.Resampling.LANCZOS)


def jpeg(path, image, quality, **options):
    image.save(path, quality=quality, **options)
    return path, images.read(path)


@pytest.mark.parametrize(("quality", "seen"), [(30, True), (50, True), (90, False), (97, False)])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_blocks_are_seen_where_the_eye_sees_them(tmp_path, photo, quality, seen, subsampling):
    file = jpeg(tmp_path / "a.jpg", photo, quality, subsampling=subsampling)
    assert guidance.blocking(*file) is seen


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_has_the_same_blocks(tmp_path, photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    odd = photo.crop((0, 0, 595, 443))
    assert guidance.blocking(*jpeg(tmp_path / "a.jpg", odd, 40, exif=exif))


def test_a_coarse_table_alone_shows_nothing(tmp_path):
    plain = Image.new("RGB", (200, 200), (90, 120, 200))
    assert not guidance.blocking(*jpeg(tmp_path / "a.jpg", plain, 30))


def test_squares_that_were_drawn_are_no_blocks(tmp_path):
    squares = np.kron(np.random.default_rng(0).integers(0, 255, (40, 40)), np.ones((8, 8)))
    drawing = Image.fromarray(squares.astype(np.uint8))
    assert not guidance.blocking(*jpeg(tmp_path / "a.jpg", drawing, 95))


def test_other_formats_and_small_pictures(tmp_path, photo):
    photo.save(tmp_path / "a.png")
    assert not guidance.blocking(tmp_path / "a.png", images.read(tmp_path / "a.png"))
    assert not guidance.blocking(*jpeg(tmp_path / "b.jpg", photo.resize((20, 20)), 20))
    assert not guidance.blocking(io.BytesIO(b"no JPEG"), images.Picture(np.zeros((99, 99), "u1")))


def test_the_word_names_a_model_for_such_photos(tmp_path, model, photo, monkeypatch):
    clean, real = model("clean-x4", written()), model("real-x4", written("mixed"))
    double = model("real-x2", written("mixed"), scale=2)
    file = jpeg(tmp_path / "a.jpg", photo, 40)
    baseline = locate.find("bicubic-x4")
    monkeypatch.setattr(locate, "released", lambda: {"clean-x4": clean.path})
    assert guidance.advice(clean, *file) == (
        "clean-x4 was trained on clean pictures and makes JPEG blocks sharper too"
    )
    folders = {folder.name: folder.path for folder in (clean, real, double)}
    monkeypatch.setattr(locate, "released", lambda: folders)
    assert guidance.advice(clean, *file).endswith("too: for such photos use real-x4")
    assert guidance.advice(real, *file) is None
    assert guidance.advice(clean, *jpeg(tmp_path / "b.jpg", photo, 95)) is None
    assert guidance.advice(baseline, *file) is None  # sharpens nothing
