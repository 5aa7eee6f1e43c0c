"""The contract suites, over everything that is registered."""

import pytest

from srzoo.errors import DeviceError
from srzoo.exporting import engine_facts
from srzoo.testing import CHECKS, cases

LONG = 30.0
"""Seconds of a first use, such as of compiling, that make a case slow."""


def pairs():
    for kind, checks in CHECKS.items():
        for case in cases(kind):
            slow = kind == "engine" and engine_facts.find(case.name).first_use > LONG
            marks = [pytest.mark.slow] if slow else []
            for check in checks:
                name = f"{case}-{check.__name__}"
                yield pytest.param(kind, check, case, id=name, marks=marks)


@pytest.fixture(scope="session")
def one_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(("kind", "check", "case"), list(pairs()))
def test_contract(kind, check, case, one_cache, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(one_cache))
    try:
        check(case)
    except DeviceError as error:
        if kind not in ("engine", "export-format"):
            raise
        pytest.skip(str(error))
