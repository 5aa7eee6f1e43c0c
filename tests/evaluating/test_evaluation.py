"""Measuring: where pictures come from, self-ensemble, and results in a card."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from helpers import ROOT, drawn, needs_torch
from huggingface_hub import EvalResult, ModelCard
from PIL import Image

import srzoo
from srzoo.errors import ModelError, PictureError, SrzooError
from srzoo.evaluating import claims, results, sets
from srzoo.evaluating.evaluation import Result, Value, build_metric, evaluate, table_name
from srzoo.models.folder import read_folder
from srzoo.upscaling.upscaler import Upscaler

CARD = """---
license: apache-2.0
library_name: srzoo
tags: [super-resolution, x2]
---

# bicubic-x2

Prose with a [link](https://example.org), and  two spaces.
"""


class Nearest:
    """Each pixel becomes a square: exactly the same however it is turned."""

    reach = 0
    model = None
    parameters = None

    def __call__(self, x, scale):
        return x.repeat(scale, axis=2).repeat(scale, axis=3)

    def bytes_per_pixel(self, scale):
        return 1

    def bytes_aside(self, scale):
        return 0

    def free_memory(self):
        return None


def nearest(*scales: int) -> Upscaler:
    return Upscaler(Nearest(), scales or (2,), "nearest")


@pytest.fixture
def hr_folder(tmp_path):
    """Three pictures, one gray, one whose sides are no multiple of any scale."""
    folder = tmp_path / "mine"
    folder.mkdir()
    drawn(64, 48).save(folder / "a.png")
    drawn(53, 47).save(folder / "b.png")
    drawn(48, 60, "L").save(folder / "c.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def paired(hr_folder, tmp_path):
    """The same with their LR pictures, made by the bicubic degradation."""
    folder = tmp_path / "both" / "mine"
    shutil.copytree(hr_folder, folder / "HR")
    (folder / "LR").mkdir()
    shrink = srzoo.degradations.create("bicubic")
    for path in sorted(hr_folder.glob("*.png")):
        hr = np.asarray(Image.open(path).convert("RGB"))
        hr = hr[: hr.shape[0] // 2 * 2, : hr.shape[1] // 2 * 2]
        lr = shrink(np.ascontiguousarray(hr), 2, np.random.default_rng(0))
        Image.fromarray(lr).save(folder / "LR" / path.name)
    return folder


@pytest.fixture
def copy(tmp_path):
    """A released model's folder to write into, its card without results."""
    folder = shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "bicubic-x2")
    (folder / "README.md").write_text(CARD)
    return read_folder(folder)


def values(report):
    return [[value.each for value in row.values] for row in report.rows]


def test_hr_alone_is_hr_with_bicubic_lr(hr_folder, paired):
    alone, both = (evaluate(["bicubic-x2"], [folder]) for folder in (hr_folder, paired))
    assert values(alone) == values(both)
    row = alone.rows[0]
    assert (row.model, row.dataset, row.scale) == ("bicubic-x2", "mine", 2)
    assert row.pictures == ("a.png", "b.png", "c.png")
    assert (row.degradation, row.seed, row.parameters) == ("bicubic", 1, 0)
    assert (both.rows[0].degradation, both.rows[0].seed) == (None, None)
    assert row.seconds > 0
    psnr = row.values[0]
    assert psnr.value == pytest.approx(np.mean(psnr.each))
    assert psnr.higher_is_better
    assert "shaved" in psnr.protocol


def test_the_value_of_one_picture(paired):
    """Against the pieces put together by hand: 8-bit result, cropped HR, gray as RGB."""
    row = evaluate([nearest()], [paired], metrics=["psnr_rgb"]).rows[0]
    for at, path in enumerate(sorted((paired / "HR").glob("*.png"))):
        lr = np.asarray(Image.open(paired / "LR" / path.name))
        sr = lr.repeat(2, axis=0).repeat(2, axis=1).astype(float)
        hr = np.asarray(Image.open(path).convert("RGB"))[: sr.shape[0], : sr.shape[1]]
        mse = np.mean((sr - hr)[2:-2, 2:-2] ** 2)
        assert row.values[0].each[at] == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-9)
    assert row.parameters is None


