"""Cards: written from what a folder holds, kept where they must be, and looked through."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import ROOT, drawn
from huggingface_hub import ModelCard
from PIL import Image

import srzoo
from srzoo import training
from srzoo.contracts import Printed
from srzoo.errors import ModelError, SrzooError
from srzoo.evaluating import results
from srzoo.evaluating.evaluation import Result, Value
from srzoo.modelcards import cardtext, provenance, publishing
from srzoo.modelcards.cardtext import CardFacts
from srzoo.models import locate
from srzoo.models.folder import Config, ModelFolder, read_folder
from srzoo.models.folder import count_parameters as parameters
from srzoo.networks import folders
from srzoo.recipes import recipe
from srzoo.training import packing

CREDIT = "Waves by nobody, CC0"


@pytest.fixture
def facts(tmp_path):
    """All that nothing in a folder can tell."""
    drawn(320, 260).save(tmp_path / "photo.png")
    return CardFacts(
        license="apache-2.0",
        datasets=("org/waves",),
        data_license="CC0",
        author="A. Nyone",
        picture=tmp_path / "photo.png",
        picture_credit=CREDIT,
        papers=("https://arxiv.org/abs/1707.02921",),
    )


PLAN = """
srzoo = 1
summary = "waves"
generator = { name = "edsr", n_resblocks = 1, n_feats = 4, scale = 2 }
data = { train = { name = "folder", path = "/home/me/waves" }, validation = "drawn", lr_crop = 13 }
losses = ["l1"]
train = { steps = 12, seed = 3 }
"""


def folder_with(tmp_path: Path, plan: str | None, *changes: str) -> ModelFolder:
    """A small EDSR as a model folder, with a recipe."""
    args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    found = folders.save(net, tmp_path / "waves-x2", generator="edsr", args=args, summary="waves")
    if plan:
        (tmp_path / "plan.toml").write_text(plan)
        text = recipe.read(tmp_path / "plan.toml", changes).to_toml()
        (found.path / "recipe.toml").write_text(text)
    return found


@pytest.fixture
def folder(tmp_path):
    return folder_with(tmp_path, PLAN)


@pytest.fixture
def good(folder, facts):
    """A folder whose card lacks nothing."""
    cardtext.new(folder, facts)
    results.write(folder, [row()])
    return folder


def row(value: float = 30.0) -> Result:
    measured = Value("psnr_y", value, "PSNR in dB, on luma", True, (value,))
    return Result("waves-x2", "Set5", 2, None, None, False, 1, 1.0, ("a.png",), (measured,))


def text_of(folder: ModelFolder) -> str:
    return (folder.path / "README.md").read_text()


def test_a_card_made_of_everything_lacks_nothing(good):
    assert cardtext.problems(good) == []
    text = text_of(good)
    assert "TO BE FILLED IN" not in text
    for word in ("A. Nyone", CREDIT, "org/waves", "CC0", "1707.02921", "30.00", "apache-2.0"):
        assert word in text, word
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads == ["Use it", "When to use it, and when not", "Measured", "Training", "Limits"]


def test_a_licence_in_whole_sentences_ends_with_one_full_stop(folder, facts):
    told = dataclasses.replace(facts, data_license="My own photos. They are CC0.")
    cardtext.new(folder, told)
    assert "pictures: My own photos. They are CC0.\n" in text_of(folder)


def test_what_is_not_told_is_asked_for(folder):
    cardtext.new(folder, CardFacts())
    found = cardtext.problems(folder)
    assert all(problem.startswith("Still to be filled in: ") for problem in found), found
    asked = "\n".join(found)
    for what in (
        "sample picture", "results", "licence of the weights", "names of the sets",
        "licence of the training pictures",
    ):  # fmt: skip
        assert what in asked
    assert len(found) == text_of(folder).count("TO BE FILLED IN") == 5


def test_a_folder_without_a_recipe(tmp_path):
    folder = folder_with(tmp_path, None)
    cardtext.new(folder, CardFacts())
    assert "how it was trained" in "\n".join(cardtext.problems(folder))
    assert "recipe.toml" not in text_of(folder)


@pytest.mark.parametrize("name", locate.list_models())
def test_released_cards_lack_nothing(name):
    folder = locate.find(name)
    assert cardtext.problems(folder) == []
    assert (folder.path / "sample.png").stat().st_size < 300_000


def test_the_metadata_is_what_the_hub_reads(good):
    loaded = ModelCard.load(good.path / "README.md")
    data = loaded.data.to_dict()
    assert data["tags"] == ["super-resolution", "srzoo", "edsr", "x2"]
    assert (data["license"], data["library_name"]) == ("apache-2.0", "srzoo")
    assert (data["pipeline_tag"], data["datasets"]) == ("image-to-image", ["org/waves"])
    assert loaded.data.eval_results[0].metric_value == 30.0
    again = ModelCard(str(loaded))
    assert again.data.to_dict() == data
    assert again.text.strip() == loaded.text.strip()
    assert text_of(good).startswith("---\nlicense: apache-2.0\nlibrary_name: srzoo\n")


def test_names_that_are_no_identifiers_stay_out_of_the_metadata(folder):
    cardtext.new(folder, CardFacts(datasets=("33 free photos", "DIV2K")))
    assert ModelCard.load(folder.path / "README.md").data.datasets == ["DIV2K"]
    assert "33 free photos, DIV2K" in text_of(folder)


@pytest.mark.parametrize(
    ("init", "base"),
    [("hf://org/start@v1", "org/start"), ("org/start", "org/start"), ("edsr-x4", None),
     ("runs/start", None)],
)  # fmt: skip
def test_what_it_starts_from(tmp_path, monkeypatch, init, base):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/start").mkdir(parents=True)
    folder = folder_with(tmp_path, PLAN, f"init={init}")
    cardtext.new(folder, CardFacts())
    assert ModelCard.load(folder.path / "README.md").data.base_model == base
    assert f"Starts from the weights of `{init}`" in text_of(folder)


# Each takes a matter out of a good card: a pattern, and the problem that is then found.
TAKEN_OUT = {
    "no metadata": (r"\A---.*?^---$", "no license"),
    "broken metadata": (r"^license: apache-2.0$", "cannot be read"),
    "library": (r"^library_name: srzoo\n", "library_name is None"),
    "licence": (r"^license:.*\n", "no license"),
    "tag of the scale": (r"^- x2\n", "lacks the tags x2"),
    "tag of the generator": (r"^- edsr\n", "lacks the tags edsr"),
    "tag of srzoo": (r"^- srzoo\n", "lacks the tags srzoo"),
    "results": (r"^model-index:\n(?:(?: |- ).*\n)*", "no results"),
    "protocol": (r"^ +args:\n +protocol:.*\n", "psnr_y Set5 x2 has no protocol"),
    "data sets": (r"^datasets:\n(?:- .*\n)+", "no datasets"),
    "use": (r"^## Use it$", "'Use it', for how to use it"),
    "when to use": (r"^## When .*$", "how and when to use it"),
    "measured": (r"^## Measured$", "what it was measured at"),
    "limits": (r"^## Limits$", "its limits"),
    "training": (r"^## Training$", "how it was trained"),
    "sample": (r"^!.*$", "no sample picture"),
}


@pytest.mark.parametrize("name", TAKEN_OUT)
def test_each_lack_is_found(good, name):
    pattern, problem = TAKEN_OUT[name]
    put = "license: [" if name == "broken metadata" else ""
    changed, count = re.subn(pattern, put, text_of(good), flags=re.MULTILINE | re.DOTALL
                             if name == "no metadata" else re.MULTILINE)  # fmt: skip
    assert count
    (good.path / "README.md").write_text(changed)
    found = cardtext.problems(good)
    assert any(problem in each for each in found), found
    if name != "no metadata":
        assert len(found) == 1, found


def test_lacks_of_the_folder(good):
    (good.path / "sample.png").rename(good.path / "other.png")
    assert cardtext.problems(good) == ["It shows sample.png, which is not in the folder."]
    (good.path / "other.png").rename(good.path / "sample.png")
    (good.path / "README.md").unlink()
    assert cardtext.problems(good) == ["README.md is missing."]


def test_a_card_by_hand_passes(good):
    index = text_of(good).split("---\n")[1]
    (good.path / "README.md").write_text(
        f"---\n{index}---\n# Waves\n\n<img src='sample.png'>\n\n# USE IT\n\n"
        "### When to use it, and when not ###\n\nFür Wellen.\n\n"
        "## Measured\n## Training\n## Limits\n"
    )
    assert cardtext.problems(good) == []


def test_code_is_no_heading(good):
    text = text_of(good).replace("## Training", "```sh\n# training\n```")
    (good.path / "README.md").write_text(text)
    assert any("how it was trained" in problem for problem in cardtext.problems(good))


def test_a_card_is_not_overwritten(good, facts):
    before = text_of(good)
    with pytest.raises(ModelError, match="exists.*--overwrite"):
        cardtext.new(good, facts)
    assert text_of(good) == before


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_what_stays_when_written_anew(good, line_break):
    path = good.path / "README.md"
    text = text_of(good).replace("<!-- Other known", "* Bad at stars.\n<!-- Other known")
    text = text.replace("## Limits", "## Limits\n\nThis goes.").replace("\n", line_break)
    path.write_bytes(text.encode())
    cardtext.new(good, CardFacts(license="mit"), force=True)
    after = path.read_bytes().decode()
    for pattern in (
        results.TABLE.pattern, r"model-index:.*?(?=---)", "<!-- sample.*/sample -->",
        "<!-- own words.*/own words -->",
    ):  # fmt: skip
        block = re.search(pattern, text, re.DOTALL)[0]
        assert block in after
        assert after.count(block.splitlines()[0]) == 1
    assert "Bad at stars" in after
    assert "This goes" not in after
    assert "license: mit" in after
    assert after.count("\r\n") == (after.count("\n") if line_break == "\r\n" else 0)
    again = path.read_bytes()
    cardtext.new(good, CardFacts(license="mit"), force=True)
    assert path.read_bytes() == again
    results.write(good, [row(31.0)])
    assert "| Set5 x2 | 31.00 |" in path.read_text()


def test_results_that_cannot_be_kept_are_not_lost(good):
    path = good.path / "README.md"
    metadata = yaml.safe_load(text_of(good).split("---\n")[1])
    flow = json.dumps(metadata)
    path.write_text(f"---\n{flow}\n---\n")
    before = path.read_bytes()
    with pytest.raises(ModelError, match="cannot be kept"):
        cardtext.new(good, CardFacts(), force=True)
    assert path.read_bytes() == before


def test_a_refused_picture_leaves_all_as_it_was(good, tmp_path):
    before = {path.name: path.read_bytes() for path in good.path.iterdir()}
    drawn(300, 200).save(tmp_path / "small.png")
    for facts, message in (
        (CardFacts(picture=tmp_path / "small.png", picture_credit="x"), "300x200 pixels"),
        (CardFacts(picture=tmp_path / "none.png", picture_credit="x"), "none.png"),
        (CardFacts(picture=tmp_path / "photo.png"), "a credit a picture"),
        (CardFacts(picture_credit="x"), "a credit a picture"),
    ):
        with pytest.raises(SrzooError, match=message):
            cardtext.new(good, facts, force=True)
        assert {path.name: path.read_bytes() for path in good.path.iterdir()} == before


def test_the_sample_is_the_middle_of_the_picture(tmp_path):
    """LR | bicubic | SR | HR; of bicubic as a model, the middle two hardly differ."""
    folder = shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "bicubic-x2")
    picture = drawn(700, 500)
    picture.save(tmp_path / "photo.png")
    cardtext.draw_sample(read_folder(folder), tmp_path / "photo.png")
    with Image.open(folder / "sample.png") as drawn_sheet:
        sheet = np.asarray(drawn_sheet).astype(int)
    lr, bicubic, sr, hr = (sheet[16:256, x : x + 240] for x in range(0, 984, 246))
    assert (hr == np.asarray(picture)[130:370, 230:470]).all()
    assert abs(bicubic - sr).mean() < 1
    assert (lr[::2, ::2] == lr[1::2, 1::2]).all()
    assert 0 < abs(sr - hr).mean() < 20


def test_a_trained_run_tells_how_it_was_trained(tiny, tmp_path, facts):
    training.train(recipe.load(tiny(), ["train.steps=16", "summary=waves"]), tmp_path / "run")
    folder = read_folder(tmp_path / "run")
    assert (folder.config.name, folder.config.purpose) == ("run", "faithful")
    cardtext.new(folder, facts)
    results.write(folder, [row()])
    assert cardtext.problems(folder) == []
    text = text_of(folder)
    for words in (
        "Losses: `l1`.", "16 steps, seed 3, fp32", "Crops: 12 x 12 LR pixels, batches of 4",
        "adam, learning rate 0.002", "made by `bicubic`", "weights averaged with 0.9",
        "the best weights are released", "Took 16 steps, ",
    ):  # fmt: skip
        assert words in text, words
    lines = [json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines()]
    values = {line["step"]: line["validation"]["psnr_y"] for line in lines if "validation" in line}
    step = max(values, key=values.get)
    assert f"psnr_y was best at step {step} ({values[step]:.4g})" in text


def test_hours_from_the_log(good):
    lines = [
        {"step": 100, "losses": {}, "steps_per_second": 0.02},
        {"step": 150, "warning": "odd"},
        {"step": 200, "losses": {}, "steps_per_second": 0.05},
        {"step": 200, "validation": {"psnr_y": 28.0, "ssim_y": 0.8}},
    ]
    log = good.path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 2')
    found = provenance.read_log(log)
    assert (found.steps, found.hours) == (200, (100 / 0.02 + 100 / 0.05) / 3600)
    cardtext.new(good, CardFacts(), force=True)
    assert "Took 200 steps of the recipe's 12, 1.9 hours" in text_of(good)
    log.write_text("")
    assert provenance.read_log(log) is None
    assert provenance.read_log(good.path / "none") is None


GAME = (
    'stages=["psnr", {name = "gan", train = {steps = 5, release = "last"}, adversarial ='
    ' {discriminator = "unet_sn", weight = 0.25}, losses = [{name = "perceptual", weight = 2}]}]'
)


def test_a_stage_is_told_beside_the_one_before(tmp_path):
    """Which is none for the first, nor for a recipe without stages."""
    same = "As the one before."
    cardtext.new(folder_with(tmp_path, PLAN), CardFacts())
    assert same not in text_of(read_folder(tmp_path / "waves-x2"))
    other = "['a', {name = 'b', train = {seed = 9}}]"
    for number, (stages, times) in enumerate((("['a']", 0), ("['a', 'b', 'c']", 2), (other, 0))):
        (tmp_path / str(number)).mkdir()
        folder = folder_with(tmp_path / str(number), PLAN, f"stages={stages}")
        cardtext.new(folder, CardFacts())
        assert text_of(folder).count(same) == times
        assert "Stage a: As" not in text_of(folder)


def test_the_best_of_the_last_stage(tmp_path):
    """What a stage before measured is not what is released."""
    folder = folder_with(tmp_path, PLAN, GAME)
    lines = [{"step": 12, "steps_per_second": 1.0}, {"step": 17, "steps_per_second": 1.0}]
    lines += [
        {"step": step, "validation": {"psnr_y": value}}
        for step, value in ((12, 29.0), (15, 27.0), (17, 26.0))
    ]
    (folder.path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    cardtext.new(folder, CardFacts())
    said = next(line for line in text_of(folder).splitlines() if "was best" in line)
    assert said.startswith("* Validation of the last stage: psnr_y was best at step 15 (27),")
    assert said.endswith(" and is 26 at step 17; the last weights are released.")


def test_a_mean_over_stages_is_told(tiny, tmp_path):
    changes = ["stages=['a', 'b']", "average_stages=2"]
    outcome = training.train(recipe.load(tiny(), changes), tmp_path / "run")
    cardtext.new(packing.pack(read_folder(tmp_path / "run"), tmp_path / "packed"), CardFacts())
    said = next(line for line in text_of(read_folder(tmp_path / "packed")).splitlines()
                if "Released" in line)  # fmt: skip
    assert said == (
        "* Released: the mean of the final weights of the last 2 stages; validation: psnr_y"
        f" {outcome.values['psnr_y']:.4g}."
    )


@pytest.mark.parametrize(
    ("changes", "words", "not_words"),
    [
        ((), ("Use it** for clean", "Not** for JPEG"), ("discriminator", "real photos")),
        (("data.degradation=mixed",), ("Use it** for real photos", "realistic): Draws one"),
         ("JPEG photos",)),
        ((GAME,), ("Stage psnr: Run: 12 steps", "Stage gan: Run: 5 steps",
                   "* Crops: 13", "`unet_sn`", "with weight 0.25", "`vanilla`",
                   "`perceptual` (backbone = vgg19", "with weight 2", "measuring, forensics",
                   "is invented", "5 steps, seed 3"), ("real photos",)),
        (("data.train={name = 'div2k', root = '/data/DIV2K', track = 'unknown_x2'}",),
         ("the data set's own (`track = unknown_x2`)", "root = DIV2K"), ("/data", "JPEG photos")),
        (("data.train={name = 'div2k', root = 'D'}",), ("`track = bicubic_x4`", "JPEG photos"), ()),
        (("data.train={name = 'hub', repo = 'org/photos', split = 'train'}",),
         ("Training data: org/photos.",), ("names of the sets",)),
        (("schedule.name=cosine", "schedule.warmup=7", "train.clip=0.5", "train.accumulate=2"),
         ("cosine to 0, 7 steps of warm-up", "clipped at 0.5", "of 2 batches added"), ()),
    ],
)  # fmt: skip
def test_the_recipe_decides_what_a_card_says(tmp_path, changes, words, not_words):
    folder = folder_with(tmp_path, PLAN, *changes)
    cardtext.new(folder, CardFacts())
    for word in words:
        assert word in text_of(folder), word
    for word in (*not_words, "/home/me"):
        assert word not in text_of(folder), word


@pytest.mark.parametrize(
    ("generator", "args", "adversarial", "names"),
    [
        ("edsr", {"scale": 4}, False, ["EDSR baseline x4", "bicubic x4"]),
        ("edsr", {"scale": 2, "n_feats": 64}, False, ["EDSR baseline x2", "bicubic x2"]),
        ("edsr", {"scale": 3}, False, []),
        ("edsr", {"scale": 4, "n_feats": 32}, False, []),
        ("edsr", {"scale": 4, "block": "rcab"}, False, []),
        ("edsr", {"n_resblocks": 32, "n_feats": 256, "res_scale": 0.1}, False,
         ["EDSR x4", "bicubic x4"]),
        ("edsr", {"scale": 4}, True, []),
        ("srresnet", {}, False, ["SRResNet x4", "bicubic x4"]),
        ("srresnet", {}, True, ["SRGAN x4", "bicubic x4"]),
        ("wdsr", {}, False, ["WDSR (small) x4", "bicubic x4"]),
        ("rrdbnet", {}, False, ["RRDB (PSNR) x4", "bicubic x4"]),
        ("srcnn", {}, False, ["SRCNN x4", "bicubic x4"]),
        ("edsr", {"scale": 4, "n_resblocks": 4}, False, []),
        ("bicubic", {"scale": 3}, False, ["bicubic x3"]),
        ("not-installed", {}, False, []),
    ],
)  # fmt: skip
def test_the_papers_figures_stand_beside_their_own_network_alone(
    generator, args, adversarial, names
):
    config = Config(generator, args, (args.get("scale", 4),), None)
    printed = provenance.printed(config, adversarial)
    assert [re.split(r", \[|, as", network.name)[0] for network in printed] == names


class Scaled:
    """Has its scale by the name ``scale``, as the papers' networks that the zoo brings."""

    reach = 1
    printed = (Printed("Theirs x2", 2, {}), Printed("Theirs x4, wide", 4, {}, {"wide": 2}))

    def __init__(self, scale: int = 4, wide: int = 1):
        self.scales = (scale,)


