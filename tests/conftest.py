"""Pictures that tests draw themselves, the shared data, and the command in-process."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from srzoo.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with benchmarks and training photos."""
    folder = Path(os.environ.get("SRZOO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} does not exist; set SRZOO_DATA")
    return folder


def drawn(width: int = 45, height: int = 31, mode: str = "RGB") -> Image.Image:
    """A colourful picture with smooth areas, edges and fine detail."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 127 + 90 * np.sin(x * y / 60.0)
    planes = np.stack([x * 255 / width, wave, 255 - y * 255 / height], axis=2)
    image = Image.fromarray(planes.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(240, 30, 20))
    pen.line((0, height, width, 0), fill=(250, 250, 250))
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray((x * 255 // width).astype(np.uint8)))
    return image.convert(mode)


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
