"""The memory planner: what it says is what is taken, and what cannot be done is refused."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import psutil
import pytest
from helpers import Sharpen
from hypothesis import given, settings
from hypothesis import strategies as st

from srzoo import images
from srzoo.common import memory
from srzoo.common.amounts import memory_size
from srzoo.errors import MemoryBudgetError
from srzoo.images import Picture
from srzoo.upscaling import memory_needs as work_
from srzoo.upscaling import planner
from srzoo.upscaling.memory_needs import PassNeeds, PictureNeeds
from srzoo.upscaling.planner import BLEND, EDGE, LOOK, SLACK
from srzoo.upscaling.sizing import Route, Sizing
from srzoo.upscaling.upscaler import Upscaler


def budget(room: int) -> int:
    """A limit that leaves ``room`` bytes beside this process."""
    return psutil.Process().memory_info().rss + SLACK + room


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 3000), height=st.integers(1, 3000),
    reach=st.sampled_from([0, 2, 36, None]), per_pixel=st.sampled_from([100, 8460]),
    room=st.integers(60_000_000, 400_000_000), strips=st.sampled_from([0, 1]),
)  # fmt: skip
def test_tiles_fit_and_cover(width, height, reach, per_pixel, room, strips):
    runner = Sharpen(reach, per_pixel)
    work = PassNeeds((width, height), 2, loaded=True, strips=strips)
    try:
        plan = planner.plan_tiles(work, runner, memory=budget(room))
    except planner.TooLargeError as error:
        assert error.least > error.budget
        return
    own, seen = plan.tile, plan.margin if plan.exact else plan.margin + LOOK
    rows = min(own[0] + 2 * seen, height + 2 * plan.edge)
    columns = min(own[1] + 2 * seen, width + 2 * plan.edge)
    assert rows * columns * per_pixel + strips * own[0] * width * 12 <= room
    assert plan.bytes <= budget(room) + 5_000_000  # this process breathes
    assert plan.tiles == -(-height // own[0]) * -(-width // own[1])
    whole = own == (height, width)
    assert plan.exact == (whole or (reach is not None and plan.margin == max(reach, LOOK)))
    if not plan.exact:
        assert plan.margin <= BLEND
        assert all(2 * plan.margin <= a for a, b in zip(own, (height, width), strict=True) if a < b)


def test_more_memory_is_never_slower():
    areas = [
        planner.plan_tiles(
            PassNeeds((3000, 2000), 4, loaded=True), Sharpen(36, 8460), memory=budget(room)
        ).area
        for room in (100_000_000, 200_000_000, 400_000_000, 1_600_000_000)
    ]
    assert areas == sorted(areas, reverse=True)
    assert areas[-1] < 1.6 * 3000 * 2000


def test_bicubic_takes_small_tiles_since_large_ones_are_no_faster():
    plan = planner.plan_tiles(PassNeeds((20_000, 15_000), 2, loaded=True), Sharpen(2, 492))
    assert plan.area < 1.03 * 20_000 * 15_000
    assert plan.tile[0] * plan.tile[1] < 1_000_000


def works(size="8000x6000", **options):
    width, height = map(int, size.split("x"))
    route = Route((2,), (2 * width, 2 * height), (width, height))
    return PictureNeeds(route, **options).passes


def test_what_stands_in_memory():
    raw = 8000 * 6000 * 3
    (work,) = works()
    assert (work.constant_bytes, work.decoder_bytes) == (
        raw + 4 * raw,
        int(work_.UNKNOWN.decoder * raw),
    )
    assert work.encoder_bytes == int(work_.UNKNOWN.encoder[0] * 4 * raw)
    (work,) = works(loaded=True)
    assert (work.constant_bytes, work.decoder_bytes, work.encoder_bytes) == (4 * raw, 0, 0)
    (work,) = works(itemsize=2, channels=4, loaded=True, reserved=7)
    assert work.constant_bytes == 4 * raw * 8 // 3 + 7
    (work,) = works(streamed=True, loaded=True)
    assert work.constant_bytes == work_.WRITER_ROWS * 16_000 * 3
    assert work.strip_row() == 4 * 8000 * 3
    (work,) = works(format="tiff")
    assert work.encoder_bytes < raw
    (work,) = works("20x10", format="webp", channels=4)
    assert work.encoder_bytes == int(images.FORMATS["webp"].memory.encoder[1] * 800 * 4)


def test_encoders_and_decoders_need_room_too():
    """A tile would fit; WebP's encoder, or a decoder beside a streamed result, does not."""
    upscaler = Upscaler(Sharpen(), (2,), "a", memory=budget(200_000_000))
    assert upscaler.plan((2000, 1500))
    route = Sizing().route((2000, 1500), (2,))
    assert upscaler.plans(PictureNeeds(route, format="png"))
    assert "TIFF" in refusal(upscaler, route, format="webp", channels=4)
    large = Sizing().route((5000, 4000), (2,))
    assert upscaler.plans(PictureNeeds(large, streamed=True, loaded=True))
    refusal(upscaler, large, streamed=True)


