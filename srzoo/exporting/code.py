"""A digest of a network's code: an export of edited code is out of date.

Versions are not enough, as an author edits a plugin often without changing its version. So the
source files of the packages are read; they are found without an import. Plugins registered in this
process only, as in a notebook, are identified by their compiled functions.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import PluginError
from ..plugins import kinds, packages
from ..plugins.plugin import LOCAL_DIST, OWN_DIST

if TYPE_CHECKING:
    from ..models.folder import Config
    from ..plugins.plugin import Plugin, Use
    from ..plugins.registry import Registry

SOURCES = ".py"
COMPILED = ".so", ".pyd", ".dll", ".dylib"
"""Larger files are not read each time; their size and modification time are used instead."""
CORE = "building/networks.py", "networks", "exporting/convert.py"
"""The parts of srzoo that affect every export."""
OTHERS = {*sys.stdlib_module_names, "numpy", "srzoo", "torch", "torchvision"} - {"__main__"}
"""Modules whose versions are enough for the functions of a local plugin."""
FOLLOWED = 3000
"""The largest number of functions and classes of a local plugin that are followed."""


def digest(config: Config, export_format: str) -> str:
    """The digest of the code behind a model's export: its network's, and the format's."""
    generator = kinds.generators.find(config.generator)
    made_of = [generator, *_named(kinds.blocks, config.args)]
    dists = {packages.normal(dist) for dist in config.owners} | {
        packages.normal(plugin.dist) for plugin in made_of if plugin.dist != LOCAL_DIST
    }
    # A block that no argument names may be a default, so all blocks of these distributions count.
    known = [p for registry in (kinds.generators, kinds.blocks) for p in registry]
    used = [p for p in known if packages.normal(p.dist) in dists] + [
        kinds.export_formats.find(export_format)
    ]
    places = {place for plugin in used for place in _places(plugin.target)}
    for dist in dists - {OWN_DIST}:
        places |= {place for name in packages.top_level(dist) for place in _places(name)}
    core = Path(__file__).parents[1]
    hashed = hashlib.sha256()
    for place in [*(core / name for name in CORE), *sorted(places)]:
        for line in _files(place):
            hashed.update(line)
    for plugin in sorted((p for p in made_of if p.dist == LOCAL_DIST), key=str):
        with contextlib.suppress(RecursionError):  # a list that contains itself
            for line in _compiled(_factory(plugin), set()):
                hashed.update(line)
    return hashed.hexdigest()


def of_use(registry: Registry[Any], use: Use) -> str:
    """A digest of the code behind a plugin's results, as part of the key of cached results.

    Args:
        registry: of the plugin's kind.
        use: the plugin; others of its kind that its arguments name count too.

    Raises:
        PluginError: the plugin does not exist.
    """
    made_of = [registry.find(use.name), *_named(registry, use.args)]
    installed = [plugin for plugin in made_of if plugin.dist != LOCAL_DIST]
    names = {name for p in installed if p.dist != OWN_DIST for name in packages.top_level(p.dist)}
    places = {
        place for target in names | {p.target for p in installed} for place in _places(target)
    }
    hashed = hashlib.sha256()
    for place in sorted(places):
        for line in _files(place):
            hashed.update(line)
    for plugin in sorted((p for p in made_of if p.dist == LOCAL_DIST), key=str):
        with contextlib.suppress(RecursionError):  # a list that contains itself
            for line in _compiled(registry.get(plugin.name), set()):
                hashed.update(line)
    return hashed.hexdigest()


def _named(registry: Registry[Any], args: Mapping[str, Any]) -> Iterator[Plugin]:
    """The plugins of a kind that arguments name."""
    for name in _strings(args):
        with contextlib.suppress(PluginError):
            yield registry.find(name)


