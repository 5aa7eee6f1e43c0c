"""The members that every network has as an ``nn.Module``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from torch import Tensor, nn


class Module(Protocol):
    """The methods of an ``nn.Module`` that srzoo calls, for type checkers.

    If a contract inherited from ``nn.Module``, only classes that inherit from the contract would
    meet it; so it lists the methods. A class that inherits from a contract names
    ``nn.Module`` first: ``class SiLU(nn.Module, Block)``.
    """

    training: bool

    if TYPE_CHECKING:  # Where it runs, nn.Module has them.

        def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]: ...
        def named_parameters(
            self, prefix: str = "", recurse: bool = True
        ) -> Iterator[tuple[str, nn.Parameter]]: ...
        def buffers(self, recurse: bool = True) -> Iterator[Tensor]: ...
        def modules(self) -> Iterator[nn.Module]: ...
        def named_modules(self) -> Iterator[tuple[str, nn.Module]]: ...
        def children(self) -> Iterator[nn.Module]: ...
        def state_dict(self) -> dict[str, Any]: ...
        def load_state_dict(
            self, state_dict: Mapping[str, Any], strict: bool = True
        ) -> tuple[list[str], list[str]]: ...
        def to(self, *args: Any, **kwargs: Any) -> Self: ...
        def train(self, mode: bool = True) -> Self: ...
        def eval(self) -> Self: ...
        def requires_grad_(self, requires_grad: bool = True) -> Self: ...
        def zero_grad(self, set_to_none: bool = True) -> None: ...


def nn_module(network: Module) -> nn.Module:
    """The same network, typed as an ``nn.Module``, which ``nn.Sequential`` requires."""
    return cast("nn.Module", network)
