"""The version of srzoo, in one place."""

__version__ = "0.2.0"
