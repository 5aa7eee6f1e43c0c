"""Arguments of wrong types are refused at once: which one it is, and what to give."""

from __future__ import annotations

import pytest
import torch
from helpers import drawn

import srzoo
from srzoo.errors import PictureError, SrzooError


class OfBytes:
    """A path that is bytes."""

    def __fspath__(self):
        return b"a.png"


@pytest.fixture
def photo(tmp_path):
    drawn().save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture(scope="module")
def net():
    return srzoo.network("bicubic-x2")


NO_PATHS = [3, None, b"m", "a\0b", OfBytes()]


@pytest.mark.parametrize("wrong", NO_PATHS)
def test_what_can_be_no_path_is_refused(wrong, net):
    calls = {
        "model": lambda: srzoo.network(wrong),
        "folder": lambda: srzoo.save(net, wrong),
        "pretrained_model_name_or_path": lambda: srzoo.Network.from_pretrained(wrong),
        "card": lambda: srzoo.Network.push_to_hub(net, "me/x", card=wrong),
    }
    for name, call in calls.items():
        with pytest.raises(SrzooError, match=f"{name} is .*Give a text or Path"):
            call()


@pytest.mark.parametrize("wrong", [3, b"m.png", "a\0.png", OfBytes()])
def test_what_can_be_no_path_is_no_output(wrong, photo):
    with pytest.raises(SrzooError, match="output is "):
        srzoo.upscale(photo, "bicubic-x2", output=wrong)


@pytest.mark.parametrize("wrong", ["a\0b", OfBytes()])
def test_a_picture_that_can_be_no_path_is_refused(wrong):
    for call in (srzoo.load("bicubic-x2"), lambda one: srzoo.upscale(one, "bicubic-x2")):
        with pytest.raises(SrzooError, match="the picture is "):
            call(wrong)


@pytest.mark.parametrize("wrong", ["1", 1.0, True, 0, -1, [1]])
@pytest.mark.parametrize("name", ["page", "max_pixels"])
def test_a_page_and_a_limit_are_whole_numbers(name, wrong, photo):
    with pytest.raises(PictureError, match=f"{name} is .*whole number"):
        srzoo.upscale(photo, "bicubic-x2", **{name: wrong})


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.rand(3, 4, 4).to_sparse(), "sparse"),
        (torch.rand(3, 4, 4, device="meta"), "on meta"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8, device="meta"), "on meta"),
        (torch.rand(3, 4, 4).to(torch.float8_e4m3fn), "float8"),
    ],
)
def test_tensors_without_plain_values_are_refused(tensor, said):
    with pytest.raises(PictureError, match=said):
        srzoo.load("bicubic-x2")(tensor)


@pytest.mark.parametrize("wrong", [None, 3, b"edsr"])
def test_patterns_and_names_are_texts(wrong, net):
    for call in (srzoo.models, srzoo.list_models, srzoo.pull):
        with pytest.raises(SrzooError, match="Give a text"):
            call(wrong)
    with pytest.raises(SrzooError, match="repo_id is "):
        srzoo.Network.push_to_hub(net, wrong, card="a")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"summary": 3}, "^summary is 3"),
        ({"summary": None}, "^summary is None"),
        ({"generator": 3}, "^generator is 3"),
        ({"args": 3}, "^args is 3"),
        ({"args": [("scale", 2)]}, "^args is "),
        ({"args": {1: 2}}, "^a name in args is 1"),
    ],
)
def test_saving_checks_the_types_of_what_it_is_told(given, said, net, tmp_path):
    with pytest.raises(SrzooError, match=said):
        srzoo.save(net, tmp_path / "m", **given)
    assert not list(tmp_path.iterdir())


def test_saving_refuses_names_that_are_too_long_and_weights_without_values(net, tmp_path):
    with pytest.raises(SrzooError, match="cannot write"):
        srzoo.save(net, tmp_path / ("n" * 300))
    empty = srzoo.generators.create("srcnn").to("meta")
    with pytest.raises(SrzooError, match="on the meta device"):
        srzoo.save(empty, tmp_path / "m")


def test_one_item_is_as_good_as_a_list(tmp_path):
    for part, size in (("HR", 32), ("LR", 16)):
        (tmp_path / "Tiny/x2" / part).mkdir(parents=True)
        drawn(size, size).save(tmp_path / "Tiny/x2" / part / "a.png")
    one = srzoo.evaluate(
        "bicubic-x2", str(tmp_path / "Tiny"), metrics="psnr_y", root=str(tmp_path), memory="9GB"
    )
    several = srzoo.evaluate(["bicubic-x2"], [tmp_path / "Tiny"], metrics=["psnr_y"])
    assert [row.values for row in one.rows] == [row.values for row in several.rows]


@pytest.mark.parametrize("name", ["out", "data"])
def test_training_takes_paths_as_texts(name, tmp_path):
    with pytest.raises(SrzooError, match=f"{name} is 5"):
        srzoo.train("edsr-x4", **{"out": tmp_path, name: 5})
    with pytest.raises(SrzooError, match="nothing-here"):
        srzoo.train("edsr-x4", str(tmp_path / "run"), data=str(tmp_path / "nothing-here"))
