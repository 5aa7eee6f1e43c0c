"""Models on the Hugging Face Hub: download and search, with one-line errors.

A thin layer over huggingface_hub, which is imported on demand. Only the files of a model folder are
downloaded, each by its exact name; code is never downloaded.
"""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..common import arguments, files, kept_folders
from ..errors import HubError
from .folder import COMMIT, CONFIG, RECIPE, ModelFolder, local_parts, read_folder
from .readme import README

if TYPE_CHECKING:
    from huggingface_hub import HfApi

OTHER_FILES = (README, RECIPE, "log.jsonl", "curves.png", "sample.png")
"""Optional files of a model folder, besides config.json, the weights and the exports."""
HUB_PREFIX = "hf://"
REFERENCE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
TAG = "srzoo"
"""The tag of srzoo's cards, which a search uses."""
TIMEOUT = 10.0
"""Seconds to wait for an answer of the Hub; downloads may take longer."""


@dataclass(frozen=True)
class Reference:
    """A model on the Hub: "org/repo", and a branch, tag or full commit, or None for main."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


Commits = dict[Reference, str]
_commits: ContextVar[Commits | None] = ContextVar("_commits", default=None)


@contextmanager
def same_commits() -> Generator[Commits]:
    """A context in which a reference keeps its commit, even if another is pushed meanwhile.

    The Hub is asked once. It yields the known commits, and the caller may add to them. Nested
    contexts share them.
    """
    known = _commits.get()
    found: Commits = {} if known is None else known
    token = _commits.set(found)
    try:
        yield found
    finally:
        _commits.reset(token)


def parse(ref: str) -> Reference | None:
    """Read ``org/repo``, ``org/repo@revision``, or either after ``hf://``; None if it is neither.

    >>> parse("org/edsr-x4@v1")
    Reference(repo='org/edsr-x4', revision='v1')
    """
    match = REFERENCE.fullmatch(ref.removeprefix(HUB_PREFIX))
    return Reference(match["repo"], match["revision"]) if match else None


def api() -> HfApi:
    """The client, with srzoo's user agent; its token comes from HF_TOKEN or ``hf auth``."""
    from huggingface_hub import HfApi

    return HfApi(library_name="srzoo", library_version=__version__)


def pull(ref: str, to: str | Path | None = None, *, force: bool = False) -> Path:
    """Download a model folder from the Hub, or find it in the cache.

    Without a network the cache is used; a full commit in the cache makes no request at all.

    Args:
        ref: ``org/repo`` or ``org/repo@revision`` (a branch, a tag, a full commit).
        to: a new folder for it; None to leave it in the client's cache.
        force: download files again that are in the cache.

    Returns:
        The model folder; the sha256 of its weights is checked against config.json.

    Raises:
        HubError: no such model or revision, no access, no network, or a damaged download.
        ModelError: it is not a srzoo model, or it needs a newer srzoo.
    """
    arguments.check_type("model", ref, (str,))
    found = parse(ref)
    if found is None:
        raise HubError(
            f"{ref!r} is not a model on the Hub", "Write it like org/name or org/name@v1"
        )
    if to is not None:
        arguments.check_path("to", to)
    if to is not None and Path(to).exists():
        raise HubError(f"{to} exists", "Choose another folder")
    with translate_errors(found):
        folder = _fetch(found, force)
    _check(folder, found)
    return _copied(folder, Path(to)) if to is not None else folder


def _fetch(ref: Reference, force: bool) -> Path:
    """The complete snapshot in the cache."""
    known = _commits.get()
    revision = (known or {}).get(ref, ref.revision)
    config = _file(ref.repo, CONFIG, revision, force)
    assert config is not None
    commit = config.parent.name  # download the rest from the same commit
    if known is not None:
        known[ref] = commit
    found = read_folder(config.parent)
    _no_files(found, ref)
    weights = found.config.weights
    if weights:
        _file(ref.repo, weights.file, commit, force)
    for name in [*OTHER_FILES, *(export.file for export in found.usable_exports)]:
        _file(ref.repo, name, commit, force, optional=True)
    _no_files(found, ref)
    return config.parent


def _no_files(folder: ModelFolder, ref: Reference) -> None:
    """Refuse a config that names code in files: it would run a file of this machine."""
    if found := local_parts(folder):
        raise HubError(
            f"{ref} names code in a file: {found[0]}",
            "A published model must consist of installable plugins: ask its author for them",
        )


def _file(
    repo: str, name: str, revision: str | None, force: bool, optional: bool = False
) -> Path | None:
    from huggingface_hub import (
        constants,
        hf_hub_download,  # pyright: ignore[reportUnknownVariableType]
        try_to_load_from_cache,
    )
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        LocalEntryNotFoundError,
    )

    if revision and COMMIT.fullmatch(revision) and not force:
        cached = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        if cached is not None and optional:
            return None  # the cache knows that the commit has no such file
    try:
        path = hf_hub_download(
            repo,
            name,
            revision=revision,
            library_name="srzoo",
            library_version=__version__,
            force_download=force,
        )
    except EntryNotFoundError as error:
        missing_here = isinstance(error, LocalEntryNotFoundError)
        # Offline, these files are optional; after a network error, a folder must not look complete.
        if optional and (not missing_here or constants.is_offline_mode()):
            return None
        if missing_here:
            raise
        raise HubError(
            f"{repo} has no {name}: it is not a srzoo model", "Check the name"
        ) from error
    except HTTPError as error:
        # A connection broke; if none can be made, the client itself uses its cache.
        cached = try_to_load_from_cache(repo, name, revision=revision)
        if isinstance(error, HfHubHTTPError) or not isinstance(cached, str) or force:
            raise
        return Path(cached)
    return Path(path)


