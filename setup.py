"""Which packages there are, whatever lies in the three folders; and README for the package's page.

Two folders have other names once they are installed, which pyproject.toml can only say package by
package; hatchling cannot install such a project in editable mode. Links that are relative here
lead nowhere from the package's page.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

HOME = "https://github.com/srzoo/srzoo/blob/main"
PICTURES = "https://raw.githubusercontent.com/srzoo/srzoo/main"
LINK = re.compile(r"(!?)(\[[^]]*\])\((?!https?:|#)([^)]+)\)")


def readme() -> str:
    """README.md with absolute links."""
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    return LINK.sub(lambda m: f"{m[1]}{m[2]}({PICTURES if m[1] else HOME}/{m[3]})", text)


plugins = [f"srzoo_plugins.{name}" for name in find_packages("plugins")]
core = find_packages(include=["srzoo", "srzoo.*"])
setup(
    packages=[*core, "srzoo_plugins", *plugins, "srzoo_cards"],
    package_dir={"srzoo": "srzoo", "srzoo_plugins": "plugins", "srzoo_cards": "cards"},
    long_description=readme(),
    long_description_content_type="text/markdown",
)
