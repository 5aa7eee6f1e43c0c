"""Progress callbacks."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (parts done, parts in all)."""
