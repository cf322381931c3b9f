"""What a part of the posture logic has found: an event before the person's name, posture and zones are put to it."""

from __future__ import annotations

from dataclasses import dataclass

from piapp.types import EventType, Posture

Numbers = dict[str, float | int | str]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """Something that happened to a person.

    Attributes:
        evidence: The numbers that decided.
        previous: The posture that it came from; None for the present one.
        score: How sure it is, 0..1.
        zones: Where it happened; None for the zones that the person is in.
    """

    kind: EventType
    evidence: Numbers
    previous: Posture | None = None
    score: float = 1.0
    zones: tuple[str, ...] | None = None
