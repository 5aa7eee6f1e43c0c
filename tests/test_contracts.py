"""The contract suites, over everything that is registered."""

import pytest

from srzoo.testing import CHECKS, cases

PAIRS = [
    (check, case) for kind, checks in CHECKS.items() for case in cases(kind) for check in checks
]


@pytest.mark.parametrize(
    ("check", "case"), PAIRS, ids=[f"{case}-{check.__name__}" for check, case in PAIRS]
)
def test_contract(check, case):
    check(case)
