"""Requests that set a live key of a running node change what it does; `tests/posture` holds the keys of [posture]."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import contextmanager

from piapp.config.live import LiveSettings
from piapp.config.load import default_config
from piapp.node.outlets import Outlet
from piapp.testing.camera import FakeCamera
from tests.mosquitto import DEADLINE_S, wait_until
from tests.support.nodes import config_of, node_of

FPS = 30


class Given(Outlet):
    """Keeps when outlets were given results."""

    def __init__(self):
        self.times_s = []

    def offer(self, observation):
        """Note one."""
        self.times_s.append(observation.result.captured_ns / 1e9)

    def gaps_s(self, count):
        """Between so many results from now on."""
        before = len(self.times_s)
        wait_until(lambda: len(self.times_s) > before + count, "results")
        times_s = self.times_s[before : before + count + 1]
        return sorted(later - earlier for earlier, later in itertools.pairwise(times_s))


@contextmanager
def running(subscriber, *settings, poses=None):
    """A node on fakes; what its outlets are given."""
    stop, given = threading.Event(), Given()
    landmarker = {} if poses is None else {"poses": poses}
    node = node_of(config_of(subscriber.port, *settings), FakeCamera(fps=FPS), observers=(given,), **landmarker)
    thread = threading.Thread(target=node.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: len(given.times_s) > 3, "results")
        yield given
    finally:
        stop.set()
        thread.join(DEADLINE_S)


def change(subscriber, key, value):
    """Set a key, and wait for the answer."""
    before = len(subscriber.of("set"))
    subscriber.publish("piapp/app/request/set", json.dumps({"values": {key: value}}).encode())
    wait_until(lambda: any("/response/" in one.topic for one in subscriber.of("set")[before:]), "an answer")
    answer = json.loads(next(one for one in subscriber.of("set")[before:] if "/response/" in one.topic).payload)
    assert answer["status"] == "ok", answer


def test_the_period_of_health(subscriber):
    """A shorter one is due at once, not when the longer one would have been."""
    with running(subscriber, ("health.period_s", "3600")):
        time.sleep(1.0)  # as long as the new period, without a report
        assert subscriber.of("health") == []
        change(subscriber, "health.period_s", 1)
        subscriber.wait_for("health", 2)


def test_the_rate_of_frames(subscriber):
    """Fewer frames leave while as many are processed."""
    with running(subscriber, ("publish.max_frame_hz", "0"), ("power.idle_fps", "0")) as given:
        change(subscriber, "publish.max_frame_hz", 1)
        sent, processed = len(subscriber.of("frame")), len(given.times_s)
        given.gaps_s(2 * FPS)
        assert len(subscriber.of("frame")) - sent <= 0.5 * (len(given.times_s) - processed)


def test_when_it_idles_and_how_fast(subscriber):
    """A shorter wait makes an empty room idle now; another idle rate is kept from then on; none ends it."""
    quiet = (("power.idle_after_s", "3600"), ("power.idle_fps", "2"))
    with running(subscriber, *quiet, poses=lambda _: ()) as given:
        assert given.gaps_s(10)[5] < 0.25
        change(subscriber, "power.idle_after_s", 0.5)
        given.gaps_s(FPS)
        assert given.gaps_s(4)[2] > 0.4
        change(subscriber, "power.idle_fps", 5)
        given.gaps_s(3)
        assert 0.15 < given.gaps_s(6)[3] < 0.35
        change(subscriber, "power.idle_fps", 0)
        given.gaps_s(3)
        assert given.gaps_s(10)[5] < 0.15


def test_every_live_key_outside_posture_has_its_test():
    """A key that is added needs one, too: here, or in the file that is named."""
    tested = {
        "health.period_s", "publish.max_frame_hz", "power.idle_fps", "power.idle_after_s",
        "schedule.enabled", "schedule.pause",  # tests/node/test_pausing.py: the time of day is given there
        "power.max_temp_c",  # tests/service/test_power.py: a machine gets hot when it likes
    }  # fmt: skip
    live = {key for key in LiveSettings(default_config(), None).values() if not key.startswith("posture.")}
    assert live == tested
