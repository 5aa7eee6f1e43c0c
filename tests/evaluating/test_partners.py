"""Which file belongs to which picture: the endings that results have in the field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srzoo.evaluating import partners

ENDINGS = ["", "x4", "X4", "_x4", "-x4", "_edsr-x4", "_EDSR_Lx4_f256b32_x4", " (1)", "_LRBI_x4", ".out"]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("ending", ENDINGS)
@given(names=st.sets(st.from_regex(r"[ab1]{1,3}(_[ab1])?", fullmatch=True), min_size=1, max_size=6))
def test_one_ending_for_all_is_always_understood(ending, names):
    """Also where one picture's name begins another's, and where an ending is part of a name."""
    pictures = [f"{name}.png" for name in sorted(names)]
    files = {f"{name}{ending}.png": f"{name}.png" for name in sorted(names)}
    found = partners.find(pictures, files, 4)
    assert dict(found.ambiguous) == {}
    assert {file: picture for picture, file in found.certain.items()} == files


def test_numbers_are_not_cut():
    found = partners.find(["img_1.png", "img_10.png"], ["img_1_x4.png", "img_10_x4.png"], 4)
    assert found.certain == {"img_1.png": "img_1_x4.png", "img_10.png": "img_10_x4.png"}
    assert partners.find(["img_1.png"], ["img_10_x4.png"], 4).ambiguous == {"img_1.png": ()}


def test_an_ending_that_is_a_pictures_name():
    found = partners.find(["a.png", "a_b.png"], ["a_b.png", "a_b_b.png"], 4)
    assert found.certain == {"a.png": "a_b.png", "a_b.png": "a_b_b.png"}


def test_several_are_doubtful_unless_one_has_the_factor():
    several = partners.find(["a.png", "b.png"], ["a.png", "a_x4.png", "b_x4.png"], 4)
    assert several.ambiguous == {"a.png": ("a.png", "a_x4.png")}
    assert several.certain == {"b.png": "b_x4.png"}
    told = partners.find(["a.png"], ["a_x2.png", "a_x4.png"], 4)
    assert told.certain == {"a.png": "a_x4.png"}
    one = partners.find(["a.png", "a.jpg"], ["a_x4.png"], 4)
    assert set(one.ambiguous) == {"a.png", "a.jpg"}


def test_what_marks_hr_is_not_in_other_names():
    for high, low in (
        ("img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png"),
        ("img_001_SRF_4_HR.png", "img_001_SRF_4_LR_edsr-x4.png"),
        ("baby_HR_x4.png", "baby_LRBI_x4.png"),
        ("Canon_001_HR.png", "Canon_001_LR4.png"),
        ("0801.png", "0801x4m.png"),
    ):
        assert partners.find([high], [low], 4).certain == {high: low}
