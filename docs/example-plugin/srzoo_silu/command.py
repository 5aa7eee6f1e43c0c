"""The command ``srzoo attention``: where a network of SPABs looks."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("picture", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-m", "--model", default="spab-x2", help="A model whose body has SPABs.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the picture goes.")
def attention(picture: Path, model: str, output: Path | None) -> None:
    """Draw the attention of each SPAB for PICTURE, one beside the other; white is most."""
    # torch takes seconds to import: a command imports it when it runs, not when it is listed.
    import torch
    from PIL import Image

    from srzoo import building
    from srzoo.errors import ModelError

    from . import SPAB

    network = building.network(model)
    maps: list[torch.Tensor] = []

    def note(block: torch.nn.Module, given: tuple[torch.Tensor], made: torch.Tensor) -> None:
        assert isinstance(block, SPAB)
        strength = block.attention(block.body(given[0])).abs().mean(1)[0]
        maps.append(strength / strength.max().clamp(min=1e-12))

    found = [one for one in network.modules() if isinstance(one, SPAB)]
    if not found:
        raise ModelError(f"{model} has no SPAB", "Name another model: --model spab-x2")
    for one in found:
        one.register_forward_hook(note)
    x = torch.as_tensor(building.read_rgb(picture)).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        network(x)
    target = output or picture.with_name(f"{picture.stem}-attention.png")
    Image.fromarray((torch.cat(maps, 1) * 255).round().byte().numpy()).save(target)
    click.echo(f"{target}: {len(maps)} blocks, from left to right")
