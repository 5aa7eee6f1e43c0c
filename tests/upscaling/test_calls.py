"""What calls take and give: types, sizes, lists, batches, and settings checked at the door."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from helpers import Sharpen, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

import srzoo
from srzoo.errors import DeviceError, ModelError, PictureError, SrzooError
from srzoo.exporting import engine_facts
from srzoo.upscaling.upscaler import Upscaler

SHARPEN = Upscaler(Sharpen(), (2,), "a")


class Batches(Sharpen):
    """Takes batches, and notes how many pictures came."""

    batches = True

    def __init__(self, **facts):
        super().__init__(**facts)
        self.counts = []

    def __call__(self, x, scale):
        self.counts.append(len(x))
        one = super().__call__
        return np.concatenate([one(item[None], scale) for item in x])


@pytest.fixture(scope="module")
def bicubic():
    return srzoo.load("bicubic-x2")


DTYPES = [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2", ">f4"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_array_comes_back_as_it_came(data):
    """Whatever its strides, byte order and flags are; and it is left alone."""
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    side = st.integers(1, 9)
    channels = data.draw(st.sampled_from([(), (1,), (2,), (3,), (4,)]))
    shape = (data.draw(side), data.draw(side), *channels)
    values = st.floats(0, 1, width=16) if dtype.kind == "f" else None
    picture = data.draw(arrays.arrays(dtype, shape, elements=values))
    if data.draw(st.booleans()):
        picture = picture[::-1, ::-1]
    if data.draw(st.booleans()):
        picture = np.asfortranarray(picture)
    picture.flags.writeable = False
    before = picture.copy()
    big = SHARPEN(picture)
    assert type(big) is np.ndarray
    assert (big.dtype, big.shape) == (dtype, (2 * shape[0], 2 * shape[1], *channels))
    assert big.flags.writeable
    assert np.array_equal(picture, before)
    plain = np.ascontiguousarray(picture).astype(dtype.newbyteorder("="))
    assert np.array_equal(big, SHARPEN(plain))


def test_one_channel_is_a_gray_picture_and_four_have_alpha(bicubic):
    gray, clear = np.asarray(drawn(mode="L")), np.asarray(drawn(mode="RGBA"))
    assert np.array_equal(bicubic(gray[..., None])[..., 0], bicubic(gray))
    assert np.array_equal(bicubic(clear), np.asarray(bicubic(drawn(mode="RGBA"))))
    as_tensor = bicubic(torch.from_numpy(clear.copy()).permute(2, 0, 1))
    assert np.array_equal(as_tensor.permute(1, 2, 0).numpy(), bicubic(clear))
    alone = bicubic(torch.from_numpy(gray.copy()))
    assert np.array_equal(alone.numpy(), bicubic(gray))


class Subclass(np.ndarray):
    """An array of somebody's own class."""


def test_subclasses_are_taken_as_what_they_are(bicubic):
    picture = np.asarray(drawn())
    assert np.array_equal(bicubic(picture.view(Subclass)), bicubic(picture))
    tensor = torch.nn.Parameter(torch.rand(3, 5, 6))
    big = bicubic(tensor)
    assert not big.requires_grad
    assert big.shape == (3, 10, 12)


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        ("1", "L"), ("L", "L"), ("LA", "LA"), ("P", "RGB"), ("RGB", "RGB"), ("RGBA", "RGBA"),
        ("CMYK", "RGB"), ("YCbCr", "RGB"), ("I;16", "I;16"),
    ],
)  # fmt: skip
def test_modes_of_pil(bicubic, mode, result):
    big = bicubic(drawn().convert("L" if mode == "I;16" else "RGB").convert(mode))
    assert (big.mode, big.size) == (result, (90, 62))


