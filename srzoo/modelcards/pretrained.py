"""Networks from the Hub and to it, with the method names of huggingface_hub's mixin.

Models there are model folders of srzoo, with weights as safetensors: no code, no pickles. Token,
cache and offline mode are the Hub client's: ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE``.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..common import arguments
from ..errors import HubError, ModelError
from ..models import hub
from ..models.readme import README

if TYPE_CHECKING:
    from ..contracts import Generator
    from ..exporting.saving import DType
    from ..models.folder import Purpose


class Network:
    """A base class that gives a generator these methods, besides ``nn.Module``.

    >>> net = srzoo.Network.from_pretrained("org/portrait-x4")          # doctest: +SKIP
    >>> net.push_to_hub("me/portrait-x4", card="runs/portrait")         # doctest: +SKIP

    ``Network.from_pretrained`` returns the model's generator, whatever its class; the method of a
    subclass returns only its own class. srzoo's generators inherit from it; for others use
    ``Network.push_to_hub(net, ...)``.
    """

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        force_download: bool = False,
    ) -> Any:
        """The network of a model, as from :func:`srzoo.network`: without wrapper, float32, eval
        mode.

        Args:
            pretrained_model_name_or_path: "org/name" on the Hub, a folder, or a released name.
            revision: a branch, tag or full commit, for a model on the Hub.
            force_download: download files again that are in the cache.

        Raises:
            ModelError: the model does not exist, or is not of this class.
            NotInstalledError: torch is missing.
            HubError: the Hub has no such model, or cannot be reached.
        """
        from .. import network  # without torch it reports what to install

        ref = pretrained_model_name_or_path
        arguments.check_path("pretrained_model_name_or_path", ref)
        if revision is not None:
            arguments.check_type("revision", revision, (str,))
        if revision is not None:
            ref = f"{ref}@{revision}"
            if hub.parse(ref) is None:
                raise HubError(f"{ref!r} is not a model on the Hub", "Write it like org/name")
        if force_download:
            hub.pull(str(ref), force=True)
        found = network(ref)
        if not isinstance(found, cls) and cls is not Network:
            raise ModelError(
                f"{ref} is {type(found).__name__}, not {cls.__name__}",
                "Use srzoo.network, which accepts any",
            )
        return found

    def save_pretrained(
        self: Network | Generator,
        save_directory: str | Path,
        *,
        summary: str = "",
        purpose: Purpose | None = None,
        dtype: DType = "float32",
        overwrite: bool = False,
    ) -> Path:
        """Write a model folder with :func:`srzoo.save`; it raises the same errors."""
        from .. import save

        return save(
            cast("Generator", self), save_directory, summary=summary, purpose=purpose, dtype=dtype,
            overwrite=overwrite,
        )  # fmt: skip

    def push_to_hub(
        self: Network | Generator,
        repo_id: str,
        *,
        card: str | Path,
        commit_message: str | None = None,
        private: bool = False,
        tag: str | None = None,
        summary: str = "",
        purpose: Purpose | None = None,
        dtype: DType = "float32",
        check: bool = True,
        data: Path | None = None,
    ) -> str:
        """Publish the network as a model folder, with :func:`srzoo.save` and :func:`srzoo.push`.

        Args:
            repo_id: "org/name"; created if it does not exist.
            card: a model folder with the README.md to publish, and its sample picture; the other
                published files (recipe.toml, log.jsonl) are taken from there too.
            commit_message, private, tag, check, data: as for :func:`srzoo.push`. The card's claims
                are measured again, with this network's weights.
            summary, purpose, dtype: as for :func:`srzoo.save`.

        Returns:
            The address of the model's page.

        Raises:
            ModelError: as for saving.
            HubError: the card is missing or incomplete, a claim does not hold, or the Hub refuses.
        """
        from . import publishing

        arguments.check_type("repo_id", repo_id, (str,))
        arguments.check_path("card", card)
        ref = hub.parse(repo_id)
        if ref is None or ref.revision:
            raise HubError(f"{repo_id!r} is not a name for a repo", "Write it like org/name")
        source = Path(card)
        if not (source / README).is_file():
            raise HubError(f"{source} has no {README}", "Write it: srzoo card new FOLDER")
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / ref.repo.rpartition("/")[2]
            Network.save_pretrained(self, folder, summary=summary, purpose=purpose, dtype=dtype)
            for name in hub.OTHER_FILES:
                if (source / name).is_file():
                    shutil.copyfile(source / name, folder / name)
            return publishing.push(
                folder, ref.repo, private=private, tag=tag, message=commit_message, check=check,
                data=data,
            ).url  # fmt: skip
