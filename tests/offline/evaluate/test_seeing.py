"""Gaps and impossible bones in results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from piapp.config.load import default_config
from piapp.offline.evaluate.seeing import Seeing, seeing, seeing_figures
from piapp.testing.landmarker import standing_pose
from piapp.types import Found, PoseResult

POSTURE = default_config().posture


def results(kinds: str) -> list[PoseResult]:
    """A result a letter, 66 ms apart: nobody (-), somebody (s), crumpled (c), reacquired (r), held (h)."""
    pose = standing_pose()
    crumpled = pose.world_landmarks.copy()
    crumpled[:, :3] *= np.float32(0.6)
    kinds_found: dict[str, Found] = {"r": "reacquired", "h": "held"}
    of = {"-": (), "s": (pose,), "c": (replace(pose, world_landmarks=crumpled),)}
    of |= {letter: (replace(pose, found=found),) for letter, found in kinds_found.items()}
    return [PoseResult(66 * number, 0, (640, 480), of[kind]) for number, kind in enumerate(kinds, 1)]


def test_gaps_lie_between_results_with_somebody():
    """What comes before and after them is no gap."""
    found = seeing(results("--s-ss--s-s--"), POSTURE)
    assert (found.gaps, found.short_gaps, found.poses) == (3, 2, 5)
    assert seeing(results("---"), POSTURE) == seeing([], POSTURE) == Seeing()


def test_crumpled_and_reacquired_poses_are_not_taken_for_movement():
    """A crumpled body is taken as it is when it lasts for longer than a second."""
    found = seeing(results("sscrhs"), POSTURE)
    assert (found.poses, found.implausible, found.sure, found.implausible_sure) == (6, 1, 3, 0)
    lasting = seeing(results("s" + "c" * 20), POSTURE)
    assert lasting.implausible == 20
    assert 0 < lasting.implausible_sure < 10


def test_the_figures_of_several_clips():
    """Their sums."""
    clips = (Seeing(3, 2, 10, 1, 8, 0), Seeing(1, 0, 10, 3, 2, 1))
    figures = seeing_figures(clips)
    assert (figures["gaps"], figures["short_gaps"]) == (4, 2)
    assert (figures["implausible"]["count"], figures["implausible"]["of"]) == (4, 20)
    assert (figures["implausible_sure"]["count"], figures["implausible_sure"]["of"]) == (1, 10)
