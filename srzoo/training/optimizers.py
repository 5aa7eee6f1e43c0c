"""Optimisers of torch and timm by name; groups of parameters, and frozen parameters.

Parameters must be on their device first, as it decides which implementation is fast.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, cast

import timm.optim
import torch
from timm.optim.muon import Muon
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from ..contracts import Module
from ..errors import SrzooError, did_you_mean
from ..recipes.optimizing import OPTIMIZERS, Optimizer
from .muon import BatchedMuon

_TIMM: Any = timm.optim  # it has no types
OWN: Mapping[str, Any] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
    "sgd": torch.optim.SGD,
}
"""Built without timm's defaults; timm's sgd would use Nesterov momentum."""
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
"""On a CUDA device these update all parameters in one kernel."""
KEYS = ("lr", "betas", "eps", "weight_decay", "momentum")
"""An optimiser's settings in a recipe outside ``args``."""
LOOKAHEAD = "lookahead_"
REST = "rest"
"""The name, in a saved state, of everything that is not a tensor."""
GROUP = "group"
"""The prefix of the names of a group's tensors."""


def names() -> list[str]:
    """Every optimiser that a recipe may name; ``lookahead_`` may precede each.

    These are timm's, except those that need second derivatives, and those whose state is more than
    numbers and tensors, which a checkpoint could not restore.
    """
    listed = cast("list[str]", _TIMM.list_optimizers())
    infos = [(name, _TIMM.get_optimizer_info(name)) for name in listed]
    plain = torch.optim.Optimizer.state_dict
    return [
        name
        for name, info in infos
        if not info.second_order and getattr(info.opt_class, "state_dict", plain) is plain
    ]


def check(settings: Optimizer, where: str = "optimizer", network: Module | None = None) -> None:
    """Check settings by building their optimiser for a small parameter.

    Args:
        settings: of a recipe.
        where: their name in errors.
        network: the network to train; if given, its groups are checked too.

    Raises:
        SrzooError: the optimiser does not exist, has no such argument or refuses a value, or a
            group matches no parameter.
    """
    takes = inspect.signature(_class(settings.name, where)).parameters
    for key in ("betas", "eps", "momentum"):
        value = getattr(settings, key)
        left_out = value is None or value == OPTIMIZERS["adam"][key]
        if key not in takes and not left_out:
            raise SrzooError(f"{where}: {settings.name} has no {key}", f"Remove {where}.{key}")
    betas = takes["betas"].default if "betas" in takes else None
    if settings.betas is not None and betas and len(settings.betas) != len(betas):
        raise SrzooError(
            f"{where}: betas is {list(settings.betas)}",
            f"{settings.name} takes {len(betas)}, such as {list(betas)}",
        )
    known = takes.keys() - {"self", "params", *KEYS}
    for key in settings.args:
        if key in KEYS:
            raise SrzooError(f"{where}: {key} is in args", f"Write {where}.{key}")
        if key not in known:
            raise SrzooError(
                f"{where}: {settings.name} has no argument {key!r}", did_you_mean(key, known)
            )
    if settings.name == "muon" and not settings.momentum:
        raise SrzooError("muon needs momentum", f"Set {where}.momentum = 0.95")
    for group in settings.groups:
        for key, value in _own_args(group).items():
            if not 0 <= value < math.inf:
                raise SrzooError(
                    f"{where}: {key} of the group {group.match!r} is {value}",
                    "Use a value of at least 0",
                )
    if network is not None:
        _groups(network, settings, where)
    small = [{"params": [nn.Parameter(torch.zeros(8, 8))], **_own_args(g)} for g in settings.groups]
    _make([*small, {"params": [nn.Parameter(torch.zeros(8, 8))]}], settings, where)