@pytest.mark.parametrize("mode", ["F", "I"])
def test_modes_of_32_bits_are_refused(bicubic, mode):
    with pytest.raises(PictureError, match="32"):
        bicubic(drawn(mode="L").convert(mode))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64.*uint8"),
        (torch.zeros(3, 4, 4, dtype=torch.bool), "bool"),
        (torch.zeros(0, 3, 4, 4), r"empty: shape \(0, 3, 4, 4\)"),
        (torch.zeros(3, 0, 4), "empty"),
        (torch.full((3, 4, 4), 255.0), "from 255 to 255.*0..1"),
        (torch.full((3, 4, 4), torch.nan), "nan"),
        (torch.zeros(9, 8, 3), r"permute\(2, 0, 1\)"),
        (torch.zeros(2, 9, 8, 3), r"permute\(0, 3, 1, 2\)"),
        (torch.zeros(4), "shape"),
        (torch.zeros(2, 2, 3, 4, 4), "shape"),
        (np.zeros((3, 8, 9), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 8, 9, 3), np.uint8), "list of its pictures"),
        (np.zeros((4, 4, 3), bool), "bool.*uint8"),
        (np.zeros((4, 4, 3), np.int64), "int64"),
        (np.zeros((4, 4), np.complex64), "complex64"),
        (np.zeros((4, 4), "U3"), "type <U3"),
        (np.float32(0.5), "cannot upscale a float32"),
        (b"photo", "cannot upscale a bytes"),
        (None, "cannot upscale a NoneType"),
    ],
)
def test_what_is_refused_says_what_would_do(bicubic, picture, message):
    with pytest.raises(PictureError, match=message):
        bicubic(picture)


def test_what_a_message_advises_is_accepted(bicubic):
    assert bicubic(torch.zeros(9, 8, 3).permute(2, 0, 1)).shape == (3, 18, 16)
    assert bicubic(torch.zeros(2, 9, 8, 3).permute(0, 3, 1, 2)).shape == (2, 3, 18, 16)
    assert bicubic(np.zeros((3, 8, 9), np.uint8).transpose(1, 2, 0)).shape == (16, 18, 3)
    assert len(bicubic(list(np.zeros((2, 8, 9, 3), np.uint8)))) == 2


def test_files_and_lists_of_anything(bicubic, photo):
    image = drawn()
    want = np.asarray(bicubic(image))
    assert np.array_equal(np.asarray(bicubic(str(photo))), want)
    made = bicubic([photo, image, np.asarray(image), str(photo)])
    assert [type(one) for one in made] == [Image.Image, Image.Image, np.ndarray, Image.Image]
    assert all(np.array_equal(np.asarray(one), want) for one in made)
    assert bicubic([]) == []
    assert len(bicubic((image, image))) == 2


def test_of_a_list_the_wrong_item_is_named(bicubic, tmp_path):
    good = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(PictureError, match=r"item 1 of 3: the array is of type bool"):
        bicubic([good, good.astype(bool), good])
    for call in (bicubic, lambda given: srzoo.upscale(given, "bicubic-x2")):
        with pytest.raises(PictureError, match=r"item 2 of 3: .*none.png") as info:
            call([good, good, tmp_path / "none.png"])
    assert info.value.args == (info.value.what, info.value.fix)


def test_progress_counts_tiles_of_one_and_pictures_of_several(bicubic):
    tiles = srzoo.load("bicubic-x2", tile=16)
    for model, picture, total in (
        (tiles, drawn(40, 20), 6),
        (bicubic, [drawn()] * 3, 3),
        (bicubic, torch.zeros(4, 3, 5, 5), 4),
    ):  # fmt: skip
        told = []
        model(picture, progress=lambda *done, told=told: told.append(done))
        assert told[-1] == (total, total)
        assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize(
    ("size", "result"),
    [("long=60", (60, 41)), ((50, 40), (50, 40)), ("50x40", (50, 40)), ("width=200", (200, 138)),
     ("height=31", (45, 31)), ([90, 62], (90, 62)), ((np.int64(50), 40), (50, 40))],
)  # fmt: skip
def test_any_size(bicubic, size, result):
    assert bicubic(drawn(), size=size).size == result
    array = np.asarray(drawn())
    assert bicubic(array, size=size).shape == (result[1], result[0], 3)
    sized = srzoo.load("bicubic-x2", size=size)
    assert sized(drawn()).size == result
    assert sized(drawn(), 2).size == (90, 62)
    assert sized(drawn(), size="width=10").size[0] == 10
    batch = torch.zeros(2, 3, 31, 45)
    assert sized(batch).shape == (2, 3, result[1], result[0])


def test_a_result_never_shares_the_memory_of_what_came_in(bicubic):
    array = np.asarray(drawn()).copy()
    same = bicubic(array, size=(45, 31))
    assert np.array_equal(same, array)
    assert not np.may_share_memory(same, array)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    assert not np.may_share_memory(bicubic(tensor, size=(45, 31)).numpy(), array)


