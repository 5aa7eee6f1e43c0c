"""Decoded pictures are kept one by one, and training without them gives the same crops."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

import srzoo
from srzoo import training
from srzoo.common import memory
from srzoo.contracts import Sample
from srzoo.errors import FallbackWarning, SrzooError
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.recipes.recipe import Data
from srzoo.training import decode, packs
from srzoo.training.crops import Crops
from srzoo.training.pixels import open_pixels
from srzoo.training.sets import GuardedDataset

SEEN: list[str] = []


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of eight pictures, and a list of the files that are decoded."""
    from srzoo.building import pictures

    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        save(folder / f"{number}.png", number)
    real = pictures.read_rgb

    def read(path):
        SEEN.append(path.name)
        return real(path)

    monkeypatch.setattr(pictures, "read_rgb", read)
    SEEN.clear()
    return folder


def save(path, seed, height=48, width=60):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(path)


def folder(path, **arguments):
    return [
        GuardedDataset(
            srzoo.datasets.create("folder", path=path, **arguments), "data.train (folder)"
        )
    ]


def opened(sets, degradation="bicubic", **options):
    return open_pixels(sets, Use(degradation), (2,), **options)


def crops(pixels, degradation="bicubic", scales=(2,), **changes):
    use = Use("folder", {"path": "x"})
    data = Data(use, use, Use(degradation), lr_crop=8, batch=4, **changes)
    return Crops(pixels, data, scales, srzoo.degradations.create(degradation), 5)


def cut(drawn, steps=3):
    return b"".join(
        np.ascontiguousarray(side).tobytes()
        for step in range(steps)
        for index in range(4)
        for side in drawn._crop(step, index, drawn.scale(step))
    )


def test_a_new_or_changed_picture_costs_no_second_decode(photos):
    opened(folder(photos))
    assert sorted(SEEN) == [f"{n}.png" for n in range(8)]
    SEEN.clear()
    save(photos / "new.png", 9)
    assert opened(folder(photos)).names[-1] == "new.png"
    assert SEEN == ["new.png"]
    save(photos / "3.png", 33)
    SEEN.clear()
    changed = opened(folder(photos))
    assert SEEN == ["3.png"]
    with Image.open(photos / "3.png") as image:
        assert np.array_equal(changed.hr(3), np.asarray(image))
    SEEN.clear()
    # Nor do other arguments of the data set, or another degradation.
    rest = opened(folder(photos, exclude=["1.png"]))
    assert opened(folder(photos), "mild").names == changed.names
    assert SEEN == []
    assert rest.names == [name for name in changed.names if name != "1.png"]


def test_one_bad_picture_costs_no_second_decode_of_the_others(photos):
    whole = (photos / "4.png").read_bytes()
    (photos / "4.png").write_bytes(whole[:-200])
    (photos / "5.png").write_bytes(b"")
    with pytest.raises(SrzooError, match=r"2 of 8 pictures are bad: .*5.png of .*4.png of "):
        opened(folder(photos))
    assert len([name for name in SEEN if name not in ("4.png", "5.png")]) == 6
    SEEN.clear()
    words: list[str] = []
    left = opened(folder(photos), skip_bad=True, say=words.append)
    assert left.names == [f"{n}.png" for n in range(8) if n not in (4, 5)]
    assert words[0].startswith("left out 2 of 8 pictures: 5.png, 4.png (")
    assert set(SEEN) <= {"4.png", "5.png"}
    (photos / "4.png").write_bytes(whole)
    (photos / "5.png").unlink()
    SEEN.clear()
    assert len(opened(folder(photos))) == 7
    assert SEEN == ["4.png"]


def test_a_dangling_link_is_a_bad_picture_like_others(photos):
    (photos / "2.png").unlink()
    (photos / "2.png").symlink_to("nowhere.png")
    with pytest.raises(SrzooError, match="2.png of data.train"):
        opened(folder(photos))
    assert len(opened(folder(photos), skip_bad=True)) == 7


