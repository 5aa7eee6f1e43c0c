"""Datasets of any plugin, with their pictures checked against the contract."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..contracts import KeyedPictures, NamedPictures, Sample, SizedPictures
from ..errors import BrokenPluginError, PictureError, SrzooError
from ..evaluating.degrading import array_facts
from ..evaluating.degrading import degrade as degrade
from ..plugins import importing, kinds, origin
from ..recipes.data_folder import fill_in_data_folder

if TYPE_CHECKING:
    from ..contracts import U8, Dataset
    from ..recipes.recipe import DataSources

CHECK = "Correct the files, or the plugin that reads them"
NAMED_AT_MOST = 3


def fingerprint_of(dataset: Dataset, called: str) -> str:
    """A text that changes when any picture of a dataset does.

    Raises:
        SrzooError: the dataset has no fingerprint.
    """
    with importing.blamed(dataset):
        found: object = getattr(dataset, "fingerprint", None)
    if not isinstance(found, str) or not found:
        raise SrzooError(
            f"the dataset {called} has no fingerprint, which shows changes of its pictures",
            "Give it the property; srzoo.building.fingerprint makes one of files",
        )
    return found


@dataclass(frozen=True)
class GuardedDataset:
    """One dataset of a run.

    Attributes:
        dataset: the plugin's object.
        label: its name in messages, such as "data.train[1] (paired)".
        weight: its share of the crops, or None.
        about: its plugin and arguments, for lists of cached data.
    """

    dataset: Dataset
    label: str = "the data set"
    weight: float | None = None
    about: str = ""

    def __len__(self) -> int:
        with importing.blamed(self.dataset):
            return len(self.dataset)

    def name(self, index: int) -> str:
        """The name of a picture without decoding it; its index if the set has no names."""
        with contextlib.suppress(Exception):  # called while another error is reported
            if isinstance(self.dataset, NamedPictures):
                return str(self.dataset.name(index))
        return f"picture {index}"

    def keys(self) -> list[str]:
        """For each picture a text that changes when it does, as the key of its cached pixels.

        Raises:
            SrzooError: the set has no fingerprint.
        """
        ask = self.dataset.key if isinstance(self.dataset, KeyedPictures) else None
        kind = type(self.dataset)
        own = f"{kind.__module__}.{kind.__qualname__}"
        whole = None if ask else fingerprint_of(self.dataset, own)
        parts: list[object] = []
        for index in range(len(self)):
            try:
                parts.append(self._ask(index, ask) if ask else f"{whole} {index}")
            except SrzooError as error:  # a missing file is reported when it is read
                parts.append(f"{index} {error.what}")
        return [hashlib.sha256(f"{own} {part}".encode()).hexdigest()[:32] for part in parts]

    def size(self, index: int) -> tuple[int, int] | None:
        """Height and width of an HR picture from its file's header; None if not provided.

        Raises:
            SrzooError: the header cannot be read, or the size is invalid.
        """
        if not isinstance(self.dataset, SizedPictures):
            return None
        found: object = self._ask(index, self.dataset.size)
        if not isinstance(found, tuple | list) or len(cast("Sequence[Any]", found)) != 2:
            raise PictureError(f"{self._label_of(index)}: its size is {found!r}", CHECK)
        height, width = cast("Sequence[Any]", found)
        if not all(isinstance(side, int | np.integer) and side > 0 for side in (height, width)):
            raise PictureError(f"{self._label_of(index)}: its size is {found!r}", CHECK)
        return int(height), int(width)

    def sample(self, index: int, scales: Sequence[int]) -> Sample:
        """A picture, checked against the contract.

        Args:
            index: of the picture.
            scales: of the generator; if a picture has LR, it must be for the only scale.

        Raises:
            SrzooError: it cannot be read, or breaks the contract; the message names the picture,
                the dataset and the sizes.
        """
        found = self._ask(index, self.dataset.__getitem__)
        if not isinstance(found, Sample):
            kind, whose = type(found).__name__, origin.origin(self.dataset)
            of = f" ({whose})" if whose else ""
            raise PictureError(f"{self._label_of(index)} is a {kind}, not a Sample{of}", CHECK)
        name = cast("object", found.name)
        if not isinstance(name, str) or not name:
            raise PictureError(f"{self._label_of(index)} has the name {name!r}", CHECK)
        called = f"{name} of {self.label}"
        _uint8(found.hr, f"{called}: HR")
        if found.lr is not None:
            _uint8(found.lr, f"{called}: LR")
            check_pair(found.hr.shape[:2], found.lr.shape[:2], scales, called)
        stated = self.size(index)
        if stated is not None and stated != found.hr.shape[:2]:
            raise PictureError(
                f"{called}: HR is {_size_text(found.hr.shape)}, but its header"
                f" states {_size_text(stated)}",
                CHECK,
            )
        return found

    def _label_of(self, index: int) -> str:
        return f"{self.name(index)} of {self.label}"

    def _ask(self, index: int, ask: Callable[[int], object]) -> object:
        try:
            with importing.blamed(self.dataset):
                return ask(index)
        except BrokenPluginError as error:  # the picture may be the reason, and can be left out
            raise PictureError(f"{self._label_of(index)}: {error.what}", error.fix) from error
        except SrzooError as error:
            if self.label in error.what:
                raise
            raise PictureError(f"{self._label_of(index)}: {error.what}", error.fix) from error
        except MemoryError:
            raise
        except Exception as error:  # plugins may raise anything
            raise PictureError(
                f"{self._label_of(index)}: {type(error).__name__}: {error}", CHECK
            ) from error


def check_pair(hr: tuple[int, ...], lr: tuple[int, ...], scales: Sequence[int], called: str) -> int:
    """The scale of a pair.

    Args:
        hr, lr: height and width of each.
        scales: of the generator.
        called: the pair's name in errors.

    Raises:
        PairError: HR is not LR times the generator's scale, on both sides.
    """
    found = ratio_of(hr, lr)
    sizes = f"{called}: HR is {_size_text(hr)} and LR {_size_text(lr)}"
    if len(scales) > 1:
        wanted = " and ".join(f"x{scale}" for scale in scales)
        raise PairError(
            f"{sizes}: LR pictures of one size cannot train {wanted} at once",
            "Train one scale, or use a data set of HR pictures alone",
            found,
        )
    if found == scales[0]:
        return found
    height, width = (side * scales[0] for side in lr)
    raise PairError(
        f"{sizes}, which match at scale {found}, but the generator enlarges by {scales[0]}"
        if found
        else f"{sizes}: at scale {scales[0]}, HR must be {width}x{height}",
        f"Use LR pictures of scale {scales[0]}",
        found,
    )


class PairError(PictureError):
    """HR and LR do not match at the generator's scale, but maybe at ``ratio``."""

    def __init__(self, what: str, fix: str = "", ratio: int = 0) -> None:
        super().__init__(what, fix)
        self.ratio = ratio