def test_self_ensemble(paired):
    plain, eight = (evaluate([nearest()], [paired], self_ensemble=flag) for flag in (False, True))
    assert values(plain) == values(eight)
    assert eight.rows[0].self_ensemble

    class Lopsided(Nearest):
        """Twice as bright in its left half: the mean of all turns is even."""

        def __call__(self, x, scale):
            y = super().__call__(x, scale) * 0.25
            y[..., : y.shape[-1] // 2] *= 2
            return y

    # Black and 202 in turn: what is flat no model may make darker.
    board = np.repeat((np.indices((8, 8)).sum(axis=0) % 2 * 202)[..., None], 3, 2).astype(np.uint8)
    folder = paired.parent / "board"
    for part, picture in (("HR", board.repeat(2, 0).repeat(2, 1)), ("LR", board)):
        (folder / part).mkdir(parents=True)
        Image.fromarray(picture).save(folder / part / "x.png")
    model = Upscaler(Lopsided(), (2,), "lopsided")
    found = evaluate([model], [folder], metrics=["psnr_rgb"], self_ensemble=True).rows[0]
    error = (202 - np.rint(202 * 0.375)) / math.sqrt(2)
    assert found.values[0].value == pytest.approx(20 * math.log10(255 / error), abs=1e-9)


def test_chance_depends_on_seed_and_name_alone(hr_folder, paired, tmp_path):
    class Noise:
        """Shrinks by taking every second pixel, and adds noise."""

        deterministic = False

        def __call__(self, hr, scale, rng):
            lr = hr[::scale, ::scale].astype(int) + rng.integers(0, 30, 3)
            return np.clip(lr, 0, 255).astype(np.uint8)

    srzoo.degradations.register("noise", Noise)
    try:
        first = evaluate([nearest()], [hr_folder], degradation="noise")
        beside_files = evaluate([nearest()], [paired], degradation="noise")  # asked for: made
        assert values(beside_files) == values(first)
        assert beside_files.rows[0].degradation == "noise"
        assert values(evaluate([nearest()], [hr_folder], degradation="noise")) == values(first)
        other = evaluate([nearest()], [hr_folder], degradation="noise", seed=2)
        assert values(other) != values(first)
        (hr_folder / "a.png").unlink()
        fewer = evaluate([nearest()], [hr_folder], degradation="noise")
        assert values(fewer) == [[each[1:] for each in values(first)[0]]]
        assert (first.rows[0].degradation, other.rows[0].seed) == ("noise", 2)
    finally:
        srzoo.degradations.unregister("noise")


def test_parts_for_each_scale(paired, tmp_path, monkeypatch):
    home = tmp_path / "home/benchmarks/Tiny"
    shutil.copytree(paired, home / "x2")
    monkeypatch.setenv("SRZOO_DATA", str(tmp_path / "home"))
    found = [evaluate([nearest(2, 4)], [data], scale=2) for data in ("Tiny", home, home / "x2")]
    assert values(found[0]) == values(found[1]) == values(found[2])
    assert [report.rows[0].dataset for report in found] == ["Tiny"] * 3
    with pytest.raises(SrzooError, match="no pictures for x4.*It has x2"):
        evaluate([nearest(2, 4)], ["Tiny"], scale=4)
    with pytest.raises(PictureError, match="Choose the scale: 2, 4"):
        evaluate([nearest(2, 4)], ["Tiny"])
    with pytest.raises(SrzooError, match="'Tinny'.*mean Tiny"):
        evaluate([nearest()], ["Tinny"])
    monkeypatch.delenv("SRZOO_DATA")
    with pytest.raises(SrzooError, match="the folder Tiny does not exist.*set SRZOO_DATA"):
        evaluate([nearest()], ["Tiny"])


def test_order_and_progress(hr_folder, paired):
    told = []
    report = evaluate(
        [nearest(), "bicubic-x2"],
        [hr_folder, paired],
        metrics=["psnr_y", "psnr_y"],
        progress=lambda done, total: told.append((done, total)),
    )
    assert [row.model for row in report.rows] == ["nearest"] * 2 + ["bicubic-x2"] * 2
    assert told == [(at, 12) for at in range(1, 13)]
    assert [len(row.values[0].each) for row in report.rows] == [3] * 4


def test_pictures_that_do_not_match(paired, tmp_path):
    drawn(10, 10).save(paired / "LR/a.png")
    with pytest.raises(PictureError, match=r"a\.png has 10x10 pixels.*is 32x24"):
        evaluate([nearest()], [paired])
    (paired / "LR/a.png").unlink()
    with pytest.raises(SrzooError, match=r"a\.png has no partner"):
        evaluate([nearest()], [paired])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SrzooError, match="contains no pictures"):
        evaluate([nearest()], [tmp_path / "empty"])
    with pytest.raises(SrzooError, match="no LR picture"):
        list(sets.pairs(sets.find(paired / "HR", 2), 2, None, 1))


