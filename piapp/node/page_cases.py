"""Kept alarms as the owner's page shows them: a list, and the film of one, which the browser draws.

Owns what of a recording is sent, and its bounds. What is kept is `piapp.offline.cases`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from piapp.config.sections import ZoneConfig
from piapp.mqtt.payload import EventPayload
from piapp.offline.cases import Case, CaseError, CaseFolder
from piapp.offline.recording import Recorded, iterate_recording
from piapp.types import FloatArray

# Newer ones; a browser that lists hundreds helps nobody.
MAX_LISTED = 50

# A film of three minutes at ten frames a second; later frames are left out.
MAX_FRAMES = 1800

# Of which it is made: more than any case has (`piapp.node.black_box`), whatever a backup may bring.
MAX_RESULTS = 20_000
LEAST_PERIOD_MS = 90

# Coordinates are sent in thousandths of the picture's width and height.
THOUSANDTHS = 1000

# x, y, visibility.
_SHOWN = (0, 1, 3)


class _Settings(Struct):
    """What is shown of a case's settings."""

    posture: dict[str, Any] = {}
    zones: list[ZoneConfig] = []


class PageCases:
    """Cases for the page; any thread.

    Args:
        folder: Where they are; None where none are kept.
    """

    def __init__(self, folder: CaseFolder | None) -> None:
        self._folder = folder

    def listed(self, _query: object) -> dict[str, Any]:
        """The newest cases, newest first."""
        cases = self._folder.all() if self._folder is not None else []
        newest = sorted(cases, key=lambda case: case.t, reverse=True)[:MAX_LISTED]
        return {"kept": self._folder is not None, "cases": [_described(case) for case in newest]}

    def film(self, query: Mapping[str, str]) -> dict[str, Any]:
        """What the browser draws of a case.

        Args:
            query: `id`, the case's.

        Raises:
            LookupError: There is none.
            MediaError: Its recording is gone or damaged.
        """
        if self._folder is None:
            raise CaseError("this node keeps no alarms")
        case = self._folder.get(query.get("id", ""))
        frames, size = [], (4, 3)
        for recorded in _thinned(iterate_recording(self._folder.recording(case))):
            size = recorded.result.size
            frames.append([recorded.result.ts_ms, *(_points(pose.landmarks) for pose in recorded.result.poses)])
        return _described(case) | {"size": size, "frames": frames, "zones": msgspec.to_builtins(_settings(case).zones)}


def _described(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "kind": case.kind,
        "t": case.t,
        "verdict": case.verdict,
        "sensitivity": _settings(case).posture.get("fall_sensitivity"),
        "events": [_event(event, case.start_ms) for event in case.events],
    }


def _settings(case: Case) -> _Settings:
    """Those that can be shown; a restored backup may hold any."""
    try:
        return msgspec.convert(case.settings, _Settings)
    except ValueError:
        return _Settings()


def _event(event: EventPayload, start_ms: int) -> dict[str, Any]:
    kept = msgspec.to_builtins(event)
    shown = {name: kept.get(name) for name in ("id", "event_type", "t", "person", "posture", "evidence")}
    return shown | {"at_ms": event.ts_ms - start_ms, "zones": kept.get("zones") or []}


def _thinned(results: Iterator[Recorded]) -> Iterator[Recorded]:
    """So many results as a film needs."""
    last_ms, count = -LEAST_PERIOD_MS, 0
    for recorded in islice(results, MAX_RESULTS):
        if recorded.result.ts_ms - last_ms >= LEAST_PERIOD_MS:
            last_ms, count = recorded.result.ts_ms, count + 1
            yield recorded
        if count >= MAX_FRAMES:
            return


def _points(landmarks: FloatArray) -> list[int | None]:
    """(33, 5) to 99 whole numbers: x, y and visibility of each landmark; None for what is not known."""
    shown = np.round(landmarks[:, _SHOWN].astype(np.float64) * THOUSANDTHS).ravel()
    return [int(value) if np.isfinite(value) else None for value in shown]
