"""Windows of simulated bodies, made by the very code that runs on the node.

Owns which windows are learnt from, and their labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.falls import life, tumbles
from models.falls.camera import film
from models.falls.landmarker import observe
from models.falls.motion import Clip
from models.falls.sight import stream
from piapp.posture.fall_window import Window

Rng = np.random.Generator

POSITIVE_S = (0.35, 2.4)  # a window is a fall when it ends so long after the impact
BEFORE_S = 0.15  # and none when it ends so long before the onset
# The landmarker was made for adults who are upright: it errs more with children and with those on all fours.
ERRORS = {"toddles": 1.8, "crawls": 1.4}
_CALM_WINDOWS = 10
_FALL_WINDOWS = 6


@dataclass(slots=True)
class Sample:
    """Windows of one view.

    Attributes:
        windows: (k, CHANNELS, STEPS) float16.
        labels: (k,) 1 for a fall.
        kind: Of the motion.
    """

    windows: np.ndarray
    labels: np.ndarray
    kind: str


def random_clip(
    rng: Rng,
    fall_share: float,
    falls: Mapping[tumbles.Beginning, float] = tumbles.KINDS,
    calm: Mapping[life.Activity, float] = life.KINDS,
) -> Clip:
    """A fall or a piece of life, of kinds by their weights."""
    if rng.random() >= fall_share:
        return life.random_life(rng, calm)
    while (clip := tumbles.random_fall(rng, falls)) is None:
        pass
    return clip


def sample(clip: Clip, rng: Rng) -> Sample | None:
    """Film a clip once and choose windows; None when the person was hardly seen."""
    sight = observe(film(rng, clip), clip.size, rng, ERRORS.get(clip.kind, 1.0))
    held_s = rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.0
    windows = stream(sight, held_s)
    if not windows:
        return None
    ends_s = np.array([window.ts_ms for window in windows]) / 1000
    chosen, labels = _choose_fall(clip, ends_s, rng) if clip.impact_s is not None else _choose_calm(windows, rng)
    if not len(chosen):
        return None
    stacked = np.stack([windows[i].channels for i in chosen]).astype(np.float16)
    return Sample(stacked, labels, clip.kind)


def _choose_fall(clip: Clip, ends_s: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    assert clip.impact_s is not None
    assert clip.onset_s is not None
    after = ends_s - clip.impact_s
    positive = np.flatnonzero((after >= POSITIVE_S[0]) & (after <= POSITIVE_S[1]))
    negative = np.flatnonzero(ends_s <= clip.onset_s - BEFORE_S)
    positive = rng.permutation(positive)[:_FALL_WINDOWS]
    negative = rng.permutation(negative)[:2]
    chosen = np.concatenate((positive, negative))
    return chosen, np.concatenate((np.ones(len(positive)), np.zeros(len(negative))))


def _choose_calm(windows: list[Window], rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    motions = [window.motion for window in windows]
    weight = np.array([0.1 + max(0.0, motion.drop_m) * max(0.1, motion.speed_m_s) for motion in motions])
    count = min(_CALM_WINDOWS, len(windows))
    chosen = rng.choice(len(windows), count, replace=False, p=weight / weight.sum())
    return chosen, np.zeros(count)
