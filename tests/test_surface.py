"""The public surface: docs/reference/public-names.md lists it, the zoo's plugins live by it."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from helpers import ROOT

import srzoo

PUBLIC = (
    "srzoo", "srzoo.contracts", "srzoo.building", "srzoo.engines", "srzoo.testing", "srzoo.errors",
)  # fmt: skip
TYPED = ROOT / "tests/typed"


def documented(module):
    """The names that docs/reference/public-names.md lists for a module."""
    text = (ROOT / "docs/reference/public-names.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"\n## `{module}`\n")
    return re.findall(r"`(\w+)`", section.partition("\n## ")[0])


@pytest.mark.parametrize("module", PUBLIC)
def test_the_docs_list_what_is_exported(module):
    found = importlib.import_module(module)
    assert sorted(documented(module)) == sorted(found.__all__)
    for name in found.__all__:
        getattr(found, name)


def test_no_other_module_is_called_public():
    text = (ROOT / "docs/reference/public-names.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^## `(.+)`$", text, re.MULTILINE)) == PUBLIC


def test_the_page_of_the_api_describes_every_name():
    text = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    described = {name.rpartition(".")[2] for name in re.findall(r"::[ ]srzoo\.([\w.]+)", text)}
    described |= set(re.findall(r"`(?:srzoo\.)?(\w+)`", text))
    assert set(srzoo.__all__) - described == {"PLUGIN_API", "SrzooError", "__version__"}
    whole = set(re.findall(r"automodule:: ([\w.]+)\n", text))
    assert whole == set(PUBLIC) - {"srzoo"}


def imported(path):
    """Each name of srzoo that a file imports, with its module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield (submodule, None) if submodule in PUBLIC else (node.module, alias.name)


def private(path):
    """What a file takes from srzoo and should not, and names that it reads off public modules."""
    for module, name in imported(path):
        if module.partition(".")[0] != "srzoo":
            continue
        if module not in PUBLIC:
            yield f"{module} ({name})" if name else module
        elif name and name not in importlib.import_module(module).__all__:
            yield f"{module}.{name}"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for module in PUBLIC[1:]:
        short = module.rpartition(".")[2]
        if (module, None) in imported(path):
            exported = importlib.import_module(module).__all__
            for node in ast.walk(tree):
                named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                if named and node.value.id == short and node.attr not in exported:
                    yield f"{module}.{node.attr}"


PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: str(path.relative_to(ROOT / "plugins")))
def test_the_zoos_plugins_import_what_is_public(path):
    assert not list(private(path))


