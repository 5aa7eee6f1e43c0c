"""What there is of damaged files in formats that Pillow decodes row by row."""

from __future__ import annotations

import io

import numpy as np
import pytest
from helpers import drawn

from srzoo import images
from srzoo.errors import PictureError


@pytest.mark.parametrize("format", ["BMP", "PPM", "PCX", "SGI", "TGA"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_rows_that_are_there(tmp_path, format, mode):
    file = io.BytesIO()
    drawn(40, 30).convert(mode).save(file, format)
    path = tmp_path / f"cut.{format.lower()}"
    path.write_bytes(file.getvalue())
    whole = images.read(path).pixels
    share = 0.5 if format == "PCX" else 0.75  # a PCX ends with its palette
    path.write_bytes(file.getvalue()[: int(len(file.getvalue()) * share)])
    with pytest.raises(PictureError, match="force_damaged=True"):
        images.read(path)
    picture = images.read(path, force_damaged=True)
    same = np.isclose(picture.pixels, whole).reshape(30, -1).all(axis=1)
    assert picture.pixels.shape == whole.shape
    assert 5 <= same.sum() < 30 or format == "SGI"  # SGI keeps one colour after the other
    assert any("damaged" in note and "black" in note for note in picture.lost)


@pytest.mark.parametrize("format", ["BMP", "PPM", "PCX", "SGI", "TGA"])
def test_nothing_is_there(format):
    file = io.BytesIO()
    drawn(40, 30).save(file, format)
    head = {"BMP": 54, "PPM": 13, "PCX": 128, "SGI": 512, "TGA": 18}[format]
    with pytest.raises(PictureError):
        images.read(io.BytesIO(file.getvalue()[:head]), force_damaged=True)