def build(network: Module, settings: Optimizer, who: str) -> torch.optim.Optimizer:
    """Build an optimiser for a network's parameters, which must be on their device.

    On a CUDA device Adam, AdamW and SGD are fused, and Muon batches kernels of one shape. Elsewhere
    torch's and timm's optimisers are used unchanged.

    Args:
        network: the network; its parameters that need a gradient are trained.
        settings: of a recipe.
        who: the network's name in errors, such as "generator".

    Raises:
        SrzooError: no parameter needs a gradient, or :func:`check` finds a fault.
    """
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise SrzooError(f"the {who} has nothing to train", f"Choose another {who}")
    where = f"optimizer of the {who}"
    check(settings, where, network)
    groups = _groups(network, settings, where)
    on_gpu = all(p.device.type == "cuda" for group in groups for _, p in group["params"])
    optimizer = _make(groups, settings, where, on_gpu)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _groups(network: Module, settings: Optimizer, where: str) -> list[dict[str, Any]]:
    """The groups for an optimiser; first the parameters that are in no group of the recipe."""
    named = {name: p for name, p in network.named_parameters() if p.requires_grad}
    left, groups = dict(named), list[dict[str, Any]]()
    for group in settings.groups:
        mine = [name for name in left if fnmatchcase(name, group.match)]
        if not mine:
            taken = " that no group before it has" if any(_matching(named, group.match)) else ""
            raise SrzooError(
                f"{where}: the group {group.match!r} matches no parameter to train{taken}",
                _nearest(group.match, left),
            )
        groups.append({"params": [(name, left.pop(name)) for name in mine], **_own_args(group)})
    # The first group's rate is the one in the log.
    return [{"params": list(left.items())}, *groups] if left else groups


def set_rates(optimizer: Any, share: float) -> None:
    """Set every group's learning rate to a share of the recipe's value."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share


def trained_parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """The parameters that an optimiser trains."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def freeze(network: Module, patterns: Iterable[str]) -> None:
    """Freeze parameters, and the statistics of BatchNorm layers among them.

    Raises:
        SrzooError: a pattern matches no parameter.
    """
    named = dict(network.named_parameters())
    for pattern in patterns:
        found = list(_matching(named, pattern))
        norms = [
            layer
            for name, layer in network.named_modules()
            if isinstance(layer, _BatchNorm)
            and any(_matching([f"{name}.{key}" for key in layer.state_dict()], pattern))
        ]
        if not found and not norms:
            raise SrzooError(
                f"train.freeze: {pattern!r} matches no parameter of the generator",
                _nearest(pattern, named),
            )
        for name in found:
            named[name].requires_grad_(False)
        for layer in norms:
            layer.eval()


def state_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that the next step depends on: ``0.exp_avg`` and so on, and ``rest``."""
    whole = optimizer.state_dict()
    takes = inspect.signature(type(optimizer)).parameters
    tensors: dict[str, Tensor] = {}
    rest: dict[str, dict[str, Any]] = {}
    for number, values in cast("dict[int, dict[str, Any]]", whole["state"]).items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{number}.{key}"] = value
            else:
                rest.setdefault(str(number), {})[key] = value
    groups = cast("list[dict[str, Any]]", whole["param_groups"])
    counts = [{k: v for k, v in group.items() if _is_counter(k, v, takes)} for group in groups]
    for number, count in enumerate(counts):
        found = {key: count.pop(key) for key in [*count] if isinstance(count[key], Tensor)}
        tensors |= {f"{GROUP}{number}.{key}": value for key, value in found.items()}
    kept = {
        "state": rest,
        "groups": counts,
        "names": [name for group in groups for name in group["param_names"]],
    }
    tensors[REST] = torch.frombuffer(
        bytearray(json.dumps(kept, sort_keys=True).encode()), dtype=torch.uint8
    )
    return tensors


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore an optimiser's state from :func:`state_of`, also that of an earlier version.

    Raises:
        ValueError: the state belongs to other parameters.
    """
    whole = optimizer.state_dict()
    names = [name for group in whole["param_groups"] for name in group["param_names"]]
    kept: dict[str, Any] = {"state": {}, "groups": [], "names": names}
    if REST in tensors:
        kept = json.loads(tensors[REST].numpy().tobytes())
    if sorted(kept["names"]) != sorted(names):
        other = sorted(set(kept["names"]) ^ set(names))
        raise ValueError(f"it trained other parameters: they differ in {', '.join(other)}")
    place = {number: names.index(name) for number, name in enumerate(kept["names"])}
    parameters = trained_parameters(optimizer)
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, dot, key = name.partition(".")
        if number.startswith(GROUP):
            kept["groups"][int(number.removeprefix(GROUP))][key] = tensor
        elif dot:
            to = place[int(number)]
            like = parameters[to]
            # In the parameter's own memory layout, which fused kernels need.
            same = tensor.shape == like.shape and tensor.dtype == like.dtype
            state.setdefault(to, {})[key] = torch.empty_like(like).copy_(tensor) if same else tensor
    for number, values in kept["state"].items():
        state.setdefault(place[int(number)], {}).update(values)
    groups = whole["param_groups"]
    if len(groups) == len(kept["groups"]):
        groups = [{**now, **then} for now, then in zip(groups, kept["groups"], strict=True)]
    optimizer.load_state_dict({**whole, "state": state, "param_groups": groups})


