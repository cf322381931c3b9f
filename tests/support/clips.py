"""Clips of a manifest as tests make them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from piapp.offline.evaluate.footage import Alarm, Outcome
from piapp.offline.evaluate.manifest import Clip


def clip(name: str = "a", *, fall: bool = True, footage: str = "home", **changes: Any) -> Clip:
    """A clip of which only the given fields matter."""
    fields: dict[str, Any] = {
        "lies_down": False, "kind": "fall", "view": "level", "group": name, "actor": "", "split": "tune", "sha256": "",
        "from_s": 0.0, "onset_s": None, "impact_s": None,
    }  # fmt: skip
    return Clip(footage=footage, name=name, fall=fall, **(fields | changes))


def outcome(of: Clip, *alarms_s: float, score: float = 1.0, **changes: Any) -> Outcome:
    """An outcome of 36 s with reported falls at these times."""
    fields: dict[str, Any] = {"seconds": 36.0, "frames": 540, "seen": 540}
    return Outcome(of, alarms=tuple(Alarm(at_s, score, found_lying=False) for at_s in alarms_s), **(fields | changes))


def write_manifest(path: Path, *entries: dict[str, Any]) -> None:
    """Write a manifest with one set, "home", of these clips; what a clip must have is added."""
    whole = {"path": "a.mp4", "fall": True, "kind": "fall", "split": "tune", "sha256": "00"}
    clips = [whole | entry for entry in entries]
    path.write_text(json.dumps({"home": {"about": "One room.", "view": "level", "clips": clips}}))