def ratio_of(hr: tuple[int, ...], lr: tuple[int, ...]) -> int:
    """The integer factor between HR and LR on both sides; 0 if there is none."""
    factor = hr[0] // lr[0]
    return factor if (factor * lr[0], factor * lr[1]) == tuple(hr[:2]) else 0


def crop_to_scale(hr: U8, scale: int, called: str) -> U8:
    """An HR picture cropped to a multiple of the scale, at its right and lower edges.

    Raises:
        PictureError: it is smaller than one LR pixel.
    """
    height, width = (side // scale * scale for side in hr.shape[:2])
    if not (height and width):
        raise PictureError(
            f"{called}: {_size_text(hr.shape)} pixels are less than one at scale {scale}",
            "Exclude the picture",
        )
    return hr[:height, :width]


def guarded_datasets(sets: DataSources, data: Path | None, place: str) -> list[GuardedDataset]:
    """Build the datasets of a recipe.

    Args:
        sets: as in the recipe.
        data: replaces ``{data}`` in their arguments.
        place: their key in the recipe: "data.train" or "data.validation".

    Raises:
        SrzooError: a dataset cannot be built.
    """
    found: list[GuardedDataset] = []
    for number, source in enumerate(sets.each):
        use = fill_in_data_folder(source.use, data)
        where = f"{place}[{number}]" if len(sets.each) > 1 else place
        args = ", ".join(f"{key}={value}" for key, value in use.args.items())
        about = f"{use.name} ({args})" if args else use.name
        dataset = kinds.datasets.build(use)
        found.append(GuardedDataset(dataset, f"{where} ({use.name})", source.weight, about))
    return found


CORRECT = "Fix or exclude them, or set data.skip_bad = true"


def summarize_faults(faults: Sequence[SrzooError], total: int, fix: str = CORRECT) -> SrzooError:
    """One error for all bad pictures: it names the first few, and their number."""
    first = faults[0]
    if len(faults) == 1:
        return first
    shown = "; ".join(fault.what for fault in faults[:NAMED_AT_MOST])
    more = len(faults) - NAMED_AT_MOST
    return PictureError(
        f"{len(faults)} of {total} pictures are bad: {shown}"
        + (f"; and {more} more" if more > 0 else ""),
        fix,
    )


def _uint8(picture: object, called: str) -> None:
    if isinstance(picture, np.ndarray):
        found = cast("U8", picture)
        if found.dtype == np.uint8 and found.ndim == 3 and found.shape[2] == 3 and found.size:
            return
        picture = found
    raise PictureError(f"{called} is {array_facts(picture)}, not uint8 H x W x 3", CHECK)


def _size_text(shape: Sequence[int]) -> str:
    return f"{shape[1]}x{shape[0]}"