def _check(folder: Path, ref: Reference) -> None:
    """Compare weights and exports with config.json, as the client checks only their length."""
    model = read_folder(folder)
    weights = model.config.weights
    named = [(folder / weights.file, weights.sha256, "weights")] if weights else []
    for export in model.usable_exports:
        if (file := folder / export.file).is_file():  # it may be missing, as torch does not need it
            named.append((file, export.sha256, "exports"))
    for file, wanted, what in named:
        found = kept_folders.sha256(file)
        if found != wanted:
            raise HubError(
                f"the {what} of {ref} are damaged: the sha256 of {file.name} is {found[:12]}...,"
                f" but config.json states {wanted[:12]}...",
                f"Download them again: srzoo pull {ref} --overwrite",
            )


def _copied(folder: Path, to: Path) -> Path:
    """Copy the files of a snapshot (links into the cache) to a folder."""
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=files.TEMPORARY) as name:
            new = Path(name) / to.name
            shutil.copytree(folder, new)
            new.rename(to)
    except (OSError, shutil.Error) as error:
        raise HubError(f"cannot write {to}: {error}", "Choose another folder") from error
    return to


@dataclass(frozen=True)
class SearchHit:
    """A search result: "org/repo", its tags, and the Hub's counts."""

    repo: str
    tags: tuple[str, ...]
    downloads: int
    likes: int
    private: bool


def search(
    words: str = "",
    *,
    author: str | None = None,
    scale: int | None = None,
    generator: str | None = None,
    limit: int = 100,
) -> list[SearchHit]:
    """Find models on the Hub that srzoo can use, by the tags of their cards.

    Args:
        words: words in the name.
        author: a user or an organisation.
        scale: a factor that they upscale by.
        generator: the plugin that builds them.
        limit: the largest number of results.

    Raises:
        HubError: the Hub cannot be reached.
    """
    tags = [TAG, *([f"x{scale}"] if scale else []), *([generator] if generator else [])]
    with translate_errors(None):
        models = api().list_models(
            filter=tags, author=author, search=words or None, limit=limit, full=True
        )
        return [
            SearchHit(
                model.id,
                tuple(model.tags or ()),
                model.downloads or 0,
                model.likes or 0,
                bool(model.private),
            )
            for model in models
        ]


@contextmanager
def translate_errors(ref: Reference | None) -> Generator[None]:
    """Turn every error of the client into a :class:`HubError` with a fix.

    Args:
        ref: the model of the request, if it concerns one.
    """
    from huggingface_hub import errors as hf

    try:
        yield
    except (
        # The client raises all of these: OSError for the disk, the network and the cache,
        # RuntimeError for its transfers, ValueError for invalid answers.
        hf.HfHubHTTPError,
        hf.HTTPError,  # pyright: ignore[reportPrivateImportUsage]
        hf.RevisionResolutionError,
        hf.EntryNotFoundError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        what, fix = _explained(error, ref)
        raise HubError(what, fix) from error


LOGIN = "log in with: hf auth login, or set HF_TOKEN"
LOG_IN = f"L{LOGIN[1:]}"


def _explained(error: Exception, ref: Reference | None) -> tuple[str, str]:
    from huggingface_hub import constants
    from huggingface_hub import errors as hf

    repo = ref.repo if ref else "it"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    cause: Any = getattr(error, "response", None)
    status = getattr(cause, "status_code", None)
    if isinstance(error, hf.GatedRepoError):
        page = f"{constants.ENDPOINT}/{repo}"
        return f"{repo} is gated: its owner gives access on request", f"Ask at {page}, then {LOGIN}"
    if isinstance(error, hf.RevisionNotFoundError):
        revision = ref.revision if ref else None
        return (
            f"{repo} has no revision {revision!r}",
            "Name a branch, a tag, or a commit with all its 40 digits",
        )
    if isinstance(error, hf.RepositoryNotFoundError):
        return (
            f"the Hub has no model {repo}, or it is private",
            f"Check the name; for a private model {LOGIN}",
        )
    if isinstance(error, hf.LocalTokenNotFoundError):
        return "this needs a login", LOG_IN
    if _is_disk_full(error):
        return f"the disk is full: {reason}", "Make room, or set HF_HOME to a place with more"
    if isinstance(error, hf.OfflineModeIsEnabled) or constants.is_offline_mode():
        name = f"{ref} is not complete in the cache" if ref else "this needs the Hub"
        return f"{name}, and HF_HUB_OFFLINE is set", "Unset it, and try again with a network"
    if status == 401:
        return f"the Hub rejects the token: {reason}", LOG_IN
    if status == 403:
        return f"no permission for {repo}: {reason}", "Check the name and the token's rights"
    if status == 412:
        return (
            f"{repo} has changed meanwhile; nothing was written",
            "Look at what changed, then run the same command again",
        )
    if status == 429:
        return f"the Hub limits the rate of requests: {reason}", "Wait some minutes, then try again"
    if isinstance(error, hf.HFValidationError):
        return f"{repo} is not a name for a repo: {reason}", "Write it like org/name"
    about = f" of {ref}" if ref else ""
    return (
        f"the Hub failed to answer{about}: {reason}",
        "Check the network and try again; downloaded files are kept",
    )


def _is_disk_full(error: Exception) -> bool:
    """Whether the disk is full; xet transfers report it only in the message."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return full or "No space left on device" in str(error)
