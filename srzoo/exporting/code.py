"""A digest of a network's code: an export of edited code is out of date.

Versions alone do not tell: who writes a plugin edits it a hundred times in one version. So the
source files of the packages are read, found without importing any of them; what is registered in
this process alone, as in a notebook, is known by its compiled functions.
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
"""Too large to be read each time: size and time of change stand for them."""
CORE = "building/networks.py", "networks", "exporting/convert.py"
"""What of srzoo itself has a part in every export."""
OTHERS = {*sys.stdlib_module_names, "numpy", "srzoo", "torch", "torchvision"} - {"__main__"}
"""Modules whose versions are enough, when the functions of a local plugin are followed."""
FOLLOWED = 3000
"""So many functions and classes of a local plugin are looked at."""


def digest(config: Config, export_format: str) -> str:
    """Of the code that a model's export comes from: its network's, and that of the format."""
    generator = kinds.generators.find(config.generator)
    made_of = [generator, *_named(kinds.blocks, config.args)]
    dists = {packages.normal(dist) for dist in config.owners} | {
        packages.normal(plugin.dist) for plugin in made_of if plugin.dist != LOCAL_DIST
    }
    # A block that no argument names may be a default: all blocks of these distributions count.
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
        with contextlib.suppress(RecursionError):  # a list that holds itself
            for line in _compiled(_factory(plugin), set()):
                hashed.update(line)
    return hashed.hexdigest()


def of_use(registry: Registry[Any], use: Use) -> str:
    """A digest of the code behind what a plugin makes, so that what is kept of it can go by that.

    Args:
        registry: of the plugin's kind.
        use: the plugin; others of its kind that its arguments name count, too.

    Raises:
        PluginError: there is no such plugin.
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
        with contextlib.suppress(RecursionError):  # a list that holds itself
            for line in _compiled(registry.get(plugin.name), set()):
                hashed.update(line)
    return hashed.hexdigest()


def _named(registry: Registry[Any], args: Mapping[str, Any]) -> Iterator[Plugin]:
    """The plugins of a kind that arguments name."""
    for name in _strings(args):
        with contextlib.suppress(PluginError):
            yield registry.find(name)


def _strings(value: object) -> Iterator[str]:
    """Every text in the arguments, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[object, object]", value).values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in cast("list[object]", value):
            yield from _strings(item)


def _places(target: str) -> list[Path]:
    """The file or folders of what a target, "package.module:Name", belongs to; imports nothing.

    That is its whole top-level package: or, below a namespace, the part that is the plugin's.
    """
    top, *inner = target.partition(":")[0].split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return []  # __main__, or broken: whoever imports it will say so
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
    """Name and content of each file with code, the same from wherever they lie."""
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
    """What a class or function does: its functions, and those that they call, as bytecode."""
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
    """Something that code uses: plain values as they are, classes and functions by their code."""
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
    """A value whose text is the same in every process; anything else as its type."""
    if isinstance(value, str | int | float | bool | bytes | type(None)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, cast('Iterable[object]', value)))}]"
    if isinstance(value, set | frozenset):  # in the order of hashes, which change
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