@pytest.mark.parametrize(
    "text",
    [
        "from srzoo.images import read",
        "import srzoo.images",
        "from srzoo import images",
        "from srzoo.errors import get_close_matches",
        "def late():\n    from srzoo.plugins import kinds",
        "from srzoo import building\nbuilding.pictures",
    ],
)
def test_private_imports_are_found(text, tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text(text)
    assert list(private(path))


def codes(text):
    """The Python code of a page that imports srzoo: in fences, indented, or behind ``-c``."""
    fenced = re.findall(r"^ *```(?:python|py|pycon)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.MULTILINE)
    lines = re.findall(r"""python3? -c (["'])(.+?)\1""", text, re.DOTALL)
    found = [*fenced, *indented, *(line.replace("; ", "\n") for _, line in lines)]
    for code in map(textwrap.dedent, found):
        if re.search(r"^\s*(?:>>> )?(?:import|from) srzoo\b", code, re.MULTILINE):
            yield re.sub(r"^>>> |^\.\.\. ", "", code, flags=re.MULTILINE)


def private_in(text, tmp_path):
    """What a page's code takes from srzoo and should not."""
    for code in codes(text):
        path = tmp_path / "code.py"
        path.write_text(code)
        yield from private(path)
    rooms = [path.parent.name for path in (ROOT / "srzoo").glob("*/__init__.py")]
    for name in rooms:
        if f"srzoo.{name}" not in PUBLIC:
            yield from re.findall(rf"\bsrzoo\.{name}\.[\w.]+", text)


PAGES = [
    ROOT / "README.md",
    *(
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path.name != "modules.md" and not path.is_relative_to(ROOT / "docs/cards")
    ),
    *sorted((ROOT / "docs/example-plugin").glob("*.md")),
    *sorted((ROOT / "cards").glob("*/README.md")),
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_docs_teach_what_is_public(path, tmp_path):
    assert not list(private_in(path.read_text(encoding="utf-8"), tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "```python\nfrom srzoo import images\n```\n",
        "So:\n\n    from srzoo.models import locate\n\n    locate.find(1)\n",
        'python -c "import sys; from srzoo.training import optimizers; print(optimizers)"',
        "In Python `srzoo.comparing.figure.draw` draws it.",
    ],
)
def test_private_code_in_docs_is_found(text, tmp_path):
    assert list(private_in(text, tmp_path))


def test_pictures_are_read_without_torch(photo):
    code = (
        "import sys, pathlib; from srzoo import building;"
        f"building.read_rgb(pathlib.Path({str(photo)!r}));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def pyright(folder):
    """The lines with errors, by file."""
    settings = {"strict": ["."], "pythonVersion": "3.11", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    told = json.loads(checked(folder, "pyright", "--outputjson"))
    for error in told["generalDiagnostics"]:
        if error["severity"] == "error":
            yield Path(error["file"]).name, error["range"]["start"]["line"] + 1, error["message"]


def mypy(folder):
    """The same by mypy."""
    options = ("--strict", "--follow-imports=silent", "--python-executable", sys.executable)
    for line in checked(folder, "mypy", *options, ".").splitlines():
        if found := re.match(r"(.+):(\d+): error: (.+)", line):
            yield Path(found[1]).name, int(found[2]), found[3]


def checked(folder, *command):
    """What a type checker says of the files in a folder."""
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": own, "MYPYPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("checker", [pyright, mypy])
def test_contracts_are_types(checker, tmp_path):
    """Others' code passes, and each line that is wrong is found."""
    shutil.copytree(TYPED, tmp_path, dirs_exist_ok=True)
    found = list(checker(tmp_path))
    assert not [error for error in found if error[0] == "author.py"]
    lines = (TYPED / "wrong.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert {line for name, line, _ in found if name == "wrong.py"} == marked, found


@pytest.mark.parametrize("state", ["class", "instance", "property"])
def test_contracts_are_bases(state):
    """However a subclass states its facts, they are what is read; unstated, there are none."""
    import torch
    from torch import nn

    from srzoo.contracts import Block, multiple_of

    class Own(nn.Module, Block):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(4, 4, 1)
            if state == "instance":
                self.reach = 3

        def forward(self, x):
            return self.layer(x)

    assert not hasattr(Own(), "reach") or state == "instance"
    if state == "class":
        Own.reach = 3
    if state == "property":
        Own.reach = property(lambda self: 3)
    own = Own()
    assert own.reach == 3
    assert multiple_of(own) == 1
    assert len(list(own.parameters())) == 2
    assert own(torch.zeros(1, 4, 5, 5)).shape == (1, 4, 5, 5)


LIBRARY = (
    "common", "comparing", "contracts", "evaluating", "exporting", "images", "models", "networks",
    "plugins", "upscaling",
)  # fmt: skip
OPTION = re.compile(r"(?:^|[\s(])--?[a-z][\w-]*")
SHELL = re.compile(r"\b(?:srzoo|pip install|ulimit) .*")


def advised(tree):
    """The texts that calls are given, with what is put into them left out: errors among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.Dict | ast.Assign):
            values = node.args if isinstance(node, ast.Call) else getattr(node, "values", [])
            for value in [node.value] if isinstance(node, ast.Assign) else values:
                parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                texts = [part.value for part in parts if isinstance(part, ast.Constant)]
                yield "".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize("room", LIBRARY)
def test_errors_of_the_library_name_no_option_of_the_command(room):
    """They name settings, as Python spells them; the command tells these as its options."""
    for path in (ROOT / "srzoo" / room).rglob("*.py"):
        for text in advised(ast.parse(path.read_text(encoding="utf-8"))):
            found = OPTION.search(SHELL.sub("", text)) if " " in text else None
            assert not found, f"{path}: {text}"
