import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from piapp.config.load import default_config
from piapp.draw import VideoWriter
from piapp.errors import MediaError
from piapp.landmarker.model import find_model
from piapp.offline.evaluate.footage import Alarm, Bench, judge, thin
from piapp.offline.recording import read_recording
from piapp.types import PoseResult
from tests.support.clips import clip, outcome

RECORDINGS = Path(__file__).parents[2] / "recordings"


def at(*times_ms):
    return [PoseResult(ts_ms, 0, (640, 480), ()) for ts_ms in times_ms]


@pytest.fixture(scope="module")
def model():
    return find_model(default_config().landmarker.model, masks=False)


@pytest.mark.parametrize(
    ("times_ms", "kept_ms"),
    [
        (range(0, 1000, 33), 16),
        (range(0, 1000, 50), 15),
        (range(0, 1000, 66), 16),
        (range(0, 1000, 100), 10),
        (range(70_000, 71_000, 10), 15),
    ],
)
def test_thinning_goes_by_time(times_ms, kept_ms):
    """Fast recordings keep the wanted rate, slow ones all they have."""
    kept = list(thin(at(*times_ms), 15.0))
    assert abs(len(kept) - kept_ms) <= 1
    assert kept[0].ts_ms == times_ms[0]


def test_after_a_gap_thinning_does_not_catch_up():
    """What was missed in a gap is not made good by frames that follow closely."""
    kept = [result.ts_ms for result in thin(at(0, 2000, 2010, 2020, 2030, 2067), 15.0)]
    assert kept == [0, 2000, 2067]


def test_an_alarm_before_the_fall_is_false():
    """Only alarms from shortly before the onset on are right."""
    fall = clip(onset_s=5.0, impact_s=5.6)
    early, right = outcome(fall, 2.0), outcome(fall, 2.0, 6.4)
    assert (early.alarmed, len(early.false)) == (False, 1)
    assert (right.alarmed, len(right.false)) == (True, 1)
    assert right.delay_s == pytest.approx(0.8)


def test_without_a_labelled_onset_any_alarm_is_right():
    """And no delay can be given."""
    found = outcome(clip(), 0.1)
    assert (found.alarmed, found.false, found.delay_s) == (True, (), None)


def test_in_a_calm_clip_every_alarm_is_false():
    """And the surest tells how much the threshold would have to rise."""
    found = outcome(clip(fall=False), 1.0, 2.0, score=0.7)
    assert (found.alarmed, len(found.false), found.best_score) == (True, 2, 0.7)


def test_somebody_found_lying_is_no_reported_fall():
    """It is counted by itself."""
    lying = replace(outcome(clip(fall=False)), alarms=(Alarm(0.5, 1.0, found_lying=True),))
    assert (lying.found_lying, lying.alarmed, lying.false) == (True, False, ())


def test_a_recorded_fall_is_found_in_time(model):
    """The demo's fall, on its recording, and in a copy of it."""
    bench = Bench(default_config(), model, rate_hz=15.0, copies=1)
    found = bench.run(clip(onset_s=16.4, impact_s=17.1), RECORDINGS / "room_demo.npz")
    assert found.alarmed
    assert found.delay_s is not None
    assert 0.0 < found.delay_s < 2.5
    assert 0.9 < found.seen / found.frames <= 1.0
    assert [kind for kind, _ in found.copies] == ["frames dropped"]


def test_nobody_gives_no_alarm():
    """Empty results are judged like any others."""
    found = judge(clip(fall=False), at(0, 67, 134), default_config())
    assert (found.alarms, found.frames, found.seen) == ((), 3, 0)


def test_a_video_is_detected_thinned_recorded_and_offered(tmp_path, model):
    """From `from_s` on, at the wanted rate, with each picture shown to the sampler; the recording holds the same."""
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 30, (160, 120)) as video:
        for _ in range(30):
            video.write(np.full((120, 160, 3), 90, np.uint8))
    offered = []

    class Everything:
        def offer(self, of, image, result):
            offered.append((image.shape, result.ts_ms))

    of = clip(from_s=0.5, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    found = Bench(default_config(), model, 15.0, record=tmp_path / "out", sampler=Everything()).run(of, path)
    assert found.frames == len(offered) == pytest.approx(8, abs=1)
    assert offered[0][0] == (120, 160, 3)
    assert [result.ts_ms for result in read_recording(tmp_path / "out/home/a.npz")] == [ts_ms for _, ts_ms in offered]
    assert offered[0][1] >= 500


def test_a_video_of_other_content_is_refused(tmp_path, model):
    """Before any work is done on it."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"another film")
    with pytest.raises(MediaError, match="is not the manifest's clip"):
        Bench(default_config(), model, 15.0).run(clip(sha256="00"), path)
