"""How well the landmarker saw who was there: gaps, and poses whose bones no body has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from piapp.anatomy import bone_deviation
from piapp.config.sections import PostureConfig
from piapp.offline.evaluate.rates import Share
from piapp.posture.geometry import read_body
from piapp.posture.tracks import Tracks
from piapp.types import PoseResult

# `bone_deviation` from which a pose counts as one that no body can have: the landmarker searches from here on.
IMPLAUSIBLE_DEVIATION = 0.28


@dataclass(frozen=True, slots=True)
class Seeing:
    """Counts over the results of a clip; of several people the first counts.

    Attributes:
        gaps: Runs of results without anybody, between results with somebody.
        short_gaps: Those of one result.
        poses: Results with somebody.
        implausible: Of these, with bones that no body has.
        sure: Results whose pose the posture logic takes for movement.
        implausible_sure: Of these, with bones that no body has.
    """

    gaps: int = 0
    short_gaps: int = 0
    poses: int = 0
    implausible: int = 0
    sure: int = 0
    implausible_sure: int = 0


def seeing(results: Sequence[PoseResult], config: PostureConfig) -> Seeing:
    """Count over a clip's results."""
    gaps = _gaps(bool(result.poses) for result in results)
    strange, sure = [], []
    tracks = Tracks(config)
    for result in results:
        found = tracks.update([read_body(pose, result.size) for pose in result.poses], result.ts_ms)
        tracks.expire(result.ts_ms)
        if result.poses:
            pose, track = result.poses[0], found[0]
            strange.append(bone_deviation(pose.world_landmarks) > IMPLAUSIBLE_DEVIATION)
            sure.append(track is not None and not track.doubtful and pose.found not in ("reacquired", "held"))
    both = sum(one and other for one, other in zip(strange, sure, strict=True))
    return Seeing(len(gaps), gaps.count(1), len(strange), sum(strange), sum(sure), both)


def seeing_figures(each: Iterable[Seeing]) -> dict[str, Any]:
    """The figures of a group of clips, as plain values."""
    clips = list(each)
    return {
        "gaps": sum(clip.gaps for clip in clips),
        "short_gaps": sum(clip.short_gaps for clip in clips),
        "implausible": Share(sum(clip.implausible for clip in clips), sum(clip.poses for clip in clips)).as_dict(),
        "implausible_sure": Share(
            sum(clip.implausible_sure for clip in clips), sum(clip.sure for clip in clips)
        ).as_dict(),
    }


def _gaps(seen: Iterable[bool]) -> list[int]:
    """Lengths of the runs without anybody, but for the first and the last."""
    runs = [(there, len(list(run))) for there, run in groupby(seen)]
    return [length for there, length in runs[1:-1] if not there]
