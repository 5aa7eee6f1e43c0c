"""Checks of a model's card before it is published.

A program can check keys of the metadata, headings, and a picture. Only a person can check whether
the text below a heading is true and sufficient.
"""

from __future__ import annotations

import re

from ..errors import ModelError
from ..evaluating import results
from ..models import hub, readme
from ..models.folder import ModelFolder
from ..models.readme import README, Readme

SAMPLE = "sample.png"
TO_DO = "TO BE FILLED IN"
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(<?([^)>\s]+)|<img[^>]+src=[\"']([^\"']+)")

MEASURED = "Measured"
HEADINGS = {
    "Use it": "how to use it",
    "When to use it, and when not": "how and when to use it",
    MEASURED: "what it was measured at",
    "Training": "how it was trained",
    "Limits": "its limits",
}
"""The headings of a card, and their contents; a model without weights needs only one."""


def tags(folder: ModelFolder) -> list[str]:
    """The tags by which a search on the Hub finds a model."""
    generator = folder.config.generator.rpartition(":")[2]
    return ["super-resolution", hub.TAG, generator, *(f"x{s}" for s in folder.config.scales)]


def prose(folder: ModelFolder) -> str:
    """The card without metadata and comments.

    Raises:
        ModelError: the card is missing, or cannot be read.
    """
    return _prose(readme.read(folder.path))


def _prose(card: Readme) -> str:
    text = card.prose.replace("\r\n", "\n")
    # A card may come from anyone, so remove control sequences of the terminal.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", COMMENT.sub("", text)).strip() + "\n"


def problems(folder: ModelFolder) -> list[str]:
    """What a card lacks before publication, one sentence each; [] if it is complete."""
    if not (folder.path / README).is_file():
        return [f"{README} is missing."]
    try:
        card = readme.read(folder.path)
    except ModelError as error:
        return [str(error)]
    words = FENCE.sub("", _prose(card))
    found = [*_in_metadata(folder, card), *_in_prose(folder, words)]
    # Do not report again what a line with TO_DO asks for.
    lines = [line for line in words.splitlines() if TO_DO in line]
    left = [line.partition(TO_DO)[2].strip(":-* ") or line for line in lines]
    # The card calls the model by its name, which is a command's argument only beside its folder.
    name, path = f"srzoo evaluate {folder.name} ", f"srzoo evaluate {folder.path} "
    left = [line.replace(name, path) for line in left]
    asked = "\n".join(left).lower()
    return [
        *(what for key, what in found if not key or key not in asked),
        *(f"Still to be filled in: {line.rstrip('.')}." for line in left),
    ]


def _in_metadata(folder: ModelFolder, card: Readme) -> list[tuple[str, str]]:
    """The faults, each with the words that a line with ``TO_DO`` has for it."""
    data = card.data
    found: list[tuple[str, str]] = []
    if data.library_name != "srzoo":
        found.append(("", f"The metadata's library_name is {data.library_name!r}, not 'srzoo'."))
    if not data.license:
        found.append(("licence of the weights", "The metadata has no license."))
    if folder.config.weights and not data.datasets:
        found.append(("names of the sets", "The metadata has no datasets."))
    wanted = tags(folder)
    if missing := [tag for tag in wanted[1:] if tag not in (data.tags or [])]:
        found.append(("", f"The metadata lacks the tags {', '.join(missing)}."))
    measured = card.results
    if not measured:
        found.append(("results", "It has no results: srzoo evaluate --write-card adds them."))
    for result in measured:
        if not (result.metric_args or {}).get("protocol"):
            what = " ".join(reversed(results.label(result)))
            found.append(("", f"The result {what} has no protocol: measure it again."))
    return found


def _in_prose(folder: ModelFolder, text: str) -> list[tuple[str, str]]:
    there = {heading.casefold() for heading in HEADING.findall(text)}
    found = [
        ("", f"It has no heading {heading!r}, for {what}.")
        for heading, what in HEADINGS.items()
        if heading.casefold() not in there and (folder.config.weights or heading == MEASURED)
    ]
    pictures = ["".join(groups) for groups in PICTURE.findall(text)]
    found += [
        ("", f"It shows {name}, which is not in the folder.")
        for name in pictures
        if not name.startswith(("http:", "https:")) and not (folder.path / name).is_file()
    ]
    if not pictures:
        found.append(("sample picture", f"It shows no sample picture ({SAMPLE})."))
    return found
