"""The core knows no plugin by its name: it asks what a plugin states of itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import get_args

import pytest
from helpers import ROOT

import srzoo
from srzoo.common import devices
from srzoo.models import folder, locate, readme
from srzoo.plugins import kinds
from srzoo.recipes import recipe

KINDS = ("generator", "discriminator", "block", "loss", "adversarial-loss", "task", "dataset",
         "degradation", "metric", "engine", "export-format")  # fmt: skip
DEFAULTS = "defaults.py"
"""The one module that may name any."""

OTHERS = {
    ("cli/cache.py", "hub"): "a part of the cache",
    ("cli/card.py", "folder"): "an argument",
    ("cli/model.py", "folder"): "a key of what is printed",
    ("exporting/code.py", "torch"): "the library",
    ("exporting/exports.py", "torch"): "the library",
    ("exporting/saving.py", "folder"): "an argument",
    ("images/sheet.py", "bicubic"): "the interpolation, which is not a plugin",
    ("models/folder.py", "perceptual"): "a purpose",
    ("upkeep/caches.py", "hub"): "a part of the cache",
    ("plugins/importing.py", "torch"): "the library",
    ("plugins/keeping.py", "torch"): "the library",
    ("upscaling/inputs.py", "torch"): "the library",
    ("__init__.py", "torch"): "the library",
}
"""Words that mean something else, and what; fifteen at most."""


PLAIN = {"bicubic", "difficult", "folder", "hub", "mild", "mixed", "paired", "perceptual",
         "realistic", "residual", "sharpness", "torch", "unknown", "vanilla", "wild"}  # fmt: skip
"""Names that are words of English or of the field besides: in a text, those in quotes count."""


@cache
def core() -> tuple[tuple[str, str], ...]:
    """Every string in the core's code, each with its module."""
    root = ROOT / "srzoo"
    return tuple(
        (path.relative_to(root).as_posix(), value)
        for path in root.rglob("*.py")
        for _, value in literals(path.read_text(encoding="utf-8"))
    )


def literals(text: str) -> Iterator[tuple[int, str]]:
    """Every string in a module's code, with its line; no docstrings."""
    tree = ast.parse(text)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and node not in docstrings:
            yield node.lineno, node.value


def named_in(text: str, names: set[str]) -> set[str]:
    """The names that a string has: it is one, has it in quotes, or as a word that is no other."""
    words = set(re.findall(r"(?<![\w-])\w+(?:-\w+)*(?![\w-])", text))
    quoted = set(re.findall(r"""["'`]([\w-]+)["'`]""", text))
    return names & ({text} | quoted | (words - PLAIN))


def found(kind: str) -> set[tuple[str, str]]:
    """The modules that have a name of a kind as a string, with the name."""
    own = {plugin.name for plugin in kinds.kind(kind) if plugin.dist == "srzoo"}
    # Wherever the core says these, it means the library, or the file that a model carries.
    names = own - {"numpy", "onnx"}
    return {(module, name) for module, value in core() for name in named_in(value, names)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("l1", {"l1"}), ("folder", {"folder"}), ("a loss such as l1, or", {"l1"}),
        ('with name = "folder"', {"folder"}), ("by `folder`", {"folder"}), ("a folder", set()),
        ("names like x,torch-compile", {"torch-compile"}), ("l10 or my-l1 or l1_x", set()),
        ("psnr_y=0.05", {"psnr_y"}), ("torch", set()), ("psnr_y's: psnr_y/NAME.", {"psnr_y"}),
    ],
)  # fmt: skip
def test_what_counts_as_a_name(text, names):
    assert named_in(text, {"l1", "folder", "torch-compile", "psnr_y"}) == names


def test_docstrings_and_comments_do_not_count():
    text = (
        '"""l1"""\nx = "l1"  # l1\n"""l1 of x"""\ndef f():\n    """l1"""\n    return f"a {x} l1"\n'
    )
    assert [line for line, value in literals(text) if "l1" in value] == [2, 6]


@pytest.mark.parametrize("kind", KINDS)
def test_the_core_names_no_plugin(kind):
    hits = {hit for hit in found(kind) if hit[0] != DEFAULTS} - OTHERS.keys()
    assert not hits


def test_the_exceptions_are_few_and_needed():
    assert len(OTHERS) <= 15
    hits = set().union(*map(found, KINDS))
    assert not OTHERS.keys() - hits


def tuples(text: str) -> Iterator[tuple[object, ...]]:
    """Every tuple of constants in a module's code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Tuple) and all(isinstance(e, ast.Constant) for e in node.elts):
            yield tuple(e.value for e in node.elts if isinstance(e, ast.Constant))


@pytest.mark.parametrize(
    ("value", "module"),
    [
        *((name, DEFAULTS) for name in sorted({*locate.list_models(), *recipe.recipe_folders()})),
        (folder.CONFIG, "models/folder.py"),
        (folder.RECIPE, "models/folder.py"),
        (readme.README, "models/readme.py"),
        *((purpose, "models/folder.py") for purpose in get_args(folder.Purpose)),
        (devices.KINDS, "common/devices.py"),
        (devices.PRECISIONS, "common/devices.py"),
    ],
    ids=str,
)
def test_what_is_a_constant_stands_in_one_module(value, module):
    read = tuples if isinstance(value, tuple) else literals
    root = ROOT / "srzoo"
    there = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if value in read(path.read_text(encoding="utf-8"))
    }
    assert there <= {module}


def test_defaults_are_there():
    from srzoo import defaults

    assert defaults.ADVERSARIAL_LOSS in srzoo.plugins.kinds.adversarial_losses
    assert defaults.BASELINE in srzoo.generators
    assert defaults.DEGRADATION in srzoo.degradations
    assert defaults.ENGINE in kinds.engines
    assert defaults.GAME in kinds.tasks
    assert all(name in srzoo.metrics for name in defaults.METRICS)
    assert defaults.MODEL in locate.list_models()


NO_LIBRARY = ("srzoo/cli/", "srzoo/batches/", "srzoo/authoring/", "srzoo/benching/",
              "srzoo/testing/", "srzoo/modelcards/cardtext.py", "plugins/div2k/_")  # fmt: skip
"""What commands alone use."""
SET = "srzoo/recipes/c"
"""Changes of a recipe, and checks of it, which are written as ``--set`` takes them."""
COMMANDS = {"--upgrade", "--write-card", "--overwrite", "--debug"}
"""Of whole commands, pip's and srzoo's, which are typed elsewhere."""


def test_errors_of_the_library_name_settings_and_no_options():
    """A user of Python has no ``--engine``; the command tells ``engine=`` as its option."""
    for path in [*(ROOT / "srzoo").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        if path.relative_to(ROOT).as_posix().startswith((*NO_LIBRARY, SET)):
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("Error"):
                continue
            for text in ast.walk(call):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    option = re.search(r"(?<![\w-])--[a-z][\w-]*", text.value)
                    assert option is None or option[0] in COMMANDS, (path, text.lineno, option[0])
