"""The source of a backbone's weights."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from srzoo.errors import SrzooError, WeightsError

RANDOM = "random"
FILE = "model.safetensors"
REFERENCE = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
CHOICES = (
    'Give "ORG/REPO@COMMIT" with all 40 digits of the commit (a branch may move), or a local'
    ' "FILE.safetensors"'
)


@dataclass(frozen=True)
class Pin:
    """One file of the Hub, pinned to a commit."""

    repo: str
    commit: str
    sha256: str


PINNED = {
    "vgg19": Pin(
        "timm/vgg19.tv_in1k",
        "128d4708565b3a414bcbb9bbad440b2fe37b9f18",
        "11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
    ),
}


def find(backbone: str, weights: str | Path | None, sha256: str | None) -> Path | None:
    """The file with a backbone's weights, downloaded if needed; None for random ones.

    Raises:
        SrzooError: ``weights`` is not pinned, or the Hub does not provide it.
        WeightsError: the file cannot be read, or has another sha256.
    """
    if weights == RANDOM:
        if sha256:
            raise SrzooError("random weights have no sha256", "Leave sha256 out")
        return None
    if weights is None:
        if backbone not in PINNED:
            raise SrzooError(f"no weights are pinned for the backbone {backbone!r}", CHOICES)
        pin = PINNED[backbone]
        path, sha256 = _download(pin.repo, pin.commit), sha256 or pin.sha256
    elif str(weights).endswith(".safetensors"):
        path = Path(weights)
    elif match := REFERENCE.fullmatch(str(weights)):
        path = _download(match[1], match[2])
    else:
        raise SrzooError(f"weights is {str(weights)!r}", CHOICES)
    if sha256:
        _check(path, sha256)
    return path


def _download(repo: str, commit: str) -> Path:
    import huggingface_hub
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        # An error of any HTTP client: for example a reset connection is passed on unchanged.
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]
    )

    try:
        return Path(huggingface_hub.hf_hub_download(repo, FILE, revision=commit))
    except (OSError, HTTPError, EntryNotFoundError, HFValidationError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SrzooError(
            f"cannot get {FILE} of {repo} at {commit[:7]} from the Hub: {reason}",
            'Check the network, or fetch the file elsewhere and give weights="FILE.safetensors"',
        ) from error


def _check(path: Path, sha256: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"cannot read the weights {path}: {error.strerror}", "Name a safetensors file"
        ) from error
    if found != sha256.lower():
        raise WeightsError(
            f"{path} has the sha256 {found[:12]}..., not {sha256[:12]}...",
            "The file is damaged, or another file: delete it and download it again",
        )
