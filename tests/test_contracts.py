"""The contract suites, over everything that is registered."""

import pytest

from srzoo.errors import DeviceError
from srzoo.exporting import engine_facts
from srzoo.plugins import kinds
from srzoo.plugins.plugin import OWN_DIST
from srzoo.testing import checks_of

LONG = 30.0
"""Seconds of a first use, such as of compiling, that make a case slow."""


def checks():
    for plugin in kinds.plugins():
        if plugin.dist != OWN_DIST:
            continue
        slow = plugin.kind == "engine" and engine_facts.find(plugin.name).first_use > LONG
        marks = [pytest.mark.slow] if slow else []
        for check in checks_of(plugin.kind, plugin.full_name):
            name = f"{check.case}-{check.look.__name__}"
            yield pytest.param(check, id=name, marks=marks)


@pytest.fixture(scope="session")
def one_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("check", list(checks()))
def test_contract(check, one_cache, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(one_cache))
    try:
        check.run()
    except DeviceError as error:
        if check.kind not in ("engine", "export-format"):
            raise
        pytest.skip(str(error))
