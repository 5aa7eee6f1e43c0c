"""Engines and converters ask nobody for anything, say nothing on stdout, and let signals come."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from srzoo.exporting import exports
from srzoo.testing import cases

ENGINES = [case.name for case in cases("engine") if "torch" not in case.name]

TWO = """
import signal, sys
import numpy as np
from srzoo.plugins import kinds
from srzoo.testing._network import registered

def runner():
    made = kinds.engines.build(sys.argv[1], folder=folder.path, device="cpu", precision="fp32")
    made(np.zeros((1, 3, 20, 20), np.float32), 2)
    return made

with registered() as folder:
    first, second = runner(), runner()
    del first
    del second
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("interrupted")
"""
RUN = """
import os, socket, sys
def asked(*_, **__):
    os.write(2, b"asked for a host\\n")
    os._exit(9)
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = asked
import numpy as np
from srzoo.plugins import kinds
from srzoo.testing._network import registered
with registered() as folder:
    runner = kinds.engines.build(sys.argv[1], folder=folder.path, device="cpu", precision="fp32")
    runner(np.zeros((1, 3, 20, 20), np.float32), 2)
"""


@pytest.mark.parametrize("name", ENGINES)
def test_nothing_calls_home_and_stdout_is_left_alone(name, tmp_path, monkeypatch):
    """From the conversion to the picture; with its system calls, where they can be watched."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    log = tmp_path / "calls"
    watch = [shutil.which("strace"), "-f", "-qq", "-e", "trace=connect,sendto", "-o", str(log)]
    try:
        subprocess.run([*watch[:1], "-o", str(log), "true"], check=True, capture_output=True)
    except (OSError, TypeError, subprocess.CalledProcessError):
        watch = []  # it is not there, or not allowed
    told = subprocess.run(
        [*watch, sys.executable, "-c", RUN, name], capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr.decode()
    assert told.stdout == b""
    calls = log.read_text() if watch else ""
    assert not [line for line in calls.splitlines() if "AF_INET" in line]


@pytest.mark.parametrize("name", ENGINES)
def test_signals_are_heard_after_runners_have_gone(name, tmp_path, monkeypatch):
    """A library that leaves a stack for signals unmapped ends the process at the next one."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    told = subprocess.run(
        [sys.executable, "-c", TWO, name], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout) == (0, "interrupted\n"), told.stderr


@pytest.mark.skipif(bool(exports.missing("onnx")), reason="ONNX Runtime is not installed")
def test_onnx_runtimes_telemetry_is_off_before_its_import(monkeypatch, tmp_path):
    """It asks for a host a minute later: too late for a test to watch."""
    import onnxruntime
    import srzoo_plugins.onnx

    told = []

    def imported(name):
        told.append((name, os.environ.get("ORT_DISABLE_TELEMETRY")))
        return onnxruntime

    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setattr(srzoo_plugins.onnx, "import_module", imported)
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: told.append("off"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: told.append("session"))
    with pytest.raises(AttributeError):
        srzoo_plugins.onnx.ONNX().open(tmp_path / "a.onnx", 1)
    assert told == [("onnxruntime", "1"), "off", "session"]
