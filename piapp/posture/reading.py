"""One person in one result: body, features and place, measured once for all judgements."""

from __future__ import annotations

from dataclasses import dataclass

from piapp.posture.features import Features, measure
from piapp.posture.geometry import Body
from piapp.posture.lying_places import Place
from piapp.posture.tilt import Tilt
from piapp.posture.tracks import Track


@dataclass(frozen=True, slots=True)
class Reading:
    """One person as seen in one result; places are shares of the picture's width and height."""

    ts_ms: int
    size: tuple[int, int]
    raw: Body
    body: Body
    features: Features
    tilt_deg: float
    feet: Place
    hips: Place
    shoulders: Place


def read_track(track: Track, raw: Body, size: tuple[int, int], tilt: Tilt, ts_ms: int) -> Reading:
    """Read a track that was seen just now; `raw` is its body before smoothing."""
    features = measure(track.body, tilt.deg)
    width, height = max(size[0], 1), max(size[1], 1)

    def place(point: Place) -> Place:
        return point[0] / width, point[1] / height

    return Reading(
        ts_ms,
        size,
        raw,
        track.body,
        features,
        tilt.deg,
        place(features.feet_px),
        place(features.hips_px),
        place(features.shoulders_px),
    )
