"""Ground truth of a clip as JSON: what every person does at every frame, and where their joints are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from motion import Moment
from scenes import Scene

JOINT_STEP = 5  # every fifth frame's joints are kept
JOINTS = (
    "nose", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
UPRIGHT = ("standing", "sitting")

Event = dict[str, float | str | int]


def ground_truth(scene: Scene, played: Sequence[Sequence[Moment]]) -> dict[str, object]:
    """The clip's truth; `README.md` describes the format."""
    camera = scene.camera
    return {
        "clip": scene.name,
        "fps": scene.fps,
        "size": [camera.width, camera.height],
        "frames": len(played[0]),
        "camera": {"eye": camera.eye, "at": camera.at, "hfov_deg": camera.hfov_deg},
        "persons": [_person(scene, i, moments) for i, moments in enumerate(played)],
    }


def write_truth(path: Path, truth: dict[str, object]) -> None:
    """Write it as compact JSON."""
    path.write_text(json.dumps(truth, separators=(",", ":")) + "\n")


def _person(scene: Scene, index: int, moments: Sequence[Moment]) -> dict[str, object]:
    look, script = scene.cast[index]
    labels = _labels(scene, moments)
    gestures = _hand_events(moments, labels) if scene.gestures else []
    events = [*script.events, *_presence_events(moments, labels), *gestures]
    return {
        "look": f"{look.sex} {look.age}",
        "labels": labels,
        "events": sorted(events, key=lambda event: event["t_s"]),
        "joint_names": JOINTS,
        "joint_step": JOINT_STEP,
        "joints_px": [_pixels(scene, moment) for moment in moments[::JOINT_STEP]],
    }


def _labels(scene: Scene, moments: Sequence[Moment]) -> list[str]:
    def label(moment: Moment) -> str:
        if moment.label == "absent" or not _in_view(scene, moment):
            return "absent"
        return moment.label if scene.whole_body else "unknown"

    return [label(moment) for moment in moments]


def _in_view(scene: Scene, moment: Moment) -> bool:
    """Seen at all: the chest is in the picture."""
    chest = (moment.joints["left_shoulder"] + moment.joints["right_shoulder"]) / 2
    return scene.camera.shows(chest)


def _presence_events(moments: Sequence[Moment], labels: Sequence[str]) -> Iterator[Event]:
    before = "absent"
    for moment, label in zip(moments, labels, strict=True):
        if (before == "absent") != (label == "absent"):
            name = "person_entered" if before == "absent" else "person_left"
            yield {"event_type": name, "t_s": round(moment.t, 3)}
        before = label


def _hand_events(moments: Sequence[Moment], labels: Sequence[str]) -> Iterator[Event]:
    """A hand is up while its wrist is above the nose of somebody standing or sitting."""
    for side in ("left", "right"):
        up = [
            label in (*UPRIGHT, "unknown") and bool(m.joints[f"{side}_wrist"][1] > m.joints["nose"][1])
            for m, label in zip(moments, labels, strict=True)
        ]
        for (was, now), moment in zip(pairwise(up), moments[1:], strict=True):
            if was != now:
                name = "hand_raised" if now else "hand_lowered"
                yield {"event_type": name, "t_s": round(moment.t, 3), "side": side}


def _pixels(scene: Scene, moment: Moment) -> list[list[int]]:
    seen = scene.camera.project([moment.joints[name] for name in JOINTS])
    return [[round(float(column)), round(float(row))] for column, row, _ in seen]
