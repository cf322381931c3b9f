import math

import pytest

from piapp.posture.features import Features, measure
from piapp.posture.geometry import read_body
from tests.support import stick


def _features(stance: stick.Stance, camera: stick.Camera = stick.SIDE) -> Features:
    body = read_body(camera.pose(stick.joints(stance)), stick.SIZE)
    assert body is not None
    return measure(body, camera.tilt)


@pytest.mark.parametrize("view", stick.VIEWS)
def test_angles_are_the_body_s_own_in_every_view(view: str) -> None:
    """Leans of the stick figure come back as features, from the front, the side, behind and above."""
    squat = _features(stick.SQUAT, stick.VIEWS[view])
    assert squat.trunk_deg == pytest.approx(35, abs=3)
    assert squat.thigh_deg == pytest.approx(80, abs=3)
    assert squat.knee_deg == pytest.approx(180 - 80 - 30, abs=3)
    assert squat.shank_deg == pytest.approx(30, abs=3)


def test_weight_is_over_the_feet_in_a_squat_and_beside_them_on_a_chair() -> None:
    """What parts the two where angles alone do not."""
    assert _features(stick.SQUAT).balance_m < 0.12
    assert _features(stick.SIT).balance_m > 0.2


def test_heights_above_the_floor() -> None:
    """Hips and shoulders, standing, sitting and lying."""
    stand, sit, lie = (_features(stance) for stance in (stick.STAND, stick.SIT, stick.LIE_BACK))
    assert stand.hips_m == pytest.approx(0.79, abs=0.02)
    assert stand.shoulders_m == pytest.approx(1.27, abs=0.02)
    assert sit.hips_m == pytest.approx(0.45, abs=0.03)
    assert max(lie.hips_m, lie.shoulders_m) < 0.15
    assert stand.extension > 0.95
    assert sit.extension < 0.65


def test_a_trunk_that_looks_short_points_at_the_camera() -> None:
    """Squeezed world landmarks, as after falls towards the camera, count as leaning."""
    pose = stick.FRONT.pose(stick.joints(stick.STAND))
    pose.world_landmarks[:, :3] *= 0.5
    body = read_body(pose, stick.SIZE)
    assert body is not None
    features = measure(body, 0.0)
    assert features.trunk_deg < 10
    assert features.sunk_deg > 50


def test_the_better_seen_leg_counts_most() -> None:
    """A hidden leg is often guessed stretched; it must not make a sitting person stand."""
    points = stick.joints(stick.SIT)
    points[[26, 28]] = stick.joints(stick.STAND)[[26, 28]]
    pose = stick.SIDE.pose(points)
    pose.landmarks[[26, 28], 3] = 0.6
    body = read_body(pose, stick.SIZE)
    assert body is not None
    assert measure(body, 0.0).thigh_deg > 65


@pytest.mark.parametrize("tilt", [0.0, 20.0, 35.0])
def test_a_standing_body_tells_the_camera_s_tilt(tilt: float) -> None:
    """Its axis leans by as much as the camera does; a sitting body tells nothing."""
    camera = stick.Camera(yaw=20, tilt=tilt)
    assert _features(stick.STAND, camera).axis_tilt_deg == pytest.approx(tilt, abs=3)
    assert math.isnan(_features(stick.SIT, camera).axis_tilt_deg)