def test_small_pictures_are_all_named_before_anything_is_decoded(photos):
    save(photos / "a.png", 1, 12, 60)
    save(photos / "b.png", 1, 60, 12)
    with pytest.raises(SrzooError) as caught:
        opened(folder(photos), lr_crop=8)
    assert "2 of 10 pictures are bad" in caught.value.what
    assert "a.png has 60x12 pixels, but a crop needs 16" in caught.value.what
    assert "b.png has 12x60 pixels" in caught.value.what
    assert SEEN == []
    assert len(opened(folder(photos), lr_crop=8, skip_bad=True)) == 8


class Untold:
    """A third party's data set, which tells nothing before it decodes."""

    fingerprint = "untold"

    def __init__(self, broken=()):
        self.broken, self.seen = broken, []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.seen.append(index)
        if index in self.broken:
            raise ValueError("torn")
        noise = np.random.default_rng(index).integers(0, 256, (40 - index, 50, 3), np.uint8)
        return Sample(f"u{index}", noise)


def test_data_sets_that_tell_nothing_are_kept_by_picture_too(photos):
    with pytest.raises(SrzooError, match="picture 3 of"):
        opened([GuardedDataset(Untold([3]))])
    again = Untold()
    assert opened([GuardedDataset(again)]).names == [f"u{n}" for n in range(5)]
    assert set(again.seen) == {3}
    with pytest.raises(SrzooError, match="u4 has 50x36 pixels"):
        opened([GuardedDataset(Untold())], lr_crop=19)


SETS = {
    "folder": lambda photos: folder(photos, smaller=[0.7]),
    "untold": lambda photos: [GuardedDataset(Untold())],
    "mixed": lambda photos: [
        *folder(photos),
        *pairs(photos),
        GuardedDataset(Untold(), "c (x)", 0.5),
    ],
}


def pairs(photos):
    for side in ("hr", "lr"):
        (photos.parent / side).mkdir(exist_ok=True)
    for number in range(3):
        save(photos.parent / "hr" / f"{number}.png", number, 41, 50)
        save(photos.parent / "lr" / f"{number}.png", 90 + number, 20, 25)
    where = {"hr": photos.parent / "hr", "lr": photos.parent / "lr"}
    return [GuardedDataset(srzoo.datasets.create("paired", **where, scale=2), "b (paired)", 0.25)]


@pytest.mark.parametrize("degradation", ["bicubic", "mild"])
@pytest.mark.parametrize("draw", ["pictures", "area", "detail"])
@pytest.mark.parametrize("kind", SETS)
def test_crops_without_the_cache_are_the_same_bytes(photos, kind, draw, degradation):
    sets = SETS[kind](photos)
    kept = opened(sets, degradation, cache="always")
    fresh = opened(sets, degradation, cache="never")
    assert kept.kept
    assert not fresh.kept
    assert kept.names == fresh.names
    assert [kept.size(n) for n in range(len(kept))] == [fresh.size(n) for n in range(len(fresh))]
    first, second = (crops(pixels, degradation, draw=draw) for pixels in (kept, fresh))
    assert cut(first) == cut(second)
    assert [first.source(1, n) for n in range(4)] == [second.source(1, n) for n in range(4)]


def test_crops_of_several_scales_without_the_cache(photos):
    kept, fresh = (
        open_pixels(folder(photos), Use("bicubic"), (2, 3), cache=cache)
        for cache in ("always", "never")
    )
    assert cut(crops(kept, scales=(2, 3)), 9) == cut(crops(fresh, scales=(2, 3)), 9)


def test_without_the_cache_nothing_is_written_and_headers_tell_the_sizes(photos, tmp_path):
    pixels = opened(folder(photos), cache="never")
    assert set(SEEN) <= {"0.png"}  # one tells whether there are LR pictures
    assert pixels.size(3) == (48, 60)
    assert not (tmp_path / "cache").exists()


