"""Matching of files to pictures, by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

HR_WORDS = re.compile(r"(?:[_-]SRF[_-]\d+)?[_-]HR(?:[_-]?x?\d+)?$", re.IGNORECASE)
"""Endings of HR file names that the other files of a picture do not have."""
FACTOR = re.compile(r"x\d+(?:[a-z]\d?)?(?![a-zA-Z0-9])", re.IGNORECASE)
"""Endings without a separator: 0801x4, and DIV2K's 0801x4m, 0801x4w1."""
FACTORS = re.compile(r"(?<![a-zA-Z])x(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Partners:
    """The result of :func:`find`.

    Attributes:
        certain: the file of each picture that has exactly one.
        ambiguous: for each other picture, its possible files: none, or several.
    """

    certain: Mapping[str, str]
    ambiguous: Mapping[str, tuple[str, ...]]


def find(pictures: Sequence[str], files: Iterable[str], scale: int | None = None) -> Partners:
    """The files that belong to pictures: ``a.png`` to ``a.png``, ``ax4.png``, ``a_MODEL_x4.png``.

    A file's name begins with the picture's name, and continues with no letter or digit, except for
    a scale. If it begins with the names of several pictures, the longest name counts, unless one
    common ending gives each picture a file. Of several files, those for another scale do not count.

    Args:
        pictures: names of HR files in a folder. Their HR mark (``_HR``, ``_SRF_4_HR``) may be
            missing in the others' names.
        files: names of the other files.
        scale: the factor, if known.
    """
    keys = _keys(pictures)
    by_key: dict[str, list[str]] = {}
    for picture, key in keys.items():
        by_key.setdefault(key, []).append(picture)
    nearest: dict[str, list[str]] = {picture: [] for picture in pictures}
    endings: dict[str, dict[str, str]] = {}
    known: set[str] = set()
    for file in files:
        stem = PurePath(file).stem
        fitting = [key for key in _beginnings(stem) if key in by_key]
        for key in fitting:
            known.add(file)
            for picture in by_key[key]:
                endings.setdefault(stem[len(key) :], {}).setdefault(picture, file)
        for picture in by_key[fitting[0]] if fitting else ():
            if picture == file or file not in by_key[fitting[0]]:  # a.png does not belong to a.jpg
                nearest[picture].append(file)
    if any(len(candidates) != 1 for candidates in nearest.values()):
        nearest = _with_one_ending(nearest, endings, known, scale, keys)
    claimed = Counter(each[0] for each in nearest.values() if len(each) == 1)
    found = {
        picture: candidates[0]
        for picture, candidates in nearest.items()
        if len(candidates) == 1 and claimed[candidates[0]] == 1
    }
    doubtful = {name: tuple(each) for name, each in nearest.items() if name not in found}
    return Partners(found, doubtful)


def _with_one_ending(
    nearest: dict[str, list[str]],
    endings: dict[str, dict[str, str]],
    known: set[str],
    scale: int | None,
    keys: Mapping[str, str],
) -> dict[str, list[str]]:
    """Second attempt: one ending that gives each picture a file, and leaves no file over."""
    whole = [
        by_picture
        for by_picture in endings.values()
        if len(by_picture) == len(nearest) and set(by_picture.values()) == known
    ]
    if len(whole) == 1:
        return {picture: [whole[0][picture]] for picture in nearest}
    result: dict[str, list[str]] = {}
    for picture, candidates in nearest.items():
        here = [f for f in candidates if _may_be(PurePath(f).stem[len(keys[picture]) :], scale)]
        result[picture] = here if len(here) == 1 else candidates
    return result


def _may_be(ending: str, scale: int | None) -> bool:
    factors = {int(factor) for factor in FACTORS.findall(ending)}
    return scale is None or not factors or scale in factors


def _keys(pictures: Sequence[str]) -> dict[str, str]:
    """For each picture, the beginning of the other files' names."""
    stems = [PurePath(picture).stem for picture in pictures]
    short = [HR_WORDS.sub("", stem) or stem for stem in stems]
    return dict(zip(pictures, short if len(set(short)) == len(set(stems)) else stems, strict=True))


def _beginnings(stem: str) -> Iterable[str]:
    """The possible beginnings of a file's name, the longest first."""
    yield stem
    for end in range(len(stem) - 1, 0, -1):
        if not stem[end].isalnum() or FACTOR.match(stem, end):
            yield stem[:end]
