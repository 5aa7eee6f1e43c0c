"""The computer of a measurement, and the versions of its packages."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..common import memory

CPUINFO = Path("/proc/cpuinfo")
"""The file in which Linux describes the CPU."""
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "asimd": "NEON"}
"""CPU flags that show the width of vector instructions, the widest first."""


@dataclass(frozen=True)
class Machine:
    """A computer.

    Attributes:
        cpu: its name, from the system.
        vectors: the widest vector instructions, or "" if unknown.
        cores: the number of cores.
        threads: the number of computing threads.
        system: such as ``Linux x86_64``.
        python: the version.
    """

    cpu: str
    vectors: str
    cores: int
    threads: int
    system: str
    python: str


def this_machine() -> Machine:
    """This computer."""
    info = _cpuinfo()
    flags = info.get("flags", info.get("Features", "")).split()
    return Machine(
        cpu=info.get("model name") or _cpu_name(),
        vectors=next((name for flag, name in VECTORS.items() if flag in flags), ""),
        cores=psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        threads=memory.cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def _cpuinfo() -> dict[str, str]:
    """The first core's entry in Linux's description."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cpu_name() -> str:
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            return subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout.strip()
    return platform.processor() or platform.machine()