class Factored(Scaled):
    def __init__(self, factor: int = 4, wide: int = 1):
        self.scales = (factor,)


class Needed(Scaled):
    def __init__(self, *, factor: int, wide: int = 1):
        self.scales = (factor,)


class Several(Scaled):
    def __init__(self, factors: tuple[int, ...] = (3, 4), wide: int = 1):
        self.scales = tuple(factors)


@pytest.mark.parametrize(
    ("kind", "name", "two", "four"),
    [(Scaled, "scale", 2, 4), (Factored, "factor", 2, 4), (Needed, "factor", 2, 4),
     (Several, "factors", [2, 3], [4, 5]), (Several, "factors", [2, 3], [3, 4])],
)  # fmt: skip
def test_the_papers_figures_are_found_whatever_the_argument_of_the_scale_is_named(
    kind, name, two, four
):
    srzoo.generators.register("theirs", kind)
    try:
        for value, wide, names in (
            (two, 1, ["Theirs x2"]), (two, 2, []), (four, 2, ["Theirs x4, wide"]), (four, 1, []),
            (four, 4, []),
        ):  # fmt: skip
            scales = tuple(value) if isinstance(value, list) else (value,)
            config = Config("theirs", {name: value, "wide": wide}, scales, None)
            found = [one.name for one in provenance.printed(config, False)]
            assert [one for one in found if "Theirs" in one] == names
    finally:
        srzoo.generators.unregister("theirs")


