"""What every engine has to keep."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import devices
from ..errors import BrokenPluginError, DeviceError
from ..exporting import engine_facts
from ..exporting.trial import trial_picture
from ..networks import folders
from ..networks.runner import ModuleRunner
from ..plugins import kinds
from ..plugins.plugin import LOCAL_DIST
from ..upscaling.planner import SMALLEST
from ..upscaling.upscaler import Upscaler
from ._case import Case
from ._network import NAME, SCALE, registered
from ._promise import built, can, has, run_all, suite

if TYPE_CHECKING:
    from ..contracts import F32, Runner

ATTRIBUTES = {
    "reach": "as the network has it",
    "multiple": "as the network has it; 1 for most",
    "model": "the nn.Module that runs, or None",
    "parameters": "how many the network has, or None",
}
METHODS = {
    "__call__": "self, x, scale",
    "bytes_per_pixel": "self, scale",
    "bytes_aside": "self, scale",
    "free_memory": "self",
}
THREADS, PICTURES = 4, 24
OFF = {"fp32": 1, "fp16": 2, "bf16": 8}
"""Levels of 8 bits that a value may be off, in the precision that "auto" means."""
SIZES = (SMALLEST, SMALLEST), (SMALLEST, 61), (47, 33), (85, 70)
ODD = (1, 1), (1, 9), (7, 5), (SMALLEST + 1, 3), (97, 41)


@cache
def _runner(name: str) -> Runner:
    """Made once: an export takes seconds, and torch.compile more."""
    with registered() as folder:
        runner: Runner = built(
            "engine", Case(name), folder=folder.path, device="auto", precision="auto"
        )
        return runner


@cache
def _reference() -> Runner:
    with registered() as folder:
        return ModuleRunner(folders.build(folder))


def _levels(y: F32) -> Any:
    return np.rint(np.clip(y, 0, 1) * 255).astype(np.int16)


def _stated(name: str) -> engine_facts.Facts:
    return engine_facts.of_class(kinds.engines.get(name), f"engine {name}")


def _off(name: str) -> int:
    return OFF[next(iter(_stated(name).precisions), "fp32")]


def states_its_facts(case: Case) -> None:
    """They are of the right kinds, and the file beside an installed engine has the same."""
    plugin = kinds.engines.find(case.name)
    try:
        stated = _stated(case.name)
        found = None if plugin.dist == LOCAL_DIST else engine_facts.in_file(plugin)
    except BrokenPluginError as error:
        raise AssertionError(str(error)) from None
    assert stated.devices, f"{case} states no devices"
    assert stated.precisions, f"{case} states no precisions"
    assert not stated.export_format or stated.export_format in kinds.export_formats.names(), (
        f"{case} runs {stated.export_format}, which is no registered export format"
    )
    if plugin.dist == LOCAL_DIST:
        return
    assert found or not stated.has_speed, (
        f"{case} states a speed, and its package has no {engine_facts.FILE} with [{plugin.name}]:"
        " auto never takes it"
    )
    for each in fields(engine_facts.Facts) if found else ():
        one, other = (getattr(each_of, each.name) for each_of in (stated, found))
        assert one == other, f"{case}.{each.name} is {one!r}, and in {engine_facts.FILE} {other!r}"


def _made_of(*, folder: object, device: str, precision: str) -> None:
    """The arguments that the core gives."""


def has_what_a_runner_has(case: Case) -> None:
    """It is built with a folder, a device and a precision; all methods and attributes are there."""
    parameters = kinds.engines.signature(case.name).parameters
    write = "write `def __init__(self, *, folder, device='auto', precision='auto')`"
    wanted = inspect.signature(_made_of).parameters
    lacks = [name for name in wanted if name not in parameters]
    assert not lacks, f"{case} takes no {', '.join(lacks)}: {write}"
    runner = _runner(case.name)
    for name, what in ATTRIBUTES.items():
        has(case, runner, name, f"write `self.{name} = ...`, {what}")
    for name, given in METHODS.items():
        can(case, runner, name, f"write `def {name}({given})`")


def refuses_what_it_does_not_state(case: Case) -> None:
    """A device or a precision that it does not state is a DeviceError."""
    stated = _stated(case.name)
    asked = [(kind, "auto") for kind in devices.KINDS[1:]]
    asked += [("auto", precision) for precision in devices.PRECISIONS[1:]]
    for device, precision in asked:
        if stated.can(device, precision):
            continue
        with registered() as folder, contextlib.suppress(DeviceError):
            kinds.engines.build(case.name, folder=folder.path, device=device, precision=precision)
            raise AssertionError(f"{case} states no {device} in {precision}, and takes it")


def tells_what_it_is(case: Case) -> None:
    """``reach`` and ``parameters`` are numbers or None; ``model`` may be None."""
    runner = _runner(case.name)
    for name in ("reach", "parameters"):
        value: object = getattr(runner, name)
        assert value is None or (isinstance(value, int) and value >= 0), f"{case}.{name}: {value!r}"
    assert hasattr(runner, "model"), f"{case} has no model, which may be None"
    want = _reference().reach
    assert runner.reach == want, f"{case}.reach is {runner.reach}, the network's is {want}"


def gives_what_torch_gives(case: Case) -> None:
    """Float32, s times as large, within a level of 8 bits of the network in torch."""
    for height, width in SIZES:
        x = trial_picture(height, width)
        y: F32 = _runner(case.name)(x, SCALE)
        got: object = y
        assert isinstance(got, np.ndarray), f"{case} gave a {type(got).__name__}, not an array"
        want = 1, 3, SCALE * height, SCALE * width
        assert y.shape == want, f"{case} gave {y.shape}, not {want}"
        assert y.dtype == np.float32, f"{case} gave {y.dtype}"
        off = int(np.abs(_levels(y) - _levels(_reference()(x, SCALE))).max())
        assert off <= _off(case.name), f"{case} is off by {off} levels at {width}x{height}"


def odd_sizes(case: Case) -> None:
    """Pictures of any size, from one pixel on, are within a level of torch's."""
    mine, torchs = (Upscaler(r, (SCALE,), NAME) for r in (_runner(case.name), _reference()))
    for height, width in ODD:
        picture = np.ascontiguousarray(_levels(trial_picture(height, width))[0].transpose(1, 2, 0))
        y, want = (u.array(picture.astype(np.uint8)).astype(np.int16) for u in (mine, torchs))
        off = int(np.abs(y - want).max())
        assert off <= _off(case.name), f"{case} is off by {off} levels at {width}x{height}"


