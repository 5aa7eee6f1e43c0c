from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from timm.models.vgg import VGG
from torch import nn

from srzoo.errors import SrzooError, did_you_mean


def resolve(name: str, net: nn.Module, layers: Sequence[str]) -> dict[str, str]:
    """The module's name for each layer.

    Raises:
        SrzooError: a layer does not exist or is named twice, or ``layers`` is empty.
    """
    modules = [module for module, _ in net.named_modules() if module]
    usual = usual_names(net)
    found: dict[str, str] = {}
    for layer in layers:
        module = usual.get(layer, layer)
        if module not in modules:
            # A network has hundreds of names: if none is near, show the coarse ones.
            near = get_close_matches(layer, [*usual, *modules])
            coarse = [*usual, *(child for child, _ in net.named_children())]
            raise SrzooError(f"{name} has no layer {layer!r}", did_you_mean(layer, near or coarse))
        if module in found.values():
            raise SrzooError(f"layers names {module!r} of {name} twice", "Name each layer once")
        found[layer] = module
    if not found:
        raise SrzooError("layers is empty", "Name at least one layer")
    return found


def usual_names(net: nn.Module) -> dict[str, str]:
    """The papers' names of a VGG's layers, such as relu5_4, with the modules' names."""
    found: dict[str, str] = {}
    if not isinstance(net, VGG):
        return found
    pool, convolution = 1, 0
    for number, module in net.features.named_children():
        if isinstance(module, nn.Conv2d):
            convolution += 1
            found[f"conv{pool}_{convolution}"] = f"features.{number}"
        elif isinstance(module, nn.ReLU):
            found[f"relu{pool}_{convolution}"] = f"features.{number}"
        elif isinstance(module, nn.MaxPool2d):
            pool, convolution = pool + 1, 0
    return found
