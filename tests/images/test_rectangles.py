"""Rectangles: where a place is in a larger one, and what is around it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from srzoo.images.rectangles import Rectangle

SIDE = st.integers(1, 40)


@st.composite
def places(draw) -> tuple[tuple[int, int], Rectangle]:
    """A picture's size, and a place in it."""
    width, height = draw(SIDE), draw(SIDE)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    place = Rectangle(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    return (width, height), place


@given(
    found=places(), by=st.integers(0, 9), cells=st.integers(0, 3), multiple=st.integers(1, 7),
    times=st.integers(1, 3),
)  # fmt: skip
def test_a_grown_place_holds_the_place(found, by, cells, multiple, times):
    size, place = found
    edge = cells * multiple
    grown = place.grown(by, size, edge, multiple)
    assert grown.x % multiple == grown.y % multiple == 0
    if edge:
        assert grown.width % multiple == grown.height % multiple == 0
    assert -edge <= grown.x <= place.x
    assert -edge <= grown.y <= place.y
    assert place.right <= grown.right < size[0] + edge + multiple
    assert place.bottom <= grown.bottom < size[1] + edge + multiple
    assert grown.x <= max(-edge, place.x - by)
    assert grown.right >= min(size[0] + edge, place.right + by)

    rows = np.arange(grown.y, grown.bottom).repeat(times)
    columns = np.arange(grown.x, grown.right).repeat(times)
    inside = place.relative_to(grown, times).cut(1000 * rows[:, None] + columns)
    assert inside.shape == (place.height * times, place.width * times)
    assert inside[0, 0] == 1000 * place.y + place.x
    assert inside[-1, -1] == 1000 * (place.bottom - 1) + place.right - 1
