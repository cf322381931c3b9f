from dataclasses import replace

import numpy as np
import pytest

from piapp.posture.geometry import inclination_deg, inside, joint_deg, pixels_per_metre, read_body, upright
from piapp.types import Pose
from tests.support import stick


def _pose() -> Pose:
    return stick.FRONT.pose(stick.joints(stick.STAND))


def test_missing_landmarks_are_filled_and_marked_unseen() -> None:
    """A landmark that is not a number gets a finite place and no visibility; the others keep theirs."""
    pose = _pose()
    pose.landmarks[15, 0] = np.nan
    pose.world_landmarks[16, 2] = np.inf
    body = read_body(pose, stick.SIZE)
    assert body is not None
    assert np.isfinite(body.points).all()
    assert body.visibility[15] == body.visibility[16] == 0
    assert body.visibility[14] == pytest.approx(0.95)


@pytest.mark.parametrize("index", [11, 12, 23, 24])
def test_a_body_without_shoulders_or_hips_is_none(index: int) -> None:
    """Nothing can be said without the trunk."""
    pose = _pose()
    pose.world_landmarks[index, 1] = np.nan
    assert read_body(pose, stick.SIZE) is None


def test_an_unknown_visibility_is_not_zero() -> None:
    """Where the model gives no visibility, presence counts; where it gives neither, the landmark counts as seen."""
    pose = _pose()
    pose.landmarks[:, 3] = np.nan
    pose.landmarks[15, 4] = np.nan
    body = read_body(pose, stick.SIZE)
    assert body is not None
    assert body.visibility[14] == pytest.approx(0.99)
    assert body.visibility[15] == 1


def test_absurd_coordinates_stay_finite() -> None:
    """Numbers near the limit of float32 do not overflow later arithmetic."""
    pose = _pose()
    pose.landmarks[:, :2] = 3e38
    pose.world_landmarks[:, :3] = -3e38
    body = read_body(pose, stick.SIZE)
    assert body is not None
    assert np.isfinite(body.points @ body.points.T).all()
    assert pixels_per_metre(body) >= 1


@pytest.mark.parametrize("stance", [stick.STAND, stick.SIT, stick.LIE_BACK], ids=["stand", "sit", "lie"])
@pytest.mark.parametrize("view", stick.VIEWS)
def test_the_size_of_a_body_does_not_depend_on_its_posture(view: str, stance: stick.Stance) -> None:
    """Focal length over distance; seen from far away, so that perspective does little to a body on the floor."""
    camera = replace(stick.VIEWS[view], distance=20, focal_px=2700, height=1, tilt=0)
    body = read_body(camera.pose(stick.joints(stance)), stick.SIZE)
    assert body is not None
    assert pixels_per_metre(body) == pytest.approx(camera.focal_px / camera.distance, rel=0.1)


@pytest.mark.parametrize("tilt", [0.0, 15.0, 40.0])
def test_gravity_is_upright_whatever_the_tilt(tilt: float) -> None:
    """Seen by a tilted camera, a standing trunk is upright again once the tilt is known."""
    camera = stick.Camera(tilt=tilt, height=1.5)
    body = read_body(camera.pose(stick.joints(stick.STAND)), stick.SIZE)
    assert body is not None
    points = upright(body.points[:, 2:], tilt)
    trunk = tuple(points[11][axis] - points[23][axis] for axis in (0, 1, 2))
    assert inclination_deg(trunk) < 15
    assert joint_deg(points, 23, 25, 27) > 170


def test_inside_a_polygon() -> None:
    """Also where the polygon is not convex."""
    hook = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.8, 1.0), (0.8, 0.2), (0.0, 0.2))
    assert inside((0.9, 0.9), hook)
    assert inside((0.1, 0.1), hook)
    assert not inside((0.5, 0.5), hook)
    assert not inside((1.5, 0.1), hook)
