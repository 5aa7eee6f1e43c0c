"""The model folder: config.json, model.safetensors, README.md, recipe.toml.

``config.json`` is the only truth for how a model is built::

    {"srzoo": 1, "summary": "...", "generator": "edsr", "args": {"scale": 4},
     "scales": [4], "requires": [],
     "weights": {"file": "model.safetensors", "sha256": "...", "dtype": "float16"}}

``weights`` is null for a generator without parameters.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from . import kinds, strict
from .errors import ModelError, PluginConflictError, SrzooError, did_you_mean
from .registry import ALLOW_VARIABLE

CONFIG = "config.json"
CONFIG_VERSION = 1
HUB_NAME = re.compile(r"(hf://)?[\w.-]+/[\w.-]+(@[\w./-]+)?")


@dataclass(frozen=True)
class WeightsFile:
    """The file that holds a model's tensors, its sha256 in hex and its dtype on disk."""

    file: str
    sha256: str
    dtype: str


@dataclass(frozen=True)
class Config:
    """What config.json says.

    Attributes:
        generator: the plugin that builds the network, and ``args`` its arguments.
        scales: the factors the model can enlarge by.
        weights: None for a generator without parameters.
        summary: what the model is for, in one line.
        requires: distributions, besides srzoo, whose plugins the model is made of.
    """

    generator: str
    args: dict[str, Any]
    scales: tuple[int, ...]
    weights: WeightsFile | None
    summary: str = ""
    requires: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The text of config.json."""
        return json.dumps({"srzoo": CONFIG_VERSION, **asdict(self)}, indent=2) + "\n"


@dataclass(frozen=True)
class ModelFolder:
    """A folder whose config.json has been read and found right."""

    path: Path
    config: Config

    @property
    def name(self) -> str:
        """The name of the folder, as in ``photo-NAME.jpg``."""
        return self.path.resolve().name


def read(path: Path) -> ModelFolder:
    """Read a model folder's config.json; the weights are not opened.

    Raises:
        ModelError: it is missing, no JSON, of a newer version, or has a key or a value
            that does not belong.
    """
    file = path / CONFIG
    try:
        data: object = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{path} is no model folder: it has no {CONFIG}", "Name a folder that has one"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelError(f"cannot read {file}: {error}", "Restore the file") from error
    return ModelFolder(path, _config(data, file))


def _config(data: object, file: Path) -> Config:
    if not isinstance(data, dict):
        raise ModelError(f"{file} holds no JSON object", "Restore the file")
    values = cast("dict[str, Any]", data)
    version = values.pop("srzoo", None)
    if isinstance(version, int) and version > CONFIG_VERSION:
        raise ModelError(
            f"{file} is of version {version}, this srzoo reads {CONFIG_VERSION}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )
    if version != CONFIG_VERSION:
        raise ModelError(f'{file} is no srzoo config: "srzoo" is {version!r}', 'Set "srzoo": 1')
    try:
        config = strict.parse(Config, values, str(file))
    except SrzooError as error:
        raise ModelError(error.what, error.fix) from None
    if config.weights and Path(config.weights.file).name != config.weights.file:
        raise ModelError(
            f"{file} names weights outside its folder: {config.weights.file!r}",
            "Put them beside it and give the bare file name",
        )
    if not config.scales or min(config.scales) < 1:
        raise ModelError(f"{file}: scales is {list(config.scales)}", "List whole numbers from 1")
    return config


def package_files(name: str) -> list[Path]:
    """The files called ``name`` in the folders of all installed card packages, sorted."""
    found: list[Path] = []
    for plugin in kinds.cards:
        package = kinds.cards.get(f"{plugin.dist}:{plugin.name}")
        for root in cast("Any", package).__path__:
            found += sorted(Path(root).glob(f"*/{name}"))
    return found


def released() -> dict[str, Path]:
    """The model folders that installed card packages bring, by name.

    Raises:
        PluginConflictError: two packages bring a model of one name.
    """
    found: dict[str, Path] = {}
    for folder in (path.parent for path in package_files(CONFIG)):
        if folder.name in found:
            raise PluginConflictError(
                f"model {folder.name!r} is in {found[folder.name].parent} and in {folder.parent}",
                f"Uninstall one, or leave its distribution out of {ALLOW_VARIABLE}",
            )
        found[folder.name] = folder
    return found


def list_models(pattern: str = "*") -> list[str]:
    """The names of the released models that match a shell pattern, sorted.

    >>> list_models("bicubic*")
    ['bicubic-x2', 'bicubic-x3', 'bicubic-x4']
    """
    return sorted(name for name in released() if fnmatchcase(name, pattern))


def find(ref: str | Path) -> ModelFolder:
    """The model folder for a reference: a folder, or a released name.

    A folder that exists wins. One that happens to be called like a released model
    counts as soon as it has a config.json.

    Raises:
        ModelError: nothing is called that, or the folder is wrong.
    """
    path = Path(ref)
    if isinstance(ref, Path) or (path / CONFIG).is_file():
        return read(path)
    models = released()
    if ref in models:
        return read(models[ref])
    if path.is_dir():
        return read(path)  # says what is missing in it
    if HUB_NAME.fullmatch(ref):
        raise ModelError(
            f"there is no folder {ref}, and this version of srzoo does not download from the Hub",
            f"Fetch it first: hf download {_repo(ref)} --local-dir NAME",
        )
    raise ModelError(f"no model is called {ref!r}", did_you_mean(ref, models))


def _repo(ref: str) -> str:
    repo, _, revision = ref.removeprefix("hf://").partition("@")
    return f"{repo} --revision {revision}" if revision else repo
