"""The contract tests of engines."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch

from ..common import devices
from ..common.kept_folders import record_files
from ..errors import BrokenPluginError, DeviceError
from ..exporting import engine_facts
from ..exporting.trial import trial_picture
from ..networks import folders
from ..networks.runner import ModuleRunner
from ..plugins import importing, kinds
from ..plugins.plugin import LOCAL_DIST
from ..upscaling.planner import SMALLEST
from ..upscaling.upscaler import Upscaler
from ._case import Case
from ._network import NAME, registered
from ._promise import a_kind, basic, built, can, has, run_all, suite

if TYPE_CHECKING:
    from ..contracts import F32, Runner

ATTRIBUTES = {
    "reach": "as the network states",
    "multiple": "as the network states; mostly 1",
    "model": "the nn.Module that runs, or None",
    "parameters": "the number of parameters of the network, or None",
}
METHODS = {
    "__call__": "self, x, scale",
    "bytes_per_pixel": "self, scale",
    "bytes_aside": "self, scale",
    "free_memory": "self",
}
THREADS, PICTURES = 4, 24
CALLS = 12
OFF = {"fp32": 1, "fp16": 2, "bf16": 8}
"""8-bit levels that a value may differ from torch, in the precision that "auto" means."""
SIZES = (SMALLEST, SMALLEST), (SMALLEST, 61), (47, 33), (85, 70)
ODD = (1, 1), (1, 9), (7, 5), (SMALLEST + 1, 3), (97, 41)


def _runner(name: str) -> Runner:
    return _made_once(name, kinds.engines.get(name))


@cache
def _made_once(name: str, _target: object) -> Runner:
    """Cached, as an export takes seconds and torch.compile more; by target, as names are reused."""
    with registered(_generator(name)) as folder:
        runner: Runner = built(
            "engine", Case(name), folder=folder.path, device="auto", precision="auto"
        )
        return runner


def _generator(name: str) -> str:
    """The first registered generator that an engine states; "" if it runs any."""
    try:
        stated = _stated(name)
    except BrokenPluginError:  # states_its_facts reports it
        return ""
    return next((own for own in stated.generators if own in kinds.generators), "")


def _scale(name: str) -> int:
    """The factor at which an engine is tested."""
    with registered(_generator(name)) as folder:
        return folder.config.scales[0]


def _reference(name: str) -> Runner:
    return _in_torch(_generator(name))


@cache
def _in_torch(generator: str) -> Runner:
    with registered(generator) as folder:
        return ModuleRunner(folders.build(folder))


def _levels(y: F32) -> Any:
    return np.rint(np.clip(y, 0, 1) * 255).astype(np.int16)


def _stated(name: str) -> engine_facts.Facts:
    return engine_facts.of_class(kinds.engines.get(name), f"engine {name}")


def _off(name: str) -> int:
    return OFF[next(iter(_stated(name).precisions), "fp32")]


@basic
def states_its_facts(case: Case) -> None:
    """They have the right types, and the engines.toml of an installed engine states the same."""
    plugin = kinds.engines.find(case.name)
    try:
        stated = _stated(case.name)
        found = None if plugin.dist == LOCAL_DIST else engine_facts.in_file(plugin)
    except BrokenPluginError as error:
        raise AssertionError(f"{case}: {error}") from None
    assert stated.devices, f"{case} states no devices: write `devices = ('cpu',)`"
    assert stated.precisions, f"{case} states no precisions: write `precisions = ('fp32',)`"
    assert not stated.export_format or stated.export_format in kinds.export_formats.names(), (
        f"{case} runs {stated.export_format}, which is not a registered export format"
    )
    if plugin.dist == LOCAL_DIST:
        return
    assert found or not stated.has_speed, (
        f"{case} states a speed, but its package has no {engine_facts.FILE} with [{plugin.name}]:"
        " auto never chooses it"
    )
    for each in fields(engine_facts.Facts) if found else ():
        one, other = (getattr(each_of, each.name) for each_of in (stated, found))
        assert one == other, f"{case}.{each.name} is {one!r}, but in {engine_facts.FILE} {other!r}"


def _of_torch() -> dict[str, object]:
    """Global settings of torch in this process."""
    return {
        "torch.is_grad_enabled()": torch.is_grad_enabled(),
        "torch.get_default_dtype()": torch.get_default_dtype(),
        "torch.get_num_threads()": torch.get_num_threads(),
    }


def _made_of(*, folder: object, device: str, precision: str) -> None:
    """The arguments that the core passes."""


@basic
def has_what_a_runner_has(case: Case) -> None:
    """It is built with a folder, a device and a precision, and has all methods and attributes.

    It writes nothing to the folder, and does not change global settings of torch.
    """
    parameters = kinds.engines.signature(case.name).parameters
    write = "write `def __init__(self, *, folder, device='auto', precision='auto')`"
    wanted = inspect.signature(_made_of).parameters
    lacks = [name for name in wanted if name not in parameters]
    assert not lacks, f"{case} takes no {', '.join(lacks)}: {write}"
    with registered(_generator(case.name)) as folder:
        before, torchs = record_files(folder.path), _of_torch()
        runner = _runner(case.name)
        mend = "write elsewhere: the folder may be read-only"
        same = record_files(folder.path) == before
        assert same, f"{case} writes to the model's folder: {mend}"
    now = _of_torch()
    mend = "other code uses torch in this process too: restore it, or use `with`"
    changed = next((name for name in now if now[name] != torchs[name]), "")
    assert not changed, f"{case} changes {changed} for the whole process: {mend}"
    for name, what in ATTRIBUTES.items():
        has(case, runner, name, f"write `self.{name} = ...`, {what}")
    for name, given in METHODS.items():
        can(case, runner, name, f"write `def {name}({given})`")


def refuses_what_it_does_not_state(case: Case) -> None:
    """A device or a precision that it does not state raises a DeviceError."""
    stated = _stated(case.name)
    asked = [(kind, "auto") for kind in devices.KINDS[1:]]
    asked += [("auto", precision) for precision in devices.PRECISIONS[1:]]
    for device, precision in asked:
        if stated.can(device, precision):
            continue
        mend = "raise a srzoo.errors.DeviceError"
        with registered(_generator(case.name)) as folder:
            try:
                kinds.engines.build(
                    case.name, folder=folder.path, device=device, precision=precision
                )
            except DeviceError:
                continue
            except BrokenPluginError as error:
                what = f"{case} states no {device} in {precision}, but is asked for it"
                reason = importing.described(error.__cause__ or error)
                raise AssertionError(f"{what}: {reason}: {mend} instead") from error
        raise AssertionError(f"{case} states no {device} in {precision}, but accepts it: {mend}")


def states_what_the_file_states(case: Case) -> None:
    """``reach`` and ``parameters`` are numbers or None; ``model`` may be None."""
    runner = _runner(case.name)
    for name in ("reach", "parameters"):
        value: object = getattr(runner, name)
        fine = value is None or (isinstance(value, int) and value >= 0)
        assert fine, f"{case}.{name} is {value!r}: write `self.{name} = ...`, a number or None"
    want = _reference(case.name).reach
    mend = f"write `self.reach = {want}`, as the network states"
    assert runner.reach == want, f"{case}.reach is {runner.reach}, not the network's {want}: {mend}"


@basic
def gives_what_torch_gives(case: Case) -> None:
    """Float32, s times as large, unclamped, within one 8-bit level of the network in torch."""
    scale = _scale(case.name)
    for height, width in SIZES:
        x = trial_picture(height, width)
        got: object = _runner(case.name)(x, scale)
        same = np.array_equal(x, trial_picture(height, width))
        assert same, f"{case} changed its picture in place: work on a copy"
        assert isinstance(got, np.ndarray), f"{case} returned {a_kind(got)}: return a numpy array"
        y: F32 = got
        want = 1, 3, scale * height, scale * width
        assert y.shape == want, f"{case} returned {y.shape}, not {want}"
        mend = "return `y.astype(np.float32)`"
        assert y.dtype == np.float32, f"{case} returned {y.dtype}, not float32: {mend}"
        mend = "return an array of its own: `y.copy()`"
        assert y.flags.writeable, f"{case} returned a read-only result: {mend}"
        right = _reference(case.name)(x, scale)
        off = int(np.abs(_levels(y) - _levels(right)).max())
        swapped = int(np.abs(_levels(y[:, ::-1]) - _levels(right)).max()) <= _off(case.name)
        mend = "it swaps red and blue" if swapped else "values are 0..1, RGB, 1 x 3 x H x W"
        fine = off <= _off(case.name) or (not swapped and _is_clamped(case))
        assert fine, f"{case} is {off} levels off torch at {width}x{height}: {mend}"
    mend = "leave out the clamp: srzoo clips values when it writes pictures"
    assert not _is_clamped(case), f"{case} clips values outside 0..1: {mend}"


def _is_clamped(case: Case) -> bool:
    """Whether values that torch has outside 0..1 are exactly 0 or 1."""
    scale = _scale(case.name)
    x: F32 = (trial_picture(40, 40) > 0.5).astype(np.float32)
    y, want = _runner(case.name)(x, scale), _reference(case.name)(x, scale)
    beyond = (want < -0.02) | (want > 1.02)
    return bool(beyond.any() and np.isin(y[beyond], (0, 1)).all())


def odd_sizes(case: Case) -> None:
    """Pictures of any size, from one pixel, are within one level of torch."""
    runners = _runner(case.name), _reference(case.name)
    mine, torchs = (Upscaler(runner, (_scale(case.name),), NAME) for runner in runners)
    for height, width in ODD:
        picture = np.ascontiguousarray(_levels(trial_picture(height, width))[0].transpose(1, 2, 0))
        try:
            y = mine.array(picture.astype(np.uint8)).astype(np.int16)
        except BrokenPluginError as error:
            what = f"{case} fails on {width}x{height} pixels"
            mend = "a picture may be as small as one pixel"
            reason = importing.described(error.__cause__ or error)
            raise AssertionError(f"{what}: {reason}: {mend}") from error
        want = torchs.array(picture.astype(np.uint8)).astype(np.int16)
        off = int(np.abs(y - want).max())
        mend = "do not pad, and do not change the network"
        fine = off <= _off(case.name)
        assert fine, f"{case} is {off} levels off torch at {width}x{height}: {mend}"


def deterministic(case: Case) -> None:
    """The same picture gives the same values, whatever ran between, and is not changed."""
    scale = _scale(case.name)
    runner = _runner(case.name)
    x = trial_picture(47, 33)
    first = runner(x, scale).copy()
    runner(trial_picture(61, 18), scale)
    mend = "a picture gives the same values whatever ran before"
    assert np.array_equal(runner(x, scale), first), f"{case} is not deterministic: {mend}"
    assert np.array_equal(x, trial_picture(47, 33)), f"{case} changed its picture in place"


def a_result_is_its_owners(case: Case) -> None:
    """A result does not change with later calls, and may be overwritten."""
    scale = _scale(case.name)
    runner = _runner(case.name)
    pictures = [trial_picture(side, 40) for side in (40, 25, 60)]
    pictures[1:1] = [pictures[0][..., ::-1].copy()]  # another one of the same size
    mend = "return an array of its own: `y.copy()`"
    want = [runner(x, scale).copy() for x in pictures]
    results = [runner(x, scale) for x in pictures]
    for y, right in zip(results, want, strict=True):
        same = np.array_equal(y, right)
        assert same, f"{case} overwrote a result that it had returned: {mend}"
    for y in results:
        y[:] = 9
    again = [runner(x, scale) for x in pictures]
    for y, right in zip(again, want, strict=True):
        same = np.array_equal(y, right)
        assert same, f"{case} returns what was written into an earlier result: {mend}"


def leaves_no_threads(case: Case) -> None:
    """More calls do not leave more threads."""
    scale = _scale(case.name)
    runner, process, x = _runner(case.name), psutil.Process(), trial_picture(20, 20)
    for _ in range(2):
        runner(x, scale)
    before = process.num_threads()
    for _ in range(CALLS):
        runner(x, scale)
    more = process.num_threads() - before
    mend = "start threads once, and end them"
    assert more < CALLS // 2, f"{case} leaves {more} threads behind after {CALLS} calls: {mend}"


def threads_share_it(case: Case) -> None:
    """Pictures of different sizes from several threads at once give the values of one thread."""
    scale = _scale(case.name)
    runner = _runner(case.name)
    pictures = [trial_picture(SMALLEST + 5 * n, SMALLEST + n * 37 % 90) for n in range(PICTURES)]
    pictures[::3] = [
        trial_picture(SMALLEST, SMALLEST + n)[..., :SMALLEST].copy() for n in range(PICTURES // 3)
    ]
    want = [runner(x, scale).copy() for x in pictures]

    def run(x: F32) -> F32:
        return runner(x, scale)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(run, pictures))
    wrong = sum(not np.array_equal(y, right) for y, right in zip(found, want, strict=True))
    mend = "keep no state of a picture in `self`, or hold a lock during a call"
    message = f"{case}: {wrong} of {PICTURES} pictures are wrong from {THREADS} threads"
    assert not wrong, f"{message}: {mend}"


def memory_is_plausible(case: Case) -> None:
    """Memory per pixel is at least the result and at most 100 kB; in addition, at most 4 GB."""
    scale = _scale(case.name)
    runner = _runner(case.name)
    with ThreadPoolExecutor(THREADS) as pool:  # it must be measured once for all threads
        found = set(pool.map(runner.bytes_per_pixel, [scale] * THREADS))
    each, aside, free = found.pop(), runner.bytes_aside(scale), runner.free_memory()
    assert not found, f"{case} states {each} bytes per pixel, and also {found}: measure it once"
    for name, value, none in (
        ("bytes_per_pixel", each, False), ("bytes_aside", aside, False), ("free_memory", free, True)
    ):  # fmt: skip
        shown: object = value
        fine = isinstance(shown, int | float | np.integer) or (none and shown is None)
        assert fine, f"{case}.{name} returned {a_kind(shown)}: return a number of bytes"
    mend = "return the bytes that a call needs for each LR pixel, at its peak"
    fine = 3 * scale**2 <= each <= 100_000
    assert fine, f"{case}.bytes_per_pixel returned {each}: {mend}"
    mend = "return the bytes that a call needs for any size, often 0"
    assert 0 <= aside <= 4e9, f"{case}.bytes_aside returned {aside}: {mend}"
    mend = "return the bytes that are free on the GPU, or None for the host"
    assert free is None or free > 0, f"{case}.free_memory returned {free}: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "engine",
    states_its_facts,
    has_what_a_runner_has,
    refuses_what_it_does_not_state,
    states_what_the_file_states,
    memory_is_plausible,
    gives_what_torch_gives,
    odd_sizes,
    deterministic,
    a_result_is_its_owners,
    threads_share_it,
    leaves_no_threads,
)


def check_engine(case: Case) -> None:
    """Run every engine check on one case; only the name of the case is used.

    Raises:
        AssertionError: the first broken rule.
        DeviceError: the engine cannot run here.
    """
    run_all(CHECKS, case)
