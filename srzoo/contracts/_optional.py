"""What a plugin may have besides its contract: each ability is a small contract of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@runtime_checkable
class Downloadable(Protocol):
    """A dataset that ``srzoo data get NAME`` downloads: its class has ``fetch``."""

    @staticmethod
    def fetch(
        *,
        to: Path,
        verify: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> list[str]:
        """Download and unpack the dataset; what is there already stays as it is.

        It may take keyword-only arguments of its own, which become options of the command:
        ``year: Literal["2018", "2021"] = "2021"`` is ``--year [2018|2021]``. Each has a default
        and an annotation: str, int, float, bool, Path, a Literal of str or of int, or one of them
        or None. What the docstring's ``Args:`` say of it is the option's help.

        Args:
            to: the folder that the pictures come into; made if need be.
            verify: whether sizes and checksums have to be the known ones.
            progress: called with a label, the bytes that are there, and all bytes, as often as
                it pleases.

        Returns:
            Sentences that are printed, such as one for each archive.

        Raises:
            SrzooError: the network, the disk or an archive is at fault.
        """
        ...
