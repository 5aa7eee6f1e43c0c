"""The sections of a card: what a person wants to know of a model, from what its folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..models.folder import ModelFolder, count_parameters
from ..recipes import pictures
from ..recipes.recipe import RECIPE, Recipe
from . import provenance
from .cardcheck import SAMPLE, TO_DO
from .provenance import Log

OWN_WORDS = "<!-- What else is known to go wrong; srzoo card new --force keeps it. -->"


@dataclass(frozen=True)
class Facts:
    """What nothing in a model folder can tell.

    Attributes:
        license: of the weights, as the Hub calls it: "apache-2.0".
        datasets: the names of what it was trained on; on the Hub, "org/name".
        data_license: of these pictures, in words.
        author: who made the model.
        picture, picture_credit: a photo to show what the model does, and its title, author
            and licence.
        papers: links; the generator's own if there are none.
    """

    license: str | None = None
    datasets: tuple[str, ...] = ()
    data_license: str | None = None
    author: str | None = None
    picture: Path | None = None
    picture_credit: str | None = None
    papers: tuple[str, ...] = ()


def body(folder: ModelFolder, facts: Facts, recipe: Recipe | None, log: Log | None) -> str:
    """All sections, from the title on."""
    sections = [
        _title(folder, facts),
        marked("sample", _sample(folder, facts)),
        _use_it(folder),
        _when(folder, recipe),
        _measured(folder, recipe),
        _training(folder, facts, recipe, log),
        _limits(folder, recipe),
    ]
    return "\n\n".join(sections)


def marked(name: str, text: str) -> str:
    """A part of a card between the markers that name it."""
    return f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->"


def set_names(recipe: Recipe | None) -> tuple[str, ...]:
    """What a recipe's sets of pictures are called, where they have a name of their own."""
    parts = recipe.each() if recipe else []
    told = [pictures.describe(source.use) for part in parts for source in part.data.train.each]
    return tuple(dict.fromkeys(facts.name for facts in told if facts and facts.name))


def _title(folder: ModelFolder, facts: Facts) -> str:
    config = folder.config
    summary = config.summary or f"{TO_DO}: one sentence that says what the model is for"
    args = ", ".join(f"{name} = {value}" for name, value in config.args.items())
    count = count_parameters(folder)
    size = "" if count is None else f" It has {count:,} parameters." if count else ""
    lines = [
        f"# {folder.name}",
        f"{summary[0].upper()}{summary[1:].rstrip('.')}.",
        f"It enlarges pictures by {_scales(folder)}: the network `{config.generator}`"
        f"{f' ({args})' if args else ''}.{size}",
    ]
    if facts.author:
        lines.append(f"Made by {facts.author}.")
    papers = facts.papers or tuple(filter(None, [provenance.paper_of(config.generator)]))
    if papers:
        lines.append(f"Papers: {', '.join(f'<{link}>' for link in papers)}")
    return "\n\n".join(lines)


def _scales(folder: ModelFolder) -> str:
    *others, last = map(str, folder.config.scales)
    return f"{', '.join(others)} or {last}" if others else last


def _sample(folder: ModelFolder, facts: Facts) -> str:
    if not facts.picture and not (folder.path / SAMPLE).is_file():
        how = f"srzoo card new {folder.name} --overwrite --picture FILE --picture-credit TEXT"
        return f"{TO_DO}: a sample picture ({how})"
    credit = facts.picture_credit or f"{TO_DO}: its title, author and licence"
    return (
        f"![LR, bicubic, SR, HR]({SAMPLE})\n\n*A photo made {max(folder.config.scales)} times"
        " smaller by bicubic: LR, its pixels; bicubic, made large again without a model; SR, by"
        f" this model; HR, the photo itself. Photo: {credit.rstrip('.')}.*"
    )