@pytest.mark.parametrize(
    "call",
    [
        lambda: srzoo.load("bicubic-x2", tile="128"),
        lambda: srzoo.load("bicubic-x2", tile=True),
        lambda: srzoo.load("bicubic-x2", tile=8),
        lambda: srzoo.load("bicubic-x2", memory="lots"),
        lambda: srzoo.load("bicubic-x2", memory=-1),
        lambda: srzoo.load("bicubic-x2", memory=float("nan")),
        lambda: srzoo.load("bicubic-x2", memory=True),
        lambda: srzoo.load("bicubic-x2", strength="half"),
        lambda: srzoo.load("bicubic-x2", strength=1.5),
        lambda: srzoo.load("bicubic-x2", device="gpu"),
        lambda: srzoo.load("bicubic-x2", precision="fp8"),
        lambda: srzoo.load("bicubic-x2", precision=16),
        lambda: srzoo.load("bicubic-x2", engine="torhc"),
        lambda: srzoo.load("bicubic-x2", engine=None),
        lambda: srzoo.load("bicubic-x2", size="large"),
        lambda: srzoo.load("bicubic-x2", size=(10, 0)),
        lambda: srzoo.load("bicubic-x2", size=(10.5, 20)),
        lambda: srzoo.load("bicubic-x2", size=100),
        lambda: srzoo.load(3),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), "2"),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), 2.0),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), True),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), 3),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), 2, size=(8, 8)),
        lambda: SHARPEN(np.zeros((4, 4), np.uint8), progress=3),
        lambda: srzoo.upscale(np.zeros((4, 4), np.uint8), "bicubic-x2", scale=2, size=(8, 8)),
        lambda: srzoo.upscale(np.zeros((4, 4), np.uint8), "bicubic-x2", scale="2"),
        lambda: srzoo.upscale([], "bicubic-x2", tile="128"),
    ],
)
def test_a_wrong_setting_is_refused_in_a_sentence(call):
    with pytest.raises(SrzooError) as info:
        call()
    assert info.value.fix
    assert not re.search(r"(^|\s)--?[a-z]", str(info.value))


def test_settings_are_taken_as_people_write_them():
    model = srzoo.load(
        "bicubic-x2", memory="2GB", tile=np.int64(32), device=torch.device("cpu"), strength=1
    )
    assert (model.memory, model.tile, model.device) == (2_000_000_000, 32, "cpu")
    assert srzoo.load("bicubic-x2", memory=2e9).memory == 2_000_000_000
    assert SHARPEN(np.zeros((4, 4), np.uint8), np.int64(2)).shape == (8, 8)


def test_it_says_what_it_is():
    model = srzoo.load("edsr-x4", engine="torch", device="cpu")
    assert repr(model) == "<Upscaler edsr-x4 x4, torch cpu>"
    assert (model.name, model.scales, model.engine, model.device) == (
        "edsr-x4", (4,), "torch", "cpu",
    )  # fmt: skip
    assert repr(Upscaler(Sharpen(), (2, 3), "a", engine="own")) == "<Upscaler a x2 x3, own cpu>"
    lazy = srzoo.load("edsr-x4", engine="torch", lazy=True)
    assert lazy.device == "auto"
    assert repr(lazy) == "<Upscaler edsr-x4 x4, torch auto>"
    assert lazy.runner._runner is None  # asking has built nothing


def test_to_another_device_is_another_upscaler(monkeypatch):
    model = srzoo.load("bicubic-x2", engine="torch", device="cpu", tile=32, size="long=50")
    assert model.to("cpu") is model
    assert model.to(torch.device("cpu")) is model
    other = model.to("auto")
    assert other is not model
    assert (other.tile, other.size, other.engine) == (32, model.size, "torch")
    with pytest.raises(DeviceError, match="no gpu device"):
        model.to("gpu")
    with pytest.raises(DeviceError, match="cuda:7"):
        model.to("cuda:7")
    with pytest.raises(SrzooError, match="another device"):
        Upscaler(Sharpen(), (2,), "a").to("cuda")


def test_without_a_module_it_says_where_one_is():
    with pytest.raises(ModelError, match=r'srzoo\.network\("a"\).*engine="torch"'):
        Upscaler(Sharpen(), (2,), "a", engine="own").model  # noqa: B018


