from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from srzoo.errors import SrzooError

from . import _backbone, _names

PROBE = (64, 96)
"""Height and width of the picture that shows which modules run before the last layer."""


class Layers(nn.Module):
    """The feature maps of some layers of a timm model, which is cut off after the last of them.

    Its weights are drawn from a fixed seed, without torch's global random state;
    :func:`._backbone.load` fills ``backbone``. It is in eval mode.

    Args:
        name: a timm model that takes pictures of any size.
        layers: names of its modules, such as ``blocks.4``; for VGG networks also
            ``conv5_4`` and ``relu5_4``, the j-th convolution before the i-th max-pool and the
            activation after it. If a module runs more than once, its first run counts.

    Attributes:
        backbone: the model, cut off.
        modules_of: the module's name for each name in ``layers``.

    Raises:
        SrzooError: the model or layer does not exist, or a layer returns no feature map.
    """

    def __init__(self, name: str, layers: Sequence[str]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which would also seed every GPU.
            torch.default_generator.manual_seed(0)
            self.backbone = _backbone.create(name)
        self.modules_of = _names.resolve(name, self.backbone, layers)
        self.eval()._cut(name)

    def forward(self, x: Tensor) -> list[Tensor]:
        """B x 3 x H x W, normalised for the model, to maps B x C x h x w, in order."""
        found = self._run(x)
        return [found[name] for name in self.modules_of.values()]

    def _run(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}

        def keeper(name: str) -> Any:
            def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
                last = len(found.keys() | {name}) == len(self.modules_of)
                # The next module may work in place (ReLU(inplace=True), x += shortcut) and would
                # overwrite the features; after the last layer no module runs.
                found.setdefault(name, output if last else output.clone())
                if last:
                    raise _LastLayerReached

            return keep

        handles = [
            self.backbone.get_submodule(name).register_forward_hook(keeper(name))
            for name in self.modules_of.values()
        ]
        try:
            self.backbone(x)
        except _LastLayerReached:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return found

    @torch.no_grad()
    def _cut(self, name: str) -> None:
        """Run once to see which modules are needed, and drop the others."""
        begun: set[nn.Module] = set()
        ended: set[nn.Module] = set()
        handles: list[Any] = []
        for module in self.backbone.modules():
            handles.append(module.register_forward_pre_hook(lambda m, _: begun.add(m)))
            handles.append(module.register_forward_hook(lambda m, *_: ended.add(m)))
        try:
            found = self._run(torch.zeros(1, 3, *PROBE))
        except (AssertionError, RuntimeError) as error:
            raise SrzooError(
                f"{name} does not accept a picture of {PROBE[1]}x{PROBE[0]} pixels:"
                f" {str(error).splitlines()[0]}",
                "Use a backbone that accepts any size, such as a VGG or an EfficientNet",
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        for asked, module in self.modules_of.items():
            if module not in found or not _is_map(found[module]):
                raise SrzooError(
                    f"layer {asked!r} of {name} returns no feature map B x C x H x W",
                    "Name a convolution, an activation or a stage",
                )
        _drop_unused(self.backbone, begun, ended)


class _LastLayerReached(Exception):  # noqa: N818
    """Ends the forward pass after the last layer that is needed."""


def _drop_unused(module: nn.Module, started: set[nn.Module], finished: set[nn.Module]) -> None:
    """Drop modules that did not run: they come after the last layer."""
    for name, child in module.named_children():
        if child not in started:
            module.add_module(name, nn.Identity().eval())
        elif child not in finished:
            _drop_unused(child, started, finished)


def _is_map(output: object) -> bool:
    """Whether height and width are last, as channels or tokens have other sizes than PROBE."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        return False
    height, width = output.shape[2:]
    return height < width < 2 * height
