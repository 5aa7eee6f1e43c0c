"""Pictures that tests draw themselves, the shared data, and the command in-process."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import RECIPE, ROOT, Drawn, drawn
from hypothesis import settings

# Nothing here may ask the real Hub; read when its client is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
# The faster engines have their own tests. Without torch it is the light install's turn.
os.environ["SRZOO_ENGINE"] = "torch" if importlib.util.find_spec("torch") else "auto"
import srzoo
from srzoo.cli import main

LIGHT = importlib.util.find_spec("torch") is None
NEEDS_TORCH = re.compile(
    r"^(from|import) (torch|timm|onnx|grids|pairs|standin|guests|broken|test_pull)\b"
    r"|^from srzoo(\.| import )(networks|training|testing|building.networks|benching.work)\b"
    r"|^from srzoo.exporting import .*\b(convert|carrying)\b",
    re.MULTILINE,
)
"""In test files that are not for the light install."""

# In CI the same examples every time, so that a failure is of the change; at home new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without torch, files that import it are left out: all others have to pass."""
    if not LIGHT or collection_path.suffix != ".py":
        return None
    return True if NEEDS_TORCH.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with benchmarks and training photos."""
    folder = Path(os.environ.get("SRZOO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist; set SRZOO_DATA")
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small PNG in a folder of its own."""
    path = tmp_path / "photo.png"
    drawn().save(path)
    return path


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def srzoo_cli(capfd):
    """Run the command in this process; give back exit code, stdout and stderr."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str | Path) -> Result:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Result(code, out, err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Writes recipes that train on drawn pictures in a second, with a cache of their own."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    srzoo.datasets.register("drawn", Drawn)

    def write(generator: str = "edsr") -> Path:
        path = tmp_path / "tiny.toml"
        path.write_text(RECIPE.format(generator=generator))
        return path

    yield write
    srzoo.datasets.unregister("drawn")
