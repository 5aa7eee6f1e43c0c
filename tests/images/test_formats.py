"""Every format by real encoders: pixels, transparency, pages, what is refused."""

from __future__ import annotations

import importlib.util
import io
import threading
import warnings

import numpy as np
import pytest
from helpers import drawn
from PIL import Image, ImageDraw

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import pillow


def smooth(mode="RGB", width=128, height=96) -> Image.Image:
    """What lossy formats are made for; with white in a corner."""
    image = drawn(8, 6, mode).resize((width, height), Image.Resampling.BICUBIC)
    image.paste("white", (width - 32, height - 32, width, height))
    return image


def save(path, image, **options):
    image.save(path, **options)
    return path


LOSSLESS = {
    "png": ("a.png", {}, ("L", "LA", "RGB", "RGBA")),
    "png optimised": ("a.png", {"optimize": True}, ("RGB",)),
    "tiff": ("a.tif", {}, ("L", "LA", "RGB", "RGBA")),
    "tiff lzw": ("a.tif", {"compression": "tiff_lzw"}, ("L", "LA", "RGB", "RGBA")),
    "tiff deflate": ("a.tif", {"compression": "tiff_adobe_deflate"}, ("L", "RGB", "RGBA")),
    "tiff packbits": ("a.tif", {"compression": "packbits"}, ("RGB",)),
    "tiff big": ("a.tif", {"big_tiff": True}, ("L", "RGB", "RGBA")),
    "webp": ("a.webp", {"lossless": True, "exact": True}, ("RGB", "RGBA")),
    "bmp": ("a.bmp", {}, ("L", "RGB")),
    "gif": ("a.gif", {}, ("L",)),
}
CASES = [(case, mode) for case, (_, _, modes) in LOSSLESS.items() for mode in modes]


@pytest.mark.parametrize(("case", "mode"), CASES)
@pytest.mark.parametrize("target", ["png", "tiff", "webp"])
def test_lossless_in_lossless_out(tmp_path, case, mode, target):
    name, options, _ = LOSSLESS[case]
    image = drawn(mode=mode)
    picture = images.read(save(tmp_path / name, image, **options))
    assert picture.lost == ()
    assert (picture.pixels.ndim == 2) == (mode in ("L", "LA"))
    if target == "webp" and not picture.lossless:
        return
    written = images.write(picture, tmp_path / f"b.{target}", target)
    gray = ("WEBP has no gray: written as RGB",)
    assert written.lost == (gray if target == "webp" and mode in ("L", "LA") else ())
    with Image.open(tmp_path / f"b.{target}") as again:
        assert np.array_equal(np.asarray(again.convert(mode)), np.asarray(image))


@pytest.mark.parametrize("tile", [None, 16, 64])
def test_tiff_tiles(tmp_path, tile):
    pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
    options = {"tile": True, "tile_width": tile, "tile_height": tile} if tile else {}
    pyvips.Image.new_from_array(np.asarray(drawn())).write_to_file(
        str(tmp_path / "a.tif"), compression="lzw", **options
    )
    assert np.array_equal(images.read(tmp_path / "a.tif").pixels, np.asarray(drawn()))


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(tmp_path, quality, subsampling, progressive, mode):
    path = save(
        tmp_path / "a.jpg", drawn(mode=mode), quality=quality, subsampling=subsampling,
        progressive=progressive,
    )  # fmt: skip
    picture = images.read(path)
    with Image.open(path) as image:
        assert np.array_equal(picture.pixels, np.asarray(image))
    written = images.write(picture, tmp_path / "b.jpg", "jpg")
    assert written.lost == ()
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.mode == mode
        assert np.abs(np.asarray(image).astype(int) - picture.pixels).mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_avif(tmp_path, mode):
    path = save(tmp_path / "a.avif", smooth(mode), quality=95)
    picture = images.read(path)
    assert picture.format == "avif"
    written = images.write(picture, tmp_path / "b.avif", "avif")
    assert written.lost == ()
    with Image.open(tmp_path / "b.avif") as image:
        assert image.mode == mode
        assert np.abs(np.asarray(image).astype(int) - np.asarray(smooth(mode))).mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("bits", [8, 10])
