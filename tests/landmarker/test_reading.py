"""Where a reading is, and whether two readings show one body."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.anatomy import bone_deviation
from piapp.landmarker.crops import upright_quarters
from piapp.landmarker.reading import Reading, readings_agree, region_of
from piapp.landmarker.region import Region
from piapp.testing.landmarker import standing_pose

SIZE = (64, 48)
REGION = Region(*(np.float32(value) for value in (0.5, 0.25, 0.4, 0.8, 1.0)))


def reading(shift: float = 0.0) -> Reading:
    """All landmarks at places of their own, shifted by a share of the picture's width."""
    points = np.random.default_rng(1).random((33, 5)).astype(np.float32)
    points[:, 0] += np.float32(shift)
    return Reading(points, points[:, :3] / 2, None, (640, 320), REGION)


def test_two_readings_of_one_body():
    """Shifted by a fifth of the region they are not the same."""
    assert readings_agree(reading(), reading(0.01))
    assert not readings_agree(reading(), reading(0.08))


def test_where_a_reading_is():
    """In pixels of its picture."""
    found = reading()
    torso = found.points[[11, 12, 23, 24], :2].mean(axis=0)
    placement = found.placement(7)
    assert placement.ts_ms == 7
    assert placement.centre_px == pytest.approx((torso[0] * 640, torso[1] * 320))


def test_a_pose_says_where_to_look_next_itself():
    """A model's region comes before that of the landmarks; bones are those of the world landmarks."""
    pose = standing_pose()
    read = Reading.of(pose, SIZE)
    assert read.following == region_of(pose.landmarks, SIZE)
    assert reading().following is REGION
    assert read.deviation == bone_deviation(pose.world_landmarks)


@pytest.mark.parametrize(("head", "quarters"), [((0, -1), 0), ((1, 0), 1), ((0, 1), 2), ((-1, 0), 3)])
def test_the_region_points_from_the_hips_to_the_head(head, quarters):
    """Its turn is the one in which the person stands; its size holds feet and hands."""
    along = np.zeros(33)
    along[[11, 12]], along[0], along[[27, 28]] = 0.5, 0.7, -0.9
    middle = np.array([32.0, 24.0])
    landmarks = (middle + np.outer(along * 10, head)) / SIZE
    region = region_of(landmarks.astype(np.float32), SIZE)
    assert upright_quarters(region) == quarters
    pixels = region.in_pixels(*SIZE)
    assert (pixels.x, pixels.y) == pytest.approx((32, 24), abs=1e-3)
    assert pixels.width / 2 == pytest.approx(9 * 1.19 * 1.25, rel=1e-3)
