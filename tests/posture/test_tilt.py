from collections.abc import Callable

import pytest

from piapp.config.sections import PostureConfig
from piapp.posture.features import measure
from piapp.posture.geometry import read_body
from piapp.posture.tilt import Tilt
from piapp.types import PostureEvent
from tests.support import stick
from tests.support.stick import SIT, SQUAT, STAND, film

Watch = Callable[..., tuple[list, list[PostureEvent]]]


def _look(tilt: Tilt, stance: stick.Stance, camera: stick.Camera, seconds: float) -> None:
    body = read_body(camera.pose(stick.joints(stance)), stick.SIZE)
    assert body is not None
    for frame in range(round(seconds * 15)):
        tilt.learn(measure(body, tilt.deg), frame * 1000 // 15)


@pytest.mark.parametrize("true_deg", [0.0, 15.0, 30.0])
def test_tilt_is_learnt_from_people_who_stand(true_deg: float, config: PostureConfig) -> None:
    """Within seconds, but for the bias that real landmarks have and a stick figure has not."""
    tilt = Tilt(config, "auto")
    _look(tilt, STAND, stick.Camera(yaw=20, tilt=true_deg), 5)
    assert tilt.deg == pytest.approx(max(0.0, true_deg - 5.0), abs=3)


def test_a_moment_is_not_enough(config: PostureConfig) -> None:
    """One sample moves the estimate by a tenth of the way."""
    tilt = Tilt(config, "auto")
    _look(tilt, STAND, stick.Camera(yaw=20, tilt=30), 0.1)
    assert 0 < tilt.deg < 5


def test_nothing_is_learnt_from_other_postures_or_when_configured(config: PostureConfig) -> None:
    """Sitting and squatting people say nothing; a configured tilt stays."""
    for stance in (SIT, SQUAT):
        tilt = Tilt(config, "auto")
        _look(tilt, stance, stick.Camera(yaw=20, tilt=30), 5)
        assert tilt.deg == 0
    tilt = Tilt(config, 12.5)
    _look(tilt, STAND, stick.Camera(yaw=20, tilt=30), 5)
    assert tilt.deg == 12.5


@pytest.mark.parametrize("options", [{}, {"tilt_deg": 35.0}], ids=["auto", "configured"])
def test_a_steep_camera_sees_postures_right(options: dict, watch: Watch) -> None:
    """From 35 degrees above, told or learnt while the person stands."""
    steep = stick.Camera(yaw=15, distance=3, height=2.6, tilt=35)
    steps = [(4, STAND), (0.9, SIT), (3, SIT), (0.9, STAND), (2, STAND), (0.7, SQUAT), (2, SQUAT)]
    states, _ = watch(film(steps, camera=steep), **options)
    at = {state.ts_ms // 100 / 10: state.persons[0].posture for state in states if state.persons}
    assert [at[3.0], at[7.0], at[10.0], at[13.0]] == ["standing", "sitting", "standing", "squatting"]


def test_samples_that_nobody_can_have_learnt(config: PostureConfig) -> None:
    """A damaged file, or a backup from anywhere, may hold them; the camera's tilt does not follow."""
    tilt = Tilt(config, "auto")
    tilt.restore([1e308, -1e308])
    assert (tilt.deg, tilt.samples_deg) == (0.0, ())
    tilt.restore([1e308, *[20.0] * 10])
    assert tilt.deg == 15.0
