"""Export of a model folder to another format, through ONNX, compared with the network.

``torch.export`` exports the network at one scale, folded, with variable height and width; a format
plugin converts the result. Then the file's output is compared with that of the network in torch.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import shutil
import subprocess
import threading
import time
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import contracts
from .._version import __version__
from ..common import kept_folders
from ..common.interrupts import interruptible
from ..contracts import has_linear_tail, multiple_of, on_grid, splits
from ..errors import ModelError
from ..networks import folders
from ..networks.inference import Folded, fold_norms
from ..networks.runner import enlarged
from ..plugins import importing, kinds
from . import exports, halving, measure
from .about import INPUT, OUTPUT, About
from .exports import RETRY_AFTER, USE_ANOTHER, DiffersError, Export, ExportRecord, UnfinishedError
from .trial import trial_picture

if TYPE_CHECKING:
    from ..contracts import F32, Session
    from ..models.folder import ModelFolder

OPSET = 18
SMALLEST = 5
"""The least side of an export's input, in LR pixels; larger if a folded tail needs it."""
SMALLEST_SEEN = 8
"""The same for a network that uses the whole picture, as in its contract."""
LARGEST = 1 << 16
OFF, DIFFERING = 1, 0.005
"""An export is refused if an 8-bit value differs by more levels, or if more values differ."""
SIZES = (61, 83), (128, 100), (1, 19)
"""Height and width of the test pictures; at least the smallest input of the file."""
TEMPORARY_ERRORS = (
    KeyboardInterrupt, SystemExit, MemoryError, OSError, ImportError, RecursionError,
    subprocess.SubprocessError,
)  # fmt: skip
"""Errors that may be temporary, and not due to the network."""
LEADING = "KeyboardInterrupt", "of memory", "enough memory", "allocat", "bad_alloc", "space left"
"""Words in such errors that come from a library in another language."""

_one = threading.Lock()
"""Exporters change global state, such as stdout, so one runs at a time."""


class AtScale(nn.Module):
    """A generator at one scale; optionally with its linear tail folded."""

    def __init__(self, generator: contracts.Generator, scale: int, fold: bool) -> None:
        super().__init__()
        self.generator: contracts.Generator = generator
        self.scale = scale
        split = generator if fold and splits(generator) else None
        self.tail = Folded(split, scale) if split else None
        self._features = split.features if split else None

    def forward(self, picture: Tensor) -> Tensor:
        """1 x 3 x H x W in 0..1 to 1 x 3 x sH x sW, unclamped."""
        if self.tail is None or self._features is None:
            return self.generator(picture, self.scale)
        return self.tail(self._features(picture, self.scale))


def make_kept(
    model: ModelFolder, scale: int, export_format: str, place: Path | None = None
) -> Export:
    """The export of a model for an engine: the cached one, or a new one.

    A refusal is cached too, so that the export is not tried each time: for good if its values
        differ,
    for a while if the format cannot represent the network. Failures with other causes are not
    cached.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        place: the folder with the exports, if it is not the cache.

    Raises:
        DeviceError: a package that the format needs is not installed.
        UnfinishedError: it cannot be made now, as the cache cannot be written.
        ModelError: the network cannot be built.
    """
    exports.require_format(export_format)
    exports.require_making(model.name)
    found = exports.find(model, scale, export_format, sure=True, place=place)
    return found or exports.keep(
        model, scale, export_format, lambda path: _record(model, scale, export_format, path), place
    )


def _record(model: ModelFolder, scale: int, export_format: str, path: Path) -> ExportRecord:
    generator = folders.build(model)  # its errors are not those of the export
    try:
        off, differing = _write(model, generator, scale, export_format, path)
    except UnfinishedError:
        raise
    except DiffersError as error:
        return ExportRecord(refused=error.what)
    except ModelError as error:
        return ExportRecord(refused=error.what, until=time.time() + RETRY_AFTER)
    per_pixel, aside = measure.in_own_process(export_format, path)
    return ExportRecord(None, off, differing, per_pixel, aside)


def write(
    model: ModelFolder,
    scale: int,
    export_format: str,
    path: Path,
    *,
    fold: bool = True,
    half: bool = False,
) -> tuple[int, float]:
    """Write a model in a format, and compare the file with the network.

    >>> write(locate.find("edsr-x4"), 4, "onnx", Path("edsr.onnx"))  # doctest: +SKIP
    (1, 2.1e-05)

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        path: the file, in an existing folder; an existing file is replaced after the new one has
            passed the comparison. Further files of a format are written beside it.
        fold: whether to fold a linear tail, including its border.
        half: store the weights in float16; then more values may differ by one level.

    Returns:
        The largest difference from torch in 8-bit levels, and the share of values that differ.

    Raises:
        DeviceError: a package that the format needs is not installed.
        ModelError: the network cannot be built or exported, or the file gives other values.
        OSError: the files cannot be written.
    """
    exports.require_format(export_format)
    exports.require_making(model.name)
    return _write(model, folders.build(model), scale, export_format, path, fold=fold, half=half)


