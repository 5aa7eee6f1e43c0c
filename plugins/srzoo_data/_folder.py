"""Any tree of pictures as HR pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from srzoo.contracts import Sample
from srzoo.errors import SrzooError, did_you_mean

from . import _pictures

NAMED_AT_MOST = 3


class Folder:
    """Every picture of a folder and its subfolders, as HR; LR is left to a degradation.

    Pictures are turned upright and read as 8-bit RGB: gray is repeated, transparency is laid
    on white, colour profiles are not applied. Names are relative paths with forward slashes,
    in sorted order.

    Args:
        path: the folder.
        include: takes only these: a text file with one relative path a line (blank lines and
            those that begin with # are skipped), or a list of patterns such as
            ``["photos/*", "*.png"]``, in which ``*`` matches slashes too. A relative file is
            looked for in ``path``.
        exclude: leaves these out, said in the same ways.
        recursive: whether subfolders are searched.

    Raises:
        SrzooError: no picture is left, or a line or a pattern matches none.
    """

    examples = ()

    def __init__(
        self,
        *,
        path: str | Path,
        include: str | Path | Sequence[str] | None = None,
        exclude: str | Path | Sequence[str] | None = None,
        recursive: bool = True,
    ) -> None:
        self.path = Path(path).expanduser()
        names = _pictures.find(self.path, recursive)
        if include is not None:
            wanted = _matching(self.path, "include", include, names)
            names = [name for name in names if name in wanted]
        if exclude is not None:
            unwanted = _matching(self.path, "exclude", exclude, names)
            names = [name for name in names if name not in unwanted]
        if not names:
            raise SrzooError(f"no picture of {self.path} is left", "Change include or exclude")
        self.names = names

    @property
    def fingerprint(self) -> str:
        """Changes with the names, sizes and times of change of the pictures."""
        return _pictures.fingerprint((name, self.path / name) for name in self.names)

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``, uint8 H x W x 3, without an LR picture.

        Raises:
            PictureError: it cannot be read.
        """
        name = self.names[index]
        return Sample(name, _pictures.read_rgb(self.path / name))


def _matching(
    root: Path, argument: str, rules: str | Path | Sequence[str], names: list[str]
) -> set[str]:
    """The names that a list file or patterns mean; each line and pattern has to mean one."""
    if not isinstance(rules, str | Path):
        found = {rule: {name for name in names if fnmatchcase(name, rule)} for rule in rules}
        source = f"{argument} of {root}"
    else:
        file = root / Path(rules).expanduser()
        lines = _lines(file, argument)
        known = set(names)
        found = {line: {line} & known for line in lines}
        source = str(file)
    unknown = [rule for rule, hits in found.items() if not hits]
    if unknown:
        shown = ", ".join(unknown[:NAMED_AT_MOST])
        more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
        hint = did_you_mean(unknown[0], names) if len(names) <= 10_000 else ""
        if not hint.startswith("Did"):
            hint = f"Names are relative to {root}, like {names[0]}"
        raise SrzooError(f"{source}: no picture is called {shown}{more}", hint)
    return set[str]().union(*found.values())


def _lines(file: Path, argument: str) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SrzooError(
            f"cannot read the list {file}: {getattr(error, 'strerror', None) or error}",
            f"Give {argument} a text file, or a list of patterns in brackets",
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [str(PurePosixPath(line)) for line in lines if line and not line.startswith("#")]