def test_names_of_metrics():
    assert build_metric('{"name": "psnr_y", "shave": 3}').shave == 3
    with pytest.raises(SrzooError, match="not valid JSON"):
        build_metric("{psnr}")
    with pytest.raises(SrzooError, match="mean psnr_y"):
        build_metric("psnr_x")
    with pytest.raises(SrzooError, match="no argument 'metric'"):
        build_metric("psnr_y/lpips")


def test_metrics_with_arguments_have_short_labels():
    assert table_name("psnr_y") == "psnr_y"
    assert table_name("pyiqa/lpips") == "pyiqa/lpips"
    assert table_name('{"name": "psnr_y", "shave": 3}') == "psnr_y (shave 3)"
    judge = '{"name": "feature_distance", "backbone": "vgg16", "weights": "{data}/v.safetensors"}'
    assert table_name(judge) == "feature_distance (backbone vgg16)"
    assert (
        table_name('{"name": "feature_distance", "weights": "/v.safetensors"}')
        == "feature_distance"
    )


@needs_torch
def test_data_in_a_metrics_arguments(data, monkeypatch):
    file = "tf_efficientnet_lite0.fp16.safetensors"
    name = json.dumps({"name": "feature_distance", "weights": f"{{data}}/backbones/{file}"})
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    with pytest.raises(SrzooError, match="that folder is not set"):
        build_metric(name)
    assert file in build_metric(name, data).protocol
    monkeypatch.setenv("SRZOO_DATA", str(data))
    assert file in build_metric(name).protocol


def test_no_place_of_this_machine_gets_into_a_card(copy):
    before = (copy.path / "README.md").read_bytes()
    place = json.dumps({"name": "feature_distance", "weights": "/home/me/v.safetensors"})
    with pytest.raises(SrzooError, match=r"/home/me/v.safetensors is a path of this machine"):
        results.check_metric(place)
    with pytest.raises(SrzooError, match=r"/home/me/v.safetensors is a path of this machine"):
        results.write(copy, [row(values=(Value(place, 1.0, "p", False, (1.0,)),))])
    assert (copy.path / "README.md").read_bytes() == before
    kept = place.replace("/home/me", "{data}")
    results.write(copy, [row(values=(Value(kept, 1.0, "p", False, (1.0,)),))])
    (claim,) = [c for c in claims.read(copy) if "feature" in c.metric]
    assert (claim.metric, claim.label) == (kept, "feature_distance")


SHAVED = json.dumps({"name": "psnr_rgb", "shave": 10})