def test_two_passes_and_a_resize():
    route = Sizing(scale=3).route((1000, 800), (2,))
    first, second = PictureNeeds(route).passes
    raw = 1000 * 800 * 3
    assert first.size == (1000, 800)
    assert first.constant_bytes == raw + 4 * raw
    assert (first.encoder_bytes, first.strips, first.row_bytes) == (0, 0, 0)
    assert second.size == (2000, 1600)
    # The first picture, the second one, the third one after its resize; no result of the pass.
    assert second.result_bytes == raw + 9 * raw
    assert second.constant_bytes == 14 * raw + second.row_bytes
    assert second.strips == 1
    assert PictureNeeds(route, loaded=True, format="png").passes[-1].encoder_bytes == int(
        1.4 * 9 * raw
    )
    assert (
        PictureNeeds(route, loaded=True, format="png", streamed=True).passes[-1].encoder_bytes == 0
    )
    (alone,) = PictureNeeds(Sizing(scale=0.5).route((1000, 800), (2,)), streamed=True).passes
    assert (alone.scale, alone.result_bytes) == (1, 0)


def refusal(upscaler: Upscaler, route: Route, **options) -> str:
    with pytest.raises(MemoryBudgetError) as info:
        upscaler.plans(PictureNeeds(route, **options))
    return str(info.value)


def test_a_refusal_names_a_setting_that_works():
    upscaler = Upscaler(Sharpen(per_pixel=500), (2,), "a", memory=budget(500_000_000))
    route = Sizing().route((8000, 6000), (2,))
    said = refusal(upscaler, route, loaded=True)
    assert "8000x6000 picture to 16000x12000 (x2) needs about" in said
    assert 'or write a TIFF (output="NAME.tif")' in said
    assert upscaler.plans(PictureNeeds(route, streamed=True, loaded=True))
    upscaler.memory = memory_size(re.search(r'Give memory="(\S+)" or more', said)[1])
    assert upscaler.plans(PictureNeeds(route, loaded=True))


def test_a_call_that_gives_a_picture_back_is_not_told_to_write_a_file():
    upscaler = Upscaler(Sharpen(per_pixel=500), (2,), "a", memory=budget(100_000_000))
    with pytest.raises(MemoryBudgetError, match="Give memory=") as info:
        upscaler(np.broadcast_to(np.zeros((), np.uint8), (6000, 8000, 3)))
    assert "TIFF" not in str(info.value)


def test_a_refusal_does_not_name_what_does_not_help():
    upscaler = Upscaler(Sharpen(per_pixel=500), (2,), "a", memory=1_000_000)
    route = Sizing().route((8000, 6000), (2,))
    assert "TIFF" not in refusal(upscaler, route)
    assert 'tile="auto"' not in refusal(upscaler, route)
    upscaler.tile = "off"
    assert 'tile="auto"' in refusal(upscaler, route, streamed=True)