def _strings(value: object) -> Iterator[str]:
    """Every text in the arguments, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[object, object]", value).values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _strings(item)


def _places(target: str) -> list[Path]:
    """The file or folders of a target, "package.module:Name"; imports nothing.

    That is its whole top-level package or, in a namespace, the plugin's part of it.
    """
    top, *inner = target.partition(":")[0].split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return []  # __main__, or broken, which its import reports
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    folders = [Path(place) for place in spec.submodule_search_locations]
    if spec.origin:
        return folders
    for name in inner:
        folders = [found for folder in folders for found in _inside(folder, name)]
        if any(not folder.is_dir() or (folder / "__init__.py").exists() for folder in folders):
            break
    return folders


def _inside(folder: Path, name: str) -> list[Path]:
    if (folder / name).is_dir():
        return [folder / name]
    return sorted(path for path in folder.glob(f"{name}.*") if path.suffix in (SOURCES, *COMPILED))


def _files(place: Path) -> Iterator[bytes]:
    """Name and content of each code file, independent of the folder."""
    for path in [place] if place.is_file() else _walk(place):
        name = path.name if path == place else path.relative_to(place).as_posix()
        with contextlib.suppress(OSError):
            if path.suffix == SOURCES:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                stat = path.stat()
                content = f"{stat.st_size} {stat.st_mtime_ns}"
            yield f"{name} {content}\n".encode(errors="surrogateescape")


def _walk(folder: Path) -> Iterator[Path]:
    for root, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if name.isidentifier() and name != "__pycache__")
        for name in sorted(names):
            if name.endswith((SOURCES, *COMPILED)):
                yield Path(root, name)


def _factory(plugin: Plugin) -> object:
    for registry in (kinds.generators, kinds.blocks):
        if registry.kind == plugin.kind:
            return registry.get(plugin.name)
    return None


def _compiled(value: object, seen: set[int]) -> Iterator[bytes]:
    """The bytecode of a class or function, and of the functions that it calls."""
    if id(value) in seen or len(seen) > FOLLOWED:
        return
    seen.add(id(value))
    if isinstance(value, functools.partial):
        part = cast("functools.partial[Any]", value)
        yield f"{_plain(part.args)} {_plain(part.keywords)}\n".encode()
        yield from _compiled(part.func, seen)
    elif isinstance(value, type):
        for base in value.__mro__:
            if not _is_foreign(base):
                yield f"class {base.__qualname__}\n".encode()
                yield from _members(vars(base), seen)
    elif isinstance(value, staticmethod | classmethod):
        yield from _compiled(cast("staticmethod[..., Any]", value).__func__, seen)
    elif isinstance(value, property):
        yield from _compiled(value.fget, seen)
    elif isinstance(value, types.MethodType):
        yield from _compiled(value.__func__, seen)
    elif isinstance(value, types.ModuleType):
        for place in _places(value.__name__):
            yield from _files(place)
    elif isinstance(value, types.FunctionType):
        yield f"{_plain(value.__defaults__)} {_plain(value.__kwdefaults__)}\n".encode()
        for cell in value.__closure__ or ():
            with contextlib.suppress(ValueError):  # empty
                yield from _referenced(cell.cell_contents, seen)
        yield from _code(value.__code__, value.__globals__, seen)


def _members(members: Mapping[str, object], seen: set[int]) -> Iterator[bytes]:
    for name, member in sorted(members.items()):
        if not name.startswith("__") or isinstance(member, types.FunctionType):
            yield f"{name}\n".encode()
            yield from _referenced(member, seen)


def _referenced(value: object, seen: set[int]) -> Iterator[bytes]:
    """An object that code uses: plain values as they are, classes and functions by their code."""
    if not _is_foreign(value):
        yield _plain(value).encode()
        yield from _compiled(value, seen)


def _code(code: types.CodeType, around: Mapping[str, object], seen: set[int]) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars)).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant, around, seen)
        else:
            yield _plain(constant).encode()
    for name in code.co_names:
        if name in around:
            yield from _referenced(around[name], seen)


def _plain(value: object) -> str:
    """The text of a value if it is the same in every process; otherwise its type."""
    if isinstance(value, str | int | float | bool | bytes | type(None)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, cast('Iterable[object]', value)))}]"
    if isinstance(value, set | frozenset):  # sorted, as hashes change
        return f"{{{', '.join(sorted(map(_plain, cast('Iterable[object]', value))))}}}"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return f"{{{', '.join(f'{_plain(key)}: {_plain(item)}' for key, item in pairs)}}}"
    return type(value).__qualname__


def _is_foreign(value: object) -> bool:
    home = value.__name__ if isinstance(value, types.ModuleType) else _home(value)
    return home.partition(".")[0] in OTHERS


def _home(value: object) -> str:
    found = getattr(value, "__module__", None) if callable(value) else None
    return found if isinstance(found, str) else ""
