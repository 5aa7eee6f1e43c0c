"""The model folder: config.json, model.safetensors, README.md, recipe.toml.

``config.json`` alone determines how a model is built::

    {"srzoo": 1, "name": "edsr-x4", "purpose": "faithful", "summary": "...",
     "generator": "edsr", "args": {"scale": 4}, "scales": [4], "requires": [],
     "weights": {"file": "model.safetensors", "sha256": "...", "dtype": "float16"}}

``weights`` is null for a generator without parameters. Folders of earlier versions have no
``purpose``; the card or the recipe decides it. A model may carry exports, which engines run
without torch; ``exports`` lists them.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, cast

from ..common import strict
from ..errors import ModelError, SrzooError
from ..plugins import packages, references

Purpose = Literal["faithful", "perceptual", "real photos"]
"""A model's purpose: clean pictures, with nothing invented; clean pictures, lifelike and partly
invented; pictures with noise, blur or JPEG blocks."""
FAITHFUL: Final = "faithful"
PERCEPTUAL: Final = "perceptual"
REAL_PHOTOS: Final = "real photos"

COMMIT = re.compile(r"[0-9a-f]{40}")
CONFIG = "config.json"
CONFIG_VERSION = 1
NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]')
RECIPE = "recipe.toml"
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Tensors in a weights file that are not parameters."""


@dataclass(frozen=True)
class WeightsFile:
    """The file with a model's tensors, its sha256 in hex and its dtype."""

    file: str
    sha256: str
    dtype: str


@dataclass(frozen=True)
class CarriedExport:
    """An export in a model's folder: the network at one scale, as ONNX.

    Attributes:
        file: its path in the folder, such as ``onnx/model.onnx``.
        scale: the factor.
        sha256: of the file, in hex.
        weights: the sha256 of the weights that it was made from; "" for a network without weights.
            If they differ from the model's, it is out of date.
        reach: LR pixels on each side that an output pixel depends on, or None.
        smallest: the least side, in LR pixels, that it accepts.
        multiple: the grid, in LR pixels.
        memory: by export format, the measured working memory: bytes for each LR pixel, and bytes
            for a call of any size.
    """

    file: str
    scale: int
    sha256: str
    weights: str
    reach: int | None
    smallest: int
    multiple: int = 1
    memory: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


@dataclass(frozen=True)
class Config:
    """The contents of config.json.

    Attributes:
        generator: the plugin that builds the network, and ``args`` its arguments.
        scales: the factors the model can enlarge by.
        weights: None for a generator without parameters.
        summary: what the model is for, in one line.
        requires: distributions, besides srzoo, whose plugins the model contains, as
            ``package==version`` at its creation. Older models have no version.
        name: the model's own name, from its creation or publication; empty if unknown.
        purpose: what the model is for; None if unknown.
        exports: exports in the folder, for engines.
    """

    generator: str
    args: dict[str, Any]
    scales: tuple[int, ...]
    weights: WeightsFile | None
    summary: str = ""
    requires: tuple[str, ...] = field(default=())
    name: str = ""
    purpose: Purpose | None = None
    exports: tuple[CarriedExport, ...] = ()

    @property
    def owners(self) -> tuple[str, ...]:
        """The distributions of ``requires``, without versions."""
        return tuple(packages.unpinned(requirement) for requirement in self.requires)

    def to_json(self) -> str:
        """The text of config.json."""
        found = references.anchored(asdict(self), Path.cwd())  # full paths of classes in files
        if not self.exports:
            del found["exports"]  # older versions do not know the key
        return json.dumps({"srzoo": CONFIG_VERSION, **found}, indent=2) + "\n"


@dataclass(frozen=True)
class ModelFolder:
    """A folder with a valid config.json."""

    path: Path
    config: Config

    @property
    def name(self) -> str:
        """The model's name here, as in ``photo-NAME.jpg``.

        It is the folder's name, which the user chose; or the model's own name if the folder's name
        is a commit, as in the Hub's cache.
        """
        folder = self.path.resolve().name
        return self.config.name or folder if COMMIT.fullmatch(folder) else folder

    def carried(self, scale: int) -> CarriedExport | None:
        """The export for a scale; None if it is missing, or was made from other weights."""
        weights = self.config.weights.sha256 if self.config.weights else ""
        for one in self.config.exports:
            if one.scale == scale and one.weights == weights:
                return one
        return None

    @property
    def usable_exports(self) -> list[CarriedExport]:
        """The exports for its scales, without those of other weights."""
        found = [self.carried(scale) for scale in self.config.scales]
        return [one for one in found if one]

    @property
    def carries_exports(self) -> bool:
        """Whether it has an export for each of its scales."""
        return all(self.carried(scale) for scale in self.config.scales)


