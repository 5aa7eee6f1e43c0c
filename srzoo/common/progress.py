"""Progress callbacks."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Is told (parts done, parts in all)."""
