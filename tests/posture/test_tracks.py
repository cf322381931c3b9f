from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from piapp.config.sections import PostureConfig
from piapp.posture.geometry import Body, read_body
from piapp.posture.tracks import OneEuro, Tracks
from tests.support import stick


def _body(x: float, stance: stick.Stance = stick.STAND) -> Body:
    points = stick.joints(stance)
    points[:, 2] += x
    body = read_body(replace(stick.FRONT, yaw=0).pose(points), stick.SIZE)
    assert body is not None
    return body


def _ids(tracks: Tracks, bodies: Sequence[Body | None], ts_ms: int) -> list[int | None]:
    found = [track.id if track else None for track in tracks.update(bodies, ts_ms)]
    tracks.expire(ts_ms)
    return found


def test_an_id_survives_a_gap_and_is_never_used_again(config: PostureConfig) -> None:
    """Back within the time: the same; later: another, also when the first one's number is free."""
    tracks = Tracks(config)
    assert _ids(tracks, [_body(0)], 0) == [1]
    tracks.alive[1].hold_s = 2.0
    assert _ids(tracks, [_body(0.3)], 1900) == [1]
    assert _ids(tracks, [], 4000) == []
    assert _ids(tracks, [_body(0.3)], 4100) == [2]


def test_somebody_elsewhere_is_somebody_else(config: PostureConfig) -> None:
    """Two metres away in a tenth of a second is not the same person."""
    tracks = Tracks(config)
    assert _ids(tracks, [_body(-1)], 0) == [1]
    assert _ids(tracks, [_body(1)], 100) == [2]


def test_the_order_of_the_poses_does_not_matter(config: PostureConfig) -> None:
    """The landmarker may give people in another order in each result."""
    tracks = Tracks(config)
    assert _ids(tracks, [_body(-1), _body(1)], 0) == [1, 2]
    assert _ids(tracks, [_body(1.02), _body(-1.02)], 66) == [2, 1]


@pytest.mark.parametrize("fps", [30, 10])
def test_people_who_cross_keep_their_ids(fps: int, config: PostureConfig) -> None:
    """They walk through each other at walking pace, both seen all the time."""
    tracks = Tracks(config)
    for frame in range(4 * fps):
        x = -1.5 + 3.0 * frame / (4 * fps)
        bodies = [_body(x), _body(-x, stick.RAISE_RIGHT)]
        ids = _ids(tracks, bodies, frame * 1000 // fps)
        assert ids == [1, 2]


def test_a_body_found_twice_is_one(config: PostureConfig) -> None:
    """A second find on the same joints gets the same track, and starts none."""
    tracks = Tracks(config)
    assert _ids(tracks, [_body(0), _body(0.02)], 0) == [1, 1]
    assert _ids(tracks, [None, _body(0)], 66) == [None, 1]


def test_recalling_changes_nothing(config: PostureConfig) -> None:
    """A stale result is labelled by the tracks there are."""
    tracks = Tracks(config)
    tracks.update([_body(0)], 100)
    found = tracks.recall([_body(0), _body(2)], 100)
    assert [track.id if track else None for track in found] == [1, None]
    assert list(tracks.alive) == [1]


def test_noise_is_smoothed_and_movement_is_not_delayed(config: PostureConfig) -> None:
    """At rest the noise halves; a step of 2 m/s is followed within 0.1 s. At 30 and 10 frames a second."""
    rng = np.random.default_rng(1)
    for fps in (30, 10):
        noisy = OneEuro(config)
        out = [noisy.step(rng.normal(0, 0.01, (33, 5)), 1 / fps, 1.0) for _ in range(5 * fps)]
        assert np.std(out[fps:]) < 0.008
        moving = OneEuro(config)
        for frame in range(fps):
            place = np.full((33, 5), 2.0 * frame / fps)
            lag = place - moving.step(place, 1 / fps, 1.0)
        assert lag.max() / 2.0 < 0.1


def test_the_past_is_forgotten_after_a_gap(config: PostureConfig) -> None:
    """Whoever comes back is where they are, not between."""
    smoother = OneEuro(config)
    smoother.step(np.zeros((33, 5)), 0.0, 1.0)
    np.testing.assert_array_equal(smoother.step(np.ones((33, 5)), 1.0, 1.0), np.ones((33, 5)))


def _crumpled(body: Body) -> Body:
    """The same place with legs of no length: what tracking makes of somebody it loses."""
    points = body.points.copy()
    points[25:33, 2:] = points[23, 2:]
    return Body(points, body.visibility)


def test_a_pose_that_no_body_can_have_is_doubtful_for_a_second(config: PostureConfig) -> None:
    """The track stays alive with the body as it was; then it is taken for what it looks like."""
    tracks = Tracks(config)
    _ids(tracks, [_body(0)], 0)
    track = tracks.alive[1]
    before = track.body
    for ts_ms in (100, 500, 1000):
        assert _ids(tracks, [_crumpled(_body(0.05))], ts_ms) == [1]
        assert (track.doubtful, track.body, track.last_ms) == (True, before, ts_ms)
    assert _ids(tracks, [_crumpled(_body(0.05))], 1100) == [1]
    assert not track.doubtful
    assert track.body is not before


def test_doubt_ends_with_the_next_plausible_pose(config: PostureConfig) -> None:
    """And counts anew from then on."""
    tracks = Tracks(config)
    for ts_ms, body, doubtful in ((0, _body(0), False), (900, _crumpled(_body(0)), True), (1000, _body(0), False)):
        tracks.update([body], ts_ms)
        assert tracks.alive[1].doubtful == doubtful
    tracks.update([_crumpled(_body(0))], 1900)
    assert tracks.alive[1].doubtful
