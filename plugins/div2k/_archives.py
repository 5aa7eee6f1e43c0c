"""DIV2K's tracks and archives: their names, sizes and contents.

Sizes and sha256 sums are those that TensorFlow Datasets publishes and checks
(github.com/tensorflow/datasets, tensorflow_datasets/datasets/div2k/checksums.tsv).
"""

from __future__ import annotations

from dataclasses import dataclass

from srzoo.errors import SrzooError, did_you_mean

URL = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
SPLITS = {"train": range(1, 801), "valid": range(801, 901)}


@dataclass(frozen=True)
class Archive:
    """One ZIP file.

    Attributes:
        name: the file's name without ``.zip``.
        folder: the folder that it contains, relative to the dataset's root.
        size, sha256: of the file; an empty sum if none is known.
        pictures: the least number of pictures in ``folder``.
    """

    name: str
    folder: str
    size: int
    sha256: str
    pictures: int


@dataclass(frozen=True)
class Track:
    """One way to make LR from HR.

    Attributes:
        scale: HR pixels for each LR pixel, along each side.
        archive: the end of the archive's name.
        folder: the LR folder's name after ``DIV2K_SPLIT_``.
        suffix: the text after the number in LR names; * matches any digits.
        each: LR pictures for each HR picture of the training split.
    """

    scale: int
    archive: str
    folder: str
    suffix: str
    each: int = 1


TRACKS = {
    **{
        f"{kind}_x{scale}": Track(scale, f"LR_{kind}_X{scale}", f"LR_{kind}/X{scale}", f"x{scale}")
        for kind, scales in (("bicubic", (2, 3, 4)), ("unknown", (2, 3, 4)))
        for scale in scales
    },
    "bicubic_x8": Track(8, "LR_x8", "LR_x8", "x8"),
    "realistic_mild_x4": Track(4, "LR_mild", "LR_mild", "x4m"),
    "realistic_difficult_x4": Track(4, "LR_difficult", "LR_difficult", "x4d"),
    # Four cameras for each training picture: 0001x4w1.png to 0001x4w4.png.
    "realistic_wild_x4": Track(4, "LR_wild", "LR_wild", "x4w*", each=4),
}

# fmt: off
SUMS = {
    "train_HR": (3530603713, "9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335"),
    "train_LR_bicubic_X2":
        (925390592, "a53a424317575838dadce4bcd97cf7b744d6855f43740ed5f0245af3cf4bd850"),
    "train_LR_bicubic_X3":
        (427847282, "ad5c8e5507e2765823d3c2c5bd0934842efcd487c5370604c224090898b3163a"),
    "train_LR_bicubic_X4":
        (246914039, "f006b837f4eb52b82909aa01478e6d6d199eefce932179491d0c9dbb706dde3a"),
    "train_LR_difficult":
        (263211252, "50624a649a0857fdb8e4a948e79c44c37dedbacb5729f9349cc983c47bfdf799"),
    "train_LR_mild":
        (275693358, "ce5fbe6252d1000c55656b0666dccdeaf8e66b86ae5ff528c49343012e8e1391"),
    "train_LR_unknown_X2":
        (734182735, "f166eeba119fc55bfc9a99c05561980e7a965382f36640ce8ef626c9f61d122c"),
    "train_LR_unknown_X3":
        (377245548, "b6455af3b2aa02d76ae3238c49d7aae3b48b0acdc44b5bdc0f4c02d40ebcb43b"),
    "train_LR_unknown_X4":
        (208956781, "d131c7aad51e0abbdc4433362ce899e5e75f40b9847ead70ee995188e8fd0adb"),
    "train_LR_wild":
        (1079873385, "ce68f7db812d12241212bb9d6b07406472bef3d785c463238888b44189c5ceb3"),
    "train_LR_x8": (65753171, "706fa23164fa0756a3accb78e69b937ea47f882b47e13506895deefd623a35c2"),
    "valid_HR": (448993893, "20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc"),
    "valid_LR_bicubic_X2":
        (117763600, "60eed9875c697df51204aa579e2a699e1d5215095788a097ff54dd17e2664d57"),
    "valid_LR_bicubic_X3":
        (54513392, "04b9a2ed3b4a0715d3924d3ae8514830c3328fac8d30512ce716d6f419e052a3"),
    "valid_LR_bicubic_X4":
        (31505881, "a50a5d1c4b88de4e8d300d8fb2b904c52fe93b2b298a4899697760d7cbb6d553"),
    "valid_LR_difficult":
        (33596835, "08b4e740496b50846497463121329c707dd8ed26eb8a655d175e9a595286d5e8"),
    "valid_LR_mild":
        (35300939, "eedfbcb6acc6662a3f52924aaa5a423693244f3276d37c3fca7944c7325859ff"),
    "valid_LR_unknown_X2":
        (93433041, "ec50bb084c0011130874efd2ed7859b46e0aa7104c565818d5271ac315e04e0a"),
    "valid_LR_unknown_X3":
        (48143315, "ebf23a3e1ef6800cae97285d3a50d022d89b62655e685884c0abcc89eec5b809"),
    "valid_LR_unknown_X4":
        (26695095, "e3897555a98de1157c20974fb6093105fbc1ff5e9caf7bd348f58f6da140fbef"),
    "valid_LR_wild":
        (34655417, "ce921d2048eef3e1fd9ba359d1876b1c93e33bd7a531306f7782672391df9820"),
    "valid_LR_x8": (8428103, "3432f23da7c6887acc5e2cde9669427a7710b3b256c58912dddc19e3eda5bc69"),
}
# fmt: on


def _archives() -> dict[str, Archive]:
    found: dict[str, Archive] = {}
    for split, numbers in SPLITS.items():
        parts = {"HR": ("HR", 1)}
        for track in TRACKS.values():
            parts[track.archive] = track.folder, track.each if split == "train" else 1
        for part, (folder, each) in parts.items():
            name = f"{split}_{part}"
            size, sha256 = SUMS[name]
            found[name] = Archive(
                f"DIV2K_{name}", f"DIV2K_{split}_{folder}", size, sha256, len(numbers) * each
            )
    return found


ARCHIVES = _archives()
"""Archives by SPLIT_PART, as in ``train_HR`` and ``valid_LR_bicubic_X4``."""


def find_track(name: str) -> Track:
    """A track by its name.

    Raises:
        SrzooError: no track has that name.
    """
    if name not in TRACKS:
        raise SrzooError(f"DIV2K has no track {name!r}", did_you_mean(name, TRACKS))
    return TRACKS[name]


def find_split(name: str) -> range:
    """The numbers of the pictures of a split.

    Raises:
        SrzooError: no split has that name.
    """
    if name not in SPLITS:
        raise SrzooError(f"DIV2K has no split {name!r}", did_you_mean(name, SPLITS))
    return SPLITS[name]
