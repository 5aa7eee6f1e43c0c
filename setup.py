"""Which packages there are: whatever lies in the three folders.

Two folders have other names once they are installed, which pyproject.toml can only say package by
package; hatchling cannot install such a project in editable mode.
"""

from setuptools import find_packages, setup

plugins = [f"srzoo_plugins.{name}" for name in find_packages("plugins")]
core = find_packages(include=["srzoo", "srzoo.*"])
setup(
    packages=[*core, "srzoo_plugins", *plugins, "srzoo_cards"],
    package_dir={"srzoo": "srzoo", "srzoo_plugins": "plugins", "srzoo_cards": "cards"},
)