def test_auto_keeps_what_takes_less_than_half_of_the_free_disk(photos, monkeypatch):
    needed = 8 * 48 * 60 * 3 * 1.25
    usage = namedtuple("usage", "total used free")
    for room, kept in ((2.2, True), (1.8, False)):
        monkeypatch.setattr(
            decode.shutil, "disk_usage", lambda _, r=room: usage(0, 0, int(needed * r))
        )
        monkeypatch.setenv("SRZOO_CACHE", str(photos.parent / f"cache{kept}"))
        words: list[str] = []
        assert opened(folder(photos), say=words.append).kept is kept
        assert bool(words) is not kept
    assert "8 pictures take 0.0 GB decoded" in words[0]
    assert opened(folder(photos), cache="always").kept
    # What is kept is used, and one more picture is decoded as it is needed.
    save(photos / "huge.png", 1, 900, 900)
    mixed = opened(folder(photos))
    assert not mixed.kept
    assert np.asarray(mixed.hr(0)).shape == (48, 60, 3)
    assert mixed.hr(mixed.names.index("huge.png")).shape == (900, 900, 3)


@pytest.mark.parametrize("when", ["at the start", "in the middle"])
def test_a_full_disk(photos, monkeypatch, when):
    calls = []

    def full(sink, data):
        calls.append(len(data))
        if when == "at the start" or len(calls) > 5:
            sink.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        sink.write(data)

    monkeypatch.setattr(packs, "write_all", full)
    words: list[str] = []
    pixels = opened(folder(photos), say=words.append)
    assert "No space left on device" in words[0]
    assert not pixels.kept
    with pytest.raises(SrzooError, match="No space left on device"):
        opened(folder(photos), cache="always")
    monkeypatch.undo()
    os.environ["SRZOO_CACHE"] = str(photos.parent / "cache")
    try:
        assert cut(crops(pixels)) == cut(crops(opened(folder(photos), cache="never")))
    finally:
        del os.environ["SRZOO_CACHE"]


