"""Places in the picture: who is in which, and where a fall does not count.

Owns polygons. A person is where their feet are while they stand, and where their hips are otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.posture.geometry import inside


class ZonePresence:
    """The zones one person is in; a change counts when it has lasted the dwell time."""

    __slots__ = ("_dwell_s", "_gone", "_since_ms", "_zones", "inside")

    def __init__(self, config: PostureConfig, zones: Sequence[ZoneConfig]) -> None:
        self.tune(config)
        self._zones = zones
        self._since_ms: dict[str, int] = {}
        self._gone: tuple[str, ...] = ()
        self.inside: tuple[str, ...] = ()

    def tune(self, config: PostureConfig) -> None:
        """Take another dwell time from the next result on."""
        self._dwell_s = config.zone_dwell_s

    def use(self, zones: Sequence[ZoneConfig]) -> None:
        """Take other zones from now on; one whose name stays is the same zone at another place."""
        self._zones = zones
        names = {zone.name for zone in zones}
        self._since_ms = {name: since_ms for name, since_ms in self._since_ms.items() if name in names}
        self._gone = tuple(name for name in self.inside if name not in names)

    def restore(self, inside: Sequence[str]) -> None:
        """Go on in these zones, as far as they are still there."""
        self.inside = tuple(zone.name for zone in self._zones if zone.name in inside)

    def ignores_fall(self, places: Sequence[tuple[float, float]]) -> bool:
        """Whether each of the places lies in a zone that ignores falls.

        The hips of who is down tell a fall onto a bed from one before it: head and feet may hide it either way.
        """
        zones = [zone.polygon for zone in self._zones if "fall" in zone.ignore]
        return bool(places) and all(any(inside(place, zone) for zone in zones) for place in places)

    def step(self, point: tuple[float, float], ts_ms: int) -> list[tuple[str, bool]]:
        """Take a place (normalised picture coordinates); return (zone, entered) for each change."""
        changes = [(name, False) for name in self._gone]
        self._gone = ()
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
