"""Judges the fall detector on recordings of films, beside the rules.

    python -m models.falls.judge FOLDER     # holds labels.json, impacts.json and recordings/SET/CLIP.npz

Every set is judged by a threshold that was chosen on the other sets. Recordings are landmarks, one file a film.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from piapp.config.load import default_config
from piapp.offline.recording import read_recording
from piapp.posture.fall_decision import AGREED_MS, FALL_THRESHOLDS, WINDOWS, could_be_a_fall, favour, logit
from piapp.posture.fall_net import FallNet
from piapp.posture.fall_window import FallWindow, Window
from piapp.posture.geometry import read_body
from piapp.posture.monitor import Monitor
from piapp.posture.tracks import Tracks
from piapp.types import PoseResult

_HOLD_S = 3.0


@dataclass(slots=True)
class Film:
    """One recording.

    Attributes:
        group: Films of the same fall have the same.
        tracks: Windows of each track.
        score: The highest logit of three windows, with what else speaks for a fall, wherever a body came down as in
            falls.
        by_rules: Times of falls that the rules found, ms.
    """

    name: str
    fall: bool
    group: str
    impact_s: float | None
    tracks: list[list[Window]]
    by_rules: list[int] = field(default_factory=list)
    score: float = -99.0

    @property
    def collection(self) -> str:
        """The set it belongs to."""
        return self.name.split("/")[0]

    def agreed(self, ts_ms: int) -> bool:
        """Whether the rules saw a fall just before."""
        return any(0 <= ts_ms - rule_ms <= AGREED_MS for rule_ms in self.by_rules)


def windows_of(results: list[PoseResult]) -> list[list[Window]]:
    """Windows of every track of a recording."""
    config = default_config().posture
    tracks, windows, found = Tracks(config), {}, {}
    for result in results:
        bodies = [read_body(pose, result.size) for pose in result.poses]
        seen = set()
        for pose, body, track in zip(result.poses, bodies, tracks.update(bodies, result.ts_ms), strict=True):
            if body is None or track is None or track.id in seen:
                continue
            if track.id in windows and (track.doubtful or pose.found in ("reacquired", "held")):
                continue  # as the node does: it says that somebody is there, and nothing about how they move
            seen.add(track.id)
            track.hold_s = _HOLD_S if result.ts_ms - track.first_ms > config.enter_after_s * 1000 else track.hold_s
            windows.setdefault(track.id, FallWindow()).push(body, result.size, result.ts_ms)
        for track in tracks.expire(result.ts_ms):
            windows.pop(track.id, None)
        for track_id, window in windows.items():
            if (one := window.window(result.ts_ms)) is not None:
                found.setdefault(track_id, []).append(one)
    return list(found.values())


def read_films(folder: Path, every: int = 1, first: int = 0) -> list[Film]:
    """All labelled films of a folder, of each only one in `every` results, from the result numbered `first` on."""
    labels: dict[str, dict[str, Any]] = json.loads((folder / "labels.json").read_text())
    impacts: dict[str, dict[str, Any]] = json.loads((folder / "impacts.json").read_text())
    films = []
    for name, label in labels.items():
        path = folder / "recordings" / name
        if not path.exists():
            continue
        results = read_recording(path)[first::every]
        monitor = Monitor(default_config().posture)
        rules = [e.ts_ms for r in results for e in monitor.update(r)[1] if e.event_type == "fall"]
        impact = impacts.get(name, {})
        films.append(
            Film(name, label["fall"], _group(name, impact), impact.get("impact_s"), windows_of(results), rules)
        )
    return films


def _group(name: str, impact: dict[str, Any]) -> str:
    """What film number "same fall as N" names, or its own."""
    own = re.search(r"(\d+)\.npz$", name)
    other = re.search(r"same fall as (\d+)", impact.get("note", ""))
    if not impact or own is None:
        return name
    return f"fall{(other or own).group(1)}"


def score(films: list[Film], net: FallNet) -> None:
    """Fill in scores."""
    for film in films:
        for track in film.tracks:
            logits = [net.logit(window.channels) for window in track]
            for i, window in enumerate(track[WINDOWS - 1 :]):
                if could_be_a_fall(window.motion):
                    bonus = favour(window.motion, agreed=film.agreed(window.ts_ms))
                    film.score = max(film.score, min(logits[i : i + WINDOWS]) + bonus)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not count:
        return 0.0, 1.0
    z = 1.96
    share = hits / count
    middle = (share + z * z / 2 / count) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / 4 / count / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def threshold_for(calm: list[Film], false_share: float) -> float:
    """The lowest threshold at which at most such a share of calm films is taken for falls."""
    scores = sorted((film.score for film in calm), reverse=True)
    allowed = math.floor(false_share * len(scores))
    return scores[allowed] + 1e-3 if scores else 0.0


def line(hits: int, count: int) -> str:
    """A share with its interval."""
    low, high = wilson(hits, count)
    return f"{hits} of {count} ({100 * low:.0f} to {100 * high:.0f} %)" if count else "-"


def by_fall(films: list[Film], limit: float) -> str:
    """Of how many falls at least half of the films are found."""
    groups: dict[str, list[bool]] = {}
    for film in films:
        groups.setdefault(film.group, []).append(film.score > limit)
    return f"{sum(sum(found) * 2 >= len(found) for found in groups.values())} of {len(groups)}"


def table(films: list[Film], limits: dict[str, float]) -> str:
    """One row a set."""
    rows = [
        "| set | threshold | falls found | by fall | calm films wrong | rules: found | rules: wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, limit in limits.items():
        own = [film for film in films if film.collection == name]
        falls, calm = [f for f in own if f.fall], [f for f in own if not f.fall]
        rows.append(
            f"| {name} | {1 / (1 + math.exp(-limit)):.3f} | {line(sum(f.score > limit for f in falls), len(falls))} "
            f"| {by_fall(falls, limit)} | {line(sum(f.score > limit for f in calm), len(calm))} "
            f"| {sum(bool(f.by_rules) for f in falls)} | {sum(bool(f.by_rules) for f in calm)} |"
        )
    return "\n".join(rows)


def leave_one_out(films: list[Film], false_share: float) -> dict[str, float]:
    """For each set the threshold that the other sets' calm films give."""
    names = sorted({film.collection for film in films})
    return {
        name: threshold_for([f for f in films if not f.fall and f.collection != name], false_share) for name in names
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Judge the fall detector on recordings of films")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, default=Path("models/fall_detector.npz"))
    parser.add_argument("--every", type=int, default=1, help="take one result in so many, as a slower camera would")
    arguments = parser.parse_args()
    films = read_films(arguments.folder, arguments.every)
    with np.load(arguments.model) as arrays:
        score(films, FallNet({name: arrays[name] for name in arrays.files}))
    sets = sorted({film.collection for film in films})
    for name, threshold in FALL_THRESHOLDS.items():
        print(f"\nSensitivity {name}:\n")
        print(table(films, dict.fromkeys(sets, logit(threshold))))
    for false_share in (0.005, 0.01, 0.02):
        print(f"\nThresholds from the other sets' calm films, {100 * false_share:.1f} % of them wrong:\n")
        print(table(films, leave_one_out(films, false_share)))


if __name__ == "__main__":
    main()