def test_a_picture_found_bad_while_training_is_drawn_no_more(photos):
    pixels = opened(folder(photos), cache="never", skip_bad=True)
    whole = (photos / "4.png").read_bytes()
    (photos / "4.png").write_bytes(whole[:-300])
    with pytest.raises(SrzooError, match="4.png of data.train"):
        cut(crops(pixels))
    drawn = crops(pixels, skip_bad=True)
    with pytest.warns(FallbackWarning, match="left out: 4.png"):
        first = cut(drawn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        assert cut(crops(pixels, skip_bad=True)) == first
        assert "4.png" not in {drawn.source(step, n) for step in range(3) for n in range(4)}


@pytest.mark.parametrize("cache", ["always", "never"])
def test_crops_go_to_another_process(photos, cache):
    drawn = crops(opened(folder(photos), cache=cache))
    want = cut(drawn)  # memory maps are open now
    state = pickle.dumps(drawn)
    assert len(state) < 8 * 48 * 60 * 3
    assert cut(pickle.loads(state)) == want
    lr, hr = pickle.loads(state).batch(3).lr, pickle.loads(state).batch(3).hr
    assert np.array_equal(np.asarray(lr), np.asarray(drawn.batch(3).lr))
    assert np.array_equal(np.asarray(hr), np.asarray(drawn.batch(3).hr))
    (photos.parent / "state").write_bytes(state)
    code = (
        "import pickle, sys, numpy as np\n"
        "drawn = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for index in range(4):\n"
        "    for side in drawn._crop(1, index, 2):\n"
        "        sys.stdout.buffer.write(np.ascontiguousarray(side).tobytes())\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, photos.parent / "state"], check=True, capture_output=True
    )
    crop = [side for n in range(4) for side in drawn._crop(1, n, 2)]
    assert made.stdout == b"".join(np.ascontiguousarray(side).tobytes() for side in crop)


def test_another_process_reads_no_pack_to_check_it(photos, monkeypatch):
    state = pickle.dumps(crops(opened(folder(photos))))
    monkeypatch.setattr("srzoo.common.kept_folders.sha256", lambda path: pytest.fail("hashed"))
    cut(pickle.loads(state))


def test_packs_are_checked_once_in_a_process(photos, monkeypatch):
    """Each stage of a run opens them; a file that changes is read again."""
    opened(folder(photos))
    packs._intact.cache_clear()
    seen = []
    real = packs.kept_folders.sha256
    monkeypatch.setattr(
        "srzoo.common.kept_folders.sha256", lambda path: seen.append(path) or real(path)
    )
    first = opened(folder(photos))
    opened(folder(photos))
    assert len(seen) == 1
    want = [np.array(first.hr(n)) for n in range(8)]
    content = bytearray(seen[0].read_bytes())
    content[100] ^= 1
    seen[0].write_bytes(content)
    SEEN.clear()
    again = opened(folder(photos))
    assert len(SEEN) >= 8
    assert all(np.array_equal(again.hr(n), picture) for n, picture in enumerate(want))


def test_a_damaged_pack_costs_no_decode_of_the_others(photos, monkeypatch):
    monkeypatch.setattr(packs, "PACK_BYTES", 3 * 48 * 60 * 3)  # a few pictures each
    opened(folder(photos))
    found = sorted(packs.root().iterdir())
    assert len(found) > 2
    shutil.rmtree(found[0])
    SEEN.clear()
    opened(folder(photos))
    assert 0 < len(SEEN) < 5


def test_what_was_decoded_before_a_stop_is_kept(photos):
    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(folder(photos), progress=stop)
    SEEN.clear()
    opened(folder(photos))
    assert len(SEEN) <= 4
    assert not list(packs.root().glob(".srzoo-*"))


class Edited:
    """A deterministic degradation whose code is changed from one run to the next."""

    deterministic = True
    add = 0

    def __call__(self, hr, scale, rng):
        return hr[::scale, ::scale] + np.uint8(self.add)


def test_an_edited_degradation_makes_its_pictures_anew(photos, monkeypatch):
    srzoo.degradations.register("edited", Edited)
    words: list[str] = []
    try:
        before = opened(folder(photos), "edited", say=words.append).lr(0, 2).copy()
        assert words == []
        SEEN.clear()
        monkeypatch.setattr(Edited, "add", 1)
        after = opened(folder(photos), "edited", say=words.append).lr(0, 2)
    finally:
        srzoo.degradations.unregister("edited")
    assert np.array_equal(before + np.uint8(1), after)
    assert words == ["edited has changed: the LR of 8 cached pictures is made again"]
    assert SEEN == []


def test_threads_decode_and_the_order_stays(photos, monkeypatch):
    import threading

    together, most = [0], [0]
    lock = threading.Lock()

    def work(index):
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        barrier.wait(5) if index < 2 else None
        with lock:
            together[0] -= 1
        if index == 3:
            raise SrzooError("three")
        return index * index

    barrier = threading.Barrier(2)
    monkeypatch.setattr(memory, "processors", lambda: 2)  # that this process may use
    found = list(decode.in_threads(work, range(6)))
    assert [index for index, _ in found] == list(range(6))
    assert [value for _, value in found if not isinstance(value, SrzooError)] == [0, 1, 4, 16, 25]
    assert most[0] == 2


def test_an_index_says_what_it_holds(photos):
    sets = [GuardedDataset(folder(photos)[0].dataset, about="folder (path=photos)")]
    opened(sets)
    (pack,) = packs.root().iterdir()
    facts = json.loads((pack / "index.json").read_text())
    assert facts["about"] == "folder (path=photos)"
    assert len(facts["names"]) == 8


def test_the_run_is_told_of_what_was_left_out(tiny, photos):
    (photos / "4.png").write_bytes(b"")
    words: list[str] = []
    loaded = recipe.load(tiny(), [f'data.train={{name="folder", path="{photos}"}}',
                                "data.skip_bad=true", "train.steps=1"])  # fmt: skip
    training.train(loaded, photos.parent / "run", watch=training.Callbacks(on_word=words.append))
    assert any("left out 1 of 8 pictures: 4.png" in word for word in words)
