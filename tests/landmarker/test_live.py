"""The live stage with fake landmarkers: order, freshness, errors, and an end in time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from piapp.camera.capture import FrameSlot
from piapp.config.load import default_config
from piapp.errors import LandmarkerTimeoutError, ModelError
from piapp.landmarker.live import MAX_AUTO_WORKERS, LiveStage, worker_count
from piapp.testing.landmarker import FakeLandmarker, standing_pose
from piapp.types import Frame
from tests.landmarker.conftest import frame
from tests.mosquitto import DEADLINE_S, wait_until

pytestmark = pytest.mark.usefixtures("no_leaks")


class Rig:
    """A stage on a slot, with its landmarkers at hand."""

    def __init__(self, workers=1, max_result_age_s=DEADLINE_S, factory=None, *, keep_images=False, poses=None):
        self.landmarkers = []
        self._poses = poses
        self.slot = FrameSlot()
        self.stage = LiveStage(
            factory or self.create,
            self.slot.take,
            workers=workers,
            max_result_age_s=max_result_age_s,
            keep_images=keep_images,
        )

    def create(self, *callbacks):
        """A fake landmarker."""
        self.landmarkers.append(FakeLandmarker(*callbacks, poses=self._poses))
        return self.landmarkers[-1]

    def start(self):
        """Start, and wait for all workers."""
        self.stage.start()
        assert self.stage.wait_ready(DEADLINE_S)
        return self

    def give(self, ts_ms):
        """Offer a frame and wait until a worker has taken it."""
        self.slot.put(frame(ts_ms))
        wait_until(lambda: self.slot.empty, f"frame {ts_ms} to be taken")

    def results(self, count):
        """The times of the next results."""
        found = []
        until = time.monotonic() + DEADLINE_S
        while len(found) < count and time.monotonic() < until:
            if (result := self.stage.next_result(0.1)) is not None:
                found.append(result.ts_ms)
        return found


@pytest.fixture
def rig():
    """Make rigs that end with the test."""
    rigs = []

    def make(*args, **options):
        rigs.append(Rig(*args, **options))
        return rigs[-1]

    yield make
    for each in rigs:
        for landmarker in each.landmarkers:
            landmarker.resume()
        each.slot.close()
        assert each.stage.stop(DEADLINE_S)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_keep_the_order_of_frames(rig, workers):
    """Each frame once, in order, with its own capture time and size, however the workers take turns."""
    node = rig(workers).start()
    given = list(range(10, 10 + 20 * workers, 5))  # as many as results may wait
    for ts_ms in given:
        node.give(ts_ms)
    assert node.results(len(given)) == given
    assert sorted(ts_ms for landmarker in node.landmarkers for ts_ms in landmarker.history) == given
    node.give(100)
    result = node.stage.next_result(DEADLINE_S)
    assert (result.captured_ns, result.size) == (100 * 1_000_000 + 7, (8, 6))
    assert 0 < result.inference_ns < DEADLINE_S * 1e9
    assert len(result.poses) == 1


@pytest.mark.parametrize("keep_images", [False, True])
def test_results_carry_pictures_only_when_told_to(rig, keep_images):
    """Where no picture may leave, none is kept either."""
    live = rig(keep_images=keep_images).start()
    picture = frame(1)
    live.slot.put(picture)
    result = live.stage.next_result(DEADLINE_S)
    assert result.image is (picture.image if keep_images else None)


def test_a_faster_worker_waits_for_the_slower_one(rig):
    """The newer result is kept back until the older one is in."""
    node = rig(2).start()
    slow, fast = node.landmarkers
    slow.hang()
    fast.hang()
    node.give(1)
    node.give(2)
    owner = {landmarker.history[0]: landmarker for landmarker in (slow, fast)}
    owner[2].resume()
    assert node.stage.next_result(0.2) is None
    owner[1].resume()
    assert node.results(2) == [1, 2]


def test_late_results_are_dropped_and_counted(rig):
    """When the others are far ahead, a slow worker's frame is given up; time never goes back."""
    node = rig(2, max_result_age_s=DEADLINE_S).start()
    for landmarker in node.landmarkers:
        landmarker.hang()
    node.give(1)
    wait_until(lambda: any(landmarker.history for landmarker in node.landmarkers), "the first frame to be taken")
    (slow,) = [landmarker for landmarker in node.landmarkers if landmarker.history]
    (fast,) = [landmarker for landmarker in node.landmarkers if landmarker is not slow]
    fast.resume()
    for ts_ms in range(2, 12):
        node.give(ts_ms)
        wait_until(lambda ts_ms=ts_ms: ts_ms in fast.history, f"frame {ts_ms}")
    released = node.results(2)
    assert released == [2, 3]
    slow.resume()
    wait_until(lambda: node.stage.late == 1, "the late result to be counted")
    assert node.results(8) == list(range(4, 12))


