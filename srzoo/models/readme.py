"""A model's README.md: its metadata and its prose.

huggingface_hub reads the metadata; it is imported on demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

README = "README.md"
FENCE = "---"
MARK = "\ufeff"
"""The byte order mark, which some editors write first."""


@dataclass(frozen=True)
class Readme:
    """A card.

    Attributes:
        path: the file.
        text: its whole text.
        block: the place of the YAML in the text; None for a card without metadata.
        data: a ``ModelCardData``, empty for such a card.
        prose: the text after the metadata.
    """

    path: Path
    text: str
    block: slice | None
    data: Any
    prose: str

    @property
    def results(self) -> list[EvalResult]:
        """The results in the metadata."""
        return self.data.eval_results or []


def read(folder: Path) -> Readme:
    """Read the card of a model folder.

    Raises:
        ModelError: it is missing, it cannot be read, or its metadata are broken.
    """
    path = folder / README
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ModelError(
            f"{folder} has no {README}", f"Write it: srzoo card new {folder}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the card {path}: {error}", "Restore the file") from error
    return parse(text, path)


def parse(text: str, path: Path) -> Readme:
    """Parse a text as a card; ``path`` is for errors.

    Raises:
        ModelError: its metadata are broken.
    """
    import yaml
    from huggingface_hub import ModelCard, ModelCardData

    block = _block(text, path)
    if block is None:
        return Readme(path, text, None, ModelCardData(), text)
    try:
        card: Any = ModelCard(text.removeprefix(MARK))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise ModelError(
            f"the metadata of {path} cannot be read: {error}", "Fix the block between the ---"
        ) from error
    if not card.data.to_dict():
        raise ModelError(
            f"the metadata of {path} are empty",
            "Write library_name: srzoo between the two ---, or remove both lines",
        )
    return Readme(path, text, block, card.data, card.text)


def _block(text: str, path: Path) -> slice | None:
    """The place of the YAML, as the Hub finds it: up to the line of the second ``---``.

    Raises:
        ModelError: there are two such lines, but the Hub would read them as prose.
    """
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    card = text.removeprefix(MARK)
    found = REGEX_YAML_BLOCK.search(card)
    if found is None:
        first, *others = [line.rstrip() for line in card.strip().splitlines()] or [""]
        if first == FENCE and FENCE in others:
            raise ModelError(
                f"the metadata of {path} cannot be read: blanks or nothing after a {FENCE}",
                f"Write {FENCE} alone in the line above the metadata and in the line below them",
            )
        return None
    marked = len(text) - len(card)
    return slice(marked + found.end(1), marked + card.index(FENCE, found.start(3)))


def entry(card: Readme, key: str) -> slice | None:
    """The place of an entry of the metadata in the text, with its last line break.

    None if the key is missing, or not in a block of its own lines.
    """
    import yaml

    if card.block is None:
        return None
    mapping = yaml.SafeLoader(card.text[card.block]).get_single_node()
    places: list[tuple[Any, Any]] = []
    if isinstance(mapping, yaml.MappingNode) and not mapping.flow_style:
        places = mapping.value
    marks: list[int] = [name.start_mark.index for name, _ in places if name.value == key]
    if not marks:
        return None
    start = end = card.block.start + marks[0]
    for line in card.text[start : card.block.stop].split("\n")[:-1]:
        if end > start and not line.startswith((" ", "\t", "-")):
            break
        end += len(line) + 1
    return slice(start, end)