def test_heic_through_its_extra(tmp_path, mode, bits):
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    planes = np.asarray(smooth(mode)).astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    if bits == 8:
        made = heif.from_pillow(smooth(mode))
    else:
        made = heif.from_bytes(f"{mode};16", (128, 96), planes.tobytes())
    made.save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    picture = images.read(tmp_path / "a.heic")
    assert images.read_size(tmp_path / "a.heic") == picture.size == (128, 96)
    assert (picture.format, picture.lost) == ("heic", ())
    assert picture.pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert picture.pixels.max() == np.iinfo(picture.pixels.dtype).max  # white is white
    unit = 1 if bits == 8 else 257
    assert np.abs(picture.pixels / unit - planes[..., :3] / 257).mean() < 4
    assert (picture.alpha is not None) == (mode == "RGBA")
    written = images.write(picture, tmp_path / "b.heic", "heic")
    assert written.lost == (
        () if bits == 8 else ("16 bits a channel became 8: HEIC holds no more",)
    )
    again = images.read(tmp_path / "b.heic")
    assert np.abs(again.pixels - planes[..., :3] / 257).mean() < 5
    found = Image.Exif()
    found.load(again.exif)
    assert found[0x0110] == "a camera"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_heic(tmp_path, orientation):
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    exif = Image.Exif()
    exif[0x0112] = orientation
    heif.from_pillow(smooth()).save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}
    turn[8] = Image.Transpose.ROTATE_90
    upright = smooth().transpose(turn[orientation]) if orientation in turn else smooth()
    for name in ("a.heic", "b.heic"):
        picture = images.read(tmp_path / name)
        assert images.read_size(tmp_path / name) == picture.size == upright.size
        assert np.abs(picture.pixels.astype(int) - np.asarray(upright)).mean() < 3
        images.write(picture, tmp_path / "b.heic", "heic")


def test_heic_without_its_extra(tmp_path, monkeypatch):
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    heif.from_pillow(drawn()).save(tmp_path / "a.heic")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(images.FORMATS, "heic")
    for reader in (images.read, images.read_size):
        with pytest.raises(PictureError, match=r"a\.heic is HEIC.*pip install 'srzoo\[heic\]'"):
            reader(tmp_path / "a.heic")
    with pytest.raises(PictureError, match=r"pip install 'srzoo\[heic\]'"):
        images.format_of(tmp_path / "a.heic")
    assert ".heic" in images.READABLE  # so that a folder of them is not passed over


@pytest.mark.parametrize("interlaced", [False, True])
def test_palette_with_transparency(tmp_path, interlaced):
    image = drawn(mode="P")
    clear = image.getpixel((3, 4))
    several = bytes(255 if entry != clear else 40 for entry in range(256))
    for transparency, expected in ((clear, 0), (several, 40))[: 1 if interlaced else 2]:
        image.save(tmp_path / "a.png", transparency=transparency)
        if interlaced:
            pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
            pyvips.Image.new_from_file(str(tmp_path / "a.png")).write_to_file(
                str(tmp_path / "b.png"), interlace=True, palette=True, dither=0, Q=100
            )
            (tmp_path / "b.png").rename(tmp_path / "a.png")
        picture = images.read(tmp_path / "a.png")
        assert picture.alpha[4, 3] == expected
        assert picture.alpha.max() == 255
        with Image.open(tmp_path / "a.png") as opened:
            assert np.array_equal(picture.pixels, np.asarray(opened.convert("RGBA"))[..., :3])


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_one_colour_that_is_transparent(tmp_path, mode):
    """tRNS of a PNG without a palette: Pillow keeps it apart."""
    image = drawn(mode=mode)
    clear = image.getpixel((3, 4))
    image.save(tmp_path / "a.png", transparency=clear)
    picture = images.read(tmp_path / "a.png")
    same = np.asarray(image) == np.array(clear)
    assert np.array_equal(picture.alpha == 0, same if mode == "L" else same.all(axis=2))
    assert (picture.pixels.ndim == 2) == (mode == "L")


def test_interlaced(tmp_path):
    pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
    image = pyvips.Image.new_from_array(np.asarray(drawn(mode="RGBA")))
    image.write_to_file(str(tmp_path / "a.png"), interlace=True)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.info["interlace"] == 1
    picture = images.read(tmp_path / "a.png")
    assert np.array_equal(picture.pixels, np.asarray(drawn(mode="RGBA"))[..., :3])


