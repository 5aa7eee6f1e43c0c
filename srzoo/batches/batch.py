"""Plans a batch: the output file of each input.

:func:`plan_batch` raises all errors that are known in advance, before a model is loaded;
:mod:`srzoo.batches.pipeline` does the work.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from .. import images
from ..common import files, troubles
from ..errors import PictureError, SrzooError
from . import collisions, naming, tree
from .job import Job
from .ledger import Ledger, Settings
from .naming import Names
from .outputs import longest_name, sweep

ALL = "all"
Pages = int | str | None
"""The page or frame: a number from 1, ``ALL``, or None for files with only one."""


@dataclass(frozen=True)
class Batch:
    """The result of :func:`plan_batch`.

    Attributes:
        jobs: in the order of processing and reporting.
        results: results of earlier runs, which are not inputs.
        links: linked folders, which are not followed.
        ignored: other files in the folders.
        ledger: of the output folder, if several pictures are written to one.
        settings: the settings that affect the results, for the ledger.
    """

    jobs: list[Job]
    results: list[Path] = field(default_factory=list[Path])
    links: list[Path] = field(default_factory=list[Path])
    ignored: tree.Ignored = field(default_factory=tree.Ignored)
    ledger: Ledger | None = None
    settings: Settings = field(default_factory=dict[str, str | float | bool | None])

    @property
    def is_single(self) -> bool:
        """Whether there is only one picture, whose problem is that of the whole run."""
        return len(self.jobs) == 1

    @property
    def pending(self) -> list[Job]:
        """The jobs that are possible and not done yet."""
        return [job for job in self.jobs if not (job.problem or job.skip_reason)]

    @contextlib.contextmanager
    def opened(self) -> Generator[None]:
        """Open the ledger, and delete unfinished files of killed runs."""
        folders = {job.target.parent for job in self.jobs}
        if self.ledger is None:
            for folder in folders:
                files.sweep(folder)
            yield
            return
        with self.ledger.opened():
            for folder in folders:
                sweep(folder)
            yield


@dataclass(frozen=True)
class NamingRules:
    """The rules for names of results."""

    into: Path | None
    single: Path | None
    names: Names
    format: str | None
    pages: Pages
    request: images.ReadRequest


def plan_batch(
    inputs: list[Path],
    output: str | None,
    *,
    model: str,
    known: list[str],
    format: str | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    recursive: bool = False,
    settings: Settings | None = None,
    names: Names | None = None,
    pages: Pages = None,
    request: images.ReadRequest | None = None,
) -> Batch:
    """Decide the output file of each input; nothing is written.

    Args:
        inputs: picture files, and folders of pictures. Hidden files and folders are left out,
            and so are linked folders.
        output: a file for one input file, else a folder; a trailing slash always means a
            folder. None writes ``NAME-MODEL.EXT`` beside each input.
        model: the last part of the model's name, for file names.
        known: other models' names: ``X-NAME`` in a folder that also contains ``X`` is a
            result, not an input; see :func:`naming.is_result`.
        format: a key of ``images.FORMATS``; None for the input's own.
        overwrite: whether existing files may be replaced; an input never is.
        skip_existing: skip results that exist.
        recursive: include subfolders; the output folder mirrors them.
        settings: the settings that affect the results, for the ledger: results that it records
            for the same picture and these settings are kept, others in it are made again.
        names: the names of results; None for the default with ``model``.
        pages: the page or frame of each file, from 1, or "all" for one result each.
        request: how files are read to count their pages.

    Raises:
        PictureError: there is nothing to do, two inputs would have the same output file, or
            arguments contradict each other.
    """
    many = len(inputs) > 1 or any(os.path.isdir(path) for path in inputs)
    into = _folder(output, many)
    single = Path(output) if output and into is None else None
    names = names or Names(model)
    rules = NamingRules(
        into, single, names, _format(single, names, format), pages, request or images.ReadRequest()
    )
    ledger = Ledger(into) if into and (many or pages == ALL) else None
    settings = settings or {}
    trees = [
        tree.scan_folder(path, (model, *known), recursive, into)
        if os.path.isdir(path)
        else tree.FolderContents([(path, Path())])
        for path in inputs
    ]
    left = tree.Ignored()
    for found in trees:
        left.add(found.ignored)
    pictures = dict.fromkeys(picture for found in trees for picture in found.pictures)
    jobs = [job for source, place in pictures for job in _jobs(source, place, rules)]
    jobs, made = _without_results(jobs, inputs) if into is None else (jobs, [])
    collisions.refuse([job for job in jobs if not job.problem], into)
    # Identified by the file system: links, and names that differ only in case there.
    taken = {identity for job in jobs if (identity := _identity(job.source))}
    jobs = [
        check_target(job, overwrite, skip_existing, inputs=taken, settings=settings, ledger=ledger)
        for job in jobs
    ]
    jobs += [Job(path, path, "png", why) for found in trees for path, why in found.problems]
    return Batch(
        jobs,
        results=[path for found in trees for path in found.results] + made,
        links=[path for found in trees for path in found.links],
        ignored=left,
        ledger=ledger,
        settings=settings,
    )


def _folder(output: str | None, many: bool) -> Path | None:
    if output is None:
        return None
    path = Path(output)
    slash = output.endswith(("/", os.sep))
    if not (many or slash or os.path.isdir(path)):
        return None
    if os.path.exists(path) and not os.path.isdir(path):
        raise PictureError(f"{path} is a file, but there are several results", "Name a folder")
    if not slash and not path.exists() and path.suffix.lower() in images.READABLE:
        raise PictureError(
            f"several results cannot go to {path}, which is the name of one",
            f"Name a folder; one of that name is -o {path}/",
        )
    return path


def _format(single: Path | None, names: Names, format: str | None) -> str | None:
    """The requested format, given only once: by a suffix, by the pattern, or by its name."""
    if single:
        if names.pattern is not None:
            raise PictureError(f"both -o {single} and --name name the result", "Give one of them")
        if files.is_stream(single):  # a device has no suffix; it gets the input's format
            return format
        naming.check_ending(single, format)
        return format or images.format_of(single)
    if names.format:
        naming.check_ending(Path(names.pattern or ""), format)
    return format or names.format


def _jobs(source: Path, place: Path, rules: NamingRules) -> list[Job]:
    """The results of one file: one, or one for each of its pages."""
    if rules.pages is None:
        return [_job(source, place, rules)]
    try:
        count = images.read_header(source, replace(rules.request, page=1)).pages
    except Exception:  # noqa: BLE001 - an error is reported with its picture
        count = 1
    if count == 1 and rules.pages in (ALL, 1):  # named and recorded as without the option
        return [_job(source, place, rules)]
    if not isinstance(rules.pages, str):
        return [_job(source, place, rules, rules.pages)]
    if rules.single:
        problem = PictureError(
            f"{source} has {count} pages or frames, but {rules.single} is the name of one picture",
            f"Name a folder: -o {rules.single.with_suffix('')}/",
        )
        return [Job(source, rules.single, rules.format or "png", problem)]
    return [_job(source, place, rules, page, len(str(count))) for page in range(1, count + 1)]


def _job(
    source: Path, place: Path, rules: NamingRules, page: int | None = None, digits: int = 1
) -> Job:
    own = images.result_of(source)
    format = rules.format or own
    if rules.single:
        return Job(source, rules.single, format, page=page)
    suffixes = images.FORMATS[format].suffixes
    suffix = source.suffix if source.suffix.lower() in suffixes else suffixes[0]
    folder = source.parent if rules.into is None else rules.into / place
    try:
        page_name = None if page is None else f"{page:0{digits}}"
        name = rules.names.of(source, suffix, beside=rules.into is None, page=page_name)
    except SrzooError as error:
        return Job(source, source, format, error)
    except Exception as error:  # noqa: BLE001 - an invalid header fails only its picture
        what = f"cannot read {source}: {type(error).__name__}: {error}"
        return Job(source, source, format, PictureError(what, "Leave it out"))
    return Job(source, folder / name, format, page=page)


def _without_results(jobs: list[Job], inputs: list[Path]) -> tuple[list[Job], list[Path]]:
    """The jobs without those for earlier results, by their names; and these results."""
    targets = {job.target: job.source for job in jobs if not job.problem}
    made = [
        job.source
        for job in jobs
        if job.source not in inputs and targets.get(job.source, job.source) != job.source
    ]
    return [job for job in jobs if job.source not in made], made


def check_target(
    job: Job,
    overwrite: bool,
    skip_existing: bool,
    *,
    inputs: Collection[tuple[int, int]] = (),
    settings: Settings | None = None,
    ledger: Ledger | None = None,
) -> Job:
    """A job with the reason why it cannot or need not be done.

    Args:
        job: the job.
        overwrite, skip_existing, settings: as for :func:`plan_batch`.
        inputs: the files that no result may replace, as identified by the file system.
        ledger: of the output folder.
    """
    source, target = job.source, job.target
    if job.problem:
        return replace(job, problem=_missing(source) or job.problem)

    def cannot(what: str, fix: str) -> Job:
        return replace(job, problem=PictureError(what, fix))

    if job.data is None and (unseen := _missing(source)):
        return replace(job, problem=unseen)
    most = longest_name(target.parent)
    if len(os.fsencode(target.name)) > most:
        return cannot(
            f"the name {target.name} is longer than {most} bytes",
            "Choose a folder with -o, or rename the picture",
        )
    if files.is_stream(target) or not _exists(target):
        return job
    if os.path.isdir(target):
        return cannot(f"{target} is a folder", f"Put the result in it: -o {target}/")
    if not os.path.isfile(target):
        return cannot(f"{target} is a socket or a disk, not a file", "Choose another place with -o")
    if job.data is None and _identity(target) == _identity(source):
        return cannot(f"{target} is the input itself", "Choose another place with -o")
    if _identity(target) in inputs:
        return cannot(f"{target} is also an input", "Choose another place with -o")
    wanted = {**(settings or {}), **job.settings}
    state = ledger.state(target, source, wanted) if ledger else None
    if state == "done":
        return replace(job, skip_reason="done before")
    if skip_existing:
        return replace(job, skip_reason="exists")
    if overwrite or state == "ours":
        return job
    return cannot(
        f"{target} exists", "Give --overwrite to replace it, or --skip-existing to keep it"
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _exists(path: Path) -> bool:
    return _identity(path) is not None


def _missing(source: Path) -> PictureError | None:
    """The error for a file that cannot be accessed."""
    try:
        source.stat()
    except FileNotFoundError:
        return PictureError(f"{source} does not exist", "Check the name")
    except OSError as error:
        return PictureError(f"cannot read {source}: {error.strerror}", troubles.fix_for(error))
    return None