def test_the_newest_frame_wins(rig):
    """Frames that come while all workers are busy replace each other; nothing queues."""
    node = rig(1).start()
    node.landmarkers[0].hang()
    node.give(1)
    wait_until(lambda: node.landmarkers[0].history, "the frame to be taken")
    for ts_ms in (2, 3, 4):
        node.slot.put(frame(ts_ms))
    assert node.slot.dropped == 2
    node.landmarkers[0].resume()
    assert node.results(2) == [1, 4]
    assert list(node.landmarkers[0].history) == [1, 4]


def test_a_result_wakes_its_reader_at_once_when_no_frame_waits(rig):
    """A camera that is slower than the landmarker pays nothing for the order of things at full rate."""
    node = rig(1).start()
    node.landmarkers[0].hang()
    node.give(1)
    threading.Timer(0.2, node.landmarkers[0].resume).start()  # by then the reader waits
    started = time.monotonic()
    assert node.stage.next_result(DEADLINE_S).ts_ms == 1
    assert time.monotonic() - started < DEADLINE_S / 2


def test_a_result_wakes_its_reader_while_the_next_frame_computes(rig):
    """It comes when the next frame is on its way to the network, not when that one is done."""
    next_may_end = threading.Event()

    def poses(taken):
        assert taken.ts_ms == 1 or next_may_end.wait(DEADLINE_S)
        return (standing_pose(),)

    node = rig(1, poses=poses).start()
    (landmarker,) = node.landmarkers
    landmarker.hang()
    node.give(1)
    wait_until(lambda: landmarker.history, "the first frame to be in flight")
    node.slot.put(frame(2))
    landmarker.resume()
    started = time.monotonic()
    assert node.stage.next_result(DEADLINE_S).ts_ms == 1
    assert time.monotonic() - started < DEADLINE_S / 2
    assert list(landmarker.history) == [1, 2]
    assert node.stage.next_result(0.0) is None
    next_may_end.set()
    assert node.stage.next_result(DEADLINE_S).ts_ms == 2


def test_a_reader_that_sleeps_loses_the_oldest_results(rig):
    """The queue is bounded; what is dropped is counted."""
    node = rig(1).start()
    for ts_ms in range(1, 8):
        node.give(ts_ms)
        wait_until(lambda ts_ms=ts_ms: node.stage.waiting + node.stage.dropped == ts_ms, "its result")
    assert node.stage.waiting == 4
    assert node.results(4) == [4, 5, 6, 7]


def test_answers_that_were_not_asked_for_are_ignored(rig):
    """MediaPipe has been seen to call back twice for a frame (upstream issue 5457)."""
    given = []

    def factory(*callbacks):
        given.append(callbacks[0])
        node.landmarkers.append(FakeLandmarker(*callbacks))
        return node.landmarkers[-1]

    node = rig(1, factory=factory)
    node.start()
    given[0](5, ())  # before any frame
    node.give(10)
    assert node.results(1) == [10]
    given[0](10, ())  # again
    given[0](3, ())  # an old one
    node.give(20)
    assert node.results(1) == [20]
    assert node.stage.next_result(0.05) is None
    assert node.stage.unexpected == 3


def test_an_error_of_a_landmarker_ends_up_with_the_reader(rig):
    """What a worker raises is raised by `next_result`, again and again."""
    node = rig(2).start()

    def broken(_frame):
        raise ZeroDivisionError("broken")

    for landmarker in node.landmarkers:
        landmarker.submit = broken
    node.slot.put(frame(1))
    wait_until(lambda: node.slot.empty, "the frame to be taken")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="broken"):
            node.results(1)