def test_no_figure_that_is_not_confirmed():
    stated = [
        getattr(srzoo.generators.get(name), "printed", ()) for name in srzoo.generators.names()
    ]
    text = repr(stated)
    assert "EDSR baseline" in text
    for figure in ("34.37", "30.28", "29.09", "32.50", "26.07", "25.16"):
        assert figure not in text


@pytest.mark.parametrize("name", ["edsr", "mdsr", "srresnet", "wdsr", "rrdbnet", "srcnn"])
def test_parameters_from_the_files_header(tmp_path, name):
    args = next(a for a in (*srzoo.generators.get(name).examples[::-1], {}) if a)
    net = srzoo.generators.create(name, **args)
    folder = folders.save(net, tmp_path / "net", generator=name, args=args)
    assert parameters(folder) == sum(p.numel() for p in net.parameters())
    (folder.path / "model.safetensors").unlink()
    assert parameters(folder) is None
    cardtext.new(folder, CardFacts())
    assert "parameters" not in text_of(folder)


def test_a_model_of_several_scales(tmp_path):
    args = {"n_resblocks": 1, "n_feats": 4, "scales": [2, 3]}
    net = srzoo.generators.create("mdsr", **args)
    folder = folders.save(net, tmp_path / "several", generator="mdsr", args=args)
    cardtext.new(folder, CardFacts())
    text = text_of(folder)
    assert "enlarges pictures by 2 or 3" in text
    assert "--model several --scale 3" in text
    assert 'model="several", scale=3' in text
    assert {"x2", "x3"} <= set(ModelCard.load(folder.path / "README.md").data.tags)
    assert "TO BE FILLED IN: one sentence" in text