def test_without_a_limit_it_is_what_is_free(monkeypatch):
    monkeypatch.setattr(planner, "free", lambda: 1_000_000_000)
    upscaler = Upscaler(Sharpen(), (2,), "a")
    assert upscaler.plan((1000, 1000))
    said = refusal(upscaler, Sizing().route((8000, 6000), (2,)))
    used = psutil.Process().memory_info().rss / 1e9 + 0.6
    assert float(re.search(r"may use ([\d.]+)GB", said)[1]) == pytest.approx(used, abs=0.02)


SIZES = st.sampled_from(
    [(1, 1), (1, 40_000), (700, 500), (3000, 2000), (9000, 7000), (60_000, 40), (17, 25_000)]
)


class Card(Sharpen):
    """Has a memory of its own."""

    def __init__(self, free: int | None, **more) -> None:
        super().__init__(**more)
        self.free = free

    def free_memory(self):
        return self.free


@settings(max_examples=150, deadline=None)
@given(
    size=SIZES, scale=st.sampled_from(["2", "1", "0.3", "3", "7.9"]), channels=st.integers(1, 4),
    itemsize=st.sampled_from([1, 2]), format=st.sampled_from([None, *images.FORMATS]),
    streamed=st.booleans(), held=st.booleans(), reach=st.sampled_from([0, 3, 36, 400, None]),
    per_pixel=st.sampled_from([100, 9000]), tile=st.sampled_from(["auto", "off", 16, 101]),
    multiple=st.sampled_from([1, 5, 64]), device=st.sampled_from([None, 10**8, 10**11]),
    strength=st.sampled_from([1, 0.5, 0]), room=st.sampled_from([0, 10**8, 10**9]),
)  # fmt: skip
def test_what_a_refusal_advises_is_accepted(
    size, scale, channels, itemsize, format, streamed, held, reach, per_pixel, tile, multiple,
    device, strength, room,
):  # fmt: skip
    runner = Card(device, reach=reach, per_pixel=per_pixel)
    runner.multiple = multiple
    upscaler = Upscaler(runner, (2,), "a", memory=budget(room), tile=tile, strength=strength)
    route = Sizing.parse(scale).route(size, (2,))

    def plans(streamed: bool = streamed):
        return upscaler.plans(PictureNeeds(route, itemsize, channels, streamed, held, format))

    try:
        plans()
        return
    except MemoryBudgetError as error:
        said = str(error)
    if "of the device's memory" in said:
        assert device is not None
        runner.free = None  # --device cpu
        upscaler.memory = 10**13
    else:
        if "NAME.tif" in said:
            plans(streamed=True)
        upscaler.memory = memory_size(re.search(r'Give memory="(\S+)" or more', said)[1])
    plans()


