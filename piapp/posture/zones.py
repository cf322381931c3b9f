"""Places in the picture: who is in which, and where a fall does not count.

Owns polygons. A person is where their feet are while they stand, and where their hips are otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from piapp.config import PostureConfig, ZoneConfig
from piapp.posture.geometry import inside


class ZonePresence:
    """The zones one person is in; a change counts when it has lasted the dwell time."""

    __slots__ = ("_dwell_s", "_since_ms", "_zones", "inside")

    def __init__(self, config: PostureConfig, zones: Sequence[ZoneConfig]) -> None:
        self._dwell_s = config.zone_dwell_s
        self._zones = zones
        self._since_ms: dict[str, int] = {}
        self.inside: tuple[str, ...] = ()

    def step(self, point: tuple[float, float], ts_ms: int) -> list[tuple[str, bool]]:
        """Take a place (normalised picture coordinates); return (zone, entered) for each change."""
        changes = []
        for zone in self._zones:
            if inside(point, zone.polygon) == (zone.name in self.inside):
                self._since_ms.pop(zone.name, None)
            elif ts_ms - self._since_ms.setdefault(zone.name, ts_ms) >= self._dwell_s * 1000:
                del self._since_ms[zone.name]
                changes.append((zone.name, zone.name not in self.inside))
        if changes:
            changed = dict(changes)
            self.inside = tuple(zone.name for zone in self._zones if changed.get(zone.name, zone.name in self.inside))
        return changes


def fall_ignored(zones: Sequence[ZoneConfig], points: Sequence[tuple[float, float]]) -> bool:
    """Whether any of the places lies in a zone that ignores falls."""
    return any("fall" in zone.ignore and any(inside(point, zone.polygon) for point in points) for zone in zones)
