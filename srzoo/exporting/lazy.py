"""A runner that is built at its first use, so that work without a pass needs no network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..contracts import multiple_of
from ..errors import SrzooError

if TYPE_CHECKING:
    from ..contracts import F32, Runner


class LazyRunner:
    """A stand-in for a runner that is made at the first use; threads may share it.

    Args:
        make: builds the runner; its error is raised at the first use, and at each later one.
    """

    def __init__(self, make: Callable[[], Runner]) -> None:
        self._create = make
        self._runner: Runner | None = None
        self._failed: SrzooError | None = None
        self._lock = threading.RLock()

    def open(self) -> Runner:
        """The runner, made now if it does not exist yet.

        Raises:
            SrzooError: making it failed; it is tried once.
        """
        with self._lock:
            if self._failed:
                raise self._failed
            if self._runner is None:
                try:
                    self._runner = self._create()
                except SrzooError as error:
                    self._failed = error
                    raise
            return self._runner

    @property
    def reach(self) -> int | None:
        """The runner's value."""
        return self.open().reach

    @property
    def multiple(self) -> int:
        """The runner's value."""
        return multiple_of(self.open())

    @property
    def model(self) -> Any:
        """The runner's value."""
        return self.open().model

    @property
    def parameters(self) -> int | None:
        """The runner's value."""
        return self.open().parameters

    @property
    def batches(self) -> bool:
        """The runner's value; False by default."""
        return getattr(self.open(), "batches", False) is True

    @property
    def device(self) -> str | None:
        """The runner's device if it exists and states one; does not make it."""
        return getattr(self._runner, "device", None)

    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile."""
        return self.open()(x, scale)

    def bytes_per_pixel(self, scale: int) -> int:
        """The runner's value."""
        return self.open().bytes_per_pixel(scale)

    def bytes_aside(self, scale: int) -> int:
        """The runner's value."""
        return self.open().bytes_aside(scale)

    def free_memory(self) -> int | None:
        """The runner's value."""
        return self.open().free_memory()