def test_batches_are_one_call_where_they_fit():
    together, alone = Batches(), Sharpen()
    pictures = torch.rand(5, 3, 9, 7)
    made = Upscaler(together, (2,), "a")(pictures)
    assert together.counts == [5]
    assert torch.equal(made, Upscaler(alone, (2,), "a")(pictures))
    gray = pictures.clone()
    gray[2] = gray[2, :1]  # of three equal channels
    assert torch.equal(Upscaler(together, (2,), "a")(gray), Upscaler(alone, (2,), "a")(gray))
    mixed = [Upscaler(one, (2,), "a", strength=0.5) for one in (together, alone)]
    assert torch.equal(mixed[0](pictures), mixed[1](pictures))


@pytest.mark.parametrize(
    ("options", "size", "shape"),
    [({"tile": 16}, None, (3, 3, 30, 9)), ({}, (50, 60), (3, 3, 9, 9)), ({}, None, (3, 4, 9, 9))],
)
def test_what_is_cut_resized_or_clear_goes_one_by_one(options, size, shape):
    together = Batches()
    pictures = torch.rand(shape)
    made = Upscaler(together, (2,), "a", **options)(pictures, size=size)
    assert set(together.counts) == {1}
    assert torch.equal(made, Upscaler(Sharpen(), (2,), "a", **options)(pictures, size=size))


def test_batches_keep_to_the_memory():
    import psutil

    from srzoo.upscaling.planner import SLACK

    runner = Batches(per_pixel=20_000)
    memory = psutil.Process().memory_info().rss + SLACK + 60_000_000
    Upscaler(runner, (2,), "a", memory=memory)(torch.zeros(9, 3, 20, 20))
    assert sum(runner.counts) == 9
    assert 1 <= max(runner.counts) < 9
    runner.counts.clear()
    Upscaler(runner, (2,), "a", memory=memory + 2_000_000_000)(torch.zeros(9, 3, 20, 20))
    assert runner.counts == [9]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_batch_comes_to_the_same_bits_in_torch(dtype):
    torch.manual_seed(0)
    model = srzoo.load("edsr-x4", engine="torch", device="cpu")
    pictures = torch.rand(3, 3, 12, 15)
    if dtype == torch.uint8:
        pictures = (pictures * 255).to(dtype)
    assert torch.equal(model(pictures), torch.stack([model(one) for one in pictures]))


def test_several_files_into_a_folder(tmp_path, photo):
    second = tmp_path / "second.bmp"
    drawn(20, 10).save(second)
    out = tmp_path / "large"
    made = srzoo.upscale([photo, second], "bicubic-x2", output=out)
    assert [one.size for one in made] == [(90, 62), (40, 20)]
    names = sorted(path.name for path in out.iterdir())
    assert len(names) == 2
    for path in out.iterdir():
        with Image.open(path) as image:
            assert image.size in ((90, 62), (40, 20))
    srzoo.upscale(photo, "bicubic-x2", output=out)  # a folder for one, too
    assert sorted(path.name for path in out.iterdir()) == names


def test_no_result_takes_the_place_of_a_picture(tmp_path, photo):
    before = photo.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / photo.name).write_bytes(before)
    for picture, output, message in (
        ([photo], photo.parent, "would be replaced"),
        (photo, photo.parent, "would be replaced"),
        (photo, photo, "would be replaced"),
        ([photo, other / photo.name], tmp_path / "out", "two pictures"),
        ([photo], photo, "is a file"),
        ([photo, drawn()], tmp_path / "out", "only a picture file"),
    ):
        with pytest.raises(SrzooError, match=message):
            srzoo.upscale(picture, "bicubic-x2", output=output)
    assert photo.read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_one_line_takes_all_settings(photo):
    big = srzoo.upscale(
        photo, "bicubic-x2", size="long=60", engine="numpy", device="cpu", precision="fp32",
        tile=16, memory="4GB", strength=0.5,
    )  # fmt: skip
    assert big.size == (60, 41)
    told = []
    srzoo.upscale(photo, "bicubic-x2", tile=16, progress=lambda *done: told.append(done))
    assert told[-1] == (6, 6)
    with pytest.raises(PictureError, match="max_pixels"):
        srzoo.upscale(photo, "bicubic-x2", max_pixels=100)


@pytest.mark.parametrize("engine", ["mnn", "ncnn", "onnxruntime", "openvino"])
def test_engines_of_one_device_say_which(engine):
    if engine_facts.missing(engine):
        pytest.skip(f"{engine} is not installed")
    model = srzoo.load("edsr-x4", engine=engine)
    assert repr(model) == f"<Upscaler edsr-x4 x4, {engine} cpu>"
    assert model.to("cpu") is model