@pytest.mark.parametrize(
    ("name", "short", "type_", "how"),
    [
        ("psnr_y", "psnr_y", "psnr_y", None),
        ("pyiqa/niqe", "niqe", "niqe", {"name": "pyiqa", "metric": "niqe"}),
        (SHAVED, "", "psnr_rgb", {"name": "psnr_rgb", "shave": 10}),
        (SHAVED, "psnr_rgb_10", "psnr_rgb_10", {"name": "psnr_rgb", "shave": 10}),
    ],
)
def test_a_figure_has_a_word_for_its_type(copy, name, short, type_, how):
    results.write(copy, [row(values=(Value(name, 2.0, "p", True, (2.0,), short),))])
    (found,) = results.read(copy)
    assert found.metric_type == type_
    assert found.metric_args.get("metric") == how
    (claim,) = claims.read(copy)
    assert claim.metric == name
    results.write(copy, [row(values=(Value(name, 3.0, "p", True, (3.0,), short),))])
    assert [claim.value for claim in claims.read(copy)] == [3.0]


def test_a_figure_of_before_types_were_words_is_replaced(copy):
    """Its type was the metric's JSON, in whatever spacing."""
    results.write(copy, [row(values=(Value(SHAVED, 2.0, "p", True, (2.0,)),)), row()])
    readme = copy.path / "README.md"
    compact = SHAVED.replace(" ", "")
    how = "        metric:\n          name: psnr_rgb\n          shave: 10\n"
    text = readme.read_text()
    assert how in text
    readme.write_text(text.replace("type: psnr_rgb\n", f"type: '{compact}'\n").replace(how, ""))
    assert {claim.metric for claim in claims.read(copy)} == {compact, "psnr_y"}
    results.write(copy, [row(values=(Value("ssim_y", 1.0, "p", True, (1.0,)),))])
    assert compact not in readme.read_text()
    assert {claim.metric for claim in claims.read(copy)} == {SHAVED, "psnr_y", "ssim_y"}
    results.write(copy, [row(values=(Value(SHAVED, 4.0, "p", True, (4.0,)),))])
    values = {claim.metric: claim.value for claim in claims.read(copy)}
    assert values[SHAVED] == 4.0
    assert len(claims.read(copy)) == 3


class Blocks:
    """A third party's metric, with a tolerance of its own."""

    higher_is_better = False
    reference = False
    protocol = "blocks"
    unit = "blocks"
    label = "Blocks"
    short = "blocks"

    def __init__(self, *, size: int = 8, tolerance: float | None = None):
        self.size = size
        if tolerance is not None:
            self.tolerance = tolerance

    def __call__(self, sr, hr, scale):
        return float(self.size)


@pytest.mark.parametrize(
    ("tolerance", "claimed", "holds"),
    [
        (None, 7.95, True),
        (None, 7.9, False),
        (0.2, 7.9, True),
        (0.0, 8.0, True),
        (0.0, 7.99, False),
    ],
)
def test_a_metric_says_how_much_worse_it_may_be(copy, data, tolerance, claimed, holds):
    srzoo.metrics.register("blocks", Blocks)
    try:
        args = {} if tolerance is None else {"tolerance": tolerance}
        name = json.dumps({"name": "blocks", "size": 8, **args})
        results.write(copy, [row(values=(Value(name, claimed, "p", False, (claimed,)),))])
        (check,) = [c for c in claims.check(copy, root=data) if "blocks" in c.claim.metric]
        assert check.holds is holds
        assert check.tolerance == (claimed * 0.01 if tolerance is None else tolerance)
    finally:
        srzoo.metrics.unregister("blocks")


