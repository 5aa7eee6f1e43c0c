"""The layouts in which the field's sets come, found by themselves."""

from __future__ import annotations

import pytest
from helpers import drawn

from srzoo.errors import SrzooError
from srzoo.evaluating import sets


def lay(root, files) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        drawn(*((8, 6) if "LR" in file.upper() else (32, 24))).save(root / file)


LAYOUTS = {  # what is named, its HR, its LR, what the set is called
    "EDSR's benchmarks": ("Set5", "Set5/HR/a.png", "Set5/LR_bicubic/X4/ax4.png", "Set5"),
    "ours": ("Set5", "Set5/x4/HR/a.png", "Set5/x4/LR/a.png", "Set5"),
    "parts in the halves": ("Set5", "Set5/HR/x4/a.png", "Set5/LR/X4/a_x4.png", "Set5"),
    "BasicSR": ("Set5", "Set5/GTmod12/a.png", "Set5/LRbicx4/a.png", "Set5"),
    "SelfExSR": (
        "Urban", "Urban/image_SRF_4/img_1_SRF_4_HR.png", "Urban/image_SRF_4/img_1_SRF_4_LR.png",
        "Urban",
    ),
    "DIV2K": (
        "DIV2K", "DIV2K/DIV2K_valid_HR/0801.png", "DIV2K/DIV2K_valid_LR_bicubic/X4/0801x4.png",
        "DIV2K",
    ),
    "its HR": (
        "D/DIV2K_valid_HR", "D/DIV2K_valid_HR/0801.png", "D/DIV2K_valid_LR_bicubic/X4/0801x4.png",
        "DIV2K_valid",
    ),
    "Flickr2K": (
        "F", "F/Flickr2K_HR/000001.png", "F/Flickr2K_LR_bicubic/X4/000001x4.png", "F",
    ),
    "the Hub": ("Set5", "Set5/Set5_HR/a.png", "Set5/Set5_LR_x4/a.png", "Set5"),
    "lower case": ("Set5", "Set5/hr/a.png", "Set5/lr/a.png", "Set5"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout(tmp_path, name):
    named, high, low, called = LAYOUTS[name]
    root = tmp_path / "home"  # other scales, and what is trained on, stand beside
    lay(root, [high, low])
    if "X4" in low:
        lay(root, [low.replace("X4", "X2").replace("x4", "x2")])
    if "valid" in high:
        lay(root, [high.replace("valid", "train")])
    found = sets.find(root / named, 4)
    assert found.hr == (root / high,)
    assert found.lr == (root / low,)
    assert (found.name, found.missing) == (called, ())
    assert found.where_lr() == str((root / low).parent)
    assert sets.pair(found, 0, 4, None, 1)[0].shape[2] == 3
    assert sets.find_hr(root / named, 4).hr == found.hr


def test_another_scale_is_not_taken(tmp_path):
    lay(tmp_path, ["Set5/HR/a.png", "Set5/LR_bicubic/X2/ax2.png"])
    assert sets.find(tmp_path / "Set5", 4).lr is None
    assert sets.find(tmp_path / "Set5", 4, tmp_path / "Set5/LR_bicubic/X2").lr is not None


def test_a_set_whose_folder_ends_in_hr_has_its_short_name(tmp_path):
    lay(tmp_path, ["benchmarks/D/D_valid_HR/1.png"])
    assert sets.set_folder("D_valid", tmp_path) == tmp_path / "benchmarks/D/D_valid_HR"


def test_several_sets_in_one_folder_are_named(tmp_path):
    lay(tmp_path, ["A_HR/1.png", "B_HR/1.png"])
    with pytest.raises(SrzooError, match="A_HR, B_HR"):
        sets.find(tmp_path, 4)


def test_no_partner_for_any_picture_is_refused(tmp_path):
    lay(tmp_path, ["S/HR/a.png", "S/LR/b.png"])
    with pytest.raises(SrzooError, match=r"a\.png has no partner"):
        sets.find(tmp_path / "S", 4)
