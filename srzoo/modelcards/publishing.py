"""Publishes model folders on the Hub: checked first, then uploaded in one commit."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import HubError, ModelError
from ..evaluating import claims
from ..exporting import carried, exports
from ..models import hub, locate, requirements
from ..models.folder import CONFIG, ModelFolder, fit_name, refuse_local_parts
from ..models.readme import README
from ..upscaling import guidance
from . import cardcheck

if TYPE_CHECKING:
    from ..common.progress import Progress

SECRET = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}
UNCHECKED = "\n<!-- unchecked -->\n*The results were not measured again before this upload.*\n"


@dataclass(frozen=True)
class PushResult:
    """The result of :func:`push`.

    Attributes:
        repo: "org/name".
        files: names and sizes in bytes.
        commit: the current commit of the branch; None for a dry run.
        url: the model's page.
        changed: False if the Hub already had all files.
    """

    repo: str
    files: dict[str, int]
    commit: str | None
    url: str
    changed: bool


def push(
    model: str | Path,
    repo: str,
    *,
    private: bool = False,
    tag: str | None = None,
    message: str | None = None,
    check: bool = True,
    with_exports: bool = False,
    data: str | Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> PushResult:
    """Publish a model folder as a model of the Hub.

    Args:
        model: a folder, or a released name.
        repo: "org/name"; created if it does not exist.
        private: create a private repo; an existing public one is refused.
        tag: a tag to set on the commit, such as "v1".
        message: of the commit.
        check: measure the card's claims again first; if not, the card states it.
        with_exports: first write the exports that the folder lacks, as
            ``srzoo model add-exports`` does. Existing ones are uploaded in any case.
        data: the folder of the benchmark sets, as for ``card check``.
        dry_run: check everything, upload nothing.
        progress: called during the check, as for ``claims.check``.

    Raises:
        ModelError: the folder or its weights are wrong.
        HubError: the card is incomplete or a claim does not hold, a file in the folder must not
            be published, or the Hub refuses or cannot be reached.
        DeviceError: a package that an export needs is not installed.
    """
    from ..networks import folders

    ref = hub.parse(repo)
    if ref is None or ref.revision:
        raise HubError(f"{repo!r} is not a name for a repo", "Write it like org/name")
    folder = locate.find(model)
    requirements.check_models(folder)
    refuse_local_parts(folder)
    if with_exports:
        folder = _with_exports(folder)
    names = _names(folder)
    folders.build(folder)  # check that the weights are valid and the network builds
    _check_files(folder, names)
    if check:
        _measure(folder, None if data is None else Path(data), progress)
    with _staged(folder, names, check) as stage:
        files = {name: (stage / name).stat().st_size for name in names}
        if dry_run:
            return PushResult(ref.repo, files, None, _page(ref), changed=True)
        with hub.translate_errors(ref):
            commit, changed = _send(stage, ref, private, tag, message or f"srzoo: {folder.name}")
    return PushResult(ref.repo, files, commit, _page(ref), changed)


def _names(folder: ModelFolder) -> list[str]:
    """The files of a model folder to upload; checkpoints and other files are left out."""
    weights = folder.config.weights
    wanted = [CONFIG, *([weights.file] if weights else []), *hub.OTHER_FILES]
    carries = [one.file for one in folder.usable_exports]
    return [name for name in [*wanted, *carries] if (folder.path / name).is_file()]


def _with_exports(folder: ModelFolder) -> ModelFolder:
    """The folder, with exports of its weights; valid existing ones are kept."""
    if folder.carries_exports and not _damaged_exports(folder):
        return folder
    exports.require_making(folder.name)
    from ..exporting import carrying

    return carrying.add_exports(folder)


def _damaged_exports(folder: ModelFolder) -> list[str]:
    """The faults of the exports in config.json."""
    wrong: list[str] = []
    for one in folder.usable_exports:
        try:
            carried.check_file(folder, one)
        except ModelError as error:
            wrong.append(f"{error.what}: with_exports=True makes it again")
    return wrong


def _check_files(folder: ModelFolder, names: list[str]) -> None:
    """Raise all faults in one error."""
    wrong = [*cardcheck.problems(folder), *_damaged_exports(folder)]
    wrong += [
        f"{path.name} is a pickle, which runs code when it is loaded: remove it"
        for path in sorted(folder.path.iterdir())
        if path.suffix in PICKLES
    ]
    for name in names:
        if not name.endswith((".safetensors", ".png", ".onnx")):
            text = (folder.path / name).read_text(encoding="utf-8", errors="replace")
            if SECRET.search(text):
                wrong.append(f"{name} contains a token of the Hub: remove it, and revoke it")
    if wrong:
        raise HubError(
            f"{folder.path} is not ready to be published: {'; '.join(wrong)}",
            f"A card is made by: srzoo card new {folder.path}",
        )


def _measure(folder: ModelFolder, data: Path | None, progress: Progress | None) -> None:
    failed = [c for c in claims.check(folder, root=data, progress=progress) if not c.holds]
    if failed:
        first = failed[0]
        raise HubError(
            f"{len(failed)} claims of {folder.name}'s card do not hold: {first.claim.metric} on"
            f" {first.claim.data} is {first.measured:.4f}, not {first.claim.value:.4f}",
            f"Measure again: srzoo evaluate {folder.path} --write-card",
        )


@contextmanager
def _staged(folder: ModelFolder, names: list[str], checked: bool) -> Generator[Path]:
    """A copy of the files to upload, with a card that states whether its results were checked."""
    with tempfile.TemporaryDirectory() as root:
        stage = Path(root)
        for name in names:
            (stage / name).parent.mkdir(exist_ok=True, parents=True)
            shutil.copyfile(folder.path / name, stage / name)
        _complete(folder, stage / CONFIG)
        card = stage / README
        text = card.read_bytes().replace(UNCHECKED.encode(), b"")
        card.write_bytes(text if checked else text + UNCHECKED.encode())
        yield stage


def _complete(folder: ModelFolder, config: Path) -> None:
    """Add name and purpose to config.json, which folders of earlier versions lack.

    On the Hub and in its cache a folder has no name from which they could be derived. Exports of
    other weights are not uploaded, and are removed from config.json.
    """
    own = folder.config
    usable = tuple(folder.usable_exports)
    if not (own.name and own.purpose and own.exports == usable):
        name, purpose = own.name or fit_name(folder.name), guidance.purpose(folder)
        whole = replace(own, name=name, purpose=purpose, exports=usable)
        config.write_text(whole.to_json(), encoding="utf-8")


def _send(
    stage: Path, ref: hub.Reference, private: bool, tag: str | None, message: str
) -> tuple[str, bool]:
    """One commit on top of the branch, then the tag; return the commit, and whether it is new."""
    api = hub.api()
    api.create_repo(ref.repo, private=private, exist_ok=True)
    before = api.model_info(ref.repo, timeout=hub.TIMEOUT)
    if private and not before.private:
        raise HubError(
            f"{ref.repo} exists, and is public", "Choose another name, or make it private there"
        )
    tags = {each.name: each.target_commit for each in api.list_repo_refs(ref.repo).tags}
    if tag in tags and tags[tag] != before.sha:
        raise HubError(f"{ref.repo} already has a tag {tag}", "Choose another tag")
    if _has_all_files(api, ref, stage):
        commit = before.sha
    else:
        commit = _commit(api, ref, stage, before.sha, message)
    assert commit
    if tag in tags and tags[tag] != commit:
        raise HubError(
            f"{ref.repo} is pushed, but its tag {tag} remains on the earlier commit",
            "Push again with another tag",
        )
    if tag and tag not in tags:
        api.create_tag(ref.repo, tag=tag, revision=commit)
    return commit, commit != before.sha


def _commit(api: Any, ref: hub.Reference, stage: Path, parent: str | None, message: str) -> str:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return api.upload_folder(
            repo_id=ref.repo, folder_path=stage, commit_message=message, parent_commit=parent
        ).oid
    except HfHubHTTPError as error:
        # The client may have sent it twice, if the first answer was lost.
        if error.response.status_code == 412 and _has_all_files(api, ref, stage):
            return api.model_info(ref.repo, timeout=hub.TIMEOUT).sha
        raise


def _has_all_files(api: Any, ref: hub.Reference, stage: Path) -> bool:
    """Whether the head of the branch has every staged file, byte for byte."""
    there = {file.path: file for file in api.get_paths_info(ref.repo, _listed(stage))}
    if there.keys() != set(_listed(stage)):
        return False
    for name, file in there.items():
        data = (stage / name).read_bytes()
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False)  # git's own
        found, wanted = (
            (file.lfs.sha256, hashlib.sha256(data)) if file.lfs else (file.blob_id, blob)
        )
        if found != wanted.hexdigest():
            return False
    return True


def _listed(stage: Path) -> list[str]:
    return sorted(path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file())


def _page(ref: hub.Reference) -> str:
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{ref.repo}"