def _is_counter(key: str, value: object, takes: Mapping[str, Any]) -> bool:
    """Whether an entry of a group is a counter of the optimiser, not a setting."""
    fixed = ("params", "param_names", "initial_lr")
    return key not in takes and key not in fixed and isinstance(value, int | float | Tensor)


def _class(name: str, where: str) -> Any:
    """The class of an optimiser.

    Raises:
        SrzooError: it does not exist, or its package is not installed.
    """
    if name in OWN:
        return OWN[name]
    short, known = name.removeprefix(LOOKAHEAD), names()
    if short not in known:
        raise SrzooError(f"{where}: no optimiser is called {name!r}", _did_you_mean(name, known))
    try:
        return _TIMM.get_optimizer_class(short, bind_defaults=False)
    except (ImportError, AssertionError) as error:  # timm asserts that a GPU exists
        raise SrzooError(
            f"{where}: {name} is not available here: {error}", "Choose another optimizer.name"
        ) from error


def _make(
    groups: list[dict[str, Any]], settings: Optimizer, where: str, on_gpu: bool = False
) -> torch.optim.Optimizer:
    kind = _class(settings.name, where)
    takes = inspect.signature(kind).parameters
    given = {key: getattr(settings, key) for key in ("betas", "eps", "momentum")}
    given = {key: value for key, value in given.items() if value is not None and key in takes}
    args: dict[str, Any] = {
        "lr": settings.lr,
        "weight_decay": settings.weight_decay,
        **given,
        **settings.args,
    }
    if on_gpu and kind in FUSED and not {"fused", "foreach"} & settings.args.keys():
        args["fused"] = True
    if settings.name == "muon":
        kind, args = BatchedMuon if on_gpu else Muon, {"nesterov": True, **args}
    try:
        if settings.name in OWN:
            return kind(groups, **args)
        return _TIMM.create_optimizer_v2(groups, settings.name, **args)
    except (ValueError, TypeError, AssertionError, RuntimeError) as error:
        stated = (str(error) or type(error).__name__).splitlines()[0]
        raise SrzooError(
            f"{where}: {settings.name} refuses its arguments: {stated}", "Fix them"
        ) from error


def _own_args(group: Any) -> dict[str, float]:
    """The settings that a group states itself."""
    stated = {"lr": group.lr, "weight_decay": group.weight_decay}
    return {key: value for key, value in stated.items() if value is not None}


def _matching(found: Iterable[str], pattern: str) -> Iterable[str]:
    return (name for name in found if fnmatchcase(name, pattern))


def _nearest(pattern: str, found: Iterable[str]) -> str:
    """A hint for a pattern without a match: parameters, and the modules that contain them."""
    found = list(found)
    parts = {
        ".".join(n.split(".")[:deep]) + ".*" for n in found for deep in range(1, n.count(".") + 1)
    }
    near = get_close_matches(pattern, [*parts, *found], n=3, cutoff=0.6)
    return did_you_mean(pattern, near or {name.split(".")[0] + ".*" for name in found})


def _did_you_mean(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known)
    return (
        f"{hint} (docs/reference/recipes.md describes them)"
        if hint.startswith("There are")
        else hint
    )
