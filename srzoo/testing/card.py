"""The contract tests of packages of model folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import SrzooError
from ..models import locate, readme
from ..models.folder import CONFIG, RECIPE, read_folder
from ..networks import folders
from ..plugins import kinds
from ..plugins.plugin import OWN_DIST
from ._case import Case
from ._promise import run_all, suite


def _models(case: Case) -> list[Path]:
    return [path.parent for path in _files(case, CONFIG)]


def _files(case: Case, name: str) -> list[Path]:
    roots = locate.roots(kinds.cards.find(case.name))
    return [path for root in roots for path in sorted(root.glob(f"*/{name}"))]


def has_model_folders(case: Case) -> None:
    """It is a package, and a folder in it has a config.json or a recipe.toml."""
    found = _models(case) + _files(case, RECIPE)
    mend = "add model folders to it, and to the wheel by `package-data`"
    assert found, f"{case} has no folder with a {CONFIG} or a {RECIPE}: {mend}"


def each_model_reads(case: Case) -> None:
    """config.json is complete, its weights exist and fit, and the network builds."""
    for path in _models(case):
        _of(path, case, lambda path: folders.build(read_folder(path)))


def each_card_reads(case: Case) -> None:
    """README.md exists, and its metadata parse."""
    for path in _models(case):
        _of(path, case, readme.read)


def _of(path: Path, case: Case, look: Callable[[Path], object]) -> None:
    try:
        look(path)
    except SrzooError as error:
        raise AssertionError(f"{case}: {path.name}: {error}") from error


def names_are_free(case: Case) -> None:
    """No model has the name of one of srzoo's own, which would be found first."""
    if kinds.cards.find(case.name).dist == OWN_DIST:
        return
    own = {one.path.name for one in locate.packaged(CONFIG) if one.dist == OWN_DIST}
    for path in _models(case):
        taken = f"{path} has the name of srzoo's own model"
        assert path.name not in own, f"{case}: {taken}: rename the folder"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "card", has_model_folders, names_are_free, each_model_reads, each_card_reads
)


def check_card(case: Case) -> None:
    """Run every check on one package of model folders; only the name of the case is used.

    Raises:
        ContractError: the first broken rule.
    """
    run_all(CHECKS, case)
