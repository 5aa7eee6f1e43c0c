"""PNG's pixels: every kind exactly, with and without pyvips; damage is said, or completed."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFile
from pngs import CHANNELS, DEPTHS, chunks_of, ihdr, png, raw

from srzoo import images
from srzoo.errors import PictureError
from srzoo.images import vips
from srzoo.images.format import ReadRequest
from srzoo.images.png.pngwriter import SIGNATURE, chunk

KINDS = [(kind, bits) for kind, depths in DEPTHS.items() for bits in depths]


def values_of(kind: int, bits: int, width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth and noisy, with few colours so that one of them can be transparent."""
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 2**bits, (6, CHANNELS[kind]))
    return few[rng.integers(0, 6, (height, width))]


def planes_of(picture: images.Picture) -> np.ndarray:
    planes = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
    alpha = [] if picture.alpha is None else [picture.alpha[:, :, None]]
    return np.concatenate([planes, *alpha], axis=2)


def read(data: bytes, **asked) -> images.Picture:
    return images.read(io.BytesIO(data), **asked)


@pytest.fixture(params=["vips", "pillow"])
def either(request, monkeypatch):
    """With the extra and without it."""
    if request.param == "pillow":
        monkeypatch.setattr(vips, "library", lambda: None)
    elif vips.library() is None:
        pytest.skip("the extra photo is not installed")


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(KINDS), width=st.integers(1, 20), height=st.integers(1, 20),
    interlaced=st.booleans(), clear=st.booleans(), seed=st.integers(0, 99), extra=st.booleans(),
)  # fmt: skip
def test_every_kind_is_read_exactly(kind, width, height, interlaced, clear, seed, extra):
    kind, bits = kind
    values = values_of(kind, bits, width, height, seed)
    rng, white = np.random.default_rng(seed), 2**bits - 1
    before, alpha = [], None
    expected = values if bits >= 8 else values * 255 // white
    if kind == 3:
        palette = rng.integers(0, 256, (2**bits, 3))
        before.append(chunk(b"PLTE", palette.astype(np.uint8).tobytes()))
        expected = palette[values[:, :, 0]]
        if clear:
            table = rng.integers(0, 256, 2**bits)
            before.append(chunk(b"tRNS", table.astype(np.uint8).tobytes()))
            alpha = table[values[:, :, 0]][:, :, None]
    elif clear and kind in (0, 2):
        key = values[height // 2, width // 2]
        before.append(chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
        alpha = np.where((values == key).all(axis=2), 0, 255 if bits < 16 else 65_535)[:, :, None]
    if alpha is not None:
        expected = np.concatenate([expected, alpha], axis=2)
    data = png(values, bits, kind, interlaced, before, seed=seed)
    library = vips.library
    try:
        if not extra:
            vips.library = lambda: None
        picture = read(data)
        header = images.read_header(io.BytesIO(data))
    finally:
        vips.library = library
    assert np.array_equal(planes_of(picture), expected)
    assert picture.lost == ()
    assert picture.pixels.dtype == (np.uint16 if bits == 16 else np.uint8)
    assert (header.bits, header.channels) == (16 if bits == 16 else 8, expected.shape[2])


def test_low_bits_of_a_key_count_alone(either):
    values = np.array([[[3], [5]]])
    data = png(values, 4, 0, before=[chunk(b"tRNS", struct.pack(">H", 0xFFF5))])
    assert read(data).alpha.tolist() == [[255, 0]]


def big(bits: int = 8, interlaced: bool = False, kind: int = 2, level: int = 6, **options):
    """Noise: it does not compress, so that damage stays where it is."""
    rng = np.random.default_rng(4)
    values = rng.integers(0, 2**bits, (40, 30, CHANNELS[kind]))
    return values, png(values, bits, kind, interlaced, level=level, idat=999, **options)


DAMAGES = {
    "a wrong checksum": lambda d, at: flip(d, at["IDAT"][-1][1] + at["IDAT"][-1][2]),
    "data": lambda d, at: flip(d, at["IDAT"][1][1] + 300),
    "the header's checksum": lambda d, at: flip(d, 30),
    "the check at the end": lambda d, at: again(d, lambda z: z[:-1] + bytes([z[-1] ^ 1])),
    "no check at the end": lambda d, at: again(d, lambda z: z[:-4]),
    "too little": lambda d, at: again(d, lambda z: zlib.compress(zlib.decompress(z)[:-1])),
    "much too little": lambda d, at: again(d, lambda z: zlib.compress(zlib.decompress(z)[:900])),
    "too much": lambda d, at: again(d, lambda z: zlib.compress(zlib.decompress(z) + b"\0")),
    "a chunk is missing": lambda d, at: d[: at["IDAT"][1][1] - 8] + d[at["IDAT"][2][1] - 8 :],
    "cut off": lambda d, at: d[: at["IDAT"][2][1] + 40],
}


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def again(data: bytes, change) -> bytes:
    """The same with other compressed data, checksums of chunks right."""
    found = [(name, data[at : at + length]) for name, at, length in chunks_of(data)]
    whole = change(b"".join(part for name, part in found if name == b"IDAT"))
    first = next(at for at, (name, _) in enumerate(found) if name == b"IDAT")
    kept = [chunk(*each) for each in found if each[0] != b"IDAT"]
    return data[:8] + b"".join([*kept[:first], chunk(b"IDAT", whole), *kept[first:]])


def places(data: bytes) -> dict[str, list]:
    found: dict[str, list] = {}
    for each in chunks_of(data):
        found.setdefault(each[0].decode(), []).append(each)
    return found


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_damage_is_said_and_what_there_is_can_be_had(either, damage, interlaced, bits):
    values, data = big(bits, interlaced)
    broken = DAMAGES[damage](data, places(data))
    with pytest.raises(PictureError, match=r"are damaged \(.*force_damaged=True"):
        read(broken)
    picture = read(broken, force_damaged=True)
    assert picture.pixels.shape == values.shape
    if damage == "the header's checksum":
        assert np.array_equal(picture.pixels, values)
        return
    (note,) = picture.lost
    assert note.startswith("the file is damaged (")
    count = int(note.split(": ")[1].split(" of ")[0])
    if interlaced:
        whole = damage in ("a wrong checksum", "the check at the end", "no check at the end")
        assert np.array_equal(picture.pixels, values) == (whole or damage == "too much")
    elif damage not in ("data", "a chunk is missing"):
        assert np.array_equal(picture.pixels[:count], values[:count])
        assert (picture.pixels[count + 1 :] == picture.pixels[-1]).all()
    if damage in ("a chunk is missing", "cut off"):
        assert count < (75 if interlaced else 40)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("rows", [1, 17, 39])
def test_rows_are_counted_and_the_last_goes_on(either, interlaced, rows):
    values = np.tile(np.arange(40)[:, None, None], (1, 30, 3)).astype(np.int64)
    data = png(values, interlaced=interlaced)
    plain = raw(values, 8, interlaced)
    length = len(plain) * rows // 40
    broken = again(data, lambda z: zlib.compress(plain[:length])[:-4])
    picture = read(broken, force_damaged=True)
    if not interlaced:
        note = f"the file is damaged (too little data): {rows} of 40 rows are intact"
        assert picture.lost == (note,)
        expected = np.minimum(values, rows - 1)
        assert np.array_equal(picture.pixels[:rows], expected[:rows])
        assert (picture.pixels[rows:] == values[rows - 1]).all()
    else:  # every pixel has a value of a neighbour above or beside it
        far = np.abs(picture.pixels.astype(int) - values).max()
        assert far < 8
        assert "rows of its passes are intact" in picture.lost[0]


def test_nothing_there_is_nothing_read():
    _, data = big()
    broken = again(data, lambda z: b"")
    with pytest.raises(PictureError, match="nothing of its pixels can be read"):
        read(broken, force_damaged=True)


def test_a_frame_of_its_palette_and_transparency_with_a_wrong_checksum():
    values = values_of(3, 8, 9, 9)
    palette = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8).tobytes()
    data = png(values, 8, 3, before=[chunk(b"PLTE", palette), chunk(b"tRNS", b"\1\2")])
    for name in ("PLTE", "tRNS"):
        ((_, at, length),) = places(data)[name]
        broken = flip(data, at + length)
        for reader in (read, lambda d: images.read_header(io.BytesIO(d))):
            with pytest.raises(PictureError, match=f"wrong checksum of {name}"):
                reader(broken)
        picture = read(broken, force_damaged=True)
        assert np.array_equal(planes_of(picture), planes_of(read(data)))
        assert f"the file is damaged (wrong checksum of {name})" in picture.lost


def test_without_its_end_it_is_read_and_said(either):
    values, data = big()
    for broken in (data[:-12], data[:-5], flip(data, len(data) - 6)):
        picture = read(broken)
        assert np.array_equal(picture.pixels, values)
        assert picture.lost == ("the file's end is missing or damaged",)


def test_bytes_behind_the_end_change_nothing(either):
    values, data = big()
    assert np.array_equal(read(data + b"more").pixels, values)
    assert np.array_equal(read(again(data, lambda z: z + b"more")).pixels, values)


def test_found_again_behind_a_damaged_chunk():
    """Where a length is wrong, the pixels behind it are looked for."""
    values, data = big(before=[chunk(b"tEXt", b"Title\0" + b"x" * 50)])
    ((_, at, _),) = places(data)["tEXt"]
    for length in (2**31 - 1, 7, 10**6):
        broken = data[: at - 8] + struct.pack(">I", length) + data[at - 4 :]
        with pytest.raises(PictureError):
            read(broken)
        picture = read(broken, force_damaged=True)
        assert np.array_equal(picture.pixels, values)


def test_a_tiny_file_that_claims_much_is_refused_at_once():
    data = SIGNATURE + ihdr(np.zeros((20_000, 20_000, 1)), 8, 2, False)
    data += chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="too little data"):
        read(data)


