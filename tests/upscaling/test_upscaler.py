"""Tiled equals whole, strips too; every type comes back as it went in; flat stays flat."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import Sharpen, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import srzoo
from srzoo.errors import MemoryBudgetError, ModelError, PictureError
from srzoo.models.folder import ModelFolder
from srzoo.networks import folders
from srzoo.networks.runner import ModuleRunner
from srzoo.upscaling.planner import SLACK
from srzoo.upscaling.upscaler import Upscaler


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70), tile=st.integers(16, 60),
    scale=st.integers(1, 3), gray=st.booleans(),
)  # fmt: skip
def test_tiled_equals_whole(height, width, tile, scale, gray):
    shape = (height, width) if gray else (height, width, 3)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    whole = Upscaler(Sharpen(), (scale,), "a", tile="off")(picture)
    tiled = Upscaler(Sharpen(), (scale,), "a", tile=tile)(picture)
    assert np.array_equal(tiled, whole)
    assert whole.shape == (height * scale, width * scale, *shape[2:])


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), tile=st.integers(16, 60))
def test_blended_tiles_have_weights_that_add_up_to_one(height, width, tile):
    class Constant(Sharpen):
        def __call__(self, x, scale):
            return np.full((1, 3, x.shape[2] * scale, x.shape[3] * scale), 0.6, np.float32)

    out = Upscaler(Constant(reach=None), (2,), "a", tile=tile)(np.full((height, width, 3), 0.6))
    assert np.allclose(out, 0.6, atol=1e-6)


def test_tiles_smaller_than_the_reach_are_blended():
    model = srzoo.load("edsr-x4")
    assert model.runner.reach == 36
    small, large = model.plan((300, 200)), None
    model.tile = 32
    large = model.plan((300, 200))
    assert small.exact
    assert not large.exact
    model.tile = 36
    assert model.plan((300, 200)).exact


@pytest.mark.slow
def test_edsr_tiles_give_the_same_bytes_on_an_odd_sized_photo(data):
    photo = Image.open(data / "benchmarks/Set14/x4/HR/img_003.png").convert("RGB")
    photo = photo.crop((3, 5, 3 + 211, 5 + 173))
    results = [srzoo.load("edsr-x4", tile=tile)(photo) for tile in ("off", 64, 97)]
    assert results[0].size == (844, 692)
    for other in results[1:]:
        assert np.array_equal(np.asarray(other), np.asarray(results[0]))


def test_without_a_bounded_reach_tiles_blend_smoothly():
    """rcab pools the whole picture, so tiles differ; no step may show at their borders."""
    torch.manual_seed(0)
    net = srzoo.generators.create("edsr", n_resblocks=1, n_feats=8, scale=2, block="rcab").eval()
    assert net.reach is None
    runner = ModuleRunner(net)
    picture = np.asarray(drawn(120, 40))
    whole = Upscaler(runner, (2,), "a", tile="off")(picture)
    tiled = Upscaler(runner, (2,), "a", tile=48)(picture)
    assert np.abs(whole.astype(int) - tiled).max() <= 12


@pytest.fixture(scope="module")
def bicubic():
    return srzoo.load("bicubic-x2")


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_pil_in_pil_out(bicubic, mode):
    big = bicubic(drawn(mode=mode))
    assert big.mode == mode
    assert big.size == (90, 62)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.float16])
@pytest.mark.parametrize("gray", [True, False])
def test_numpy_in_numpy_out(bicubic, dtype, gray):
    picture = np.asarray(drawn(mode="L" if gray else "RGB"))
    if dtype != np.uint8:
        picture = (picture * 257.0 if dtype == np.uint16 else picture / 255).astype(dtype)
    big = bicubic(picture)
    assert type(big) is np.ndarray
    assert big.dtype == dtype
    assert big.shape == (62, 90, *picture.shape[2:])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
def test_tensor_in_tensor_out(bicubic, dtype):
    array = np.asarray(drawn())
    picture = torch.from_numpy(array.copy()).permute(2, 0, 1)
    picture = picture if dtype == torch.uint8 else (picture / 255).to(dtype)
    one, two = bicubic(picture), bicubic(torch.stack([picture, picture]))
    assert one.dtype == dtype
    assert one.shape == (3, 62, 90)
    assert two.shape == (2, 3, 62, 90)
    assert torch.equal(two[1], one)
    if dtype == torch.uint8:
        assert np.array_equal(one.permute(1, 2, 0).numpy(), bicubic(array))


def test_the_bare_module_is_there(bicubic):
    x = torch.rand(1, 3, 5, 6)
    assert bicubic.model(x).shape == (1, 3, 10, 12)
    assert isinstance(bicubic.model, torch.nn.Module)
    with pytest.raises(ModelError, match="without a torch module"):
        Upscaler(Sharpen(), (2,), "a").model  # noqa: B018


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.full((4, 4, 3), 200.0), "from 200 to 200.*0..1"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (torch.zeros(5, 4, 4), "shape"),
        (3, "cannot upscale a int"),
    ],
)
def test_what_is_no_picture(bicubic, picture, message):
    with pytest.raises(PictureError, match=message):
        bicubic(picture)


def test_scale_is_asked_for_where_there_are_several():
    many = Upscaler(Sharpen(), (2, 3), "many")
    assert many(np.zeros((4, 4, 3), np.uint8), 3).shape == (12, 12, 3)
    with pytest.raises(PictureError, match="can enlarge by 2, 3. Choose"):
        many(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(PictureError, match="enlarges by 2, 3, not by 4"):
        many(np.zeros((4, 4, 3), np.uint8), 4)


def test_auto_keeps_tiles_within_the_budget():
    import psutil

    runner = Sharpen(per_pixel=20_000)
    memory = psutil.Process().memory_info().rss + SLACK + 60_000_000
    upscaler = Upscaler(runner, (2,), "a", memory=memory)
    plan = upscaler.plan((200, 150))
    assert plan.exact
    assert plan.bytes <= memory
    upscaler(np.zeros((150, 200, 3), np.uint8))
    assert max(h * w for h, w in runner.sizes) * 20_000 <= 60_000_000
    assert len(runner.sizes) > 1


def test_a_budget_that_is_too_small_says_which_would_do():
    import re

    import psutil

    runner = Sharpen(per_pixel=20_000)
    memory = psutil.Process().memory_info().rss + 1_000_000
    with pytest.raises(MemoryBudgetError, match="Give memory=") as info:
        Upscaler(runner, (2,), "a", memory=memory).plan((200, 150))
    enough = float(re.search(r'memory="([\d.]+)GB"', str(info.value))[1]) * 1e9
    Upscaler(runner, (2,), "a", memory=int(enough)).plan((200, 150))
    with pytest.raises(MemoryBudgetError, match='tile="auto"'):
        Upscaler(runner, (2,), "a", memory=int(enough), tile="off").plan((2000, 1500))


def test_a_network_that_gives_nonsense_is_caught():
    class Nonsense(Sharpen):
        def __call__(self, x, scale):
            return np.full((1, 3, *self.gives(x)), np.nan, np.float32)

        def gives(self, x):
            return x.shape[2] * 2, x.shape[3] * 2

    class Short(Nonsense):
        def gives(self, x):
            return 8, 8

    with pytest.raises(ModelError, match="not finite"):
        Upscaler(Nonsense(), (2,), "a")(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ModelError, match=r"returned \(1, 3, 8, 8\)"):
        Upscaler(Short(), (2,), "a")(np.zeros((5, 4, 3), np.uint8))


def test_16_bits_are_finer_than_8(bicubic):
    """The same picture in both depths comes to the same; a slope of 16 bits keeps its steps."""
    picture = np.asarray(drawn())
    deep = bicubic(picture.astype(np.uint16) * 257)
    assert np.abs(deep / 257 - bicubic(picture)).max() <= 0.501
    slope = np.tile(np.arange(40, dtype=np.uint16) + 30_000, (20, 1))
    big = bicubic(slope)[20]
    assert np.abs(big[4:-4] - (30_000 + (np.arange(80) - 0.5) / 2)[4:-4]).max() <= 0.51
    assert len(np.unique(big)) == 40


def test_alpha_is_enlarged_and_gray_stays_gray(bicubic):
    big = np.asarray(bicubic(drawn(mode="LA")))
    assert big.shape == (62, 90, 2)
    alpha = np.asarray(drawn(mode="LA"))[..., 1]
    assert np.abs(big[::2, ::2, 1].astype(int) - alpha).max() < 8


def test_bicubic_is_pillows_in_the_interior(bicubic):
    """Pillow's bicubic has a = -0.5 too, other edges, and rounds between the passes."""
    gentle = drawn().point(lambda value: 80 + value // 3)  # Pillow clips between the passes too
    want = np.asarray(gentle.resize((90, 62), Image.Resampling.BICUBIC)).astype(int)
    got = np.asarray(bicubic(gentle)).astype(int)
    assert np.abs(want - got)[4:-4, 4:-4].max() <= 1


def test_one_line_for_a_file(tmp_path, photo):
    big = srzoo.upscale(photo, model="bicubic-x2", output=tmp_path / "out.png")
    assert isinstance(big, Image.Image)
    assert np.array_equal(np.asarray(big), np.asarray(Image.open(tmp_path / "out.png")))
    array = srzoo.upscale(np.asarray(drawn()), model="bicubic-x2")
    assert np.array_equal(array, np.asarray(big))
    with pytest.raises(srzoo.SrzooError, match="output"):
        srzoo.upscale(array, model="bicubic-x2", output="a.png")


def test_working_memory_is_measured_once(bicubic, monkeypatch):
    bicubic.plan((40, 30))
    monkeypatch.setattr(
        "srzoo.networks.runner.measure_memory", lambda *_: pytest.fail("measured again")
    )
    bicubic(drawn())


def test_working_memory_is_close_to_the_truth():
    """Of EDSR 16x64 x4 as it was trained; on 256 x 256 it was seen to take 9.2 kB a pixel."""
    from srzoo.models import locate
    from srzoo.networks.runner import measure_memory

    folder: ModelFolder = locate.find("edsr-x4")
    found = measure_memory(folders.build(folder), 4, torch.device("cpu"), torch.float32)
    assert 8_000 < found.per_pixel < 14_000
    assert found.aside == 0
