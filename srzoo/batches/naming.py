"""Names of results: by default the model and its settings, or by a pattern.

``photo-edsr-x4.jpg`` is what the model makes of ``photo.jpg``; ``photo-edsr-x4-scale-2.jpg`` and
``photo-edsr-x4-long-4096-strength-0.5.jpg`` are beside it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import images
from ..errors import PictureError, did_you_mean

if TYPE_CHECKING:
    from ..upscaling.sizing import Route, Sizing

FIELDS = ("stem", "parent", "model", "scale", "size", "page", "suffix", "ext")
"""What a pattern may name; ``Names.fields`` adds to them."""
MEASURED = ("scale", "size")
"""Those for which the picture's header is read."""
VARIANTS = ("scale", "size", "width", "height", "long", "short", "strength", "page", "frame")
"""What can differ between two results of one model, each with its value behind it."""
PREVIEW = "preview"
_VARIANT = re.compile(rf"(-({'|'.join(VARIANTS)})-[0-9.x]+)*(-{PREVIEW})?", re.ASCII)


@dataclass(frozen=True)
class Names:
    """How results are named.

    Attributes:
        model: the last part of the model's name.
        variants: the settings that change the model's default result: some of ``VARIANTS``, with
            values.
        pattern: for all names; None for ``STEM-MODEL-VARIANTS.EXT`` beside the input, and the
            input's own name in a folder.
        measure: returns the route of a picture, or of one of its pages, for patterns with sizes.
    """

    model: str
    variants: Mapping[str, str] = field(default_factory=dict[str, str])
    pattern: str | None = None
    measure: Callable[[Path, int | None], Route] | None = None

    def __post_init__(self) -> None:
        """Refuse a pattern that cannot name a file.

        Raises:
            PictureError: it has an unknown field, or names a folder.
        """
        if self.pattern is not None:
            _check(self.pattern, FIELDS)

    @property
    def format(self) -> str | None:
        """The format of the suffix at the end of the pattern, a key of ``images.FORMATS``."""
        if self.pattern is None or _own_suffix(self.pattern):
            return None
        end = Path(self.pattern).suffix.lower()
        return next((key for key, f in images.FORMATS.items() if end in f.suffixes), None)

    def default(self, stem: str) -> str:
        """The name of a result beside its input, without a suffix."""
        suffixes = [f"-{word}-{value}" for word, value in self.variants.items()]
        return f"{stem}-{self.model}{''.join(suffixes)}"

    def of(self, source: Path, suffix: str, beside: bool, page: str | None = None) -> str:
        """The name of one result.

        Args:
            source: the picture.
            suffix: of the result, with its dot.
            beside: whether the result is beside the picture, and so needs another name.
            page: the number of the page or frame, if it is one of several.

        Raises:
            PictureError: the pattern gives no valid name, or the picture's size cannot be read.
        """
        if self.pattern is None:
            page_suffix = f"-{images.unit_of(source)}-{page}" if page else ""
            return f"{self.default(source.stem) if beside else source.stem}{page_suffix}{suffix}"
        pattern = self.pattern
        if not _own_suffix(pattern) and self.format is None:
            pattern += "{suffix}"
        values = {
            "stem": source.stem,
            "parent": source.absolute().parent.name,
            "model": self.model,
            "page": page or "",
            "suffix": suffix,
            "ext": suffix.removeprefix("."),
        }
        if self.measure and any(name in MEASURED for name in _fields(pattern)):
            route = self.measure(source, int(page) if page else None)
            values["size"] = f"{route.size[0]}x{route.size[1]}"
            values["scale"] = f"{route.size[0] / route.source[0]:.4g}"
        name = pattern.format_map(values)
        if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
            raise PictureError(f"--name {self.pattern} makes {name!r} of {source}", _FIX)
        return name


_FIX = "Write it like {stem}-{model}{suffix}"


def variants(sizing: Sizing, scales: tuple[int, ...], strength: float = 1.0) -> dict[str, str]:
    """The settings that differ from the model's own, which are part of a default name."""
    found: dict[str, str] = {}
    if sizing.scale is not None and scales != (sizing.scale,):
        found["scale"] = _plain(sizing.scale)
    if sizing.size:
        found["size"] = f"{sizing.size[0]}x{sizing.size[1]}"
    if sizing.side:
        found[sizing.side[0]] = str(sizing.side[1])
    if strength != 1:
        found["strength"] = _plain(strength)
    return found


def _plain(number: float) -> str:
    """A number without an exponent, with up to six decimal places."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def is_result(stem: str, stems: set[str], models: tuple[str, ...]) -> bool:
    """Whether a name is that of a result of an earlier run.

    Args:
        stem: a file's name without its suffix.
        stems: those of all pictures in its folder.
        models: names of models: ``X-MODEL`` beside ``X`` is a result, with any size in the name.
    """
    for model in models:
        base, mark, rest = stem.rpartition(f"-{model}")
        if mark and base in stems and _VARIANT.fullmatch(rest):
            return True
    return False


def check_ending(name: Path, format: str | None) -> None:
    """Refuse a name whose suffix contradicts the requested format.

    Raises:
        PictureError: it does.
    """
    suffix = name.suffix.lower()
    if format and suffix in images.READABLE and suffix not in images.FORMATS[format].suffixes:
        raise PictureError(
            f"{name} ends in {name.suffix}, but {images.FORMATS[format].name} is requested",
            f"Leave --format out, or end the name in {images.FORMATS[format].suffixes[0]}",
        )


def _fields(pattern: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]


def _own_suffix(pattern: str) -> bool:
    """Whether the pattern contains the suffix."""
    return not {"suffix", "ext"}.isdisjoint(_fields(pattern))


def _check(pattern: str, known: tuple[str, ...]) -> None:
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise PictureError(
            f"--name {pattern}: {error}", f"{_FIX}; a brace itself is {{{{"
        ) from None
    for text, name, spec, conversion in parts:
        if any(sign in text for sign in "/\\\0"):
            raise PictureError(f"--name {pattern} names a folder", "Choose the folder with -o")
        if name is None:
            continue
        if name not in known:
            raise PictureError(
                f"--name {pattern} has the field {{{name}}}", did_you_mean(name, known)
            )
        if spec or conversion:
            raise PictureError(f"--name {pattern}: {{{name}}} takes no format", _FIX)