def test_no_setting_of_the_process_is_changed():
    """Others read strictly at the same time."""
    _, data = big()
    broken = DAMAGES["cut off"](data, places(data))
    seen, refused, stop = [], [], threading.Event()

    def strictly():
        while not stop.is_set():
            seen.append(ImageFile.LOAD_TRUNCATED_IMAGES)
            with pytest.raises(PictureError):
                read(broken)
            refused.append(1)

    thread = threading.Thread(target=strictly)
    thread.start()
    for _ in range(20):
        read(broken, force_damaged=True)
    stop.set()
    thread.join()
    assert refused
    assert not any(seen)


def test_apple_s_own_kind_is_refused():
    _, data = big()
    apple = data[:8] + chunk(b"CgBI", b"\x50\0\x20\2") + data[8:]
    with pytest.raises(PictureError, match="Apple"):
        read(apple)


def test_a_header_that_makes_no_sense(either):
    _, data = big()
    for at, value in ((16, 0x90), (24, 3), (25, 5), (26, 1), (27, 1), (28, 2)):
        head = bytearray(data[16:29])
        head[at - 16] = value
        broken = data[:8] + chunk(b"IHDR", bytes(head)) + data[33:]
        for force in (False, True):
            with pytest.raises(PictureError):
                read(broken, force_damaged=force)
        with pytest.raises(PictureError):
            images.read_header(io.BytesIO(broken), ReadRequest(force_damaged=True))
