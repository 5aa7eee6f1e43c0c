"""Which of a model's scales is used: one rule, whoever asks."""

from __future__ import annotations

import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

from srzoo.errors import PictureError
from srzoo.models import scales

FACTORS = st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True)


@given(there=FACTORS, asked=st.one_of(st.none(), st.integers(1, 9)))
def test_the_one_that_is_asked_for_or_the_only_one(there, asked):
    if asked in there:
        assert scales.choose("m", there, asked) == asked
    elif asked is None and len(there) == 1:
        assert scales.choose("m", there, asked) == there[0]
    else:
        with pytest.raises(PictureError, match="Choose the scale: ") as info:
            scales.choose("m", there, asked)
        assert info.value.fix.endswith(", ".join(map(str, there)))
        assert (f"not by {asked}" in info.value.what) == (asked is not None)


def test_nobody_has_the_rule_of_his_own():
    for path in (ROOT / "srzoo").rglob("*.py"):
        if path.name != "scales.py":
            assert "len(scales) == 1" not in path.read_text(), path
