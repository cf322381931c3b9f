"""Events in memory: order, bounds, doubt, and what the disk is to forget."""

from __future__ import annotations

from piapp.mqtt.waiting_events import DOUBT_S, MAX_DOUBTED, WaitingEvents


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def filled(count: int, clock: Clock, **bounds: int) -> WaitingEvents:
    """Events 1 to `count`, each of ten bytes."""
    events = WaitingEvents(**{"max_events": 10_000, "max_bytes": 10_000_000} | bounds, monotonic_s=clock)
    for number in range(1, count + 1):
        events.add(number, b"x" * 10)
        events.make_room()
    return events


def numbers(events: WaitingEvents) -> list[int]:
    """All that wait, in order."""
    found, last = [], 0
    while one := events.after(last):
        last = one[0]
        found.append(last)
    return found


def test_the_oldest_is_dropped_for_a_new_one():
    """By number of events or by bytes; the newest always stays."""
    few = filled(5, Clock(), max_events=3)
    assert (numbers(few), few.dropped, few.take_gone()) == ([3, 4, 5], 2, [1, 2])
    tight = filled(5, Clock(), max_bytes=1)
    assert (numbers(tight), tight.dropped) == ([5], 4)


def test_acknowledged_events_give_way_first():
    """Nobody who still waits is dropped for their sake."""
    events = filled(3, Clock(), max_events=3)
    events.acknowledge(2)
    events.add(4, b"x")
    events.make_room()
    assert (numbers(events), events.dropped, events.take_gone()) == ([1, 3, 4], 0, [2])


def test_what_was_acknowledged_just_now_can_wait_again():
    """In order; what is older than the doubt is gone for good."""
    clock = Clock()
    events = filled(4, clock)
    events.acknowledge(1)
    clock.now_s += DOUBT_S
    events.acknowledge(3)
    events.forget_beyond_doubt()
    assert events.take_gone() == [1]
    events.doubt()
    assert numbers(events) == [2, 3, 4]
    assert [number for number, _ in events.all()] == [2, 3, 4]


def test_few_are_kept_in_doubt():
    """However young they are."""
    events = filled(MAX_DOUBTED + 5, Clock())
    for number in range(1, MAX_DOUBTED + 6):
        events.acknowledge(number)
    events.forget_beyond_doubt()
    assert events.gone == 5
    assert not events.empty
    events.forget_acknowledged()
    assert events.empty