def read_folder(path: Path) -> ModelFolder:
    """Read a model folder's config.json; the weights are not opened.

    Raises:
        ModelError: it is missing, not JSON, of a newer version, or has an invalid key or value.
    """
    file = path / CONFIG
    try:
        data: object = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path} is not a model folder: it has no {CONFIG}", "Name a folder that has one"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"cannot read {file}: {error}", "Restore the file") from error
    return ModelFolder(path, _config(data, file))


def _config(data: object, file: Path) -> Config:
    if not isinstance(data, dict):
        raise ModelError(f"{file} contains no JSON object", "Restore the file")
    values = cast("dict[str, Any]", data)
    version = values.pop("srzoo", None)
    if isinstance(version, int) and version > CONFIG_VERSION:
        raise ModelError(
            f"{file} is of version {version}, but this srzoo reads {CONFIG_VERSION}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )
    if version != CONFIG_VERSION:
        raise ModelError(f'{file} is not a srzoo config: "srzoo" is {version!r}', 'Set "srzoo": 1')
    try:
        config = strict.parse(Config, values, str(file))
    except SrzooError as error:
        raise ModelError(error.what, error.fix) from None
    if name := references.strange([config.generator, config.args], file.parent):
        raise ModelError(
            f"{file} names code in a file: {name}",
            "A model consists of installed plugins, or of files of this machine with full paths."
            " Ask for the package that provides the class",
        )
    if config.weights and Path(config.weights.file).name != config.weights.file:
        raise ModelError(
            f"{file} names weights outside its folder: {config.weights.file!r}",
            "Put them beside it and write only the file name",
        )
    for one in config.exports:
        _check_export(one, config, file)
    if config.name and not fit_name(config.name):
        raise ModelError(f"{file}: name is {config.name!r}", "Write a valid file name")
    if (odd := packages.unusual(config.requires)) is not None:
        raise ModelError(
            f"{file}: requires names {odd!r}, which is not a package",
            'Write names and versions, such as "some-package==1.0"',
        )
    if not config.scales or min(config.scales) < 1:
        raise ModelError(f"{file}: scales is {list(config.scales)}", "List whole numbers from 1")
    return config


def _check_export(one: CarriedExport, config: Config, file: Path) -> None:
    """Refuse an invalid export: outside the folder, or for an unknown scale."""
    place = PurePosixPath(one.file)
    if not place.name or place.is_absolute() or {"..", "."} & set(place.parts) or "\\" in one.file:
        raise ModelError(
            f"{file} names an export outside its folder: {one.file!r}",
            "Move it into the folder, and write its path there",
        )
    if place.suffix != ".onnx":
        raise ModelError(
            f"{file} names an export that is not an ONNX file: {one.file!r}", "Remove it"
        )
    if one.scale not in config.scales:
        raise ModelError(
            f"{file} has an export for x{one.scale}, which is not among its scales", "Remove it"
        )
    counts = [one.smallest, one.multiple, *(n for pair in one.memory.values() for n in pair)]
    pairs = all(_is_pair(pair) for pair in one.memory.values())
    if not pairs or min(counts) < 0 or one.multiple < 1 or (one.reach or 0) < 0:
        raise ModelError(f"{file}: an export has impossible numbers", "Make it again")


def _is_pair(value: object) -> bool:
    values = cast("list[object]", value) if isinstance(value, list) else []
    return len(values) == 2 and all(type(item) is int for item in values)


def local_parts(folder: ModelFolder) -> list[str]:
    """The files of this machine that a model contains, or that its recipe names.

    Such a model cannot be used elsewhere, and is not published.
    """
    found = list(references.within([folder.config.generator, folder.config.args]))
    with contextlib.suppress(OSError, ValueError):  # missing or unreadable
        text = (folder.path / RECIPE).read_text(encoding="utf-8")
        found += references.within(tomllib.loads(text))
    return list(dict.fromkeys(found))


def refuse_local_parts(folder: ModelFolder) -> None:
    """Refuse a model that contains a class in a file of this machine.

    Raises:
        ModelError: it does.
    """
    if found := local_parts(folder):
        raise ModelError(
            f"{folder.path} is made with {' and '.join(found)}, which other people do not have",
            f"{references.PACKAGE}, and use its name there",
        )


def fit_name(name: str) -> str:
    """The name if it is valid for a model on any system and on the Hub; else an empty text."""
    return "" if NOT_IN_NAMES.search(name) or name in (".", "..") else name


def count_parameters(folder: ModelFolder) -> int | None:
    """The number of parameters, from the header of the weights file; None if unreadable."""
    from safetensors import SafetensorError, safe_open

    entry = folder.config.weights
    if entry is None:
        return 0
    try:
        opened: Any = safe_open(folder.path / entry.file, "np")
        with opened as file:
            names = [name for name in file.keys() if not name.endswith(STATISTICS)]  # noqa: SIM118
            return sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    except (OSError, SafetensorError):
        return None
