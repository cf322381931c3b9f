"""Sleep is told from work, and from waiting for a processor."""

from __future__ import annotations

import os
import threading
import time

import pytest

from piapp.camera import thread_time
from piapp.camera.thread_time import ThreadTime

SPELL_NS = 50_000_000


def spin():
    """Work for a spell of this thread's own processor time."""
    until_ns = time.thread_time_ns() + SPELL_NS
    while time.thread_time_ns() < until_ns:
        pass


def test_sleep_counts_and_work_does_not():
    """Whoever else wants the processor meanwhile."""
    before = ThreadTime.now()
    spin()
    between = ThreadTime.now()
    time.sleep(SPELL_NS / 1e9)
    after = ThreadTime.now()
    assert between.slept_ns(before) < SPELL_NS / 5
    assert after.slept_ns(between) >= SPELL_NS * 0.9


@pytest.mark.skipif(not thread_time.SCHEDULE_FILE.exists(), reason="NOT TESTED: this kernel counts no delays")
def test_waiting_for_a_processor_is_no_sleep():
    """Another process has the same core; without the interpreter's lock in the way."""
    core = {min(os.sched_getaffinity(0))}
    child = os.fork()
    if not child:
        os.sched_setaffinity(0, core)
        while True:
            pass
    slept = []

    def work():
        os.sched_setaffinity(0, core)
        before = ThreadTime.now()
        for _ in range(4):
            spin()
        after = ThreadTime.now()
        slept.append((after.slept_ns(before), after.now_ns - before.now_ns))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    os.kill(child, 9)
    os.waitpid(child, 0)
    ((slept_ns, took_ns),) = slept
    assert took_ns > 5 * SPELL_NS  # the other had its share
    assert slept_ns < SPELL_NS


def test_a_kernel_that_counts_nothing(monkeypatch, tmp_path):
    """Then the processor time alone is known."""
    monkeypatch.setattr(thread_time, "SCHEDULE_FILE", tmp_path / "absent")
    before = ThreadTime.now()
    spin()
    assert ThreadTime.now().busy_ns - before.busy_ns >= SPELL_NS
