"""A new project for a plugin of any kind: small, installable, and valid without changes.

The templates are in ``templates``: ``common`` for every project, and for each kind a folder with
its plugin, its test, and its usage.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

from ..common import kept_folders
from ..errors import SrzooError
from ..plugins import kinds, known
from ..plugins.plugin import OWN_DIST

TEMPLATES = Path(__file__).with_name("templates")
NAME = re.compile(r"(?!(?:true|false|inf|nan)$)[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
"""A valid name of a plugin, a distribution and, with ``_``, a module; no value of TOML."""
LONGEST = 40
PLACES = {
    "common/pyproject.toml": "pyproject.toml",
    "common/README.md": "README.md",
    "common/LICENSE": "LICENSE",
    "common/ci.yml": ".github/workflows/ci.yml",
    "common/gitignore": ".gitignore",
    "common/test.py": "tests/test_{module}.py",
    "module.py": "{package}/__init__.py",
    "test.py": "tests/test_{module}.py",
    "engines.toml": "{package}/engines.toml",
    "config.json": "{package}/{name}/config.json",
    "card.md": "{package}/{name}/README.md",
}
"""The template of each file; those that a kind does not have are skipped.

A kind's own test replaces the common one."""


@dataclass(frozen=True)
class Project:
    """A new project.

    Attributes:
        folder: its folder.
        kind, name: of its plugin.
        dist: its distribution.
        use: how to use the plugin once it is installed; each a command or a line of code.
    """

    folder: Path
    kind: str
    name: str
    dist: str
    use: str


def new(kind: str, name: str, folder: Path | None = None) -> Project:
    """Write a project: a class that passes its suite, its test, README, licence and CI.

    Args:
        kind: "generator", "block", ...: any of :data:`srzoo.plugins.kinds.KINDS`.
        name: of the plugin: small letters and digits, in words joined by ``_`` or ``-``.
        folder: of the project, or an existing one, in which ``srzoo-NAME`` is created; None for the
            working directory.

    Raises:
        SrzooError: the kind does not exist, the name is invalid or taken, or the folder exists.
    """
    registry = kinds.kind(kind)
    module = _module_of(name)
    _check_taken(kind, name)
    dist, package = f"srzoo-{module.replace('_', '-')}", f"srzoo_{module}"
    if advice := known.advice(kind, name) or known.advice("", dist):
        raise SrzooError(f"another {kind} has this name: {advice}", "Choose another name")
    if util.find_spec(package):
        raise SrzooError(f"a module {package} already exists", "Choose another name")
    path = folder or Path()
    if path.is_dir():
        path /= dist
    if path.exists() or path.is_symlink():
        raise SrzooError(f"{path} exists", "Choose another folder: --dir D")
    facts = {
        "kind": kind, "name": name, "module": module, "dist": dist, "package": package,
        "group": registry.group, **_facts(kind, module, package),
    }  # fmt: skip
    facts["use"] = _rendered(TEMPLATES / kind / "use.md.j2", facts).rstrip()
    try:
        with kept_folders.new_folder(path.absolute().parent) as made:
            for place, text in _files(kind, facts):
                file = made / path.name / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            (made / path.name).rename(path)
    except OSError as error:
        raise SrzooError(
            f"{path} cannot be written: {error.strerror or error}", "Choose another folder"
        ) from error
    return Project(path, kind, name, dist, facts["use"])


def _module_of(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise SrzooError(
            f"{name!r} is not a valid name for a plugin",
            "Use small letters and digits, in words joined by _ or -, such as wide_block",
        )
    return name.replace("-", "_")


def _check_taken(kind: str, name: str) -> None:
    """Refuse the name of an existing plugin of the kind, or of a model."""
    from ..models import locate

    taken = [str(plugin) for plugin in kinds.kind(kind) if plugin.name == name]
    if kinds.kind(kind) is kinds.cards:
        taken += [f"model {one}" for one in locate.list_models() if one == name]
    if taken:
        why = "srzoo's own cannot be replaced" if f"({OWN_DIST} " in taken[0] else "it is installed"
        raise SrzooError(f"a {taken[0]} already exists", f"Choose another name: {why}")


def _facts(kind: str, module: str, package: str) -> dict[str, Any]:
    """The facts of a kind in its kind.toml."""
    table = tomllib.loads((TEMPLATES / kind / "kind.toml").read_text(encoding="utf-8"))
    words = "".join(word.capitalize() for word in module.split("_"))
    ending = table.get("class", "")
    cls = words if words.endswith(ending) else words + ending
    object_ = table.get("object") or (cls if ending else "")
    return {
        "summary": table["summary"],
        "cls": cls,
        "target": f"{package}:{object_}".rstrip(":"),
        "requires": ["srzoo", *table.get("requires", ())],
        "data": table.get("data", []),
    }


def _files(kind: str, facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for template, place in PLACES.items():
        path = TEMPLATES / (template if "/" in template else f"{kind}/{template}")
        path = path.with_name(f"{path.name}.j2")
        if path.is_file():
            yield place.format(**facts), _rendered(path, facts)


def _rendered(path: Path, facts: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    return environment.from_string(path.read_text(encoding="utf-8")).render(facts)
