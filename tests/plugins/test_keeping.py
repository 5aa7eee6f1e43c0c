"""An import changes nothing of the process that is not its own."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings

import pytest
import torch

from srzoo.common.interrupts import interruptible
from srzoo.plugins import keeping


def test_the_process_is_afterwards_what_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("SRZOO_TEST", "1")
    variables = list(os.environ)

    def state():
        os.umask(now := os.umask(0o022))
        return (
            os.getcwd(), sys.argv[:], sys.path[:], sys.excepthook, sys.getrecursionlimit(), now,
            {name: os.environ.get(name) for name in variables}, sys.stderr,
            logging.root.level, logging.root.handlers[:],
            torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(),
            warnings.filters[:], warnings.showwarning,
        )  # fmt: skip

    before = state()
    with keeping.kept():
        os.chdir(tmp_path)
        sys.argv[:], sys.excepthook = ["other"], print
        sys.setrecursionlimit(5000)
        os.umask(0o777)
        os.environ.clear()
        logging.root.setLevel(1)
        logging.root.addHandler(logging.NullHandler())
        sys.stderr.close()
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        torch.set_default_device("meta")
        torch.set_num_threads(before[-3] + 1)
        warnings.simplefilter("error")
        warnings.showwarning = print
    assert state() == before
    assert not sys.stderr.closed


def test_a_program_without_a_console(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with keeping.kept():
        assert sys.stderr is None
    assert sys.stderr is None


def test_what_libraries_may_set_stays(monkeypatch):
    monkeypatch.delenv("SRZOO_TEST", raising=False)
    with warnings.catch_warnings(), keeping.kept():
        os.environ["SRZOO_TEST"] = "1"
        warnings.filterwarnings("ignore", message="of a library")
        sys.path.append("/of/a/library")
    assert os.environ.pop("SRZOO_TEST") == "1"
    assert sys.path.pop() == "/of/a/library"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms")
def test_an_alarm_is_taken_back():
    before = signal.getitimer(signal.ITIMER_REAL)[0]  # pytest may have one
    with keeping.kept():
        signal.alarm(10_000)
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= before


def test_handlers_are_put_back():
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.getsignal(number) for number in numbers]
    with interruptible():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("instead", [None, RuntimeError, SystemExit])
def test_an_interrupt_that_is_swallowed_is_raised_again(instead):
    with pytest.raises(KeyboardInterrupt), interruptible():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if instead:
                raise instead from None


def test_an_interrupt_that_nobody_sent_is_the_codes_own():
    with interruptible() as came, pytest.raises(KeyboardInterrupt):
        raise KeyboardInterrupt
    assert not came
