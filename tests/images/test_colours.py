"""Colours stay what they are: profiles, wide gamut, CMYK, gamma, gray."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from helpers import drawn
from icc import P3, SRGB, delta_e, lab
from PIL import Image, ImageCms

import srzoo
from srzoo import images
from srzoo.images import profiles, vips
from srzoo.images.png import pngwriter

PATCHES = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 128, 0), (0, 200, 190), (200, 30, 160),
    (250, 250, 0), (128, 128, 128), (255, 255, 255), (0, 0, 0), (90, 60, 40), (240, 200, 180),
]  # fmt: skip


def patches() -> Image.Image:
    squares = np.array(PATCHES, np.uint8).reshape(3, 4, 3)
    return Image.fromarray(squares.repeat(16, axis=0).repeat(16, axis=1))


def test_the_profile_that_tests_use_is_display_p3():
    """Its red and green in XYZ (D50), as in Apple's own profile."""
    inside = ImageCms.ImageCmsProfile(io.BytesIO(P3)).profile
    assert inside.red_colorant[0] == pytest.approx((0.5151, 0.2412, -0.0011), abs=2e-4)
    assert inside.green_colorant[0] == pytest.approx((0.2920, 0.6922, 0.0419), abs=2e-4)
    assert inside.blue_colorant[0] == pytest.approx((0.1571, 0.0666, 0.7841), abs=2e-4)
    srgb = profiles.matrix_profile("sRGB")
    assert delta_e(lab(patches(), srgb), lab(patches(), SRGB)).max() < 1


@pytest.mark.parametrize(
    ("name", "options", "limit"),
    [
        ("a.png", {}, 1),
        ("a.tif", {"compression": "tiff_lzw"}, 1),
        ("a.webp", {"lossless": True}, 1),
        ("a.jpg", {"quality": 100, "subsampling": 0}, 1),
        ("a.avif", {"quality": 100, "subsampling": "4:4:4"}, 1.5),
    ],
)
def test_wide_gamut_patches_keep_their_colour(tmp_path, name, options, limit):
    """Against Pillow's own resize of the same file, seen through the profile that is written."""
    patches().save(tmp_path / name, icc_profile=P3, **options)
    quality = None if options.get("lossless") else 100
    enlarged = srzoo.load("bicubic-x2").upscale(images.read(tmp_path / name))
    images.write(enlarged, tmp_path / f"b-{name}", images.format_of(tmp_path / name), quality)
    with Image.open(tmp_path / name) as image:
        reference = image.convert("RGB").resize((128, 96), Image.Resampling.BICUBIC)
    with Image.open(tmp_path / f"b-{name}") as image:
        assert image.info["icc_profile"] == P3
        far = delta_e(lab(image, image.info["icc_profile"]), lab(reference, P3))
    middles = far.reshape(3, 32, 4, 32)[:, 8:24, :, 8:24]
    assert middles.max() < limit
    # And the patches are none that sRGB has: without the profile they would be far off.
    assert delta_e(lab(reference, SRGB), lab(reference, P3)).max() > 10


def test_wide_gamut_of_16_bits(tmp_path):
    pytest.importorskip("pyvips", reason="the extra photo is not installed")
    deep = np.asarray(patches()).astype(np.uint16) * 257
    images.write(images.Picture(deep, icc=P3), tmp_path / "a.png", "png")
    again = images.read(tmp_path / "a.png")
    assert again.icc == P3
    for name in ("b.tif", "b.avif"):
        images.write(again, tmp_path / name, images.format_of(tmp_path / name), 95)
        assert images.read(tmp_path / name).icc == P3


@pytest.fixture(scope="module")
def print_profile():
    if vips.library() is None:
        pytest.skip("the extra photo, which brings a print profile, is not installed")
    return vips.cmyk_profile()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 100, "subsampling": 0}),
        ("a.jpg", {"quality": 98, "subsampling": 0, "progressive": True}),
        ("a.tif", {"compression": "tiff_lzw"}),
    ],
)
def test_cmyk_goes_through_its_profile(tmp_path, print_profile, name, options):
    """What is printed and what is shown have the same colour, where sRGB has it."""
    inks = np.zeros((64, 128, 4), np.uint8)
    rng = np.random.default_rng(3)
    inks[:] = rng.integers(0, 120, (4, 8, 4)).repeat(16, axis=0).repeat(16, axis=1)
    cmyk = Image.frombytes("CMYK", (128, 64), inks)
    cmyk.save(tmp_path / name, icc_profile=print_profile, **options)
    picture = images.read(tmp_path / name)
    assert picture.lost == ("CMYK became RGB",)
    assert picture.icc is None  # sRGB
    profile = ImageCms.ImageCmsProfile(io.BytesIO(print_profile))
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    target = ImageCms.createProfile("LAB")
    seen = ImageCms.applyTransform(
        cmyk, ImageCms.buildTransform(profile, target, "CMYK", "LAB", 1, flags)
    )
    planes = np.asarray(seen).astype(float)
    printed = np.concatenate([planes[..., :1] / 2.55, (planes[..., 1:] + 128) % 256 - 128], 2)
    shown = lab(Image.fromarray(picture.pixels), None)
    middles = delta_e(shown, printed).reshape(4, 16, 8, 16)[:, 4:12, :, 4:12]
    assert np.median(middles) < 2
    naive = lab(cmyk.convert("RGB"), None)
    assert np.median(delta_e(naive, printed)) > 8  # the plain formula is far off


