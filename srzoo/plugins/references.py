"""Plugins in files: ``./silu.py:SiLU`` is the class of a file, without a package.

Such a name finds its file on this machine alone. A folder that holds a model holds no code, so a
config that was fetched, or that names a file beside itself, is refused.
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
"""With a slash at least: ``chess.py:knight`` is a part of the distribution ``chess.py``."""
ELSEWHERE = re.compile(r"[/\\]{2}")
"""What begins like this lies on another machine."""
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
        """As an entry point has it."""
        return str(self)

    @property
    def module(self) -> str:
        """The name that the file has as a module; no other has it."""
        import hashlib  # every command comes by here

        digest = hashlib.sha256(str(self.path).encode(errors="surrogateescape")).hexdigest()
        return f"{PREFIX}_{re.sub(r'[^A-Za-z0-9_]', '_', self.path.stem)}_{digest[:12]}"

    def load(self) -> Any:
        """Run the file, unless it has been run as it is now, and give the class back."""
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
        sys.modules[self.module] = module  # dataclasses and pickle look there
        try:
            # No .pyc is read: it goes by whole seconds, and who writes a plugin saves often.
            code = compile(self.path.read_bytes(), self.path, "exec", dont_inherit=True)
            exec(code, vars(module))
        except BaseException:
            del sys.modules[self.module]
            raise
        vars(module)[STAMP] = stamp
        return module


def is_reference(name: object) -> bool:
    """Whether a name is one of a class in a file."""
    return isinstance(name, str) and FORM.fullmatch(name) is not None


def of(name: str) -> Reference:
    """The reference that a name is, seen from the working directory.

    Raises:
        MissingPluginError: there is no such file.
    """
    found = FORM.fullmatch(name)
    assert found is not None
    path = Path(found["path"]).expanduser()
    if not path.is_file():
        raise MissingPluginError(
            f"the file {path} does not exist, which {name} names", "Check the path"
        )
    return Reference(path.resolve(), found["name"])


def anchored(value: V, folder: Path) -> V:
    """Values with every reference to a file in full; relative ones are seen from ``folder``."""
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
    """Every reference to a file in some values, however deep."""
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
    """A reference in a model folder that does not count: relative, in it, or on another machine."""
    home = folder.resolve()
    for name in within(value):
        path = Path(name.rpartition(":")[0])
        if not path.is_absolute() or ELSEWHERE.match(name) or home in path.resolve().parents:
            return name
    return None


def modules() -> list[ModuleType]:
    """The files that were run."""
    return [each for name, each in list(sys.modules.items()) if name.startswith(f"{PREFIX}_")]
