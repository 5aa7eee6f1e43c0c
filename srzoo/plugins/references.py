"""Plugins in files: ``./silu.py:SiLU`` is the class of a file, without a package.

Such a name finds its file only on this machine. A model folder contains no code, so a downloaded
config, or one that names a file in its own folder, is refused.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

from ..errors import MissingPluginError, did_you_mean

V = TypeVar("V")
FORM = re.compile(r"(?P<path>[^\n\0]*[/\\][^\n\0]*\.py):(?P<name>[A-Za-z_]\w*)")
"""It has at least one slash: ``chess.py:knight`` is a plugin of the distribution ``chess.py``."""
ELSEWHERE = re.compile(r"[/\\]{2}")
"""The prefixes of paths on another machine."""
PREFIX = "srzoo_file"
STAMP = "__srzoo_stamp__"
PACKAGE = "Make a package of it: srzoo plugin new KIND NAME"


@dataclass(frozen=True)
class Reference:
    """A class or function in a file."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f"{self.path.as_posix()}:{self.name}"

    @property
    def value(self) -> str:
        """The reference in the form of an entry point."""
        return str(self)

    @property
    def module(self) -> str:
        """The file's name as a module, which is unique."""
        import hashlib  # every command imports this module

        digest = hashlib.sha256(str(self.path).encode(errors="surrogateescape")).hexdigest()
        return f"{PREFIX}_{re.sub(r'[^A-Za-z0-9_]', '_', self.path.stem)}_{digest[:12]}"

    def load(self) -> Any:
        """Run the file, unless it has run in its current state, and return the class."""
        module = self._imported()
        if not hasattr(module, self.name):
            own = [
                name for name, each in vars(module).items()
                if getattr(each, "__module__", None) == module.__name__
            ]  # fmt: skip
            raise AttributeError(f"it has no {self.name}. {did_you_mean(self.name, own)}")
        return getattr(module, self.name)

    def _imported(self) -> ModuleType:
        stat = self.path.stat()
        stamp = stat.st_mtime_ns, stat.st_size
        known = sys.modules.get(self.module)
        if known is not None and getattr(known, STAMP, None) == stamp:
            return known
        spec = importlib.util.spec_from_file_location(self.module, self.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module  # dataclasses and pickle need it
        try:
            # No .pyc is read: its time stamps in whole seconds are too coarse during editing.
            code = compile(self.path.read_bytes(), self.path, "exec", dont_inherit=True)
            exec(code, vars(module))
        except BaseException:
            del sys.modules[self.module]
            raise
        vars(module)[STAMP] = stamp
        return module


def is_reference(name: object) -> bool:
    """Whether a name refers to a class in a file."""
    return isinstance(name, str) and FORM.fullmatch(name) is not None


def of(name: str) -> Reference:
    """The reference for a name, relative to the working directory.

    Raises:
        MissingPluginError: the file does not exist.
    """
    found = FORM.fullmatch(name)
    assert found is not None
    path = Path(found["path"]).expanduser()
    if not path.is_file():
        raise MissingPluginError(f"the file {path} of {name} does not exist", "Check the path")
    return Reference(path.resolve(), found["name"])


def anchored(value: V, folder: Path) -> V:
    """Values with full paths in every reference; relative ones are relative to ``folder``."""
    if isinstance(value, str):
        found = FORM.fullmatch(value)
        if found is None:
            return value
        path = folder.resolve() / Path(found["path"]).expanduser()
        return cast("V", str(Reference(path.resolve(), found["name"])))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value).items()
        return cast("V", {key: anchored(each, folder) for key, each in pairs})
    if isinstance(value, list | tuple):
        items = [anchored(each, folder) for each in cast("list[Any]", value)]
        return cast("V", items if isinstance(value, list) else tuple(items))
    return value


def within(value: object) -> Iterator[str]:
    """Every reference to a file in some values, at any depth."""
    if isinstance(value, str):
        if is_reference(value):
            yield value
    elif isinstance(value, Mapping):
        for each in cast("Mapping[object, object]", value).values():
            yield from within(each)
    elif isinstance(value, list | tuple):
        for each in cast("list[object]", value):
            yield from within(each)


def strange(value: object, folder: Path) -> str | None:
    """A reference that a model folder must not have: relative, inside it, or of another machine."""
    home = folder.resolve()
    for name in within(value):
        path = Path(name.rpartition(":")[0])
        if not path.is_absolute() or ELSEWHERE.match(name) or home in path.resolve().parents:
            return name
    return None


def modules() -> list[ModuleType]:
    """The files that have run."""
    return [each for name, each in list(sys.modules.items()) if name.startswith(f"{PREFIX}_")]
