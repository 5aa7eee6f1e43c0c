"""The code of a network counts: an edited one is exported anew, without importing any of it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from srzoo.exporting import code
from srzoo.models.folder import Config
from srzoo.plugins import kinds

DIGEST = """
import sys
from srzoo.models.folder import Config
from srzoo.exporting import code
config = Config({generator!r}, {args!r}, (2,), None, "", {requires!r})
print(code.digest(config, "onnx"))
assert not {{"torch", "theirs", "block"}} & set(sys.modules), "it was imported"
"""


class Site:
    """A folder on the path with two distributions of other people."""

    def __init__(self, path):
        self.path = path
        self.write("theirs/__init__.py", "class Net: pass\nimport theirs.layers\n")
        self.write("theirs/layers.py", "SLOPE = 0.1\n")
        self.write("theirs/__pycache__/x.cpython-311.pyc", "1")
        self.write("helper.py", "A = 1\n")
        self.write("block.py", "class Block: pass\n")
        self.write("space/deep/__init__.py", "class Net: pass\n")
        self.write("space/other/__init__.py", "")
        self.write("theirs/fast.so", "compiled")
        self.dist("theirs", "srzoo.generators", "theirs = theirs:Net\nspaced = space.deep:Net")
        self.write("theirs-1.dist-info/top_level.txt", "theirs\nhelper\n")
        self.dist("blocky", "srzoo.blocks", "blocky = block:Block")

    def write(self, name, text):
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def dist(self, name, group, lines):
        self.write(f"{name}-1.dist-info/METADATA", f"Name: {name}\nVersion: 1\n")
        self.write(f"{name}-1.dist-info/entry_points.txt", f"[{group}]\n{lines}\n")

    def digest(self, generator="theirs", args=None, requires=("theirs",)):
        script = DIGEST.format(generator=generator, args=args or {}, requires=requires)
        environment = {**os.environ, "PYTHONPATH": str(self.path)}
        told = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()


def test_edited_code_of_others(tmp_path):
    site = Site(tmp_path)
    before = site.digest()
    assert site.digest() == before
    site.write("theirs/__pycache__/x.cpython-311.pyc", "2")
    site.write("unrelated.py", "")
    site.write("theirs/notes.txt", "")
    site.write("block.py", "class Block: slope = 1\n")
    assert site.digest() == before
    seen = {before}
    for name, text in (
        ("theirs/layers.py", "SLOPE = 0.2\n"),  # as many bytes
        ("theirs/new.py", ""),
        ("helper.py", "A = 2\n"),  # its distribution says that it brings it
        ("theirs/fast.so", "compiled anew"),
        ("space/deep/__init__.py", "class Net: slope = 1\n"),
    ):
        site.write(name, text)
        seen.add(site.digest())
    assert len(seen) == 6


def test_a_namespace_is_shared(tmp_path):
    site = Site(tmp_path)
    before = site.digest("spaced", requires=())
    site.write("space/other/__init__.py", "# of another distribution")
    assert site.digest("spaced", requires=()) == before


def test_blocks_that_arguments_name(tmp_path):
    site = Site(tmp_path)
    nested = {"body": [{"name": "blocky", "slope": 1}]}
    before = {site.digest(args={"block": "blocky"}), site.digest(args=nested)}
    site.write("block.py", "class Block: slope = 1\n")
    after = {site.digest(args={"block": "blocky"}), site.digest(args=nested)}
    assert not before & after


NET = """
def helper(x):
    return x * {factor}

class Part(nn.Module):
    def forward(self, x):
        return helper(x)

class Net(nn.Module):
    scales, reach = (1,), 0
    slope = {slope}

    def __init__(self, *, bias: float = {bias}):
        super().__init__()
        self.part = Part()

    def forward(self, x, scale=None):
        return self.part(x) + {{1, 2, 3}}.__len__()
"""


def local(factor=1, slope=0.1, bias=0.0, make=None):
    """As a cell of a notebook has it: no file."""
    space = {"nn": nn, "torch": torch, "__name__": "__main__"}
    exec(textwrap.dedent(NET.format(factor=factor, slope=slope, bias=bias)), space)
    factory = make(space["Net"]) if make else space["Net"]
    kinds.generators.register("local", factory)
    try:
        return code.digest(Config("local", {}, (1,), None), "onnx")
    finally:
        kinds.generators.unregister("local")


def test_a_network_in_a_notebook():
    assert local() == local()
    found = {local(), local(factor=2), local(slope=0.2), local(bias=0.5)}
    found.add(local(make=lambda net: functools.partial(net, bias=0.1)))
    found.add(local(make=lambda net: functools.partial(net, bias=0.2)))
    assert len(found) == 6


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_digest_is_the_same_in_every_process(seed):
    """Sets have another order in each."""
    script = (
        "from srzoo.plugins import kinds\nfrom srzoo.models.folder import Config\n"
        "from srzoo.exporting import code\n"
        "class Net:\n    scales, reach = (1,), 0\n"
        "    def forward(self, x): return x in {'a', 'b', 'c', 'd'}\n"
        "kinds.generators.register('local', Net)\n"
        "print(code.digest(Config('local', {}, (1,), None), 'onnx'))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": each},
            capture_output=True, text=True, check=True,
        ).stdout
        for each in ("0", seed)
    ]  # fmt: skip
    assert told[0] == told[1]


def test_edited_code_of_a_degradation(tmp_path):
    """What is kept of a plugin goes by its package's code, and that of those that it names."""
    site = Site(tmp_path)
    site.write("shrink.py", "def smaller(): ...\n")
    site.write("mixing.py", "def mix(*, choices): ...\n")
    site.dist("shrink", "srzoo.degradations", "smaller = shrink:smaller")
    site.dist("mixing", "srzoo.degradations", "mix = mixing:mix")
    script = (
        "import sys; from srzoo.plugins import kinds; from srzoo.exporting import code;"
        "from srzoo.plugins.registry import Use;"
        "uses = Use('smaller'), Use('mix', {'choices': ['smaller']}), Use('bicubic');"
        "print(*(code.of_use(kinds.degradations, use) for use in uses));"
        "assert not {'shrink', 'mixing', 'torch'} & set(sys.modules)"
    )

    def digests() -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        told = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return told.stdout.split()

    before = digests()
    assert digests() == before
    site.write("shrink.py", "def smaller(): 1\n")
    after = digests()
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]
