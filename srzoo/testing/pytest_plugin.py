"""``pytest --srzoo``: the suites of all plugins of a project, as tests.

In the project's pyproject.toml, for every run that names no files::

    [tool.pytest.ini_options]
    srzoo = true

Every run of pytest imports this module, wherever srzoo is installed. It does nothing and does not
import torch unless the option is given.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import DeviceError
from ..plugins import kinds, packages
from ..plugins.plugin import OWN_DIST, Plugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parts import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, and the configuration setting."""
    what = "test the plugins that this project adds to srzoo"
    parser.getgroup("srzoo").addoption("--srzoo", action="store_true", help=what)
    parser.addini("srzoo", f"{what}, in runs that name no files", type="bool", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each check of each plugin."""
    asked = config.getoption("--srzoo")
    if not asked:
        named = config.args_source is pytest.Config.ArgsSource.ARGS
        if named or not config.getini("srzoo"):
            return
    for plugin in parts_of(config.rootpath):
        items += [item for part in _parts(session, plugin) for item in session.genitems(part)]


def parts_of(root: Path) -> list[Plugin]:
    """The installed plugins of the project in a folder; none for srzoo itself.

    Raises:
        UsageError: the folder is not a project, or its plugins are not installed as it lists them.
    """
    file = root / "pyproject.toml"
    try:
        project: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        name = packages.normal(project["name"])
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise pytest.UsageError(
            f"--srzoo: {file} names no project: write [project] and name = ..."
        ) from error
    if name == OWN_DIST:
        return []
    found = [plugin for plugin in kinds.plugins() if packages.normal(plugin.dist) == name]
    listed = {
        (registry.kind, part)
        for registry in kinds.KINDS.values()
        for part in project.get("entry-points", {}).get(registry.group, {})
    }
    if missing := sorted(listed - {(plugin.kind, plugin.name) for plugin in found}):
        kind, part = missing[0]
        raise pytest.UsageError(
            f"--srzoo: {kind} {part} of {file} is not installed: pip install -e {root}"
        )
    if not found:
        raise pytest.UsageError(f"--srzoo: {name} has no installed plugins: pip install -e {root}")
    return found


def _parts(session: pytest.Session, plugin: Plugin) -> Iterator[Part]:
    from .parts import checks_of

    by_case: dict[str, list[Check]] = {}
    for check in checks_of(plugin.kind, plugin.full_name):
        case = str(check.case) if check.case.args else plugin.full_name
        by_case.setdefault(case, []).append(check)
    for case, checks in by_case.items():
        name = f"{plugin.kind}:{case.removeprefix(f'{plugin.dist}:')}"
        yield Part.of(session, name, plugin, checks)


class Part(pytest.Collector):
    """One plugin with one set of arguments."""

    plugin: Plugin
    checks: list[Check]
    failed = ""

    @classmethod
    def of(cls, session: pytest.Session, name: str, plugin: Plugin, checks: list[Check]) -> Part:
        """Create it below the session, as it belongs to no file of the project."""
        made: Part = cls.from_parent(  # pyright: ignore[reportUnknownMemberType]
            session, name=name, nodeid=name
        )
        made.plugin, made.checks = plugin, checks
        return made

    def collect(self) -> list[pytest.Item]:
        """Yield an item for each check."""
        return [Promise.of(self, check) for check in self.checks]


class Promise(pytest.Item):
    """One check."""

    check: Check
    part: Part

    @classmethod
    def of(cls, part: Part, check: Check) -> Promise:
        """Create it below its plugin."""
        made: Promise = cls.from_parent(part, name=check.title)  # pyright: ignore[reportUnknownMemberType]
        made.check, made.part = check, part
        return made

    def runtest(self) -> None:
        """Run the check; skip it if a basic check of its plugin failed."""
        from ._promise import is_basic

        if self.part.failed:
            pytest.skip(f"{self.part.failed!r} failed")
        try:
            self.check.run()
        except DeviceError as error:
            pytest.skip(str(error))
        except AssertionError:
            self.part.failed = self.check.title if is_basic(self.check.look) else ""
            raise

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message and the author's line, without the suite's own code."""
        from ._promise import ContractError

        error = excinfo.value
        if isinstance(error, ContractError):
            return "\n".join(filter(None, (error.what, error.place)))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The file of the class, and the title for the report."""
        return self.path, None, f"{self.part.name}: {self.name}"
