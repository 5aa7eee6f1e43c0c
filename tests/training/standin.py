"""A device that stands for a card: it computes on the CPU, and takes no tensors of the CPU.

Tensors on it report the device ``lazy``, one that torch knows everywhere and that needs no
thread of its own for gradients. An operation that mixes them with tensors of the CPU is refused
as a card would refuse it, so what stayed behind is found without a card. As on a card, numbers
without dimensions and indices may come from the CPU, and a copy goes either way.

It computes what the CPU computes, so results are the same to rounding. It has neither streams
nor random numbers of its own: what is late, or drawn otherwise on a card, is not found here.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

DEVICE = torch.device("lazy", 0)
CPU = torch.device("cpu")
aten = torch.ops.aten
COPIES = {aten._to_copy.default, aten.copy_.default, aten._foreach_copy_.default}
"""What may take tensors of both devices."""
ANSWERS = {aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default,
           aten.masked_select.default, aten.is_nonzero.default}  # fmt: skip
"""What the host cannot know before the device has come so far."""
INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default,
           aten._index_put_impl_.default}  # fmt: skip


class There(Tensor):
    """A tensor on the device; ``held`` is the one of the CPU that has its values."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> There:
        """Stands for ``held``, of the same shape and layout."""
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(),
            dtype=held.dtype, layout=held.layout, device=DEVICE, requires_grad=False,
        )  # fmt: skip
        made.held = held
        return made

    def tolist(self) -> Any:
        """Torch's own reads memory, of which there is none."""
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        """Outside of the mode, as in the backward pass."""
        return run(func, args, kwargs or {})


class Standin(TorchDispatchMode):
    """In force as a context: what is made on the device, or sent there, is there."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Every operation of this thread."""
        return run(func, args, kwargs or {})


@contextmanager
def standin(monkeypatch) -> Generator[None]:
    """Accelerate trains on the stand-in. Torch knows no autocast for it, and gets none."""
    import accelerate

    autocast = torch.autocast

    def none_there(kind: str, *args: Any, **options: Any) -> Any:
        return nullcontext() if kind == DEVICE.type else autocast(kind, *args, **options)

    with monkeypatch.context() as patch, Standin():
        patch.setattr(accelerate.Accelerator, "device", DEVICE)
        patch.setattr(torch, "autocast", none_there)
        yield


@contextmanager
def waits(monkeypatch) -> Generator[list[str]]:
    """The operations for which the host would wait for a card, as they come.

    A copy from ordinary memory to a card waits too, until all that was asked of the card is done.
    """
    seen: list[str] = []

    def watched(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        there = any(isinstance(x, There) for x in tensors)
        asked = kwargs.get("device")
        goes = there if asked is None else torch.device(asked).type == DEVICE.type
        sides = {isinstance(x, There) for x in tensors}
        crosses = func is aten.copy_.default and len(sides) > 1
        crosses |= func is aten._to_copy.default and goes != there
        if (there and func in ANSWERS) or (crosses and not kwargs.get("non_blocking")):
            seen.append(str(func))
        return inner(func, args, kwargs)

    inner = run
    with monkeypatch.context() as patch:
        patch.setitem(globals(), "run", watched)
        yield seen


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, on the tensors that are held.

    Raises:
        RuntimeError: its tensors are on two devices.
    """
    if _is_composed(func):  # in inference mode they come whole
        with Standin():
            return func.decompose(*args, **kwargs)
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, There)]
    asked = kwargs.get("device")
    if there and func is aten._has_compatible_shallow_copy_type.default:
        return False  # so that a module's parameters are replaced
    if there and func not in COPIES:
        _refuse_strangers(func, args, tensors)
    if asked is not None:
        # Pinned memory belongs to a CUDA card.
        kwargs = {**kwargs, "device": CPU if asked.type == DEVICE.type else asked}
        kwargs.pop("pin_memory", None)
    result = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func is aten.copy_.default:
        return args[0]
    goes = bool(there) if asked is None else torch.device(asked).type == DEVICE.type
    return _placed(there, result) if goes else result


@cache
def _is_composed(func: Any) -> bool:
    """Whether it is made of other operations, on every device."""
    name = func.name()
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")


def _refuse_strangers(func: Any, args: Any, tensors: list[Tensor]) -> None:
    if func in INDEXED:
        tensors = [x for x in (args[0], *args[2:]) if isinstance(x, Tensor)]
    on = {x.device for x in tensors if isinstance(x, There) or x.dim()}
    if len(on) > 1:
        raise RuntimeError(
            f"expected all tensors of {func} to be on the same device, but found"
            f" {' and '.join(sorted(map(str, on)))}"
        )


def _held(x: Any) -> Any:
    return x.held if isinstance(x, There) else x


def _placed(given: list[There], result: Any) -> Any:
    """The tensors of a result on the device; one that was written into is the one it was."""
    known = {id(x.held): x for x in given}
    flat, spec = tree_flatten(result)
    back = [
        (known[id(x)] if id(x) in known else There(x)) if isinstance(x, Tensor) else x
        for x in flat
    ]  # fmt: skip
    return tree_unflatten(back, spec)
