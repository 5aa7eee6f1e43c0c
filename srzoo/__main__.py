"""``python -m srzoo`` is the ``srzoo`` command."""

from .cli import main

if __name__ == "__main__":
    main()
