"""Rows and windows of the learnt fall detector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from piapp.posture.fall_features import (
    CHANNELS,
    FOOT_Y,
    HIPS_M,
    ROW,
    SHOULDER_Y,
    SHOULDERS_M,
    STEPS,
    Motion,
    assemble,
    measure_row,
)
from piapp.posture.geometry import Body, read_body
from piapp.types import PoseResult
from tests.support import stick

Stance = stick.Stance


def body_of(stance: Stance, camera: stick.Camera = stick.FRONT) -> Body:
    body = read_body(camera.pose(stick.joints(stance)), stick.SIZE)
    assert body is not None
    return body


def window_of(row_at: Callable[[int], np.ndarray]) -> tuple[np.ndarray, Motion]:
    rows = np.array([row_at(i) for i in range(STEPS)])
    return assemble(rows, np.zeros(STEPS), np.zeros(STEPS))


def test_a_row_holds_heights_above_the_feet():
    """Shoulders and hips of somebody who stands are as high above the ankles as the figure is built."""
    row = measure_row(body_of(stick.STAND, stick.Camera(tilt=18.0, height=2.0)), stick.SIZE)
    assert row.shape == (ROW,)
    assert row[HIPS_M] == pytest.approx(0.79, abs=0.05)
    assert row[SHOULDERS_M] == pytest.approx(1.27, abs=0.05)


def test_a_picture_of_another_size_gives_the_same_window():
    """The same view in twice the pixels differs only by rounding."""
    pose = stick.FRONT.pose(stick.joints(stick.SIT))
    small, large = (read_body(pose, size) for size in (stick.SIZE, (1280, 960)))
    assert small is not None
    assert large is not None
    one, *_ = window_of(lambda _: measure_row(small, stick.SIZE))
    two, *_ = window_of(lambda _: measure_row(large, (1280, 960)))
    assert np.abs(one - two).max() < 0.03


def test_heights_in_the_picture_are_metres_above_where_the_feet_were():
    """Somebody who lies down in the second half is found low in both, and the drop and speed say so."""
    high, low = (measure_row(body_of(s, stick.SIDE), stick.SIZE) for s in (stick.STAND, stick.LIE_BACK))
    channels, motion = window_of(lambda i: high if i < STEPS // 2 else low)
    assert channels.shape == (CHANNELS, STEPS)
    assert channels.dtype == np.float32
    assert channels[0, 0] == pytest.approx(1.27, abs=0.1)
    assert channels[0, -1] < 0.3
    assert motion.drop_m > 1.0
    assert motion.speed_m_s > 2.0
    assert motion.top_m > 1.1
    assert max(motion.shoulders_m, motion.hips_m) < 0.3


def test_who_stays_where_they_are_neither_drops_nor_is_fast():
    """A still body has no speed."""
    row = measure_row(body_of(stick.SIT), stick.SIZE)
    channels, motion = window_of(lambda _: row)
    assert motion.drop_m == 0.0
    assert motion.speed_m_s == 0.0
    assert np.isfinite(channels).all()
    assert row[FOOT_Y] > row[SHOULDER_Y]


@pytest.mark.parametrize("value", [0.0, 1e4])
def test_impossible_bodies_give_finite_channels(value: float):
    """All landmarks in one point, or far away: the network still gets numbers within its range."""
    body = Body(np.full((33, 5), value), np.zeros(33))
    channels, *_ = window_of(lambda _: measure_row(body, (0, 0)))
    assert np.isfinite(channels).all()
    assert np.abs(channels).max() <= 5.0


def test_size_is_read_of_any_result():
    """A result's own size is what rows are measured by."""
    result: PoseResult = stick.result(0.0, [stick.FRONT.pose(stick.joints(stick.STAND))])
    body = read_body(result.poses[0], result.size)
    assert body is not None
    assert np.isfinite(measure_row(body, result.size)).all()


@pytest.mark.parametrize(("unseen_s", "cut_off"), [(0.0, False), (0.2, True)])
def test_the_lower_edge_counts_for_who_is_not_seen_any_more(unseen_s: float, cut_off: bool):  # noqa: FBT001
    """Legs below the picture are usual near a camera; lost while they are there, somebody has rather left."""
    row = measure_row(body_of(stick.STAND), stick.SIZE)
    row[31] = -0.2  # metres from the lower edge
    _, motion = assemble(np.tile(row, (STEPS, 1)), np.r_[np.zeros(STEPS - 1), unseen_s], np.zeros(STEPS))
    assert (motion.edge_m < 0.0) == cut_off


@pytest.mark.parametrize(("step_m", "unseen_s", "gone"), [(0.1, 0.2, True), (0.0, 0.2, False), (0.1, 0.0, False)])
def test_who_is_lost_on_the_way_out_has_gone(step_m: float, unseen_s: float, gone: bool):  # noqa: FBT001
    """Somebody who was last seen 0.2 m from the left edge, and moved to it by so much in each step."""
    rows = np.tile(measure_row(body_of(stick.STAND), stick.SIZE), (STEPS, 1))
    rows[:, 28] = 0.2 + step_m * np.arange(STEPS - 2, -2, -1).clip(0)  # metres from the left edge; the end is held
    _, motion = assemble(rows, np.r_[np.zeros(STEPS - 1), unseen_s], np.zeros(STEPS))
    assert (motion.edge_m < 0.0) == gone