def test_a_landmarker_that_cannot_be_made_ends_the_start(rig):
    """The factory's error comes out of `wait_ready`."""

    def factory(*_callbacks):
        raise ModelError("no such model")

    node = rig(2, factory=factory)
    node.stage.start()
    with pytest.raises(ModelError, match="no such model"):
        node.stage.wait_ready(DEADLINE_S)
    with pytest.raises(ModelError):
        node.stage.next_result(DEADLINE_S)


def test_a_stuck_landmarker_is_found_though_others_work(rig):
    """A frame without a result for longer than allowed raises, with the worker's name and the limit."""
    node = rig(2, max_result_age_s=0.5).start()
    for landmarker in node.landmarkers:
        landmarker.hang()
    node.give(1)
    wait_until(lambda: any(landmarker.history for landmarker in node.landmarkers), "the first frame to be taken")
    next(landmarker for landmarker in node.landmarkers if not landmarker.history).resume()

    def go_on():
        for ts_ms in range(2, 10_000):
            node.slot.put(frame(ts_ms))
            node.stage.next_result(0.01)

    with pytest.raises(LandmarkerTimeoutError, match=r"landmarker-\d gave no result .*max_result_age_s = 0\.5"):
        go_on()


def test_no_frames_is_not_stuck(rig):
    """Nothing is owed while the camera gives nothing."""
    node = rig(1, max_result_age_s=0.5).start()
    node.give(1)
    assert node.results(1) == [1]
    time.sleep(0.6)  # longer than the limit: the condition under test
    assert node.stage.next_result(0.01) is None


def test_stop_is_in_time_though_a_landmarker_hangs(rig):
    """It says so, and leaves the thread behind."""
    node = rig(2).start()
    node.landmarkers[0].hang()
    node.landmarkers[1].hang()
    node.give(1)
    node.give(2)
    started = time.monotonic()
    assert node.stage.stop(0.3) is False
    assert time.monotonic() - started < 5
    assert node.stage.busy


def test_stop_before_start_and_twice(rig):
    """Nothing to wait for."""
    assert rig(2).stage.stop(0.1)
    node = rig(1).start()
    assert node.stage.stop(DEADLINE_S)
    assert node.stage.stop(0.1)


def test_workers_run_in_named_filtered_threads(rig):
    """Landmarkers are created under the socket filter, in threads that a debugger can tell apart."""
    seen = []

    def factory(*callbacks):
        status = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text()
        seen.append((threading.current_thread().name, "Seccomp:\t2\n" in status))
        return node.create(*callbacks)

    node = rig(2, factory=factory)
    node.start()
    assert sorted(seen) == [("landmarker-1", True), ("landmarker-2", True)]


def test_the_number_of_workers_follows_the_cores():
    """One core is left to the others; a configured number counts."""
    config = default_config().landmarker
    cores = len(os.sched_getaffinity(0))
    assert worker_count(config) == max(1, min(MAX_AUTO_WORKERS, cores - 1))
    assert worker_count(msgspec.structs.replace(config, workers=5)) == 5


def test_nodes_of_one_board_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cameras on four cores have one worker each, not three; one that is configured stays."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(4)))
    config = default_config().landmarker
    assert [worker_count(config, nodes=nodes) for nodes in (1, 2, 3, 4)] == [3, 1, 1, 1]
    assert worker_count(msgspec.structs.replace(config, workers=3), nodes=2) == 3


def test_while_it_rests_still_pictures_cost_no_inference(rig):
    """The first is looked at, the equal ones after it have empty results at once, and one in which something moved."""
    stage = rig().start()
    stage.stage.resting = True
    moved = frame(400, (64, 48))
    moved.image[20:40, 20:30] = 200
    for each in (*(frame(ts_ms, (64, 48)) for ts_ms in (100, 200, 300)), moved):
        stage.slot.put(each)
        assert stage.results(1) == [each.ts_ms]
    stage.stage.resting = False
    stage.slot.put(Frame(500, 500, moved.image))
    assert stage.results(1) == [500]
    assert list(stage.landmarkers[0].history) == [100, 400, 500]