@pytest.mark.parametrize("mode", ["CMYK", "1", "P"])
def test_other_modes(tmp_path, mode):
    drawn(mode=mode).save(tmp_path / "a.tiff")
    picture = images.read(tmp_path / "a.tiff")
    assert picture.lost[:1] == (("CMYK became RGB",) if mode == "CMYK" else ())
    assert picture.pixels.dtype == np.uint8
    assert (picture.pixels.ndim == 2) == (mode == "1")


def test_webp_stays_as_it_was(tmp_path):
    """Without loss in, without loss out; with loss, small."""
    image = drawn(300, 200)
    for lossless in (True, False):
        picture = images.read(save(tmp_path / "a.webp", image, lossless=lossless, quality=80))
        assert picture.lossless is lossless
        images.write(picture, tmp_path / "b.webp", "webp")
        assert images.read(tmp_path / "b.webp").lossless is lossless
        images.write(picture, tmp_path / "c.webp", "webp", 60)
        assert not images.read(tmp_path / "c.webp").lossless


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_with_metadata_before_its_pixels(tmp_path, mode):
    exif = Image.Exif()
    exif[0x010E] = "x" * 999
    image = drawn(mode=mode)
    path = save(tmp_path / "a.webp", image, lossless=True, exif=exif, icc_profile=b"\0" * 301)
    assert images.read(path).lossless


def frames(mode="RGB"):
    made = []
    for at in range(3):
        frame = drawn(64, 48, mode)
        ImageDraw.Draw(frame).rectangle((at * 10, 10, at * 10 + 8, 20), fill="black")
        made.append(frame)
    return made


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("a.gif", "is animated: 3 frames"),
        ("a.png", "is animated: 3 frames"),
        ("a.webp", "is animated: 3 frames"),
        ("a.avif", "is animated: 3 frames"),
        ("a.tif", "has 3 pages"),
    ],
)
def test_several_pictures_are_refused_and_not_cut_to_one(tmp_path, name, what):
    first, *others = frames()
    first.save(tmp_path / name, save_all=True, append_images=others)
    for reader in (images.read, images.read_size):
        with pytest.raises(PictureError, match=f"{name}: it {what}.*Choose one with page="):
            reader(tmp_path / name)


def test_one_frame_is_no_animation(tmp_path):
    for name in ("a.gif", "a.webp", "a.png", "a.tif"):
        drawn().save(tmp_path / name, save_all=True)
        assert images.read(tmp_path / name).size == (45, 31)


def test_a_photo_with_its_preview_is_one_picture(tmp_path):
    """MPO: what phones write, a JPEG and smaller versions of it."""
    photo, preview = drawn(64, 48), drawn(16, 12)
    photo.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[preview])
    picture = images.read(tmp_path / "a.jpg")
    assert (picture.size, picture.format) == ((64, 48), "jpg")
    assert picture.lost == ("only the main picture of the file is used",)


def test_a_pyramid_is_one_picture(tmp_path):
    pyvips = pytest.importorskip("pyvips", reason="the extra photo is not installed")
    image = pyvips.Image.new_from_array(np.asarray(drawn(400, 300)))
    image.write_to_file(str(tmp_path / "a.tif"), pyramid=True, tile=True)
    with Image.open(tmp_path / "a.tif") as opened:
        assert opened.n_frames > 1
    assert np.array_equal(images.read(tmp_path / "a.tif").pixels, np.asarray(drawn(400, 300)))


def test_the_limit_can_be_raised_and_says_so(tmp_path):
    path = save(tmp_path / "a.png", drawn())
    for reader in (images.read, images.read_size):
        with pytest.raises(PictureError, match="claims 45x31 pixels.*max_pixels=1395"):
            reader(path, max_pixels=1394)
        reader(path, max_pixels=1395)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.gif", "a.bmp"])
