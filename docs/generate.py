"""Write what is generated anew: cli.md, models.md, modules.md, performance.md, recipes.md's keys.

A test compares them with what is here. The models' figures are those of their cards. performance.md
is made from docs/performance.json, which is what ``srzoo bench`` printed; to measure again:

    srzoo bench edsr-x4 --engines torch,mnn,ncnn,openvino,onnxruntime --baseline \\
        --size 256x256 --size 512x512 --size 1000x700 --rounds 1 --memory 350MB --json \\
        > docs/performance.json

Run: python docs/generate.py
"""

import ast
import dataclasses
import inspect
import json
import re
import textwrap
import typing
from pathlib import Path

import click

from srzoo.benching.bench import PLAIN_TORCH, UNFOLDED, BenchReport, BenchRow
from srzoo.cli._main import root
from srzoo.common import strict
from srzoo.evaluating import claims
from srzoo.exporting import engine_facts
from srzoo.models.folder import ModelFolder, count_parameters, read_folder
from srzoo.plugins import kinds
from srzoo.plugins.plugin import Use
from srzoo.recipes import optimizing, recipe, sources
from srzoo.upscaling import guidance, planner

HERE = Path(__file__).parent
CARDS = HERE.parent / "cards"
SETS = ("Set5", "Set14", "BSD100")
MARKS = "<!-- keys -->\n", "<!-- /keys -->"
MADE = "<!-- Made by `python docs/generate.py`; do not edit. -->\n"
READING = f"""\
## How to read the tables

Each row is the fastest of its runs. Each measurement runs in a process of its own, and the engines
take turns, so a slow moment of the machine affects all of them. The time is that of
`Upscaler.array`, from array to array, with the tiles that a user gets. It excludes loading the
model, and exporting it, which happens once.

* **MP/s**: megapixels of the result per second.
* **speed**: how many times as fast as *{PLAIN_TORCH}*, which is the network as it was trained, in
  PyTorch's default layout, on the whole picture at once. *{UNFOLDED}* is that network
  exported unchanged, also on the whole picture.
* **memory**: the peak of the process minus that of an idle Python with numpy. It includes
  libraries, weights, the picture and the result. **of plain** is the share of plain torch's memory.
  *mnn, 0.35GB* is the engine with `--memory 0.35GB`, a limit for the whole process. It leads to
  more tiles, whose borders are computed twice.
* **share of peak**: multiply-adds per second, relative to the multiplication of large float32
  matrices on the same CPU in the same run. The multiply-adds are those of the plain network for
  every engine. An engine that needs fewer of them can exceed 100 %: a folded tail is one
  convolution instead of three, and Winograd convolutions multiply less.

Times differ between CPUs much more than the order of the engines does. `srzoo bench` measures your
machine.
"""

FIGURES = """\
PSNR in dB / SSIM on Y, as `srzoo evaluate` wrote them into the cards; `srzoo card check NAME`
measures them again. *faithful* models invent no detail. *perceptual* models add plausible texture,
which lowers PSNR. Both need clean pictures. *real photos* models also remove noise, blur and JPEG
compression.
"""


def cli() -> str:
    """Every command's help text, as Markdown."""
    parts = [f"# The command line\n\n{MADE}"]

    def describe(command: click.Command, path: str, parent: click.Context | None) -> None:
        ctx = command.make_context(path.split()[-1], [], parent=parent, resilient_parsing=True)
        ctx.terminal_width = 80  # whatever the terminal this runs in
        parts.append(f"## {path}\n\n```text\n{command.get_help(ctx)}\n```\n")
        if isinstance(command, click.Group):
            for name in command.list_commands(ctx):
                describe(command.get_command(ctx, name), f"{path} {name}", ctx)

    describe(root, "srzoo", None)
    return "\n".join(parts)


def performance() -> str:
    """The engines' speed and memory, as Markdown, from docs/performance.json."""
    text = (HERE / "performance.json").read_text(encoding="utf-8")
    report = strict.parse(BenchReport, json.loads(text), "docs/performance.json")
    sizes = list(dict.fromkeys(row.size for row in report.rows))
    tables = [_table(report, size) for size in sizes]
    return "\n".join([_measured(report, sizes), *tables, READING, _auto(report), _installs()])


