"""What the page is sent, as server-sent events. Pure: values in, bytes out."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from piapp.types import FloatArray, PoseResult, State

# A tenth of a pixel at 1000 pixels' width.
DECIMALS = 4

# x, y, visibility.
SHOWN = (0, 1, 3)

_json = msgspec.json.Encoder()


def frame_message(result: PoseResult, state: State) -> bytes:
    """Skeletons of one frame, with posture and track id of each."""
    known = {person.id: person for person in state.persons}
    persons = [
        {
            "id": label.id,
            "posture": label.posture,
            "fallen": label.id in known and known[label.id].fallen,
            "place": known[label.id].place if label.id in known else None,
            "landmarks": _rows(pose.landmarks),
        }
        for pose, label in zip(result.poses, state.labels, strict=True)
    ]
    return server_sent("frame", _json.encode({"ts_ms": result.ts_ms, "size": result.size, "persons": persons}))


def status_message(status: dict[str, Any]) -> bytes:
    """How the node does."""
    return server_sent("status", _json.encode(status))


def server_sent(event: str, document: bytes) -> bytes:
    """One event of a stream (HTML standard, "Server-sent events"); the document has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), document)


def _rows(landmarks: FloatArray) -> list[list[float | None]]:
    """(33, 5) float32 to 33 rows of x, y and visibility, None for NaN and infinity."""
    shown = landmarks[:, SHOWN].astype(np.float64)
    rows: list[list[float | None]] = np.round(shown, DECIMALS).tolist()
    if np.isfinite(shown).all():
        return rows
    finite = np.isfinite(shown).tolist()
    return [[x if ok else None for x, ok in zip(*pair, strict=True)] for pair in zip(rows, finite, strict=True)]
