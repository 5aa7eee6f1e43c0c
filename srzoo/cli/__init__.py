"""The ``srzoo`` command: one file per command, which imports heavy packages inside functions."""

from ._main import main

__all__ = ["main"]
