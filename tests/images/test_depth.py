"""16 bits a channel in give 16 bits out, by every encoder, and the word where they cannot."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import vips

pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")

KINDS = {"L": (1, "grey16"), "LA": (2, "grey16"), "RGB": (3, "rgb16"), "RGBA": (4, "rgb16")}
ENCODERS = {
    "png": (".png", {}),
    "png interlaced": (".png", {"interlace": True}),
    "tiff": (".tif", {}),
    "tiff lzw": (".tif", {"compression": "lzw", "predictor": "horizontal"}),
    "tiff tiled": (".tif", {"tile": True, "compression": "deflate"}),
    "tiff big": (".tif", {"bigtiff": True}),
    "tiff white is zero": (".tif", {"miniswhite": True}),
}


def deep(mode: str, width: int = 37, height: int = 23) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(0, 65_536, (height, width, KINDS[mode][0]), np.uint16)


def by_vips(planes: np.ndarray, path, **options) -> None:
    kind = next(name for count, name in KINDS.values() if count == planes.shape[2])
    image = pyvips.Image.new_from_array(planes).copy(interpretation=kind)
    image.write_to_file(str(path), **options)


def planes_of(picture: images.Picture) -> np.ndarray:
    planes = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
    if picture.alpha is None:
        return planes
    return np.concatenate([planes, picture.alpha[:, :, None]], axis=2)


def vips_reads(path) -> np.ndarray:
    image = pyvips.Image.new_from_file(str(path))
    return image.numpy().reshape(image.height, image.width, image.bands)


@pytest.mark.parametrize(
    ("encoder", "mode"),
    [(e, m) for e in ENCODERS for m in KINDS if m == "L" or "miniswhite" not in ENCODERS[e][1]],
)
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_16_bits_in_16_bits_out(tmp_path, mode, encoder, format):
    suffix, options = ENCODERS[encoder]
    planes = deep(mode)
    by_vips(planes, tmp_path / f"a{suffix}", **options)
    picture = images.read(tmp_path / f"a{suffix}")
    assert picture.lost == ()
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(planes_of(picture), planes)
    written = images.write(picture, tmp_path / f"b.{format}", format)
    assert written.lost == ()
    assert np.array_equal(vips_reads(tmp_path / f"b.{format}"), planes)


@pytest.mark.parametrize("mode", KINDS)
def test_files_by_memory_alone(mode):
    buffer = io.BytesIO()
    given = images.Picture(deep(mode)[:, :, 0] if mode == "L" else deep("RGB"))
    images.write(given, buffer, "png")
    buffer.seek(0)
    assert images.read_size(buffer) == given.size
    buffer.seek(0)
    assert np.array_equal(images.read(buffer).pixels, given.pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_colour_that_means_transparent(tmp_path, mode):
    planes = deep(mode)
    planes[3, 4] = planes[5, 6]
    by_vips(planes, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    key = b"".join(struct.pack(">H", value) for value in planes[3, 4])
    at = data.index(b"IDAT") - 4
    from srzoo.images.png.pngwriter import chunk

    (tmp_path / "a.png").write_bytes(data[:at] + chunk(b"tRNS", key) + data[at:])
    picture = images.read(tmp_path / "a.png")
    assert np.array_equal(picture.alpha == 0, (planes == planes[3, 4]).all(axis=2))
    assert np.array_equal(planes_of(picture)[:, :, :-1], planes)


def test_a_multiplied_tiff_is_divided(tmp_path):
    """ExtraSamples 1: as compositors write them."""
    alpha = np.full((8, 8), 32_768, np.uint16)
    colour = np.full((8, 8, 3), 20_000, np.uint16)
    picture = images.Picture(colour, alpha=alpha, format="tiff")
    images.write(picture, tmp_path / "a.tif", "tiff")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    data[at] = 1
    (tmp_path / "a.tif").write_bytes(data)
    again = images.read(tmp_path / "a.tif")
    assert np.abs(again.pixels.astype(int) - 40_000).max() <= 1
    assert np.array_equal(again.alpha, alpha)


@pytest.mark.parametrize("mode", KINDS)
def test_png_needs_no_extra(tmp_path, monkeypatch, mode):
    by_vips(deep(mode), tmp_path / "a.png")
    monkeypatch.setattr(vips, "library", lambda: None)
    picture = images.read(tmp_path / "a.png")
    assert picture.lost == ()
    assert np.array_equal(planes_of(picture), deep(mode))


@pytest.mark.parametrize("mode", KINDS)
@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name.startswith("tiff")])
def test_16_bits_of_a_tiff_need_no_extra(tmp_path, monkeypatch, mode, encoder):
    if ENCODERS[encoder][1].get("miniswhite") and mode != "L":
        return
    by_vips(deep(mode), tmp_path / "a.tif", **ENCODERS[encoder][1])
    monkeypatch.setattr(vips, "library", lambda: None)
    picture = images.read(tmp_path / "a.tif")
    assert picture.lost == ()
    assert np.array_equal(planes_of(picture), deep(mode))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_gray_needs_no_extra(tmp_path, monkeypatch, suffix):
    by_vips(deep("L"), tmp_path / f"a{suffix}")
    monkeypatch.setattr(vips, "library", lambda: None)
    picture = images.read(tmp_path / f"a{suffix}")
    assert picture.lost == ()
    images.write(picture, tmp_path / f"b{suffix}", images.format_of(tmp_path / f"b{suffix}"))
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert np.array_equal(np.asarray(image), deep("L")[:, :, 0])


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_other_formats_take_8_bits_and_it_is_said(tmp_path, format):
    ramp = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)
    picture = images.Picture(np.stack([ramp] * 3, axis=2))
    written = images.write(picture, tmp_path / f"a.{format}", format, 100)
    name = images.FORMATS[format].name
    assert written.lost == (f"16 bits a channel became 8: {name} holds no more",)
    again = images.read(tmp_path / f"a.{format}")
    assert np.abs(again.pixels - picture.pixels / 257).mean() < 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_avif_of_12_bits(tmp_path, mode, data):
    with Image.open(data / "train" / "photos" / "dune.jpg") as image:
        small = np.asarray(image.convert("RGB").resize((160, 120))).astype(np.uint16) * 257
    small += np.random.default_rng(0).integers(0, 100, small.shape, np.uint16) * (small < 60_000)
    alpha = None
    if mode == "RGBA":
        alpha = np.tile(np.linspace(0, 65_535, 160).astype(np.uint16), (120, 1))
    picture = images.Picture(small, alpha=alpha)
    written = images.write(picture, tmp_path / "a.avif", "avif", 95)
    assert written.lost == ("16 bits a channel became 12: AVIF holds no more",)
    again = images.read(tmp_path / "a.avif")
    assert again.pixels.dtype == np.uint16
    white = images.Picture(np.full((64, 64, 3), 65_535, np.uint16))
    images.write(white, tmp_path / "b.avif", "avif", 95)
    again_white = images.read(tmp_path / "b.avif")
    assert np.median(again_white.pixels) == 65_535
    assert (again_white.dpi, again_white.exif) == (None, None)
    assert len(np.unique(again.pixels)) > 400  # more than 8 bits have
    assert np.abs(again.pixels.astype(int) - small).mean() < 2 * 257
    if alpha is not None:
        assert np.abs(again.alpha.astype(int) - alpha).max() < 4 * 257


def test_avif_without_the_extra(tmp_path, monkeypatch):
    picture = images.Picture(deep("RGB"))
    images.write(picture, tmp_path / "a.avif", "avif")
    monkeypatch.setattr(vips, "library", lambda: None)
    assert "srzoo[photo]" in images.read(tmp_path / "a.avif").lost[0]
    assert "srzoo[photo]" in images.write(picture, tmp_path / "b.avif", "avif").lost[0]


def test_an_8_bit_tiff_is_not_taken_for_deep(tmp_path, monkeypatch):
    """Its offsets may well hold the digits 16."""
    monkeypatch.setattr(vips, "library", lambda: None)
    for side in range(10, 60):
        Image.new("RGB", (side, side)).save(tmp_path / "a.tif", compression="tiff_lzw")
        assert images.read(tmp_path / "a.tif").lost == ()


def test_a_large_picture_is_the_same_by_both(tmp_path, monkeypatch, data):
    """pyvips decodes large ones; it has to give what Pillow gives."""
    from srzoo.images import decoding

    with Image.open(data / "train" / "photos" / "dune.jpg") as image:
        photo = image.convert("RGBA").resize((301, 203))
    photo.putalpha(Image.linear_gradient("L").resize((301, 203)))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, mode, options in (
        ("a.jpg", "RGB", {"quality": 90}),
        ("b.jpg", "L", {"quality": 60}),
        ("c.jpg", "RGB", {"progressive": True, "subsampling": 2}),
        ("d.png", "RGBA", {}),
        ("e.png", "LA", {}),
        ("f.tif", "RGB", {"compression": "tiff_lzw"}),
        ("g.png", "P", {}),
    ):
        photo.convert(mode).save(tmp_path / name, exif=exif, **options)
        monkeypatch.setattr(decoding, "LARGE", 10**9)
        small = images.read(tmp_path / name)
        monkeypatch.setattr(decoding, "LARGE", 1)
        large = images.read(tmp_path / name)
        assert np.array_equal(planes_of(small), planes_of(large)), name
        assert small.size == (203, 301)
        assert images.read_size(tmp_path / name) == (203, 301)


def test_damage_in_deep_files_is_said(tmp_path):
    for suffix in (".png", ".tif"):
        by_vips(deep("RGB", 200, 200), tmp_path / f"a{suffix}")
        data = (tmp_path / f"a{suffix}").read_bytes()
        (tmp_path / f"a{suffix}").write_bytes(data[: len(data) // 2])
        with pytest.raises(PictureError, match=f"cannot read .*a{suffix}"):
            images.read(tmp_path / f"a{suffix}")


@pytest.mark.parametrize(
    "name", ["ünï — 写真.png", "a[1].png", "b[page=1].tif", "-.png", "c%d.png"]
)
def test_odd_names(tmp_path, name):
    by_vips(deep("RGB"), tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / name)
    assert np.array_equal(images.read(tmp_path / name).pixels, deep("RGB"))


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint32])
def test_what_has_no_8_or_16_bits_is_refused(tmp_path, dtype):
    image = pyvips.Image.new_from_array(np.ones((9, 9, 3), dtype))
    image.write_to_file(str(tmp_path / "a.tif"))
    with pytest.raises(PictureError, match=r"cannot read .*a\.tif"):
        images.read(tmp_path / "a.tif")


def test_16_bits_through_pillow_images():
    gray = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    picture = images.from_pil(Image.fromarray(gray))
    assert np.array_equal(picture.pixels, gray)
    assert np.array_equal(np.asarray(images.to_pil(picture)), gray)
    assert images.to_pil(images.Picture(np.stack([gray] * 3, axis=2))).mode == "RGB"
    assert images.rgb(picture).dtype == np.uint8
    assert np.array_equal(images.rgb(picture)[:, :, 1], np.rint(gray / 257).astype(np.uint8))