def _installs() -> str:
    """What an install costs, from docs/install.json."""
    lines = [
        "\n## What an install costs\n",
        "`pip install` into an empty environment with an empty pip cache. Then `srzoo upscale`"
        " enlarges a 548 x 308 picture to 2192 x 1232 twice, measured end to end. Two cores, all"
        " in one run; the packages came from an index nearby.\n",
        "<!-- not run: installs -->",
        "```sh",
        'python tests/bench/install.py --extra "" --extra torch --json -- -c constraints.txt'
        " > docs/install.json",
        "python docs/generate.py",
        "```\n",
        "| install | seconds | download | on the disk | packages | first picture | next |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for cost in json.loads((HERE / "install.json").read_text(encoding="utf-8")):
        name = f"srzoo[{cost['extra']}]" if cost["extra"] else "srzoo"
        lines.append(
            f"| `{name}` | {cost['seconds']:.0f} | {cost['fetched_mb']:,.0f} MB |"
            f" {cost['disk_mb']:,.0f} MB | {cost['packages']} | {cost['first_picture']:.1f} s |"
            f" {cost['next_picture']:.1f} s |"
        )
    return "\n".join(map(_wrapped, lines)) + "\n"


def _measured(report: BenchReport, sizes: list[tuple[int, int]]) -> str:
    """On what, and with which command."""
    there = report.machine
    versions = [f"{name} {version}" for name, version in report.versions.items()]
    versions = [f"srzoo {report.srzoo}", f"Python {there.python}", *versions]
    asked = [f"--size {width}x{height}" for width, height in sizes]
    names = dict.fromkeys(row.engine for row in report.rows)
    engines = ",".join(name for name in names if name in kinds.engines.names())
    within = f" --memory {planner.format_gb(report.budget)}" if report.budget else ""
    lines = [
        f"# Performance\n\n{MADE}",
        f"`{report.model}` x{report.scale} in float32 on **{there.cpu}**"
        f" ({', '.join(part for part in (there.vectors, there.system) if part)}),"
        f" with {there.threads} of {there.cores} cores. The CPU multiplies 2048 x 2048 matrices at"
        f" {report.gflops:.0f} GFLOP/s. The network needs {report.work / 1e6:.2f} million"
        " multiply-adds per input pixel.\n",
        f"Versions: {', '.join(versions)}.\n",
        "<!-- not run: hours -->",
        "```sh",
        f"srzoo bench {report.model} --engines {engines} --baseline {' '.join(asked)}"
        f" --rounds {report.rounds}{within} --json > docs/performance.json",
        "python docs/generate.py",
        "```\n",
    ]
    reasons: dict[str, list[str]] = {}
    for gone in report.left_out:
        at = f" at {gone.size[0]}x{gone.size[1]}" if gone.size else ""
        reasons.setdefault(gone.engine, []).append(f"{at}: {gone.why}")
    for name, found in reasons.items():
        more = f" (and at {len(found) - 1} more of these sizes)" if len(found) > 1 else ""
        lines.append(f"Not measured: *{name}*{found[0].rstrip('.')}{more}.\n")
    return "\n".join(map(_wrapped, lines))


def _table(report: BenchReport, size: tuple[int, int]) -> str:
    """One size, the fastest first."""
    rows = sorted((row for row in report.rows if row.size == size), key=lambda row: row.seconds)
    plain = next((row for row in rows if row.engine == PLAIN_TORCH), None)
    scale, (width, height) = report.scale, size
    lines = [
        f"## {width} x {height} to {width * scale} x {height * scale}\n",
        "| engine | seconds | MP/s | speed | memory | of plain | share of peak |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(_line(row, plain) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: BenchRow, plain: BenchRow | None) -> str:
    speed, part = "?", "?"
    if plain:
        speed = f"{plain.seconds / row.seconds:.1f}"
        part = f"{row.memory / plain.memory:.0%}"
    cells = (
        row.engine,
        f"{row.seconds:.3g}",
        f"{row.megapixels:.2f}",
        speed,
        f"{row.memory / 1e9:.2f} GB",
        part,
        f"{row.share:.0%}",
    )
    return f"| {' | '.join(cells)} |"


def _auto(report: BenchReport) -> str:
    """The speeds by which `auto` chooses an engine, beside those measured here."""
    found = {plugin.name: engine_facts.of(plugin).speed_on("cpu") for plugin in kinds.engines}
    speeds = {name: speed for name, speed in found.items() if speed}
    largest = max(row.size for row in report.rows)
    seconds = {row.engine: row.seconds for row in report.rows if row.size == largest}
    lines = [
        "## Which engine `auto` takes\n",
        "`--engine auto` does not measure. It takes the installed engine with the highest `speed`"
        " on the device, a figure that each engine states from measurements like these; [the"
        " rules](engines.md#what-auto-takes). `--verbose` prints the choice and the reason.\n",
        f"| engine | stated `speed` on a CPU | measured above, {largest[0]} x {largest[1]} |",
        "|---|--:|--:|",
    ]
    for name, speed in sorted(speeds.items(), key=lambda pair: -pair[1]):
        here = "not measured"
        if name in seconds and PLAIN_TORCH in seconds:
            here = f"{seconds[PLAIN_TORCH] / seconds[name]:.1f}"
        lines.append(f"| {name} | {speed:.1f} | {here} |")
    return "\n".join(map(_wrapped, lines)) + "\n"


def _wrapped(line: str) -> str:
    """Prose in lines of 100; a command stays one."""
    if line.startswith(("srzoo ", "python ")):
        return line.replace(" --baseline ", " --baseline \\\n    ")
    end = "\n" if line.endswith("\n") else ""
    indent = "   " if line[:1].isdigit() else ""
    lines = [
        textwrap.fill(part, 100, subsequent_indent=indent, break_long_words=False,
                      break_on_hyphens=False)
        for part in line.rstrip("\n").split("\n")
    ]  # fmt: skip
    return "\n".join(lines) + end


def modules() -> str:
    """Every module of the core, by its docstring's first line."""
    parts = [f"# The modules of srzoo\n\n{MADE}"]
    top = HERE.parent / "srzoo"
    rooms = [top, *sorted(path.parent for path in top.rglob("__init__.py") if path.parent != top)]
    for room in rooms:
        name = ".".join(room.relative_to(top.parent).parts)
        parts.append(f"## {name}\n\n{_first_line(room / '__init__.py')}\n")
        files = [path for path in sorted(room.glob("*.py")) if not path.name.startswith("__")]
        lines = [f"| `{path.stem}` | {_first_line(path)} |" for path in files]
        parts.append("\n".join(["| module | |", "|---|---|", *lines]) + "\n")
    return "\n".join(parts)


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].replace("|", "\\|")


RECIPE_TABLES = {
    "The top of the file": recipe.Recipe,
    "`[data]`": recipe.Data,
    "`[optimizer]`": optimizing.Optimizer,
    "`[[optimizer.groups]]`": optimizing.Group,
    "`[schedule]`": optimizing.Schedule,
    "`[train]`": recipe.Train,
    "`[adversarial]`": optimizing.Adversarial,
    "`[watchdog]`": optimizing.Watchdog,
}


def recipes() -> str:
    """reference/recipes.md with the tables of keys as the recipe's dataclasses have them."""
    text = (HERE / "reference/recipes.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    tables = "\n".join(_keys(title, kind) for title, kind in RECIPE_TABLES.items())
    return f"{before}{MARKS[0]}\n{tables}\n{MARKS[1]}{after}"


def _keys(title: str, kind: type) -> str:
    """A row for each key of a table: its type, its default, and its docstring's meaning."""
    meanings = _attributes(kind)
    types = typing.get_type_hints(kind)
    lines = [f"## {title}\n", f"{inspect.getdoc(kind).partition(chr(10))[0]}\n"]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key in dataclasses.fields(kind):
        if key.init:
            cells = (f"`{key.name}`", _type(types[key.name]), _default(key), meanings[key.name])
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _default(key: dataclasses.Field) -> str:
    made = key.default
    if key.default_factory is not dataclasses.MISSING:
        made = key.default_factory()
    if made is dataclasses.MISSING:
        return "required"
    uses = made if isinstance(made, tuple) else (made,)
    if uses and all(isinstance(use, Use) for use in uses):
        made = [use.name for use in uses] if uses is made else made.name
    nothing = made is None or made == "" or made == () or made == {}
    return "" if nothing or dataclasses.is_dataclass(made) else f"`{json.dumps(made)}`"


def _type(kind: object) -> str:
    """What TOML calls it."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(f'`"{value}"`' for value in arguments)
    if typing.get_origin(kind) is tuple:
        return "list of " + " or ".join(f"{word}s" for word in _type(arguments[0]).split(" or "))
    if type(None) in arguments:
        return _type(arguments[0])
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    named = {Use: "name or table", sources.DataSources: "name, table or list"}
    return (plain | named).get(kind, "table")


def _attributes(kind: type) -> dict[str, str]:
    """The meaning of each key, from the section Attributes of a docstring."""
    found = {}
    listed = inspect.getdoc(kind).partition("Attributes:\n")[2]
    for entry in re.split(r"\n(?=    \S)", "\n" + listed)[1:]:
        name, _, meaning = " ".join(entry.split()).partition(": ")
        meaning = meaning.replace("``", "`").replace("|", "\\|")
        found[name] = meaning[0].upper() + meaning[1:]
    return found


def models() -> str:
    """Every released model: its figures, and its sample picture."""
    parts = [f"# The models\n\n{MADE}", _figures(), FIGURES]
    for folder in _released():
        place = f"../../cards/{folder.name}"
        parts.append(f"## {folder.name}\n")
        summary = folder.config.summary
        parts.append(
            _wrapped(f"{summary[0].upper()}{summary[1:]}. [Its card]({place}/README.md).\n")
        )
        if (folder.path / "sample.png").is_file():
            parts.append(f"![LR, bicubic, SR, HR]({place}/sample.png)\n")
            parts.append("*The middle of a photo; the card names it and its author.*\n")
    parts.append("```{toctree}\n:glob:\n:hidden:\n\n/cards/*/README\n```\n")
    return "\n".join(parts)


def _released() -> list[ModelFolder]:
    return [read_folder(path.parent) for path in sorted(CARDS.glob("*/config.json"))]


def _figures() -> str:
    """A row for each model, PSNR / SSIM on Y as its card claims them."""
    lines = [
        f"| model | for | parameters | MB | {' | '.join(SETS)} |",
        f"|---|---|--:|--:|{'--:|' * len(SETS)}",
    ]
    for folder in _released():
        weights = folder.config.weights
        size = (folder.path / weights.file).stat().st_size if weights else 0
        found = {
            (claim.dataset, claim.metric): claim.value
            for claim in claims.read(folder)
            if claim.degradation is None and not claim.self_ensemble
        }
        cells = [
            f"[`{folder.name}`](../../cards/{folder.name}/README.md)",
            guidance.purpose(folder),
            f"{count_parameters(folder):,}",
            f"{size / 1e6:.1f}",
            *(
                f"{found[name, 'psnr_y']:.2f} / {found[name, 'ssim_y']:.4f}".replace(" ", "\xa0")
                if {(name, "psnr_y"), (name, "ssim_y")} <= found.keys()
                else ""
                for name in SETS
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def llms() -> str:
    """An index of the site for language models, as llmstxt.org proposes it."""
    parts = [
        "# srzoo\n\n> A plugin-based model zoo for image super-resolution in Python: enlarge"
        " photos, train SRGAN and EDSR models, publish them on the Hugging Face Hub.\n"
    ]
    for folder in ("tutorials", "how-to", "reference", "explanation"):
        lines = [f"## {folder.capitalize()}\n"]
        for page in sorted((HERE / folder).glob("*.md")):
            text = page.read_text(encoding="utf-8")
            title = next(line for line in text.splitlines() if line.startswith("# "))
            if page.stem != "index":
                lines.append(f"- [{title[2:]}]({folder}/{page.stem}.html)")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


PAGES = {
    "llms.txt": llms,
    "reference/cli.md": cli,
    "reference/models.md": models,
    "reference/modules.md": modules,
    "reference/performance.md": performance,
    "reference/recipes.md": recipes,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")
