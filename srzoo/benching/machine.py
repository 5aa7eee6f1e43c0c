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
"""Where Linux describes the CPU."""
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "asimd": "NEON"}
"""The flags that tell how many numbers an instruction can take, the most first."""


@dataclass(frozen=True)
class Machine:
    """A computer.

    Attributes:
        cpu: its name, as the system has it.
        vectors: the widest instructions it has for numbers, or "" where that is not told.
        cores: how many there are.
        threads: how many compute at a time.
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
    """What Linux tells of the first core."""
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