def _use_it(folder: ModelFolder) -> str:
    several = len(folder.config.scales) > 1
    scale, name = max(folder.config.scales), folder.name
    option, argument = (f" --scale {scale}", f", scale={scale}") if several else ("", "")
    return f"""## Use it

```sh
pip install srzoo
srzoo upscale photo.jpg --model {name}{option}
srzoo upscale holiday/ -o large/ --model {name}{option}
```

```python
import srzoo

large = srzoo.upscale("photo.jpg", model="{name}"{argument})
large.save("large.png")
```

`{name}` stands for the folder that this card lies in; on the Hub, write the repo's name,
`org/{name}`."""


def _when(folder: ModelFolder, recipe: Recipe | None) -> str:
    if folder.config.weights is None:
        said = [
            "**Use it** to compare, or where no detail may be guessed: it has learned nothing.",
            "**Not** where sharpness matters.",
        ]
    elif recipe is None:
        said = [f"{TO_DO}: which pictures it is for, and which not"]
    else:
        said = provenance.uses(recipe, folder.config.purpose)
    return "\n".join(["## When to use it, and when not", "", *(f"* {line}" for line in said)])


def _measured(folder: ModelFolder, recipe: Recipe | None) -> str:
    how = f"srzoo evaluate {folder.name} --data Set5 --write-card"
    lines = [
        "## Measured",
        "",
        f"Written by `srzoo evaluate {folder.name} --data SET --write-card`, not by hand; `srzoo"
        f" card check {folder.name}` measures it again.",
        "",
        marked("results", f"{TO_DO}: results ({how})"),
    ]
    printed = provenance.printed(folder.config, pictures.is_adversarial(recipe))
    if printed:
        other = ", for weights of their own, trained on other data" * bool(folder.config.weights)
        sets = list(dict.fromkeys(name for network in printed for name in network.figures))
        lines += [
            "",
            f"Beside it what papers print, PSNR in dB / SSIM on Y{other}:",
            "",
            f"| the papers' | {' | '.join(sets)} |",
            "|---|" + "---|" * len(sets),
            *(
                f"| {each.name} | {' | '.join(each.figures.get(name, '') for name in sets)} |"
                for each in printed
            ),
        ]
    return "\n".join(lines)


def _training(folder: ModelFolder, facts: Facts, recipe: Recipe | None, log: Log | None) -> str:
    weights = facts.license or f"{TO_DO}: the licence of the weights, also in the metadata above"
    if folder.config.weights is None:
        said = ["Nothing was trained: there are no weights.", f"Licence: {weights}."]
    else:
        names = facts.datasets or set_names(recipe)
        data = ", ".join(names) or f"{TO_DO}: the names of the sets of pictures"
        terms = facts.data_license or f"{TO_DO}: the licence of the training pictures"
        terms = terms.rstrip().removesuffix(".")  # whole sentences end with one full stop
        said = [
            f"Training data: {data}.",
            f"Licence of the training pictures: {terms}.",
            f"Licence of the weights, and of nothing else: {weights}.",
        ]
    if recipe:
        said.append(f"By [{RECIPE}]({RECIPE}) in this folder: `srzoo train {RECIPE} --data DIR`.")
        said += provenance.training(recipe, log)
    elif folder.config.weights:
        said.append(f"{TO_DO}: how it was trained (degradation, losses, optimiser, steps)")
    return "\n".join(["## Training", "", *(f"* {line}" for line in said)])


def _limits(folder: ModelFolder, recipe: Recipe | None) -> str:
    said = [f"It enlarges by {_scales(folder)}, and by nothing else."]
    if folder.config.weights:
        said += [
            "What is not in the small picture is guessed. Do not trust, in the large one, what"
            " cannot be read in the small one: little letters, far faces.",
            "Pictures that became small in another way than its training pictures come out worse"
            " than the figures above say.",
        ]
    if pictures.is_adversarial(recipe):
        said.append("It invents texture: no use as evidence, nor to measure anything in.")
    lines = "\n".join(f"* {line}" for line in said)
    return f"## Limits\n\n{lines}\n\n{marked('own words', OWN_WORDS)}"