def test_the_python_of_a_card_runs(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn().save(tmp_path / "photo.jpg")
    code = re.search(r"```python\n(.*?)```", text_of(good), re.DOTALL)[1]
    exec(code)
    with Image.open(tmp_path / "large.png") as large:
        assert large.size == (90, 62)


def test_prose_is_for_reading(good):
    path = good.path / "README.md"
    path.write_text(text_of(good).replace("## Limits", "## Limits\x1b[2J\x9b"))
    text = cardtext.prose(good)
    assert text.startswith("# waves-x2\n")
    assert "<!--" not in text
    assert "## Limits[2J\n" in text
    path.unlink()
    with pytest.raises(ModelError, match="has no README.md.*srzoo card new"):
        cardtext.prose(good)


def test_what_is_pushed_says_its_name_and_purpose(good):
    """Also a folder of before config.json did; one that does goes up byte for byte."""
    file = good.path / "config.json"
    values = json.loads(file.read_text())
    del values["name"], values["purpose"]
    file.write_text(json.dumps(values))
    names = ["config.json", "README.md"]
    with publishing._staged(read_folder(good.path), names, True) as stage:
        config = read_folder(stage).config
        assert (config.name, config.purpose) == ("waves-x2", "faithful")
        file.write_bytes((stage / "config.json").read_bytes() + b"\n")
    with publishing._staged(read_folder(good.path), names, True) as stage:
        assert (stage / "config.json").read_bytes() == file.read_bytes()
    assert json.loads(file.read_text()).keys() >= values.keys()
