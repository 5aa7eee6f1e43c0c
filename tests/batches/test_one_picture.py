"""One picture's way: what fits is made whole, what does not is streamed, the rest is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import drawn
from PIL import Image
from test_pipeline import Double, double

from srzoo import images
from srzoo.batches import forecast, pipeline
from srzoo.batches.batch import Batch
from srzoo.batches.job import Job
from srzoo.batches.one_picture import BLENDED, Options, PictureMaker, read_needs, stops_all
from srzoo.common import memory
from srzoo.errors import MemoryBudgetError
from srzoo.images import Picture
from srzoo.upscaling.planner import SLACK
from srzoo.upscaling.sizing import Sizing
from srzoo.upscaling.upscaler import Upscaler

STREAMED = "written as a tiled BigTIFF: the whole did not fit into memory"


def job(source: Path, target: Path) -> Job:
    return Job(source, target, images.format_of(target))


def maker(upscaler=None, options: Options | None = None, **more) -> PictureMaker:
    return PictureMaker(upscaler or double(), options or Options(), Batch([]), **more)


def noisy(kind: str, side: int = 300) -> Picture:
    dice = np.random.default_rng(1)
    dtype = np.uint16 if kind.endswith("16") else np.uint8
    top = int(np.iinfo(dtype).max)
    channels = () if kind.startswith("gray") else (3,)
    pixels = dice.integers(0, top, (side, side, *channels), dtype, endpoint=True)
    alpha = None
    if "alpha" in kind:
        alpha = dice.integers(0, top, (side, side), dtype, endpoint=True)
    return Picture(pixels, alpha, dpi=(300.0, 300.0))


class Tight(Upscaler):
    """One that has no memory for any result as a whole."""

    def plans(self, way):
        if not way.streamed:
            raise MemoryBudgetError("the result is too large", "write a TIFF")
        return super().plans(way)


def tight(runner=None, **options) -> Tight:
    return Tight(runner or Double(), (2,), "double", **options)


@pytest.mark.parametrize("kind", ["rgb", "gray", "rgb alpha", "gray alpha", "rgb 16"])
@pytest.mark.parametrize("sizing", [Sizing(), Sizing.parse("3"), Sizing.parse(size="long=751")])
def test_what_does_not_fit_is_streamed_to_the_same_pixels(tmp_path, kind, sizing):
    source = tmp_path / "a.tif"
    images.write(noisy(kind), source, "tiff")
    options = Options(sizing)
    whole = maker(options=options).make(job(source, tmp_path / "whole.tif"))
    assert whole.problem is None
    assert STREAMED not in whole.notes
    streamed = maker(tight(), options).make(job(source, tmp_path / "streamed.tif"))
    assert streamed.problem is None, str(streamed.problem)
    assert STREAMED in streamed.notes
    assert streamed.route == whole.route
    assert (tmp_path / "streamed.tif").read_bytes()[:4] == b"II+\0"
    one, other = (images.read(tmp_path / name) for name in ("whole.tif", "streamed.tif"))
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.alpha is None) == (other.alpha is None) == ("alpha" not in kind)
    assert one.alpha is None or np.array_equal(one.alpha, other.alpha)
    assert one.pixels.dtype == other.pixels.dtype == (np.uint16 if "16" in kind else np.uint8)
    assert one.dpi == other.dpi == (300.0, 300.0)
    assert b"srzoo double" in (other.xmp or b"")


def test_what_cannot_be_streamed_is_refused_with_what_would_do(tmp_path):
    images.write(noisy("rgb"), tmp_path / "a.png", "png")
    refused = maker(tight()).make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert "write a TIFF" in str(refused.problem)
    assert not (tmp_path / "b.png").exists()


class Asked(Upscaler):
    """Has memory for pictures of up to three bytes a pixel, and notes what it is asked."""

    def plans(self, way):
        asked = way.itemsize, way.channels, way.loaded, way.format
        self.__dict__.setdefault("asked", []).append(asked)
        if way.itemsize * way.channels > 3 and not way.streamed:
            raise MemoryBudgetError("the result is too large", "Give --memory 9GB or more")
        return super().plans(way)


@pytest.mark.parametrize("kind", ["rgb alpha", "rgb 16", "gray alpha 16"])
@pytest.mark.parametrize("at_a_time", [1, 3])
def test_a_picture_is_planned_as_what_it_is(tmp_path, kind, at_a_time):
    """Two bytes a value, and alpha, are told by the header; it is planned again once it is read."""
    images.write(noisy(kind), tmp_path / "a.tif", "tiff")
    seen = (2 if "16" in kind else 1, kind.count("rgb") * 2 + 1 + kind.count("alpha"))
    for name in ("b.png", "b.tif"):
        upscaler = Asked(Double(), (2,), "double")
        todo = [job(tmp_path / "a.tif", tmp_path / name)]
        (outcome,) = pipeline.run(todo, maker(upscaler), at_a_time)
        assert upscaler.asked[0] == (*seen, False, todo[0].format)
        if name == "b.png":
            assert "--memory 9GB" in str(outcome.problem)
            assert not (tmp_path / name).exists()
        else:
            assert (*seen, True, "tiff") in upscaler.asked  # planned again as it was read
            assert STREAMED in outcome.notes


def test_what_others_may_come_to_is_left_to_them(tmp_path):
    images.write(noisy("rgb"), tmp_path / "a.tif", "tiff")
    one = maker()
    assert one.memory_for_waiting() > 0
    item = one.prepare(job(tmp_path / "a.tif", tmp_path / "b.png"))
    one.decode(item)
    assert one.fits(item, 0)
    one.upscaler.memory = memory.used() + SLACK + 50_000_000
    assert one.fits(item, 10_000_000)
    assert not one.fits(item, 100_000_000)


def test_the_weight_of_a_picture_is_what_it_has_proved_to_be(tmp_path):
    images.write(noisy("rgb alpha 16"), tmp_path / "a.tif", "tiff")
    one = maker()
    item = one.prepare(job(tmp_path / "a.tif", tmp_path / "b.png"))
    before = item.bytes
    one.decode(item)
    assert (item.needs.itemsize, item.needs.channels) == (2, 4)
    assert item.bytes == before  # the header told of them
    assert replace(item.needs, itemsize=1).bytes == before // 2


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path):
    images.write(noisy("rgb"), tmp_path / "a.tif", "tiff")

    class Breaks(Double):
        calls = 0

        def __call__(self, x, scale):
            self.calls += 1
            y = super().__call__(x, scale)
            return y * np.nan if self.calls > 3 else y

    outcome = maker(tight(Breaks(), tile=64)).make(job(tmp_path / "a.tif", tmp_path / "out/b.tif"))
    assert "not finite" in str(outcome.problem)
    assert list((tmp_path / "out").iterdir()) == []


def test_blended_tiles_are_noted(tmp_path):
    drawn(100, 80).save(tmp_path / "a.png")
    blending = double(tile=32)
    blending.runner.reach = None
    outcome = maker(blending).make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert BLENDED in outcome.notes


def test_bombs_are_refused_by_a_limit_that_can_be_raised(tmp_path):
    drawn(40, 30).save(tmp_path / "a.png")
    refused = maker(options=Options(max_pixels=1199)).make(
        job(tmp_path / "a.png", tmp_path / "b.png")
    )
    assert "Give max_pixels=1200" in str(refused.problem)
    fine = maker(options=Options(max_pixels=1200)).make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert fine.problem is None


def test_metadata_are_kept_or_stripped(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    drawn(40, 30).save(tmp_path / "a.png", exif=exif, dpi=(72, 72))
    for strip in (False, True):
        for provenance in (False, True):
            options = Options(strip=strip, provenance=provenance)
            maker(options=options).make(job(tmp_path / "a.png", tmp_path / "b.png"))
            made = images.read(tmp_path / "b.png")
            assert (b"Maker" in (made.exif or b"")) == (not strip)
            assert (b"CreatorTool" in (made.xmp or b"")) == provenance
            assert made.dpi is not None
    maker(options=Options(invented=True)).make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert b"rainedAlgorithmicMedia" in (images.read(tmp_path / "b.png").xmp or b"")


def test_advice_is_asked_for_until_it_is_given(tmp_path):
    drawn(40, 30).save(tmp_path / "a.png")
    asked = []

    def advise(file, picture):
        asked.append((file, picture.size))
        return "take care" if len(asked) == 2 else None

    one = maker(advise=advise)
    outcomes = [one.make(job(tmp_path / "a.png", tmp_path / f"{i}.png")) for i in range(4)]
    assert [outcome.advice for outcome in outcomes] == [None, "take care", None, None]
    assert asked == [(tmp_path / "a.png", (40, 30))] * 2
    same = maker(options=Options(Sizing.parse("1", None)), advise=lambda *_: "take care")
    assert same.make(job(tmp_path / "a.png", tmp_path / "same.png")).advice is None


def test_through_a_pipe(tmp_path):
    drawn(40, 30).save(tmp_path / "a.png")
    data, sink = io.BytesIO((tmp_path / "a.png").read_bytes()), io.BytesIO()
    through = Job(Path("stdin"), Path("stdout"), "png", data=data, sink=sink)
    for _ in range(2):
        assert maker().make(through).problem is None
    maker().make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert sink.getvalue() == (tmp_path / "b.png").read_bytes() * 2


@pytest.mark.parametrize(("number", "ends"), [(28, True), (122, True), (30, True), (5, False)])
def test_what_ends_a_run(tmp_path, monkeypatch, number, ends):
    drawn(40, 30).save(tmp_path / "a.png")

    def write(*_arguments):
        raise OSError(number, "trouble")

    monkeypatch.setattr(images.writing, "_encode", write)
    outcome = maker().make(job(tmp_path / "a.png", tmp_path / "b.png"))
    assert outcome.problem is not None
    assert (stops_all(outcome) is not None) == ends


def test_a_forecast_counts_what_is_to_come(tmp_path):
    for i in range(250):
        drawn(20, 10).save(tmp_path / f"{i}.png")
    (tmp_path / "0.png").write_bytes(b"no picture")
    todo = [job(tmp_path / f"{i}.png", tmp_path / f"out/{i}.png") for i in range(250)]
    assert forecast.forecast(todo, maker()) is None
    found = forecast.forecast(todo, maker(), always=True)
    assert found is not None
    assert 240 <= found.pictures <= 250
    assert found.bytes == pytest.approx(250 * 40 * 20 * 3, rel=0.05)
    assert found.single is None
    assert str(found).startswith(f"{found.pictures} pictures: about 0 s, ")
    assert str(found).endswith(" MB uncompressed")
    images.write(noisy("rgb", 1500), tmp_path / "large.tif", "tiff")
    large = forecast.forecast([job(tmp_path / "large.tif", tmp_path / "b.tif")], maker())
    assert str(large).startswith("1500x1500 to 3000x3000 (x2): about ")
    large = forecast.forecast([job(tmp_path / "large.tif", tmp_path / "b.tif")], maker(tight()))
    assert "streamed into a tiled BigTIFF" in str(large)


def test_a_plan_that_does_not_fit_any_more_is_made_again(tmp_path, monkeypatch):
    drawn(90, 80).save(tmp_path / "a.png")
    todo, one, count = job(tmp_path / "a.png", tmp_path / "b.png"), maker(), 0
    plans = one.upscaler.plans

    def counted(way):
        nonlocal count
        count += 1
        return plans(way)

    monkeypatch.setattr(one.upscaler, "plans", counted)
    assert one.prepare_ahead(todo) is one.prepare_ahead(todo)
    assert count == 1
    assert one.make(todo).problem is None
    assert count == 1
    monkeypatch.setattr(one.upscaler, "still_fit", lambda *_: False)
    assert one.make(todo).problem is None
    assert count == 3


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_picture_that_was_replaced_since_is_made_as_it_is_now(tmp_path, mode):
    """Between the forecast of a long run and its turn another may have taken its name."""
    todo, options = job(tmp_path / "a.png", tmp_path / "b.png"), Options(Sizing.parse("3"))
    drawn(90, 80).save(todo.source)
    known_needs = {todo: read_needs(todo, options, (2,))}
    drawn(20, 40).convert(mode).save(todo.source)
    outcome = maker(options=options, known_needs=known_needs).make(todo)
    assert outcome.problem is None
    assert outcome.route.source == (20, 40)
    made = images.read(todo.target)
    assert made.size == outcome.route.size == (60, 120)
    maker(options=options).make(job(todo.source, tmp_path / "c.png"))
    assert np.array_equal(made.pixels, images.read(tmp_path / "c.png").pixels)