def test_cmyk_of_16_bits(tmp_path, print_profile):
    pyvips = vips.library()
    inks = np.full((20, 20, 4), (40_000, 10_000, 5_000, 2_000), np.uint16)
    image = pyvips.Image.new_from_array(inks).copy(interpretation="cmyk")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", print_profile)
    image.write_to_file(str(tmp_path / "a.tif"))
    picture = images.read(tmp_path / "a.tif")
    assert picture.lost == ("CMYK became RGB",)
    assert picture.pixels.dtype == np.uint16
    small = Image.frombytes("CMYK", (20, 20), (inks // 257).astype(np.uint8))
    expected = np.asarray(profiles.to_srgb(small, print_profile))
    assert np.abs(picture.pixels / 257 - expected).max() < 2


def test_cmyk_without_a_profile(tmp_path, monkeypatch):
    drawn(mode="CMYK").save(tmp_path / "a.jpg", quality=100)
    with_extra = images.read(tmp_path / "a.jpg")
    library = vips.library
    monkeypatch.setattr(vips, "library", lambda: None)
    plain = images.read(tmp_path / "a.jpg")
    assert with_extra.lost[0] == plain.lost[0] == "CMYK became RGB"
    assert "pip install 'srzoo[photo]'" in plain.lost[1]
    if found := library():
        assert "read as ordinary print" in with_extra.lost[1]
        inks = found.Image.new_from_array(np.zeros((9, 9, 4), np.uint16))
        inks.copy(interpretation="cmyk").write_to_file(str(tmp_path / "b.tif"))
        monkeypatch.setattr(vips, "library", library)
        assert images.read(tmp_path / "b.tif").lost == with_extra.lost
    with Image.open(tmp_path / "a.jpg") as image:
        assert np.array_equal(plain.pixels, np.asarray(image.convert("RGB")))


def test_a_damaged_cmyk_profile(tmp_path):
    drawn(mode="CMYK").save(tmp_path / "a.tif", icc_profile=b"\0" * 200)
    assert images.read(tmp_path / "a.tif").lost == (
        "CMYK became RGB",
        "the colour profile is damaged and was not used",
    )


def test_lab_becomes_srgb(tmp_path):
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    ImageCms.applyTransform(patches(), to_lab).save(tmp_path / "a.tif")
    picture = images.read(tmp_path / "a.tif")
    assert picture.lost == ("L*a*b* became RGB in sRGB",)
    far = delta_e(lab(Image.fromarray(picture.pixels), None), lab(patches(), None))
    assert far.max() < 3  # 8 bits of L*a*b* are coarse


def with_chunks(path, *chunks: tuple[bytes, bytes]) -> None:
    """Put chunks right behind a PNG's header."""
    data = path.read_bytes()
    path.write_bytes(data[:33] + b"".join(pngwriter.chunk(*each) for each in chunks) + data[33:])


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
@pytest.mark.parametrize("value", [1.0, 0.55556, 0.45455])
@pytest.mark.parametrize("target", ["png", "tiff", "jpg", "webp"])
def test_gamma_is_kept_as_a_profile(tmp_path, mode, value, target):
    """A PNG of linear light must not come out dark."""
    drawn(mode=mode).save(tmp_path / "a.png")
    with_chunks(tmp_path / "a.png", gamma(value))
    picture = images.read(tmp_path / "a.png")
    images.write(picture, tmp_path / f"b.{target}", target, None if target == "webp" else 100)
    again = images.read(tmp_path / f"b.{target}")
    levels = np.linspace(0, 255, 64).astype(np.uint8)
    ramp = Image.fromarray(np.tile(levels, (4, 1)))
    seen = lab(ramp if again.pixels.ndim == 2 else ramp.convert("RGB"), again.icc)[0, :, 0]
    if target == "webp" and mode == "L":
        assert again.icc is None
        return  # converted to sRGB: the next test looks at its pixels
    if value == 0.45455:
        assert again.icc is None
        return
    light = (levels / 255) ** (1 / value)
    expected = np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27)
    assert np.abs(seen - expected).max() < 1


def test_gray_with_a_profile_becomes_srgb_where_gray_is_not(tmp_path):
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (8, 1)))
    linear = profiles.gray_profile("linear", 1.0)
    picture = images.Picture(np.asarray(ramp), icc=linear, lossless=True)
    written = images.write(picture, tmp_path / "a.webp", "webp")
    assert written.lost == ("WEBP has no gray: written as RGB",)
    again = images.read(tmp_path / "a.webp")
    far = delta_e(lab(Image.fromarray(again.pixels), again.icc), lab(ramp, linear))
    assert far.max() < 1.5


