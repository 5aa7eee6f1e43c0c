"""Losses on pixels that are more than a line."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import srzoo
from srzoo.contracts import Pair


def paired(sr, hr):
    return Pair(lr=hr[..., ::4, ::4], hr=hr, sr=sr)


def chance(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(
    period=st.integers(2, 4),
    cells=st.integers(3, 12),
    more=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_checkerboard_sees_a_grid_and_nothing_that_cells_share(period, cells, more, seed):
    loss = srzoo.losses.create("checkerboard", period=period, window=4)
    side = period * cells + more  # what is left of a cell at the border is not looked at
    hr = chance(seed, 2, 3, side, side)
    assert float(loss(paired(hr, hr))) == 0
    blocks = chance(seed + 1, 2, 3, cells + 2, cells + 2)
    blocks = blocks.repeat_interleave(period, 2).repeat_interleave(period, 3)[..., :side, :side]
    shifted = hr + 0.1 * blocks + torch.tensor([0.1, 0, -0.1]).reshape(1, 3, 1, 1)
    assert float(loss(paired(shifted, hr))) == pytest.approx(0, abs=1e-10)
    grid = torch.zeros(side, side)
    grid[::period, ::period] = 0.1
    places = period**2
    wanted = 0.1**2 * (1 / places) * (1 - 1 / places)  # the variance of one place among all
    assert float(loss(paired(shifted + grid, hr))) == pytest.approx(wanted, rel=1e-3)


def test_checkerboard_hardly_sees_texture():
    loss = srzoo.losses.create("checkerboard")
    hr = chance(0, 4, 3, 96, 96)
    noise = 0.1 * (chance(1, 4, 3, 96, 96) - 0.5)
    assert float(loss(paired(hr + noise, hr))) < 1.1 * float(noise.square().mean()) / 8**2


def test_checkerboard_takes_the_grid_away_again():
    loss = srzoo.losses.create("checkerboard")
    hr = chance(0, 1, 3, 32, 32)
    grid = torch.zeros(4, 4)
    grid[1, 2] = 0.2
    sr = (hr + grid.repeat(8, 8)).requires_grad_()
    for _ in range(50):
        (gradient,) = torch.autograd.grad(loss(paired(sr, hr)), sr)
        sr = (sr - 1e3 * gradient).detach().requires_grad_()
    error = (sr - hr).detach()
    assert float(error.std()) < 0.01
    assert float(error.mean()) == pytest.approx(0.2 / 16, rel=1e-2)  # brightness is not its matter
