"""What results are called: they hold what differs, are known again, and stay in their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers import drawn
from hypothesis import given
from hypothesis import strategies as st

from srzoo.batches import batch, naming
from srzoo.batches.naming import Names
from srzoo.errors import PictureError
from srzoo.upscaling.sizing import Route, Sizing

PART = st.text("abcXYZ019-_. ()äé写{}", min_size=1).filter(lambda text: text not in (".", ".."))
SIZES = [
    {}, {"scale": "2"}, {"scale": "1.5"}, {"size": "3840x2160"}, {"width": "800"},
    {"long": "4096"}, {"short": "1080"},
]  # fmt: skip


def sizing(asked: dict[str, str]) -> Sizing:
    ((word, value),) = asked.items() or [("", "")]
    if word == "scale":
        return Sizing.parse(value)
    return Sizing.parse(size=value if word == "size" else f"{word}={value}") if word else Sizing()


@pytest.mark.parametrize("asked", SIZES)
@pytest.mark.parametrize("strength", [1.0, 0.5, 0.0])
def test_default_names_hold_what_differs(asked, strength):
    told = naming.variants(sizing(asked), (4,), strength)
    assert told == asked | ({} if strength == 1 else {"strength": f"{strength:g}"})
    name = Names("edsr-x4", told).default("photo")
    assert name.startswith("photo-edsr-x4")
    assert all(f"-{word}-{value}" in name for word, value in told.items())


def test_the_models_own_is_named_plainly():
    assert naming.variants(Sizing.parse("4"), (4,)) == {}
    assert naming.variants(Sizing.parse("x4.0"), (4,)) == {}
    assert naming.variants(Sizing.parse("4"), (2, 4)) == {"scale": "4"}


@given(PART, st.sampled_from(SIZES), st.floats(0, 1), st.booleans())
def test_every_default_name_is_known_as_a_result(stem, asked, strength, preview):
    name = Names("edsr-x4", naming.variants(sizing(asked), (4,), strength)).default(stem)
    name += "-preview" * preview
    assert naming.is_result(name, {stem, name}, ("bicubic-x2", "edsr-x4"))
    assert not naming.is_result(name, {name}, ("edsr-x4",))  # somebody's own
    assert not naming.is_result(name, {stem, name}, ("edsr-x2",))


@pytest.mark.parametrize("name", ["a-edsr-x4-final", "a-edsr-x4-scale", "a-edsr-x45", "a-scale-2"])
def test_other_names_are_pictures(name):
    assert not naming.is_result(name, {"a", name}, ("edsr-x4",))


@given(
    st.lists(st.sampled_from([f"{{{f}}}" for f in naming.FIELDS]) | st.text("ab-_ .é", max_size=3)),
    PART,
)
def test_a_pattern_never_leaves_the_folder(parts, stem):
    names = Names("edsr-x4", pattern="".join(parts), measure=lambda *_: Route((4,), (8, 4), (2, 1)))
    source = Path("folder") / f"{stem}.png"
    try:
        name = names.of(source, ".png", beside=True)
    except PictureError:
        return
    assert os.path.basename(name) == name
    assert name not in ("", ".", "..")


@pytest.mark.parametrize(
    ("pattern", "gives"),
    [
        ("{stem}-{model}{suffix}", "photo-edsr-x4.JPG"),
        ("{stem}_{size}.{ext}", "photo_180x124.JPG"),
        ("{parent} {stem} x{scale}", "in photo x4.JPG"),
        ("{stem}-big", "photo-big.JPG"),
        ("{stem}.v2", "photo.v2.JPG"),
        ("{{{stem}}}", "{photo}.JPG"),
    ],
)
def test_patterns(tmp_path, pattern, gives):
    source = tmp_path / "in/photo.JPG"
    names = Names("edsr-x4", pattern=pattern, measure=lambda *_: Route((4,), (180, 124), (45, 31)))
    assert names.of(source, ".JPG", beside=True) == gives
    assert names.of(source, ".JPG", beside=False) == gives


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{stam}{suffix}", "Did you mean stem?"),
        ("{}", "has the field {}"),
        ("{0}", "has the field {0}"),
        ("{stem.__class__}", "has the field"),
        ("{stem[0]}", "has the field"),
        ("{stem!r}", "takes no format"),
        ("{stem:>900000000}", "takes no format"),
        ("../{stem}", "names a folder"),
        ("a/{stem}", "names a folder"),
        ("a\\{stem}", "names a folder"),
        ("{stem", "--name {stem"),
        ("stem}", "--name stem}"),
    ],
)
def test_patterns_that_are_none(pattern, says):
    with pytest.raises(PictureError) as caught:
        Names("edsr-x4", pattern=pattern)
    assert says in str(caught.value)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "in/b.JPG"):
        drawn(8, 8).save(name)
    return tmp_path


def planned(inputs, output=None, pattern=None, **options):
    names = Names("edsr-x4", pattern=pattern)
    return batch.plan_batch([Path(name) for name in inputs], output, model="edsr-x4", known=[],
                      names=names, **options)  # fmt: skip


def test_a_pattern_beside_and_in_a_folder(here):
    pattern = "{stem}_large{suffix}"
    beside = planned(["in"], pattern=pattern)
    assert [str(job.target) for job in beside.jobs] == ["in/a_large.png", "in/b_large.JPG"]
    into = planned(["in"], "out", pattern)
    assert [str(job.target) for job in into.jobs] == ["out/a_large.png", "out/b_large.JPG"]


def test_results_of_a_pattern_are_no_inputs_of_it(here):
    drawn(8, 8).save("in/a_large.png")
    work = planned(["in"], pattern="{stem}_large{suffix}")
    assert [job.source.name for job in work.jobs] == ["a.png", "b.JPG"]
    assert [path.name for path in work.results] == ["a_large.png"]
    named = planned(["in/a.png", "in/a_large.png"], pattern="{stem}_large{suffix}")
    assert "is also an input" in str(named.jobs[0].problem)


def test_a_pattern_that_names_its_format(here):
    work = planned(["in"], "out", "{stem}.webp")
    assert [(str(job.target), job.format) for job in work.jobs] == [
        ("out/a.webp", "webp"), ("out/b.webp", "webp"),
    ]  # fmt: skip
    with pytest.raises(PictureError, match=r"ends in \.webp, but PNG is requested"):
        planned(["in"], "out", "{stem}.webp", format="png")


def test_patterns_that_collide_or_contradict(here):
    with pytest.raises(PictureError, match=r"in/a\.png and in/b\.JPG would both become"):
        planned(["in"], pattern="same{suffix}", format="png")
    with pytest.raises(PictureError, match="both -o x.png and --name"):
        planned(["in/a.png"], "x.png", "{stem}")
    assert "is the input itself" in str(planned(["in/a.png"], pattern="{stem}").jobs[0].problem)


def test_the_size_of_what_is_no_picture(here):
    Path("in/c.png").write_text("I am no picture")
    names = Names("m", pattern="{stem}-{size}", measure=lambda path, _: _refuse(path))
    work = batch.plan_batch([Path("in/c.png")], None, model="m", known=[], names=names)
    assert "not a picture" in str(work.jobs[0].problem)


def _refuse(path: Path) -> Route:
    raise PictureError(f"{path} is not a picture")


@pytest.mark.parametrize(
    ("output", "format"), [("x.jpg", "png"), ("x.JPEG", "tiff"), ("x.tif", "jpg"), ("x.gif", "png")]
)
def test_an_ending_and_a_format_that_contradict(here, output, format):
    with pytest.raises(PictureError, match="is requested"):
        planned(["in/a.png"], output, format=format)
    assert planned(["in/a.png"], "x.jpeg", format="jpg").jobs[0].format == "jpg"
    assert planned(["in/a.png"], "x", format="webp").jobs[0].format == "webp"
    assert planned(["in/a.png"], "x.v2", format="tiff").jobs[0].format == "tiff"


@pytest.mark.parametrize("output", ["both.png", "both.JPG", "both.gif", "both.heic"])
def test_a_pictures_name_for_several_is_refused(here, output):
    for inputs in (["in/a.png", "in/b.JPG"], ["in"]):
        with pytest.raises(PictureError, match="which is the name of one"):
            planned(inputs, output)
        assert planned(inputs, f"{output}/").jobs[0].problem is None
    assert planned(["in"], "both.v2").jobs[0].target == Path("both.v2/a.png")
    Path(output).mkdir()
    assert planned(["in"], output).jobs[0].target == Path(output) / "a.png"