def row(**changes):
    """A result as ``evaluate`` gives it."""
    value = Value("psnr_y", 30.123456, "how it was measured: exactly", True, (30.123456,))
    known = {
        "model": "m", "dataset": "Set5", "scale": 2, "degradation": None, "seed": None,
        "self_ensemble": False, "parameters": 0, "seconds": 1.0, "pictures": ("a.png",),
        "values": (value,),
    }  # fmt: skip
    return Result(**(known | changes))


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_a_card_keeps_everything_else(copy, line_break):
    readme = copy.path / "README.md"
    text = (
        "---\nlicense: apache-2.0  # a comment\nlibrary_name: srzoo\ntags: [a,  b]\n"
        "model-index:\n- name: given\n  results:\n  - task:\n      type: x\n    dataset:\n"
        "      name: Theirs\n      type: t\n    metrics:\n    - type: fid\n      value: 3\n"
        "odd: 'yes'\n---\n\n# Title  \n\nProse — here.\n\n"
        "<!-- results -->\nold\n<!-- /results -->\n\n---\nMore prose\n"
    ).replace("\n", line_break)
    readme.write_bytes(text.encode())
    results.write(copy, [row()])
    written = readme.read_bytes().decode()
    head, tail = written.split("model-index:")
    assert text.startswith(head)
    rest = text[text.index("odd:") :]
    start, end = rest.index("<!-- results -->"), rest.index("<!-- /results -->")
    assert rest[:start] in tail
    assert tail.endswith(rest[end:])
    assert "\n" not in written.replace(line_break, "")
    found = {r.dataset_name: r for r in ModelCard(written).data.eval_results}
    assert found["Theirs"] == EvalResult("x", "t", "Theirs", "fid", 3)
    assert found["Set5"].metric_value == 30.1235
    assert found["Set5"].metric_args == {"protocol": "how it was measured: exactly"}
    assert "| Set5 x2 |  | 30.12 |" in written
    assert "old" not in written
    assert not list(copy.path.glob(".srzoo-*"))


def test_writing_twice_changes_nothing(copy):
    readme = copy.path / "README.md"
    prose = readme.read_text()
    rows = [row(), row(dataset="Set14"), row(degradation="mild", seed=7), row(self_ensemble=True)]
    results.write(copy, rows)
    once = readme.read_text()
    results.write(copy, rows)
    assert readme.read_text() == once
    assert prose[prose.index("---\n\n#") :] in once
    assert once.startswith(prose[: prose.index("---\n\n#")])
    read = claims.read(copy)
    assert [(c.data, c.label) for c in read] == [
        ("Set5 x2", "psnr_y"),
        ("Set5 x2", "psnr_y, self-ensemble"),
        ("Set14 x2", "psnr_y"),
        ("Set5 x2 mild, seed 7", "psnr_y"),
    ]
    assert (read[3].degradation, read[3].seed, read[1].self_ensemble) == ("mild", 7, True)


def test_a_result_replaces_its_own_kind_alone(copy):
    results.write(copy, [row(), row(dataset="Set14")])
    better = Value("psnr_y", 40.0, "another", True, (40.0,))
    more = Value("ssim_y", 0.9, "s", True, (0.9,))
    results.write(copy, [row(values=(better, more))])
    found = {(c.data, c.label): (c.value, c.protocol) for c in claims.read(copy)}
    assert found == {
        ("Set5 x2", "psnr_y"): (40.0, "another"),
        ("Set5 x2", "ssim_y"): (0.9, "s"),
        ("Set14 x2", "psnr_y"): (30.1235, "how it was measured: exactly"),
    }
    text = (copy.path / "README.md").read_text()
    assert "| Set5 x2 | 40.00 | 0.9000 |" in text
    assert "| Set14 x2 | 30.12 |  |" in text


def test_folders_without_a_card_or_metadata(copy):
    readme = copy.path / "README.md"
    for text in (None, "just prose\n"):
        readme.unlink()
        if text:
            readme.write_text(text)
            assert claims.read(copy) == []
        results.write(copy, [row()])
        assert [c.data for c in claims.read(copy)] == ["Set5 x2"]
        assert readme.read_text().startswith("---\nlibrary_name: srzoo\nmodel-index:\n")
        assert (text or "# bicubic-x2\n") in readme.read_text()


