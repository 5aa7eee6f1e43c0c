"""timm's Muon with kernels of one shape batched, for GPUs limited by kernel launches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from timm.optim.muon import Muon, muon
from torch import Tensor, nn

_TAKES = inspect.signature(muon).parameters


class BatchedMuon(Muon):
    """Muon, whose Newton-Schulz iteration runs once for all kernels of a shape.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon/. It calls timm's own function, which also takes a
    stack of matrices: so the weights are those of timm's Muon, except for rounding, as a GPU
    multiplies a stack of matrices in another order. The state is timm's.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; timm does the first step of each parameter, as it decides what is a matrix."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        done: list[tuple[nn.Parameter, Any]] = []
        for group in self.param_groups:
            if group.get("algo", "muon") != "muon" or group["conv_mode"] != "flatten":
                continue
            for alike in self._alike(group):
                gradients = [parameter.grad for parameter in alike]
                self._move(group, alike, gradients)
                done += zip(alike, gradients, strict=True)
        for parameter, _ in done:
            parameter.grad = None  # so that timm's step ignores it
        super().step()  # pyright: ignore[reportUnknownMemberType]
        for parameter, gradient in done:
            parameter.grad = gradient
        return loss

    def _alike(self, group: dict[str, Any]) -> list[list[nn.Parameter]]:
        """The matrices and kernels of a group with the same shape, in lists of at least two."""
        found: dict[object, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            state = self.state.get(parameter, {})
            if parameter.grad is not None and state.get("use_muon") and "momentum_buffer" in state:
                found.setdefault((parameter.shape, parameter.dtype, parameter.device), []).append(
                    parameter
                )
        return [alike for alike in found.values() if len(alike) > 1]

    def _move(self, group: dict[str, Any], alike: list[nn.Parameter], gradients: list[Any]) -> None:
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in alike]
        weights, means = _stacked(alike), _stacked(buffers)
        settings = {key: group[key] for key in _TAKES if key in group and key != "params"}
        # timm takes one matrix for each position of a kernel, so treat them as one large kernel.
        settings |= {"conv_mode": "batched", "normalize_spatial": False}
        muon([weights], [_stacked(gradients)], [means], **settings)
        for stack, tensors in ((weights, alike), (means, buffers)):
            for one, tensor in zip(stack.unbind(-1), tensors, strict=True):
                tensor.copy_(one.reshape(tensor.shape))


def _stacked(tensors: Sequence[Any]) -> Tensor:
    """N x C x ... each, to N x (C x ...) x count, stored matrix after matrix."""
    return torch.stack([one.flatten(1) for one in tensors]).permute(1, 2, 0)