def deterministic(case: Case) -> None:
    """The same picture gives the same values, whatever ran between; it stays as it was."""
    runner = _runner(case.name)
    x = trial_picture(47, 33)
    first = runner(x, SCALE).copy()
    runner(trial_picture(61, 18), SCALE)
    assert np.array_equal(runner(x, SCALE), first), f"{case} is not deterministic"
    assert np.array_equal(x, trial_picture(47, 33)), f"{case} changed its picture in place"


def a_result_is_its_owners(case: Case) -> None:
    """It stays as it is while others are made, and may be written over."""
    runner = _runner(case.name)
    pictures = [trial_picture(side, 40) for side in (40, 40, 25, 60)]
    want = [runner(x, SCALE).copy() for x in pictures]
    results = [runner(x, SCALE) for x in pictures]
    for y, right in zip(results, want, strict=True):
        assert np.array_equal(y, right), f"{case} wrote over a result that it had given out"
    for y in results:
        assert y.flags.writeable, f"{case} gave a result that cannot be written"
        y[:] = 9
    again = [runner(x, SCALE) for x in pictures]
    for y, right in zip(again, want, strict=True):
        assert np.array_equal(y, right), f"{case} gives what was written over an earlier result"


def threads_share_it(case: Case) -> None:
    """Many pictures of different sizes, from several threads at once, are as from one."""
    runner = _runner(case.name)
    pictures = [trial_picture(SMALLEST + 5 * n, SMALLEST + n * 37 % 90) for n in range(PICTURES)]
    want = [runner(x, SCALE).copy() for x in pictures]

    def run(x: F32) -> F32:
        return runner(x, SCALE)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(run, pictures))
    wrong = sum(not np.array_equal(y, right) for y, right in zip(found, want, strict=True))
    assert not wrong, f"{case}: {wrong} of {PICTURES} pictures are wrong from {THREADS} threads"


def memory_is_plausible(case: Case) -> None:
    """Working memory: at least the result and at most 100 kB a pixel; besides, at most 4 GB."""
    runner = _runner(case.name)
    with ThreadPoolExecutor(THREADS) as pool:  # measured once, whoever asks
        found = set(pool.map(runner.bytes_per_pixel, [SCALE] * THREADS))
    each, aside, free = found.pop(), runner.bytes_aside(SCALE), runner.free_memory()
    assert not found, f"{case} says {each} bytes a pixel, and {found}"
    assert 3 * SCALE**2 <= each <= 100_000, f"{case} says {each} bytes for a pixel"
    assert 0 <= aside <= 4e9, f"{case} says {aside} bytes besides"
    assert free is None or free > 0, f"{case} says {free} bytes are free"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "engine",
    states_its_facts,
    has_what_a_runner_has,
    refuses_what_it_does_not_state,
    tells_what_it_is,
    gives_what_torch_gives,
    odd_sizes,
    deterministic,
    a_result_is_its_owners,
    threads_share_it,
    memory_is_plausible,
)


def check_engine(case: Case) -> None:
    """Run every engine check on one case; its name is all that counts.

    Raises:
        AssertionError: the first promise that is broken.
        DeviceError: the engine cannot run here.
    """
    run_all(CHECKS, case)