def test_chromaticities_are_kept_as_a_profile(tmp_path):
    patches().save(tmp_path / "a.png")
    numbers = [0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06]
    chroma = struct.pack(">8I", *(round(each * 100_000) for each in numbers))
    with_chunks(tmp_path / "a.png", gamma(1 / 2.2), (b"cHRM", chroma))
    picture = images.read(tmp_path / "a.png")
    expected = profiles.matrix_profile("P3 primaries", profiles.PRIMARIES[12], curve=(2.2,))
    assert delta_e(lab(patches(), picture.icc), lab(patches(), expected)).max() < 1


def test_cicp(tmp_path):
    patches().save(tmp_path / "a.png")
    plain = (tmp_path / "a.png").read_bytes()
    with_chunks(tmp_path / "a.png", (b"cICP", bytes([12, 13, 0, 1])))
    picture = images.read(tmp_path / "a.png")
    assert delta_e(lab(patches(), picture.profile), lab(patches(), P3)).max() < 1
    (tmp_path / "a.png").write_bytes(plain)
    with_chunks(tmp_path / "a.png", (b"cICP", bytes([9, 16, 0, 1])))
    picture = images.read(tmp_path / "a.png")
    assert (picture.icc, picture.cicp, picture.lost) == (None, (9, 16, 0, 1), ())


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("icc", [None, P3])
def test_cicp_stays_in_a_png(tmp_path, deep, icc):
    """Before the palette and the pixels, also where there is a profile."""
    pixels = np.asarray(patches())
    code = (9, 16, 0, 1)
    picture = images.Picture(pixels.astype(np.uint16) * 257 if deep else pixels, icc=icc, cicp=code)
    assert images.write(picture, tmp_path / "a.png", "png").lost == ()
    data = (tmp_path / "a.png").read_bytes()
    assert 0 < data.index(pngwriter.chunk(b"cICP", bytes(code))) < data.index(b"IDAT")
    again = images.read(tmp_path / "a.png")
    assert (again.cicp, again.icc, again.lost) == (code, icc, ())
    assert np.array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("chunk", [(b"sRGB", b"\0"), gamma(0), gamma(40)])
def test_no_profile_is_made_up(tmp_path, chunk):
    drawn().save(tmp_path / "a.png")
    with_chunks(tmp_path / "a.png", chunk, *([gamma(1.0)] if chunk[0] == b"sRGB" else []))
    picture = images.read(tmp_path / "a.png")
    assert (picture.icc, picture.lost) == (None, ())


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
def test_profile_and_dpi_are_kept(tmp_path, suffix):
    exif = Image.Exif()
    if suffix in ("webp", "avif"):  # have no other place for it
        exif[0x011A] = exif[0x011B] = 300.0
    drawn().save(tmp_path / f"a.{suffix}", icc_profile=SRGB, dpi=(300, 300), exif=exif)
    picture = images.read(tmp_path / f"a.{suffix}")
    assert picture.dpi == pytest.approx((300, 300), abs=0.1)
    for target in ("jpg", "png", "webp", "tiff", "avif"):
        images.write(picture, tmp_path / f"b.{target}", target)
        again = images.read(tmp_path / f"b.{target}")
        assert again.icc == SRGB
        assert again.dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "avif"])
def test_no_dpi_are_made_up(tmp_path, suffix):
    drawn().save(tmp_path / f"a.{suffix}")
    assert images.read(tmp_path / f"a.{suffix}").dpi is None
    images.write(images.read(tmp_path / f"a.{suffix}"), tmp_path / "b.tiff", "tiff")
    assert images.read(tmp_path / "b.tiff").dpi is None


def test_a_profile_of_other_colours_is_dropped_and_said(tmp_path):
    drawn().save(tmp_path / "a.png", icc_profile=profiles.gray_profile("gray", 2.2))
    picture = images.read(tmp_path / "a.png")
    assert picture.icc is None
    assert picture.lost == ("the profile is of GRAY colours and was dropped",)
