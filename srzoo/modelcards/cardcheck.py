"""What a model's card lacks before the model may be published.

Cards written by hand pass too, if the matter is in them: headings and words are looked for, not
a layout.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import ModelError
from ..evaluating import results
from ..evaluating.results import METADATA, README
from ..models import hub
from ..models.folder import ModelFolder
from ..recipes.recipe import RECIPE

SAMPLE = "sample.png"
TO_DO = "TO BE FILLED IN"
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
BOLD = re.compile(r"\*\*(.+?)\*\*")
PICTURE = re.compile(r"!\[[^\]]*\]\(<?([^)>\s]+)|<img[^>]+src=[\"']([^\"']+)")

ABOUT_TRAINING = re.compile(r"\btrain|how .*\bmade\b", re.IGNORECASE)
DEGRADATION = re.compile(
    r"bicubic|degrad|down-?(scal|sampl|siz)|shr[iau]nk|\bblur|\bnois|\breduced\b", re.IGNORECASE
)
PICTURES = re.compile(r"(?<![-\w])data|(?<!LR )pictures|photo|\bimages?\b", re.IGNORECASE)
LICENCE = re.compile(
    r"licen[cs]e|CC[- ]?(BY|0)|public domain|non-?commercial|research|\bterms\b|GPL", re.IGNORECASE
)
RUN = re.compile(r"\bsteps\b|epoch|iteration|\bloss|\badamw?\b|optimi[sz]er", re.IGNORECASE)


SECTIONS = {
    "how and when to use it": r"\bus(e|es|ed|age|ing)\b|good for|quick ?start|how to|intended",
    "its limits": r"limit|\bnot\b|caveat|bias|risk|out.of.scope|weak|fail",
    "how it was trained": ABOUT_TRAINING.pattern,
}
"""What a heading, or words in bold, have to be about."""


def tags(folder: ModelFolder) -> list[str]:
    """What a search on the Hub finds a model by."""
    generator = folder.config.generator.rpartition(":")[2]
    return ["super-resolution", hub.TAG, generator, *(f"x{s}" for s in folder.config.scales)]


def text_of(folder: ModelFolder) -> str:
    """The whole card.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    path = folder.path / README
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ModelError(
            f"{folder.path} has no {README}", f"Write it: srzoo card new {folder.path}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the card {path}: {error}", "Restore the file") from error


def prose(folder: ModelFolder) -> str:
    """The card without metadata and comments.

    Raises:
        ModelError: there is no card, or it cannot be read.
    """
    text = METADATA.sub("", text_of(folder), count=1).replace("\r\n", "\n")
    # A card may come from anyone: nothing in it may steer the terminal.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", COMMENT.sub("", text)).strip() + "\n"


def problems(folder: ModelFolder) -> list[str]:
    """What a card lacks before it may be published, one sentence each; [] if it is complete."""
    if not (folder.path / README).is_file():
        return [f"There is no {README}."]
    try:
        text = prose(folder)
        found = _in_metadata(folder)
    except ModelError as error:
        return [str(error)]
    words = FENCE.sub("", text)
    found += _in_prose(folder, words)
    # What a line asks for is not missed a second time.
    lines = [line for line in words.splitlines() if TO_DO in line]
    left = [line.partition(TO_DO)[2].strip(":-* ") or line for line in lines]
    asked = "\n".join(left).lower()
    return [
        *(what for key, what in found if not key or key not in asked),
        *(f"Still to be filled in: {line.rstrip('.')}." for line in left),
    ]


def _in_metadata(folder: ModelFolder) -> list[tuple[str, str]]:
    """What is wrong, each with the words that a line with ``TO_DO`` has for it."""
    from huggingface_hub import ModelCard, ModelCardData

    measured = results.read(folder)  # refuses metadata that is broken
    text = text_of(folder).removeprefix("\ufeff")
    data: Any = ModelCard(text).data if METADATA.match(text) else ModelCardData()
    found: list[tuple[str, str]] = []
    if data.library_name != "srzoo":
        found.append(("", f"The metadata's library_name is {data.library_name!r}, not 'srzoo'."))
    if not data.license:
        found.append(("licence of the weights", "The metadata has no license."))
    wanted = tags(folder)
    if missing := [tag for tag in wanted[1:] if tag not in (data.tags or [])]:
        found.append(("", f"The metadata lacks the tags {', '.join(missing)}."))
    if not measured:
        found.append(("results", "There are no results: srzoo evaluate --write-card adds them."))
    for result in measured:
        if not (result.metric_args or {}).get("protocol"):
            what = " ".join(reversed(results.label(result)))
            found.append(("", f"The result {what} has no protocol: measure it again."))
    return found


def _in_prose(folder: ModelFolder, text: str) -> list[tuple[str, str]]:
    trained = folder.config.weights is not None
    heads = " | ".join([*HEADING.findall(text), *BOLD.findall(text)])
    found = [
        ("", f"It does not say {what}: no heading is about it.")
        for what, pattern in SECTIONS.items()
        if not re.search(pattern, heads, re.IGNORECASE)
        and (trained or what != "how it was trained")
    ]
    if trained:
        found += _on_training(folder, _about_training(text))
    pictures = ["".join(groups) for groups in PICTURE.findall(text)]
    found += [
        ("", f"It shows {name}, which is not in the folder.")
        for name in pictures
        if not name.startswith(("http:", "https:")) and not (folder.path / name).is_file()
    ]
    if not pictures:
        found.append(("sample picture", f"It shows no sample picture ({SAMPLE})."))
    return found


def _on_training(folder: ModelFolder, parts: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not any(map(DEGRADATION.search, parts)):
        found.append(("", "It does not say what made the LR pictures of its training."))
    pictures = [part for part in parts if PICTURES.search(part)]
    if not any(not LICENCE.match(part.strip("-*_ ")) for part in pictures):
        found.append(("", "It does not name the pictures that it was trained on."))
    if not any(map(LICENCE.search, pictures)):
        found.append(("", "It does not name the licence of its training pictures."))
    if not (folder.path / RECIPE).is_file() and not any(map(RUN.search, parts)):
        found.append(("", f"There is no {RECIPE}, and no words on steps, loss or optimiser."))
    return found


def _about_training(text: str) -> list[str]:
    """The points and paragraphs under headings on training; without one, those that speak of it."""
    below: list[str] = []
    beside: list[str] = []
    inside = False
    for part in _parts(text):
        if head := HEADING.match(part):
            inside = bool(ABOUT_TRAINING.search(head[1]))
        elif inside:
            below.append(part)
        elif ABOUT_TRAINING.search(part):
            beside.append(part)
    return below or beside


def _parts(text: str) -> list[str]:
    """Headings, points of lists, and paragraphs, each on one line; without pictures."""
    parts = [""]
    for line in PICTURE.sub("", text).splitlines():
        if not line.strip() or re.match(r"\s*([-*+]|\d+\.) ", line) or HEADING.match(line):
            parts.append("")
        parts[-1] = f"{parts[-1]} {line.strip()}".strip()
        if HEADING.match(line):
            parts.append("")
    return [part for part in parts if part]
