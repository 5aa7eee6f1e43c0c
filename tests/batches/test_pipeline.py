"""Many pictures at a time come out as one after the other would; a killed run goes on."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import subprocess
import threading
import time
import warnings
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import drawn

from srzoo.batches import batch, ledger, one_picture, outputs, pipeline
from srzoo.batches.job import Job
from srzoo.batches.one_picture import Options, PictureMaker, PictureOutcome
from srzoo.errors import MemoryBudgetError, PictureError
from srzoo.models import locate
from srzoo.upscaling.sizing import Sizing
from srzoo.upscaling.upscaler import Upscaler

SETTINGS = {"model": "double"}


class Double:
    """Each pixel twice, in numpy: an engine without torch."""

    model = None
    reach = 0

    def __call__(self, x, scale):
        return x.repeat(scale, 2).repeat(scale, 3)

    def bytes_per_pixel(self, _scale):
        return 100

    def bytes_aside(self, _scale):
        return 0

    def free_memory(self):
        return None


def double(**options) -> Upscaler:
    return Upscaler(Double(), (2,), "double", **options)


def tree(folder: Path, count: int, seed: int = 0) -> Path:
    """Pictures of many formats and sizes in folders, some of them broken."""
    dice = random.Random(seed)
    for i in range(count):
        place = folder / dice.choice(["", "b", "b/c", "ü"])
        place.mkdir(parents=True, exist_ok=True)
        suffix = dice.choice(["png", "jpg", "webp", "tif", "bmp"])
        path = place / f"{dice.randrange(10**6)}-{i}.{suffix}"
        if i % 7 == 3:
            path.write_bytes(dice.randbytes(50))
        else:
            mode = dice.choice(["RGB", "L", "RGBA"] if suffix in ("png", "tif") else ["RGB"])
            drawn(dice.randrange(1, 60), dice.randrange(1, 60), mode).save(path)
    return folder


def go(
    inputs: Path, out: Path, at_a_time: int, settings=SETTINGS, **options
) -> list[PictureOutcome]:
    """What ``srzoo upscale INPUTS -o OUT --recursive`` does."""
    work = batch.plan_batch([inputs], str(out), model="double", known=[], recursive=True,
                      settings=settings, **options)  # fmt: skip
    maker = PictureMaker(double(), Options(), work)
    with work.opened(), closing(pipeline.run(work.jobs, maker, at_a_time)) as told:
        return list(told)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ledger.NAME
    }


@pytest.mark.parametrize("at_a_time", [2, 5])
def test_overlapping_changes_no_byte_and_no_order(tmp_path, at_a_time):
    inputs = tree(tmp_path / "in", 60)
    first = go(inputs, tmp_path / "one", 1)
    second = go(inputs, tmp_path / "many", at_a_time)
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    assert len(contents(tmp_path / "one")) == 60 - 9

    def told(outcomes):
        return [(o.job.source, o.route, o.notes, str(o.problem)) for o in outcomes]

    assert told(first) == told(second)
    assert [o.job.source for o in first] == [o.job.source for o in second]


class Slow:
    """A maker whose steps take their time, and that counts what is in memory."""

    def __init__(self, seed: int, weight: int = 1, room: int = 10**9, full_at: int = -1) -> None:
        self.dice = random.Random(seed)
        self.bytes = weight
        self._room = room
        self.full_at = full_at
        self.held = self.most = 0
        self.computing: set[int] = set()
        self.lock = threading.Lock()

    def nap(self) -> None:
        time.sleep(self.dice.choice([0, 0, 0.001, 0.004]))

    def hold(self, amount: int) -> None:
        with self.lock:
            self.held += amount
            self.most = max(self.most, self.held)

    def memory_for_waiting(self) -> int:
        return self._room

    def settled_outcome(self, job: Job) -> PictureOutcome | None:
        return PictureOutcome(job) if job.skip_reason else None

    def failed_outcome(self, job: Job, error: Exception) -> PictureOutcome:
        assert isinstance(error, PictureError | MemoryBudgetError), error
        return PictureOutcome(job, problem=error)

    def prepare(self, job: Job):
        kind = job.source.name[0]
        if kind == "u":
            raise PictureError("unreadable")
        if kind == "m" and self.held:
            raise MemoryBudgetError("too much")
        return Prepared(job, self.bytes)

    def fits(self, _item, _beside) -> bool:
        return True

    def decode(self, ready):
        self.nap()
        if ready.job.source.name[0] == "b":
            raise PictureError("broken")
        self.hold(ready.bytes)
        ready.fetched = ready.job.source

    def enlarge(self, ready, _progress):
        assert ready.fetched == ready.job.source
        self.computing.add(threading.get_ident())
        self.nap()
        if ready.job.source.name[0] == "x":
            self.hold(-ready.bytes)
            raise PictureError("cannot be computed")

    def store(self, ready) -> PictureOutcome:
        self.nap()
        self.hold(-ready.bytes)
        index = int(ready.job.source.name[1:])
        if ready.job.source.name[0] == "w" or index == self.full_at:
            problem = PictureError("cannot write")
            problem.__cause__ = OSError(28 if index == self.full_at else 5, "trouble")
            return PictureOutcome(ready.job, problem=problem)
        return PictureOutcome(ready.job)

    def make(self, job: Job, begin=None) -> PictureOutcome:
        try:
            ready = self.prepare(job)
            self.decode(ready)
            self.enlarge(ready, begin(job) if begin else None)
        except PictureError as error:
            return PictureOutcome(job, problem=error)
        return self.store(ready)


class Prepared:
    exact, needs = True, SimpleNamespace(streamed=False)

    def __init__(self, job: Job, weight: int) -> None:
        self.job = job
        self.bytes = weight * (1 + job.source.name.startswith("h"))


def jobs(count: int, kinds: str, seed: int) -> list[Job]:
    dice = random.Random(seed)
    names = [f"{dice.choice(kinds)}{i}" for i in range(count)]
    return [
        Job(Path(name), Path(name), "png", skip_reason="exists" if name[0] == "k" else None)
        for name in names
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_order_holds_however_long_each_step_takes(seed):
    todo = jobs(80, "gggubxwkm", seed)
    maker = Slow(seed)
    found = list(pipeline.run(todo, maker, 1 + seed))
    assert [outcome.job for outcome in found] == todo
    for outcome in found:
        assert (outcome.problem is not None) == (outcome.job.source.name[0] in "ubxw")
    assert maker.computing <= {threading.get_ident()}
    assert not [t for t in threading.enumerate() if t.name.startswith("srzoo")]


@pytest.mark.parametrize("room", [10, 25, 60])
def test_no_more_is_in_memory_than_there_is_room(room):
    maker = Slow(1, weight=10, room=room)
    assert len(list(pipeline.run(jobs(60, "gh", 1), maker, 4))) == 60
    assert maker.most <= max(room, 20)  # one that is larger than the room goes alone
    if room == 60:
        assert maker.most > 20


def test_a_full_disk_ends_it_and_each_picture_is_told():
    for at_a_time in (1, 3):
        todo = jobs(50, "gk", 2)
        first = next(i for i in range(20, 50) if todo[i].source.name[0] == "g")
        found = list(pipeline.run(todo, Slow(0, full_at=first), at_a_time))
        assert [outcome.job for outcome in found] == todo
        assert all(outcome.problem is None for outcome in found[:first])
        assert found[first].begun
        left = [outcome for outcome in found if not outcome.begun]
        made = [o for o in found[first + 1 :] if o.problem is None and not o.job.skip_reason]
        assert len(left) > 5
        assert len(made) <= 2 * at_a_time  # those that were computed already
        assert "cannot write" in str(left[0].problem)
        assert all(outcome.problem is None for outcome in found if outcome.job.skip_reason)


def test_stopped_early_what_is_being_written_is_finished(tmp_path):
    inputs = tree(tmp_path / "in", 40)
    work = batch.plan_batch(
        [inputs], str(tmp_path / "out"), model="double", known=[], recursive=True
    )
    count = 0

    class Stops(PictureMaker):
        def enlarge(self, item, progress):
            nonlocal count
            count += 1
            if count == 15:
                raise KeyboardInterrupt
            super().enlarge(item, progress)

    with pytest.raises(KeyboardInterrupt), work.opened():
        list(pipeline.run(work.jobs, Stops(double(), Options(), work), 3))
    assert not list(tmp_path.rglob(f"{outputs.PART}*"))
    done = contents(tmp_path / "out")
    assert set(done) == ledger.Ledger(tmp_path / "out").targets
    assert 9 <= len(done) <= 14
    assert not [t for t in threading.enumerate() if t.name.startswith("srzoo")]
    found = go(inputs, tmp_path / "out", 3, settings={})
    assert len([o for o in found if o.job.skip_reason]) == len(done)
    go(inputs, tmp_path / "whole", 1, settings={})
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_memory_that_is_short_makes_it_go_alone(tmp_path):
    inputs = tree(tmp_path / "in", 20)
    work = batch.plan_batch(
        [inputs], str(tmp_path / "out"), model="double", known=[], recursive=True
    )

    class Short(PictureMaker):
        said = 0

        def fits(self, item, beside):
            self.said += 1
            return self.said != 4

    maker = Short(double(), Options(), work)
    with work.opened():
        list(pipeline.run(work.jobs, maker, 3))
    assert maker.said == 4  # from then on nothing is beside anything
    go(inputs, tmp_path / "whole", 1)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def dies(inputs: Path, out: Path, at: int, at_a_time: int) -> bool:
    """A run in a process that ends, as if killed, at its ``at``-th step to the disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads that pytest may have
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    steps = itertools.count(1)

    def dying(real):
        def step(*arguments, **options):
            if next(steps) == at:
                if real is os.write:  # half a line
                    real(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os._exit(9)
            return real(*arguments, **options)

        return step

    try:
        for name in ("fsync", "replace", "write", "open", "unlink"):
            setattr(os, name, dying(getattr(os, name)))
        go(inputs, out, at_a_time)
    finally:
        os._exit(0)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_killed_at_any_step_it_goes_on_to_exactly_the_right_files(tmp_path, at_a_time):
    inputs = tree(tmp_path / "in", 9)
    go(inputs, tmp_path / "whole", 1)
    right = contents(tmp_path / "whole")
    step = 0
    while dies(inputs, tmp_path / f"out{step}", step + 1, at_a_time):
        out = tmp_path / f"out{step}"
        torn = {name: data for name, data in contents(out).items() if ".srzoo" not in name}
        assert torn.items() <= right.items()  # nothing half written under a real name
        recorded = ledger.Ledger(out).targets if out.exists() else set()
        assert set(torn) <= recorded
        dies(inputs, out, 5, at_a_time)  # and once more
        found = go(inputs, out, at_a_time)
        assert contents(out) == right
        assert len([o for o in found if o.job.skip_reason == "done before"]) >= len(torn)
        step += 1
    assert step > 5 * len(right)


def test_what_changed_is_made_again_and_nothing_else(tmp_path):
    inputs = tree(tmp_path / "in", 12)
    go(inputs, tmp_path / "out", 2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    good = [o.job for o in go(inputs, tmp_path / "out", 2) if o.job.skip_reason == "done before"]
    drawn(7, 5).save(good[0].source)
    os.utime(good[1].source)  # touched only
    good[2].target.unlink()
    found = {o.job.source: o for o in go(inputs, tmp_path / "out", 2)}
    again = [source for source, o in found.items() if o.route]
    assert set(again) == {good[0].source, good[2].source}
    assert found[good[0].source].route.size == (14, 10)
    for job in good[3:]:
        assert job.target.stat().st_mtime_ns == before[job.target]
    other = go(inputs, tmp_path / "out", 2, settings={"model": "other"})
    assert len([o for o in other if o.route]) == len(good)


def test_strangers_files_are_left_alone(tmp_path):
    inputs = tree(tmp_path / "in", 12)
    found = go(inputs, tmp_path / "out", 2)
    good = [o.job for o in found if o.route]
    good[0].target.write_bytes(b"somebody else's")
    drawn(9, 9).save(good[1].source)  # ours, and out of date
    again = {o.job.source: o for o in go(inputs, tmp_path / "out", 2)}
    assert "exists" in str(again[good[0].source].problem)
    assert again[good[1].source].route
    drawn(8, 8).save(good[1].source)
    again = {o.job.source: o for o in go(inputs, tmp_path / "out", 2, skip_existing=True)}
    assert (
        again[good[0].source].job.skip_reason == again[good[1].source].job.skip_reason == "exists"
    )
    assert good[0].target.read_bytes() == b"somebody else's"
    again = {o.job.source: o for o in go(inputs, tmp_path / "out", 2, overwrite=True)}
    assert {s for s, o in again.items() if o.route} == {good[0].source, good[1].source}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 160 kB, as root on Linux."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("cannot mount a small disk here: that takes root on Linux")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_a_full_disk(tmp_path, small_disk, at_a_time):
    noise = np.random.default_rng(0)
    for i in range(20):
        (tmp_path / "in").mkdir(exist_ok=True)
        pixels = noise.integers(0, 256, (80, 80, 3), dtype=np.uint8)
        batch.images.write(batch.images.Picture(pixels), tmp_path / f"in/{i:02}.png", "png")
    found = go(tmp_path / "in", small_disk / "out", at_a_time)
    made = [o for o in found if o.route]
    assert 1 <= len(made) <= 10
    failed = [o for o in found if o.problem and o.begun]
    assert "No space left on device" in str(failed[0].problem)
    assert all("was not begun" in str(o.problem) for o in found if not o.begun)
    assert len(made) + len([o for o in found if o.problem]) == 20
    go(tmp_path / "in", tmp_path / "whole", 1)
    right = contents(tmp_path / "whole")
    assert contents(small_disk / "out") == {o.job.target.name: right[o.job.target.name]
                                            for o in made}  # fmt: skip
    remount = ["mount", "-o", "remount,size=10m", str(small_disk)]
    subprocess.run(remount, check=True)
    again = go(tmp_path / "in", small_disk / "out", at_a_time)
    assert len([o for o in again if o.job.skip_reason]) == len(made)
    assert contents(small_disk / "out") == right


def test_a_read_only_place(tmp_path, small_disk):
    inputs = tree(tmp_path / "in", 3)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(PictureError, match="Read-only file system"):
        go(inputs, small_disk / "out", 2)


def test_settings_tell_apart_what_comes_out_otherwise():
    folders = [locate.find(name) for name in ("bicubic-x2", "bicubic-x3")]
    kinds = [
        Options(), Options(Sizing.parse("2")), Options(Sizing.parse("1.5")),
        Options(Sizing.parse(size="100x200")), Options(Sizing.parse(size="width=100")),
        Options(quality=90), Options(strip=True), Options(provenance=False),
    ]  # fmt: skip
    found = [o.settings(folder, p) for o in kinds for folder in folders for p in ("auto", "fp16")]
    assert len({str(sorted(s.items(), key=str)) for s in found}) == len(found)


def test_the_same_model_elsewhere_is_the_same_model(tmp_path):
    shutil.copytree(locate.find("edsr-x4").path, tmp_path / "edsr-x4")
    here, there = locate.find("edsr-x4"), locate.find(tmp_path / "edsr-x4")
    assert Options().settings(here, "auto") == Options().settings(there, "auto")
    config = tmp_path / "edsr-x4/config.json"
    config.write_text(config.read_text().replace(here.config.weights.sha256, "0" * 64))
    trained_again = locate.find(tmp_path / "edsr-x4")
    assert Options().settings(here, "auto") != Options().settings(trained_again, "auto")


def test_a_digest_of_what_is_made_is_not_of_how(tmp_path):
    """Tiles, memory and jobs are no settings: they change no byte."""
    inputs = tree(tmp_path / "in", 10)
    digests = set()
    for i, options in enumerate([{}, {"tile": 16}, {"tile": "off"}, {"memory": 2 * 10**9}]):
        out = tmp_path / f"{i}"
        work = batch.plan_batch([inputs], str(out), model="double", known=[], recursive=True)
        maker = one_picture.PictureMaker(double(**options), Options(), work)
        with work.opened():
            list(pipeline.run(work.jobs, maker, 1 + i))
        digests.add(hashlib.sha256(repr(sorted(contents(out).items())).encode()).hexdigest())
    assert len(digests) == 1