def test_pillow_s_lower_limit_does_not_count(tmp_path, monkeypatch, name):
    """Its own is 179 million pixels, wherever ours is; afterwards it stands as before."""
    path = save(tmp_path / name, drawn(mode="L"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    images.read(path)
    assert images.read_size(path) == (45, 31)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_small_file_that_claims_much(tmp_path):
    bomb = Image.new("1", (30_000, 30_000))
    path = save(tmp_path / "a.png", bomb)
    assert path.stat().st_size < 200_000
    with pytest.raises(PictureError, match="claims 30000x30000"):
        images.read(path)


def test_the_limit_stays_aside_until_the_last_reader_is_done(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", drawn())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pillow.without_pillow_limits():
        images.read(path)
        assert Image.MAX_IMAGE_PIXELS is None
    assert Image.MAX_IMAGE_PIXELS == 10


def test_many_threads_read_at_once(tmp_path):
    """What is one for the process, limits and filters of warnings, is as before."""
    paths = [save(tmp_path / f"{n}.png", drawn(200 + n, 150)) for n in range(8)]
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    found = []
    threads = [
        threading.Thread(target=lambda p=path: found.extend(images.read(p).size for _ in "12345"))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.avif"])
def test_the_size_comes_from_the_header_alone(tmp_path, monkeypatch, name):
    path = save(tmp_path / name, drawn())

    def decoding(*_arguments):
        raise AssertionError("decoded")

    monkeypatch.setattr(images.decoding, "decode_with_pillow", decoding)
    with Image.open(path) as image:
        plugin = type(image)
    whole = plugin.load
    monkeypatch.setattr(
        plugin, "load", lambda each: whole(each) if each.size == (1, 1) else decoding()
    )
    assert images.read_size(path) == (45, 31)


def test_a_png_s_metadata_are_found_without_its_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    with save(tmp_path / "a.png", Image.fromarray(noise)).open("rb") as file:
        read: list[int] = []

        class Counting(io.BytesIO):
            def read(self, size=-1):
                read.append(size)
                return super().read(size)

        images.read_header(Counting(file.read()))
    assert sum(read) < 10_000


def test_a_pipe_s_worth_of_bytes(tmp_path):
    for format in ("png", "jpg", "webp", "tiff", "avif"):
        out = io.BytesIO()
        images.write(images.from_pil(drawn()), out, format)
        out.seek(0)
        assert images.read_size(out) == (45, 31)
        out.seek(0)
        assert images.read(out).format == format
    with pytest.raises(PictureError, match="the picture is empty"):
        images.read(io.BytesIO())
    with pytest.raises(PictureError, match="the picture is not a picture that can be read"):
        images.read(io.BytesIO(b"hello there"))


def test_jpeg_is_not_as_wide_as_its_numbers(tmp_path):
    """libjpeg holds 65,500 pixels a side, not 65,535."""
    line = np.zeros((1, 65_500), np.uint8)
    images.write(images.Picture(line), tmp_path / "a.jpg", "jpg")
    with pytest.raises(PictureError, match="at most 65500 pixels a side"):
        images.check_writable(tmp_path / "a.jpg", (65_501, 1), "jpg")


@pytest.mark.parametrize("format", ["jpg"])
@pytest.mark.parametrize("gray", [True, False])
def test_transparency_is_laid_on_white(tmp_path, format, gray):
    half = np.full((8, 8), 128, np.uint8)
    colour = np.zeros((8, 8) if gray else (8, 8, 3), np.uint8)
    written = images.write(images.Picture(colour, alpha=half), tmp_path / "a.jpg", format)
    assert written.lost == ("JPEG has no transparency: laid on white",)
    assert np.abs(images.read(tmp_path / "a.jpg").pixels.astype(int) - 127).max() <= 1
    assert images.read(tmp_path / "a.jpg").pixels.ndim == (2 if gray else 3)


def test_gray_in_a_lossy_webp_is_gray(tmp_path):
    """libwebp's decoder gives one level too little green; a coloured picture stays as it is."""
    gray = smooth("L").convert("RGB")
    pixels = images.read(save(tmp_path / "a.webp", gray, quality=90)).pixels
    with Image.open(tmp_path / "a.webp") as image:
        decoded = np.asarray(image)
    assert not np.array_equal(decoded[..., 0], decoded[..., 1])
    assert np.array_equal(pixels, np.repeat(decoded[..., :1], 3, axis=2))
    coloured = images.read(save(tmp_path / "b.webp", smooth(), quality=90)).pixels
    with Image.open(tmp_path / "b.webp") as image:
        assert np.array_equal(coloured, np.asarray(image))
