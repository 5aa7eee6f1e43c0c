"""The version of srzoo, in one place."""

__version__ = "0.1.0"
