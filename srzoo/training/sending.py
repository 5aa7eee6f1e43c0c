"""Sends crops to the device as bytes, a quarter of the size of floats."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..contracts import U8

BUFFERS = 3
"""Buffers of each shape: one is filled, one is sent, one is used by a running step."""


class Sender:
    """Sends crops to a device without waiting for it.

    A GPU fetches pinned memory asynchronously, while the next step is prepared. Allocating such
    memory takes milliseconds, so a few buffers are reused.

    Args:
        device: the device; the CPU by default.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._buffers: dict[tuple[int, ...], deque[tuple[Tensor, torch.cuda.Event]]] = {}

    def __call__(self, crops: U8) -> Tensor:
        """uint8 B x H x W x 3 to float B x 3 x H x W in 0..1, channels-last in memory."""
        bytes_ = torch.as_tensor(crops)
        sent = self._fetched(bytes_) if self._device.type == "cuda" else bytes_.to(self._device)
        return sent.permute(0, 3, 1, 2).float() / 255

    def _fetched(self, crops: Tensor) -> Tensor:
        buffers = self._buffers.setdefault(tuple(crops.shape), deque())
        if len(buffers) < BUFFERS:
            buffer, fetched = torch.empty_like(crops, pin_memory=True), torch.cuda.Event()
        else:
            buffer, fetched = buffers.popleft()
            fetched.synchronize()
        buffer.copy_(crops)
        sent = buffer.to(self._device, non_blocking=True)
        fetched.record()
        buffers.append((buffer, fetched))
        return sent
