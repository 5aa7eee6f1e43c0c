"""Pictures from a repository of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from srzoo import building
from srzoo.contracts import Described, Sample
from srzoo.errors import SrzooError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


class Hub:
    """The pictures in one column of a dataset of the Hub, as HR; needs ``srzoo[hub-data]``.

    It downloads on first use, into the Hub's own cache. Pictures are read as
    :class:`._folder.Folder` reads them; their names are SPLIT/NUMBER.

    Args:
        repo: such as ``"eugenesiow/Div2k"``, or a local folder that ``datasets`` can read.
        split: such as ``"train"`` or ``"validation[:10]"``.
        column: the column that contains the pictures.
        revision: a branch, a tag or a commit; give a commit for reproducible runs.

    Raises:
        SrzooError: ``datasets`` is not installed, the repository is not available, or the
            column does not exist or contains no pictures.
    """

    examples = ()

    def __init__(
        self, *, repo: str, split: str, column: str = "image", revision: str | None = None
    ) -> None:
        self.split, self.column = split, column
        self._rows = _load(repo, split, revision)
        features: Mapping[str, Any] = self._rows.features
        if column not in features:
            raise SrzooError(
                f"the dataset {repo} has no column {column!r}", did_you_mean(column, features)
            )
        if type(features[column]).__name__ != "Image":
            pictures = [n for n, kind in features.items() if type(kind).__name__ == "Image"]
            raise SrzooError(
                f"the column {column!r} of {repo} contains no pictures",
                did_you_mean(column, pictures),
            )
        if not len(self._rows):
            raise SrzooError(f"split {split!r} of {repo} is empty", "Choose another split")

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """It has HR pictures only, and the name of its repository."""
        return Described(own_lr=False, name=str(args.get("repo", "")))

    @property
    def fingerprint(self) -> str:
        """Changes with the rows (the fingerprint of ``datasets``) and the column."""
        # A private name, but the only fingerprint, and unchanged over years of releases.
        rows: str = self._rows._fingerprint
        return hashlib.sha256(f"hub {rows} {self.column}".encode()).hexdigest()

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``, uint8 H x W x 3, without an LR picture.

        Raises:
            PictureError: it has no 8-bit form.
        """
        number = range(len(self))[index]
        pixels = building.rgb_of_pil(self._rows[number][self.column])
        return Sample(f"{self.split}/{number:06d}", pixels)


def _load(repo: str, split: str, revision: str | None) -> Any:
    try:
        import datasets  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SrzooError(
            "the dataset 'hub' needs the package datasets, which is not installed",
            'pip install "srzoo[hub-data]"',
        ) from error
    try:
        return datasets.load_dataset(repo, split=split, revision=revision)
    except (OSError, ValueError) as error:
        # All errors of ``datasets`` (no such repository, no such split) have one of these types.
        raise SrzooError(
            f"cannot load split {split!r} of the dataset {repo}: {error}",
            "Check the names and the network; private ones need: hf auth login",
        ) from error
