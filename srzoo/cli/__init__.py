"""The ``srzoo`` command. One file a command; heavy imports stay inside the functions."""

from ._main import main

__all__ = ["main"]
