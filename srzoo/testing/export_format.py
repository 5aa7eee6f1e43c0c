"""The contract tests of export formats."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common import kept_folders
from ..exporting import about, convert
from ..exporting.trial import trial_picture
from ..plugins import importing, kinds
from ._case import Case
from ._network import NAME, SCALE, registered
from ._promise import a_kind, basic, built, can, has, run_all, suite

if TYPE_CHECKING:
    from ..contracts import ExportFormat, Session

SIZES = (5, 5), (5, 90), (70, 6), (33, 47)


class _Written:
    """A file in a format, in a temporary folder that is removed when the process ends."""

    def __init__(self, name: str) -> None:
        self.kind: ExportFormat = built("export-format", Case(name))
        self.path = kept_folders.temporary_folder(self) / f"a b{self.kind.suffix}"
        with registered() as folder:
            convert.write(folder, SCALE, name, self.path)  # compares it with torch

    def session(self) -> Session:
        return self.kind.open(self.path, 1)


def _written(name: str) -> _Written:
    return _written_once(name, kinds.export_formats.get(name))


@cache
def _written_once(name: str, _target: object) -> _Written:
    """Cached, as writing takes seconds; by target, as names are reused."""
    return _Written(name)


@basic
def has_what_a_format_has(case: Case) -> None:
    """It is built without arguments, its facts have the right types, and its methods exist."""
    made: object = built("export-format", case)
    for name, kind, write in (
        ("suffix", str, "suffix = '.ext'`, of its file"),
        ("beside", tuple, "beside = ()`, suffixes of files written beside it"),
        ("packages", Mapping, "packages = {}`, distributions that it needs, with their modules"),
        ("extra", str, "extra = ''`, the extra that installs them"),
    ):
        value: object = has(case, made, name, f"write `{write}")
        assert isinstance(value, kind), f"{case}.{name} is {value!r}: write `{write}"
    suffix: str = getattr(made, "suffix", "")
    assert suffix.startswith("."), f"{case}.suffix is {suffix!r}: write `suffix = '.{suffix}'`"
    for name, given in (
        ("write", "file, path, about"),
        ("about", "path"),
        ("open", "path, threads"),
    ):
        can(case, made, name, f"write `def {name}(self, {given})`")


@basic
def writes_what_it_says(case: Case) -> None:
    """It writes its file and those beside it, nothing else, and returns the metadata line."""
    made = _written(case.name)
    want = {made.path.with_suffix(s).name for s in (made.kind.suffix, *made.kind.beside)}
    found = {path.name for path in made.path.parent.iterdir()}
    assert found == want, f"{case} wrote {found}, not {want}"
    mend = "return the line that `write` was given"
    line = made.kind.about(made.path)
    try:
        facts = about.parse(line, str(case))
    except Exception as error:
        raise AssertionError(f"{case}.about returned {line!r}: {mend}") from error
    same = (facts.model, facts.scale) == (NAME, SCALE)
    assert same, f"{case}.about describes {facts.model} x{facts.scale}: {mend}"


@basic
def takes_any_size(case: Case) -> None:
    """It accepts sizes other than that of the export, and returns float32."""
    try:
        session = _written(case.name).session()
    except Exception as error:
        mend = "put everything into its file and those `beside` it; the ONNX file is removed"
        reason = importing.described(error)
        raise AssertionError(f"{case} cannot open its own file: {reason}: {mend}") from error
    for height, width in SIZES:
        y: object = session(trial_picture(height, width))
        assert isinstance(y, np.ndarray), f"{case} returned {a_kind(y)}: return a numpy array"
        want = 1, 3, SCALE * height, SCALE * width
        assert y.shape == want, f"{case} returned {y.shape}, not {want}"
        assert y.dtype == np.float32, f"{case} returned {y.dtype}: return `y.astype(np.float32)`"


def deterministic(case: Case) -> None:
    """The same picture gives the same values, also from a copy of the file elsewhere."""
    made = _written(case.name)
    session, x = made.session(), trial_picture(33, 47)
    first = session(x).copy()
    session(trial_picture(20, 61))
    mend = "a picture gives the same values whatever ran before"
    assert np.array_equal(session(x), first), f"{case} is not deterministic: {mend}"
    with tempfile.TemporaryDirectory() as name:
        place = Path(shutil.copytree(made.path.parent, Path(name) / "else"))
        moved = made.kind.open(place / made.path.name, 1)
        assert np.array_equal(moved(x), first), f"{case} gives other values in another folder"
        del moved  # some systems cannot remove open files


def stays_as_it_is(case: Case) -> None:
    """Opening and running a file, even for the first time, changes nothing in its folder."""
    made = _written(case.name)
    names = [made.path.with_suffix(s) for s in (made.kind.suffix, *made.kind.beside)]
    with tempfile.TemporaryDirectory() as folder:
        for path in names:
            shutil.copy(path, folder)
        before = kept_folders.record_files(Path(folder))
        session = made.kind.open(Path(folder) / made.path.name, 1)
        session(trial_picture(20, 20))
        del session  # some systems cannot remove open files
        same = kept_folders.record_files(Path(folder)) == before
    mend = "srzoo's folder contains only its file and those `beside` it"
    assert same, f"{case} changes its folder when it opens and runs a file: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "export-format",
    has_what_a_format_has,
    writes_what_it_says,
    takes_any_size,
    deterministic,
    stays_as_it_is,
)


def check_export_format(case: Case) -> None:
    """Run every export format check on one case; only the name of the case is used.

    Raises:
        AssertionError: the first broken rule.
        DeviceError: a package that the format needs is not installed.
    """
    run_all(CHECKS, case)