def tree(root, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Control groups that are not there: gives what is free with these files, and this group."""
    monkeypatch.setattr(memory, "CONTAINER", tmp_path / "fs")
    monkeypatch.setattr(memory, "OWN_GROUP", tmp_path / "mine")

    def free(mine: str | None, files: dict[str, object]) -> int:
        tree(tmp_path / "fs", {name: f"{text}\n" for name, text in files.items()})
        if mine is not None:
            (tmp_path / "mine").write_text(mine)
        return memory.free()

    return free


def test_a_container_has_less(groups):
    everything = groups(None, {})
    assert groups(None, {"memory.max": "max", "memory.current": 1000}) > 0.5 * everything
    assert groups(None, {"memory.max": 5000}) == 4000
    assert groups("0::/\n", {}) == 4000
    assert groups("0::/../elsewhere\n", {}) == 4000
    # What files keep in memory is given back when it is wanted.
    stat = "anon 10\ninactive_file 300\nactive_file 50"
    assert groups("0::/\n", {"memory.stat": stat}) == 4300
    assert groups("0::/\n", {"memory.current": 7000}) == 0


def test_a_unit_of_systemd_has_less(groups):
    """The limit is that of the unit, or of a slice around it; the root has none."""
    unit = "user.slice/user-1000.slice/run-u1.scope"
    files = {
        f"{unit}/memory.max": "700000", f"{unit}/memory.current": "1000",
        "user.slice/memory.max": "max", "user.slice/memory.current": "600000",
    }  # fmt: skip
    assert groups(f"0::/{unit}\n", files) == 699_000
    assert groups(f"0::/{unit}\n", {"user.slice/memory.max": "650000"}) == 50_000
    assert groups(f"0::/{unit}\n", {f"{unit}/memory.high": "30000"}) == 29_000
    assert groups("0::/other\n", {"user.slice/memory.max": "max"}) > 10**6
    assert groups(f"1:name=systemd:/{unit}\n0::/{unit}\n", {}) == 29_000


def test_control_groups_of_version_1(groups):
    files = {
        "memory/docker/a/memory.limit_in_bytes": "900000",
        "memory/docker/a/memory.usage_in_bytes": "500000",
        "memory/docker/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100000",
        "memory/docker/memory.limit_in_bytes": "9223372036854771712",
        "memory/docker/memory.usage_in_bytes": "500000",
    }
    mine = "5:cpu,cpuacct:/\n4:memory:{}\n0::/\n"
    assert groups(mine.format("/docker/a"), files) == 500_000
    assert groups(mine.format("/docker/a/inner"), {}) == 500_000
    assert groups(mine.format("/docker"), {}) > 10**6
    # In a container its own group is the root, whatever it is called outside.
    files = {"memory/memory.limit_in_bytes": "80000", "memory/memory.usage_in_bytes": "30000"}
    assert groups(mine.format("/somewhere/else"), files) == 50_000
    hybrid = {"unified/x/memory.max": "20000", "unified/x/memory.current": "0"}
    assert groups("0::/x\n", hybrid) == 20_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_ulimit_counts(limit):
    code = (
        "import resource; from srzoo.common import memory;"
        f" resource.setrlimit(resource.{limit}, (3 * 10**9, resource.RLIM_INFINITY));"
        "print(memory.free())"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert 1.5e9 < int(out) < 3e9


def test_a_device_has_memory_of_its_own():
    card = Card(10**8, per_pixel=1000)
    plan = planner.plan_tiles(PassNeeds((2000, 2000), 2, loaded=True), card)
    rows, columns = (side + 2 * plan.margin for side in plan.tile)
    assert rows * columns * 1000 <= 80_000_000
    with pytest.raises(planner.TooLargeError):
        planner.plan_tiles(PassNeeds((2000, 2000), 2, loaded=True), card, tile="off")


def test_edges_are_no_wider_than_the_network_looks():
    edges = [
        planner.plan_tiles(PassNeeds((50, 50), 2), Sharpen(reach)).edge
        for reach in (0, 2, 5, 36, None)
    ]
    assert edges == [LOOK, 2, 5, EDGE, EDGE]


PEAK = """
import resource, sys
import numpy as np, psutil, srzoo
from srzoo.images import Picture
from srzoo.upscaling.sizing import Sizing

model, width, height, channels, dtype, size, streamed, room = sys.argv[1:]
width, height, channels, room = int(width), int(height), int(channels), int(room)
upscaler = srzoo.load(model)
upscaler.array(np.zeros((9, 9, 3), np.uint8))  # what is made once
white = np.iinfo(dtype).max
row = (np.arange(width) % 251 * (white // 255)).astype(dtype)
pixels = np.empty((height, width, 3)[: 3 if channels > 2 else 2], dtype)
pixels[:] = row[:, None] if channels > 2 else row
pixels[:, ::2, ...][..., :1] = white  # not gray
alpha = np.tile(row, (height, 1)) if channels in (2, 4) else None
picture = Picture(pixels, alpha)
route = Sizing.parse(size=size or None).route(picture.size, upscaler.scales)
upscaler.memory = psutil.Process().memory_info().rss + room
if streamed == "yes":
    assert sum(map(len, upscaler.strips(picture, route))) == route.size[1]
else:
    assert upscaler.to_size(picture, route).size == route.size
# Not ru_maxrss: that of the process which started this one stays in it.
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(peak - upscaler.memory, room)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("model", "width", "height", "channels", "dtype", "size", "streamed", "room"),
    [
        ("bicubic-x2", 3000, 2000, 3, "uint8", "", "no", 250_000_000),
        ("bicubic-x2", 3000, 2000, 3, "uint16", "", "yes", 230_000_000),
        ("bicubic-x4", 1500, 1000, 4, "uint8", "", "yes", 220_000_000),
        ("bicubic-x4", 1500, 1000, 2, "uint8", "", "no", 250_000_000),
        ("bicubic-x2", 2000, 1500, 3, "uint8", "width=3000", "no", 250_000_000),
        ("edsr-x4", 250, 150, 3, "uint8", "", "yes", 200_000_000),
    ],
)
def test_the_peak_stays_within_the_budget(
    model, width, height, channels, dtype, size, streamed, room
):
    arguments = [model, width, height, channels, dtype, size, streamed, room]
    out = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, arguments)], check=True, capture_output=True
    ).stdout
    over, _ = map(int, out.split())
    assert over <= 0
    assert over > -0.9 * room  # and the budget is made use of


