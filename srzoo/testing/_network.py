"""A small network for the suites of engines and export formats."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..common import kept_folders
from ..models.folder import ModelFolder, read_folder
from ..networks import folders
from ..plugins import kinds

NAME = "contract-network"
SCALE = 2


class Network(nn.Module):
    """Three convolutions beside nearest-neighbour upscaling, in layers of every format."""

    scales: tuple[int, ...] = (SCALE,)
    reach: int | None = 3

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(8, 8, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(8, 3 * SCALE**2, 3, padding=1),
        )  # fmt: skip
        self.skip = nn.Conv2d(3, 3 * SCALE**2, 1, bias=False)
        repeated = torch.eye(3).repeat_interleave(SCALE**2, 0)[:, :, None, None]
        self.skip.weight = nn.Parameter(repeated.contiguous())

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x 2H x 2W."""
        del scale
        return F.pixel_shuffle(self.body(x) + self.skip(x), SCALE)


class _Place:
    """Owns temporary folders, which are removed when the process ends."""


_owner = _Place()


@cache
def _saved(generator: str) -> Path:
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        own = generator == NAME
        network = Network() if own else kinds.generators.create(generator)
    place = kept_folders.temporary_folder(_owner) / (NAME if own else f"contract-{generator}")
    return folders.save(network, place, generator=generator, args={}).path


@contextlib.contextmanager
def registered(generator: str = "") -> Generator[ModelFolder]:
    """Yield a loadable model folder of the small network, or of a generator.

    Args:
        generator: a registered generator that needs no arguments.
    """
    if generator:
        yield read_folder(_saved(generator))
        return
    kinds.generators.register(NAME, Network)
    try:
        yield read_folder(_saved(NAME))
    finally:
        kinds.generators.unregister(NAME)