def _write(
    model: ModelFolder,
    generator: contracts.Generator,
    scale: int,
    export_format: str,
    path: Path,
    *,
    fold: bool = True,
    half: bool = False,
) -> tuple[int, float]:
    target = exports.require_format(export_format)
    fold_norms(generator.requires_grad_(False))
    folded = fold and has_linear_tail(generator)
    net = AtScale(generator, scale, folded).eval()
    multiple = multiple_of(generator)
    reach = generator.reach
    least = SMALLEST if reach is not None else SMALLEST_SEEN
    smallest = on_grid(max(least, net.tail.smallest if net.tail else 0), multiple)
    about = About(model.name, scale, (0.0, 1.0), reach, smallest, folded, __version__, multiple)
    with kept_folders.new_folder(path.parent) as place, _one, interruptible():
        onnx, made = place / "network.onnx", place / f"model{target.suffix}"
        strangers = importing.blamed(target, (OSError,))  # a full disk is not their fault
        with strangers, _format_errors(model, export_format, place):
            _to_onnx(net, about, onnx)
            if half:
                halving.halve(onnx)
            target.write(onnx, made, about.to_json())
            session = _opened(model, export_format, made)
            off, differing = differences(
                AtScale(generator, scale, False), session, smallest, multiple
            )
        if off > OFF or (differing > DIFFERING and not half):
            raise DiffersError(
                f"{model.name} as {export_format} differs by {off} levels, and {differing:.2%} of"
                " the values differ",
                USE_ANOTHER,
            )
        kept_folders.sync(place)
        for suffix in (*target.beside, target.suffix):
            os.replace(made.with_suffix(suffix), path.with_suffix(suffix))
    return off, differing


def _opened(model: ModelFolder, export_format: str, made: Path) -> Session:
    try:
        target = exports.require_format(export_format)
        with importing.blamed(target, (OSError, RuntimeError)):
            return target.open(made, threads=1)
    except (ModelError, RuntimeError) as error:
        raise ModelError(
            f"{export_format} cannot load its own file of {model.name}", USE_ANOTHER
        ) from error


@contextlib.contextmanager
def _format_errors(model: ModelFolder, export_format: str, place: Path) -> Generator[None]:
    """Turn errors into refusals, if the network is their cause."""
    try:
        yield
    except UnfinishedError:
        raise
    except (ModelError, RuntimeError) as error:
        # Not every converter reports a full disk.
        if shutil.disk_usage(place).free < exports.disk_space_needed(model):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        what = (
            error.what
            if isinstance(error, ModelError)
            else f"{_called(export_format)} failed: {_reason(error)}"
        )
        if isinstance(error, ModelError) and not _is_temporary(error):
            raise
        raise UnfinishedError(what, USE_ANOTHER) from error


def _called(export_format: str) -> str:
    plugin = kinds.export_formats.find(export_format)
    return str(plugin) if plugin.is_foreign else export_format


def _is_temporary(error: BaseException | None) -> bool:
    """Whether an error, or its cause, may be temporary."""
    while error is not None:
        text = str(error)
        if isinstance(error, TEMPORARY_ERRORS) or any(word in text for word in LEADING):
            return True
        error = error.__cause__ or error.__context__
    return False


def _to_onnx(net: AtScale, about: About, path: Path) -> None:
    """Write the network as ONNX, by ``torch.export``."""
    cell = about.multiple
    x = torch.rand(1, 3, on_grid(37, cell), on_grid(43, cell))
    with torch.inference_mode(), importing.blamed(net.generator):  # the exporter reports less
        enlarged(net.generator, x, net.scale)
    sides = {side: _dynamic_size(name, about) for side, name in ((2, "height"), (3, "width"))}
    with _quiet():
        try:
            program = torch.onnx.export(  # pyright: ignore[reportUnknownMemberType]
                net, (x,), dynamo=True, dynamic_shapes={INPUT: sides}, input_names=[INPUT],
                output_names=[OUTPUT], opset_version=OPSET, verbose=False, optimize=True,
            )  # fmt: skip
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            known = type(_root(error)).__module__.startswith(f"{torch.__name__}.")
            kind = ModelError if known else UnfinishedError
            what = f"torch cannot export {about.model}: {_reason(error)}"
            raise kind(what, USE_ANOTHER) from error
        assert program is not None, "dynamo gives a program"
        program.model.metadata_props["srzoo"] = about.to_json()
        save = program.save  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        save(str(path), external_data=False)


def _dynamic_size(name: str, about: About) -> Any:
    """A side of any length on the grid."""
    cells = torch.export.Dim(
        name, min=about.smallest // about.multiple, max=LARGEST // about.multiple
    )
    return cells if about.multiple == 1 else about.multiple * cells


def _root(error: BaseException) -> BaseException:
    while error.__cause__:
        error = error.__cause__
    return error


def _reason(error: BaseException) -> str:
    """The first line of the reason in an error of torch's exporter, which has pages."""
    text = str(_root(error))
    return next((line for line in text.splitlines() if line.strip()), "").strip(" .")


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Silence the warnings of exporters; the comparison decides."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        nowhere = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@torch.inference_mode()
def differences(
    net: AtScale, session: Session, smallest: int = SMALLEST, multiple: int = 1
) -> tuple[int, float]:
    """The differences between a file's output and a network's: 8-bit levels, and share of values.

    Raises:
        ModelError: the file fails.
        DiffersError: it returns another shape, or values that are not finite.
    """
    off, count, total = 0, 0, 0
    for height, width in SIZES:
        down, across = (on_grid(max(side, smallest), multiple) for side in (height, width))
        x = trial_picture(down, across)
        want: F32 = net(torch.as_tensor(x)).numpy()
        try:
            got = session(x)
        except RuntimeError as error:
            raise ModelError(f"the exported file fails on {across}x{down}", USE_ANOTHER) from error
        if got.shape != want.shape:
            raise DiffersError(
                f"the exported file returned {got.shape}, not {want.shape}", USE_ANOTHER
            )
        if not np.isfinite(got).all():
            raise DiffersError("the exported file returned values that are not finite", USE_ANOTHER)
        apart = np.abs(_levels(got) - _levels(want))
        off, total = max(off, int(apart.max())), total + apart.size
        count += int(np.count_nonzero(apart))
    return off, count / total


def _levels(y: F32) -> Any:
    return np.rint(np.clip(y, 0, 1) * 255).astype(np.int16)