def test_results_go_into_metadata_below_a_blank_line(copy):
    card = copy.path / "README.md"
    card.write_text("\n---\nlibrary_name: srzoo\ntags:\n- real-photos\n--- \n# A model\n")
    results.write(copy, [row()])
    assert [c.data for c in claims.read(copy)] == ["Set5 x2"]
    text = card.read_text()
    start = "\n---\nlibrary_name: srzoo\ntags:\n- real-photos\nmodel-index:\n"
    assert text.startswith(start)
    assert text.count("library_name") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--- \na: 1\n---\n", "metadata of .* cannot be read"),
        ("---\n# none yet\n---\n", "metadata of .* are empty"),
        ("---\na: [\n---\n", "metadata of .* cannot be read"),
        ("---\n- a\n---\n", "metadata of .* cannot be read"),
        ("---\nmodel-index: 3\n---\n", "metadata of .* cannot be read"),
        ("---\na: 1\n---\n<!-- results -->\n", "one of the markers"),
        (
            "---\nmodel-index:\n- name: x\n# comment\n  results: []\na: 1\n---\n",
            "has a layout|cannot be read",
        ),
    ],
)
def test_broken_cards_stay_as_they_are(copy, text, message):
    readme = copy.path / "README.md"
    readme.write_text(text)
    with pytest.raises(ModelError, match=message):
        results.write(copy, [row()])
    assert readme.read_text() == text


def test_what_cannot_be_written(copy, monkeypatch):
    before = (copy.path / "README.md").read_text()
    infinite = Value("psnr_y", math.inf, "p", True, (math.inf,))
    with pytest.raises(SrzooError, match="is inf.*leave this metric out"):
        results.write(copy, [row(values=(infinite,))])

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("srzoo.common.files.os.open", refuse)
    with pytest.raises(ModelError, match="Permission denied"):
        results.write(copy, [row()])
    assert (copy.path / "README.md").read_text() == before


def test_claims_are_measured_again(copy, paired):
    report = evaluate([copy.path], [paired], metrics=["psnr_y", "ssim_y"])
    results.write(copy, report.rows)
    for root in (paired, paired.parent):
        checks = claims.check(copy, root=root)
        assert [c.holds for c in checks] == [True, True]
        assert [c.tolerance for c in checks] == [0.02, 0.001]
        assert checks[0].protocol == checks[0].claim.protocol
    with pytest.raises(SrzooError, match="no set of pictures 'mine'"):
        claims.check(copy, root=copy.path)


@pytest.mark.parametrize(
    ("change", "expected"), [(0.03, False), (0.015, True), (-0.03, True), (math.nan, False)]
)
def test_a_falsified_claim(copy, paired, change, expected):
    report = evaluate([copy.path], [paired], metrics=["psnr_y"])
    results.write(copy, report.rows)
    readme = copy.path / "README.md"
    claimed = claims.read(copy)[0].value
    number = "value: .nan" if math.isnan(change) else f"value: {claimed + change:.4f}"
    text = readme.read_text()
    assert f"value: {claimed}" in text
    readme.write_text(text.replace(f"value: {claimed}", number))
    (found,) = claims.check(copy, root=paired)
    assert found.holds is expected
    assert claims.check(copy, root=paired, tolerances={"psnr_y": 9})[0].holds is (
        not math.isnan(change)
    )


def test_claims_of_other_lr_pictures(copy, paired, hr_folder):
    results.write(copy, evaluate([copy.path], [hr_folder]).rows)
    assert all(check.holds for check in claims.check(copy, root=hr_folder))
    assert all(check.holds for check in claims.check(copy, root=paired))  # made there too
    (copy.path / "README.md").write_text(CARD)
    results.write(copy, evaluate([copy.path], [paired]).rows)
    with pytest.raises(SrzooError, match="files for the claim, but are made by bicubic now"):
        claims.check(copy, root=hr_folder)
