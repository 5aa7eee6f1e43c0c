"""Metrics in threads: the same values in the same order, and no more in memory than helps."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import srzoo
from srzoo.errors import PictureError
from srzoo.evaluating import judging
from srzoo.evaluating.judging import MetricQueue

WAIT = 30.0


class Slow:
    """Gives the first pixel back, the later the darker; counts who is inside at once."""

    higher_is_better = True
    reference = False
    protocol = "slow"

    def __init__(self, *, thread_safe: bool) -> None:
        self.thread_safe = thread_safe
        self.inside, self.most, self.lock = 0, 0, threading.Lock()

    def __call__(self, sr, hr, scale):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02 / (1 + sr[0, 0, 0]))
        with self.lock:
            self.inside -= 1
        if sr[0, 0, 0] == 99:
            raise PictureError("no 99", "")
        return float(sr[0, 0, 0])


def picture(level: int, side: int = 4) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


@pytest.mark.parametrize("thread_safe", [True, False])
def test_values_are_in_order_whoever_is_first(thread_safe):
    metric = Slow(thread_safe=thread_safe)
    with MetricQueue({"slow": metric}, workers=4) as judges:
        found = [judges.add(picture(level), None, 2) for level in range(12)]
        assert [each.values()["slow"] for each in found] == list(range(12))
        failed = judges.add(picture(99), None, 2)
        assert judges.add(picture(7), None, 2).values() == {"slow": 7}
        with pytest.raises(PictureError, match="no 99"):
            failed.values()
    assert metric.most == 1 or thread_safe


def test_several_pictures_are_measured_at_once():
    """Three calls that wait for each other end only where they run at the same time."""
    together = threading.Barrier(3, timeout=WAIT)

    class Meets(Slow):
        def __call__(self, sr, hr, scale):
            together.wait()
            return 1.0

    with MetricQueue({"meets": Meets(thread_safe=True)}, workers=3) as judges:
        found = [judges.add(picture(0), None, 2) for _ in range(3)]
        assert [each.values() for each in found] == [{"meets": 1.0}] * 3


def test_no_more_pictures_wait_than_are_allowed(monkeypatch):
    monkeypatch.setattr(judging, "WAITING", 100)
    metric = Slow(thread_safe=True)
    with MetricQueue({"slow": metric}, workers=4) as judges:
        for _ in range(6):
            judges.add(picture(0), None, 2)  # 48 bytes: two at a time
    assert metric.most <= 2


def test_the_same_values_as_one_call_after_the_other():
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 256, (2, 70, 60, 3)).astype(np.uint8) for _ in range(6)]
    metrics = {name: srzoo.metrics.create(name) for name in ("psnr_y", "ssim_y", "colour_shift")}
    with MetricQueue(metrics) as judges:
        found = [judges.add(sr, hr, 4) for sr, hr in pairs]
        values = [each.values() for each in found]
    assert values == [{n: m(sr, hr, 4) for n, m in metrics.items()} for sr, hr in pairs]
