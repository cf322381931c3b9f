from collections.abc import Callable

import pytest

from piapp.types import PostureEvent
from tests.support import stick
from tests.support.stick import JACK, LIE_BACK, RAISE_RIGHT, STAND, WAVE_IN, WAVE_OUT, film, plunge

Watch = Callable[..., tuple[list, list[PostureEvent]]]
GESTURES = ("hand_raised", "hand_lowered", "wave")


def _told(events: list[PostureEvent]) -> list[tuple[str, str]]:
    return [(event.event_type, str(event.evidence["side"])) for event in events if event.event_type in GESTURES]


@pytest.mark.parametrize("fps", [30, 10, 5])
@pytest.mark.parametrize("view", stick.VIEWS)
def test_a_raised_hand_is_told_once_and_its_lowering_too(view: str, fps: int, watch: Watch) -> None:
    """With its side, and in the state while it is up."""
    steps = [(1.5, STAND), (0.6, RAISE_RIGHT), (1.5, RAISE_RIGHT), (0.6, STAND), (1, STAND)]
    states, events = watch(film(steps, camera=stick.VIEWS[view], fps=fps))
    assert _told(events) == [("hand_raised", "right"), ("hand_lowered", "right")]
    raised = next(event for event in events if event.event_type == "hand_raised")
    assert 1.5 < raised.ts_ms / 1000 < 2.8
    assert raised.evidence["above_eyes_m"] > 0.05
    assert {person.hands_raised for state in states for person in state.persons} == {(), ("right",)}


def test_both_hands_are_told_apart(watch: Watch) -> None:
    """Left and right go up together, as two events."""
    _, events = watch(film([(1.5, STAND), (0.6, JACK), (1, JACK)]))
    assert sorted(_told(events)) == [("hand_raised", "left"), ("hand_raised", "right")]


def test_a_hand_that_flies_up_in_a_fall_is_not_raised(watch: Watch) -> None:
    """Above the head for moments, or beside the head on the floor: no gesture."""
    falling = [(2, STAND), (0.3, RAISE_RIGHT, plunge), (0.4, LIE_BACK, plunge), (2, LIE_BACK)]
    _, events = watch(film(falling))
    assert _told(events) == []


def test_a_hand_is_down_when_its_person_has_left(watch: Watch) -> None:
    """Each raise has its lowering, before `person_left`."""
    results = [
        *film([(1.5, STAND), (0.6, RAISE_RIGHT), (1, RAISE_RIGHT)]),
        *(stick.result(3.1 + k, []) for k in range(5)),
    ]
    _, events = watch(results)
    assert [event.event_type for event in events][-2:] == ["hand_lowered", "person_left"]


@pytest.mark.parametrize("fps", [30, 10])
@pytest.mark.parametrize("view", ["front", "behind", "high"])
def test_a_wave_is_told_once(view: str, fps: int, watch: Watch) -> None:
    """Twice to and fro is one wave, with the side; going on waving is the same one for a while."""
    swings = [(0.3, WAVE_IN), (0.3, WAVE_OUT)] * 4
    steps = [(1.5, STAND), (0.6, WAVE_OUT), *swings, (0.6, STAND), (1, STAND)]
    _, events = watch(film(steps, camera=stick.VIEWS[view], fps=fps))
    assert [told for told in _told(events) if told[0] == "wave"] == [("wave", "right")]


def test_one_swing_is_no_wave(watch: Watch) -> None:
    """Pointing somewhere and back is not waving."""
    _, events = watch(film([(1.5, STAND), (0.6, WAVE_OUT), (0.4, WAVE_IN), (0.6, STAND), (1, STAND)]))
    assert "wave" not in [told[0] for told in _told(events)]
