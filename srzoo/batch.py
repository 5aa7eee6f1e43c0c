"""Many pictures through one model: which file becomes which, then one after the other.

Everything that can be refused is refused by :func:`plan`, before a model is loaded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import images
from .errors import PictureError, SrzooError

if TYPE_CHECKING:
    from .upscaler import Progress, Upscaler


BLENDED = "tiles were blended, not exact: the network looks further than a tile"


@dataclass(frozen=True)
class Job:
    """One picture to be made, or the reason why it cannot be."""

    source: Path
    target: Path
    format: str
    problem: SrzooError | None = None


@dataclass(frozen=True)
class Batch:
    """What :func:`plan` found: the jobs, and the results of earlier runs it left out."""

    jobs: list[Job]
    skipped: list[Path] = field(default_factory=list[Path])


@dataclass(frozen=True)
class Outcome:
    """What became of one job: sizes as (width, height), or the reason of the failure."""

    job: Job
    before: tuple[int, int] | None = None
    after: tuple[int, int] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: SrzooError | None = None


def plan(
    inputs: list[Path],
    output: str | None,
    *,
    model: str,
    known: list[str],
    format: str | None = None,
    overwrite: bool = False,
) -> Batch:
    """Say for each input which file it becomes; nothing is written.

    Args:
        inputs: picture files, and folders whose pictures are taken (not those of their
            subfolders).
        output: a file for one input file, else a folder; a trailing slash always means a
            folder. None puts ``NAME-MODEL.EXT`` beside each input.
        model: the last part of the model's name, for file names.
        known: other models' names: ``X-NAME`` in a folder that also holds ``X`` is a
            result and no input.
        format: a key of ``images.FORMATS``; None for the input's own.
        overwrite: whether existing files may be replaced; an input never is.

    Raises:
        PictureError: there is nothing to do, or two inputs would become one file.
    """
    sources: list[Path] = []
    skipped: list[Path] = []
    for path in inputs:
        if path.is_dir():
            pictures, results = _pictures(path, [model, *known])
            sources += pictures
            skipped += results
        else:
            sources.append(path)
    sources = list(dict.fromkeys(sources))
    into = _folder(output, many=len(inputs) > 1 or any(path.is_dir() for path in inputs))
    single = Path(output) if output and into is None else None
    jobs = [_job(source, into, single, model, format, overwrite) for source in sources]
    _refuse_collisions(jobs)
    return Batch(jobs, skipped)


def _pictures(folder: Path, models: list[str]) -> tuple[list[Path], list[Path]]:
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in images.READABLE
        and path.is_file()
        and not path.name.startswith(".")
    )
    stems = {path.stem for path in files}
    results = [
        path
        for path in files
        if any(path.stem.removesuffix(f"-{name}") in stems - {path.stem} for name in models)
    ]
    pictures = [path for path in files if path not in results]
    if not pictures:
        raise PictureError(
            f"{folder} holds no pictures", f"Known: {' '.join(sorted(images.READABLE))}"
        )
    return pictures, results


def _folder(output: str | None, many: bool) -> Path | None:
    if output is None:
        return None
    path = Path(output)
    slash = output.endswith(("/", os.sep))
    if not (many or slash or path.is_dir()):
        return None
    if path.exists() and not path.is_dir():
        raise PictureError(f"{path} is a file, and several pictures go there", "Name a folder")
    return path


def _job(
    source: Path,
    into: Path | None,
    single: Path | None,
    model: str,
    format: str | None,
    overwrite: bool,
) -> Job:
    own = next((k for k, f in images.FORMATS.items() if source.suffix.lower() in f.suffixes), None)
    kept = source.suffix if own and format in (None, own) else None
    suffix = kept or images.FORMATS[format or "png"].suffixes[0]
    if single:
        target = single
        format = format or images.format_of(target)
    elif into:
        target = into / f"{source.stem}{suffix}"
    else:
        target = source.with_name(f"{source.stem}-{model}{suffix}")
    return Job(source, target, format or own or "png", _obstacle(source, target, overwrite))


def _obstacle(source: Path, target: Path, overwrite: bool) -> SrzooError | None:
    if not source.exists():
        return PictureError(f"{source} does not exist", "Check the name")
    if target.exists() and target.samefile(source):
        return PictureError(f"{target} is the input itself", "Choose another place with -o")
    if target.is_dir():
        return PictureError(f"{target} is a folder", f"Put the result in it: -o {target}/")
    if target.exists() and not overwrite:
        return PictureError(f"{target} exists", "Give --overwrite to replace it")
    return None


def _refuse_collisions(jobs: list[Job]) -> None:
    owners: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.absolute()
        if target in owners:
            raise PictureError(
                f"{owners[target]} and {job.source} would both become {job.target}",
                "Rename one, or give them one at a time with -o",
            )
        owners[target] = job.source


def run(
    jobs: list[Job],
    upscaler: Upscaler,
    scale: int | None = None,
    quality: int | None = None,
    progress: Callable[[Job], Progress] | None = None,
) -> Iterator[Outcome]:
    """Do the jobs one by one; a failure is an outcome and does not stop the others."""
    for job in jobs:
        if job.problem:
            yield Outcome(job, problem=job.problem)
            continue
        start = time.perf_counter()
        try:
            yield _do(job, upscaler, scale, quality, progress(job) if progress else None, start)
        except SrzooError as error:
            yield Outcome(job, seconds=time.perf_counter() - start, problem=error)


def _do(
    job: Job,
    upscaler: Upscaler,
    scale: int | None,
    quality: int | None,
    progress: Progress | None,
    start: float,
) -> Outcome:
    width, height = images.read_size(job.source)
    # Refused here, a picture costs neither its decoding nor any computing.
    plan = upscaler.plan((width, height), scale)
    factor = plan.scale
    images.check_writable(job.target, (width * factor, height * factor), job.format)
    _make_folder(job.target.parent)
    picture = images.read(job.source)
    result = upscaler.upscale(picture, factor, progress)
    written = images.write(result, job.target, job.format, quality)
    notes = written.lost if plan.exact else (*written.lost, BLENDED)
    return Outcome(job, picture.size, result.size, time.perf_counter() - start, notes)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"cannot create the folder {folder}: {error.strerror}", "Choose another place with -o"
        ) from error
    if not os.access(folder, os.W_OK):
        raise PictureError(f"cannot write into {folder}", "Choose another place with -o")