OVER = """
import sys
import numpy as np, srzoo
from pathlib import Path
from srzoo.batches import batch, pipeline
from srzoo.batches.one_picture import PictureMaker, Options
from srzoo.common import memory

folder, out, format, at_a_time, room = sys.argv[1:]
upscaler = srzoo.load("bicubic-x2")
upscaler.array(np.zeros((9, 9, 3), np.uint8))  # what is made once
upscaler.memory = memory.used() + int(room)
work = batch.plan_batch([Path(folder)], out, model="m", known=[], format=format)
maker = PictureMaker(upscaler, Options(), work)
with work.opened():
    found = list(pipeline.run(work.jobs, maker, int(at_a_time)))
for outcome in found:
    print(outcome.problem or "done", *outcome.notes)
print(memory.peak() - upscaler.memory)
"""


def over(folder, tmp_path, format: str, at_a_time: int, room: int) -> tuple[list[str], int]:
    """What became of pictures, and how far the process went over its limit."""
    arguments = [folder, tmp_path / f"out-{format}-{at_a_time}", format, at_a_time, room]
    out = subprocess.run(
        [sys.executable, "-c", OVER, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return out[:-1], int(out[-1])


def grainy(size: tuple[int, int], channels: int, dtype: str) -> Picture:
    dice = np.random.default_rng(0)
    planes = dice.integers(0, np.iinfo(dtype).max, (*size[::-1], channels), dtype)
    planes[::, ::2] //= 2
    alpha = np.ascontiguousarray(planes[:, :, -1]) if channels in (2, 4) else None
    return Picture(planes[:, :, 0] if channels < 3 else planes[:, :, :3], alpha)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("format", "channels", "dtype"),
    [
        ("jpg", 4, "uint16"),
        ("png", 4, "uint16"),
        ("webp", 4, "uint8"),
        ("webp", 2, "uint8"),
        ("avif", 4, "uint8"),
        ("tiff", 4, "uint16"),
    ],
)
def test_a_file_stays_within_the_budget(tmp_path, format, channels, dtype):
    """Whatever it is: what was assumed before reading is made true, and the encoder counts."""
    (tmp_path / "in").mkdir()
    images.write(grainy((1500, 1100), channels, dtype), tmp_path / "in" / "a.tif", "tiff")
    told, most = over(tmp_path / "in", tmp_path, format, 1, 350_000_000)
    assert told[0].startswith("done") or "Give memory=" in told[0]
    assert most <= 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("format", ["jpg", "tiff"])
def test_many_files_stay_within_the_budget(tmp_path, format):
    (tmp_path / "in").mkdir()
    for number in range(8):
        picture = grainy((1200, 1000), 3 + number % 2, "uint16" if number % 4 > 1 else "uint8")
        images.write(picture, tmp_path / "in" / f"{number}.tif", "tiff")
    told, most = over(tmp_path / "in", tmp_path, format, 3, 500_000_000)
    assert all(line.startswith("done") for line in told)
    assert most <= 0
