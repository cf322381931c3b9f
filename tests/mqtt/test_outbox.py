"""Bounds, order and counts of what waits."""

from __future__ import annotations

import json
import threading

import pytest

from piapp.mqtt.clock import TimeLine, WallClock
from piapp.mqtt.event_queue import MemoryEventQueue
from piapp.mqtt.event_sender import late_event
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.mqtt.message import Message
from piapp.mqtt.message_queue import MAX_MESSAGES
from piapp.mqtt.outbox import Outbox
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.topics import Topics
from piapp.types import PostureEvent

TOPICS = Topics("piapp", "hall")
WRITER = PayloadWriter("hall", "9f2c61aa", clock=WallClock(lambda: 0, lambda: 0, lambda: False))


def event(number: int):
    """An event that can be told from others by its id."""
    return WRITER.event(PostureEvent("sit_down", number), TimeLine(0, 0), event_id=f"b-{number}")


def make_outbox(**changes) -> Outbox:
    """An outbox that wakes nobody."""
    return Outbox(TOPICS, lambda: None, **changes)


def drain(outbox: Outbox) -> list[Message]:
    """All messages that would leave now, none of them acknowledged."""
    messages = []
    while message := outbox.next(acknowledged_too=True):
        messages.append(message)
    return messages


def event_ids(messages: list[Message]) -> list[tuple[str, bool]]:
    """(id, historical) of the events among messages."""
    events = [json.loads(message.payload) for message in messages if message.topic == TOPICS.event]
    return [(one["id"], one["historical"]) for one in events]


def test_frames_are_dropped_and_counted_while_the_broker_is_away():
    """Not even encoded, and the caller is told at once."""
    outbox, told = make_outbox(), []
    assert outbox.add_frame(lambda: pytest.fail("encoded in vain"), told.append) is False
    assert told == [None]
    assert outbox.counts().frames_dropped == 1


def test_the_newest_frames_are_kept():
    """When more wait than fit, the oldest goes and its owner is told."""
    outbox, told = make_outbox(max_frames=2), []
    outbox.begin_connection()
    for number in range(5):
        outbox.add_frame(lambda number=number: b"%d" % number, lambda _, number=number: told.append(number))
    assert [message.payload for message in drain(outbox)] == [b"3", b"4"]
    assert told == [0, 1, 2]
    assert outbox.counts().frames_dropped == 3


def test_a_frame_is_told_when_it_was_written():
    """The time comes from the clock at that moment."""
    outbox, told = make_outbox(monotonic_ns=lambda: 77), []
    outbox.begin_connection()
    outbox.add_frame(lambda: b"x", told.append)
    (message,) = drain(outbox)
    assert told == []
    message.on_done(0)
    assert told == [77]
    assert outbox.counts().frames_sent == 1


def test_a_frame_that_was_being_encoded_when_the_connection_ended_is_dropped():
    """Nothing waits for a connection that may never come."""
    outbox, told = make_outbox(), []
    outbox.begin_connection()

    def encode() -> bytes:
        outbox.end_connection()
        return b"x"

    assert outbox.add_frame(encode, told.append) is False
    assert told == [None]
    outbox.begin_connection()
    assert drain(outbox) == []


def test_waiting_frames_are_told_when_the_connection_ends():
    """Lockstep must not wait for ever."""
    outbox, told = make_outbox(), []
    outbox.begin_connection()
    outbox.add_frame(lambda: b"x", told.append)
    outbox.end_connection()
    assert told == [None]


def test_retained_topics_are_sent_again_after_every_connect():
    """The latest value of each, in the order of their first setting."""
    outbox = make_outbox()
    outbox.retain("info", b"i")
    outbox.retain("state", b"1")
    outbox.retain("state", b"2")
    for _ in range(2):
        outbox.begin_connection()
        assert [(one.topic, one.payload, one.qos, one.retain) for one in drain(outbox)] == [
            ("info", b"i", 1, True),
            ("state", b"2", 1, True),
        ]
        outbox.end_connection()


def test_an_unchanged_retained_value_is_sent_once():
    """Also when it is set again; `announce` sends all."""
    outbox = make_outbox()
    outbox.begin_connection()
    outbox.retain("state", b"1")
    assert len(drain(outbox)) == 1
    outbox.retain("state", b"1")
    assert drain(outbox) == []
    outbox.announce()
    assert len(drain(outbox)) == 1


def test_live_events_go_to_event_and_trigger():
    """The trigger carries the bare type."""
    outbox = make_outbox()
    outbox.begin_connection()
    outbox.add_event(event(1))
    first, second = drain(outbox)
    assert event_ids([first]) == [("b-1", False)]
    assert (second.topic, second.payload, second.qos) == (TOPICS.trigger, b"sit_down", 1)


def test_events_made_while_away_are_historical_and_do_not_trigger():
    """Those made after the connect are live, and come after."""
    outbox = make_outbox()
    outbox.add_event(event(1))
    outbox.add_event(event(2))
    outbox.begin_connection()
    outbox.add_event(event(3))
    messages = drain(outbox)
    assert event_ids(messages) == [("b-1", True), ("b-2", True), ("b-3", False)]
    assert [message.topic for message in messages].count(TOPICS.trigger) == 1


def test_a_repeated_event_is_late_and_triggers_nothing():
    """It comes after those that wait, with its id; while the broker is away it is forgotten."""
    outbox = make_outbox()
    outbox.add_message(late_event(TOPICS, event(1)))
    outbox.begin_connection()
    outbox.add_message(late_event(TOPICS, event(2)))
    outbox.add_event(event(3))
    messages = drain(outbox)
    assert event_ids(messages) == [("b-3", False), ("b-2", True)]
    assert [message.topic for message in messages].count(TOPICS.trigger) == 1
    assert {message.qos for message in messages} == {1}


def test_unacknowledged_events_are_sent_again_as_historical():
    """Acknowledged ones are not; order is kept."""
    outbox = make_outbox()
    outbox.begin_connection()
    for number in (1, 2, 3):
        outbox.add_event(event(number))
    sent = [message for message in drain(outbox) if message.topic == TOPICS.event]
    sent[1].on_done(0)
    sent[0].on_done(None)
    sent[2].on_done(None)
    outbox.end_connection()
    outbox.begin_connection()
    assert event_ids(drain(outbox)) == [("b-1", True), ("b-3", True)]
    assert outbox.counts().events_sent == 1


def test_the_oldest_events_are_dropped_when_full():
    """And counted."""
    outbox = make_outbox(events=MemoryEventQueue(max_events=3))
    for number in range(10):
        outbox.add_event(event(number))
    assert outbox.event_depth == 3
    assert outbox.counts().events_dropped == 7
    outbox.begin_connection()
    assert [one for one, _ in event_ids(drain(outbox))] == ["b-7", "b-8", "b-9"]


def test_a_refused_event_does_not_block_the_others():
    """A reason code of failure is final."""
    outbox = make_outbox()
    outbox.begin_connection()
    outbox.add_event(event(1))
    drain(outbox)[0].on_done(0x87)
    assert outbox.event_depth == 0
    assert outbox.counts().events_sent == 0


def test_frames_never_delay_events():
    """Retained topics and events leave before frames, whenever they came."""
    outbox = make_outbox()
    outbox.begin_connection()
    outbox.add_frame(lambda: b"f")
    outbox.add_message(Message("response", b"r", qos=1))
    outbox.add_event(event(1))
    outbox.retain("state", b"s")
    topics = [message.topic for message in drain(outbox)]
    assert topics == ["state", TOPICS.event, TOPICS.trigger, "response", TOPICS.frame]


def test_frames_flow_while_acknowledgements_are_outstanding():
    """QoS 1 waits for room in the window, QoS 0 does not."""
    outbox = make_outbox()
    outbox.begin_connection()
    outbox.add_event(event(1))
    outbox.retain("state", b"s", qos=1)
    outbox.retain("health", b"h", qos=0)
    outbox.add_frame(lambda: b"f")
    sent = [outbox.next(acknowledged_too=False) for _ in range(3)]
    assert [message and message.topic for message in sent] == ["health", TOPICS.frame, None]
    assert not outbox.idle


def test_other_messages_are_bounded_and_dropped_while_away():
    """The oldest goes first."""
    outbox = make_outbox()
    assert outbox.add_message(Message("a", b"")) is False
    outbox.begin_connection()
    for number in range(40):
        assert outbox.add_message(Message("a", b"%d" % number))
    assert [message.payload for message in drain(outbox)] == [b"%d" % number for number in range(8, 40)]
    assert outbox.counts().messages_dropped == 1 + 8


def test_a_picture_replaces_the_one_that_waits():
    """A slow network gets the newest, counted as dropped, and pictures push no answers out."""
    outbox = make_outbox()
    outbox.begin_connection()
    for number in range(100):
        outbox.add_message(Message("image", b"%d" % number, newest_only=True))
        if number == 50:
            outbox.add_message(Message("response", b"r"))
    assert [message.payload for message in drain(outbox)] == [b"r", b"99"]
    assert outbox.counts().messages_dropped == 99
    for number in range(MAX_MESSAGES):
        outbox.add_message(Message(f"response/{number}", b""))
    outbox.add_message(Message("image", b"", newest_only=True))
    assert len(drain(outbox)) == MAX_MESSAGES


def test_everything_added_wakes_the_publisher():
    """Whatever it is."""
    wakes = []
    outbox = Outbox(TOPICS, lambda: wakes.append(1))
    outbox.begin_connection()
    additions = [
        lambda: outbox.add_frame(lambda: b""),
        lambda: outbox.add_event(event(1)),
        lambda: outbox.retain("t", b"p"),
        lambda: outbox.add_message(Message("t", b"")),
        outbox.announce,
    ]
    for number, add in enumerate(additions, start=1):
        add()
        assert len(wakes) == number


def test_many_writers_lose_and_double_nothing():
    """Every frame is told exactly once, every event leaves exactly once."""
    outbox, told = make_outbox(), []
    outbox.begin_connection()
    writers, each = 4, 300

    def write(base: int) -> None:
        for number in range(base, base + each):
            outbox.add_event(event(number))
            outbox.add_frame(lambda: b"f", told.append)

    threads = [threading.Thread(target=write, args=(index * each,)) for index in range(writers)]
    for thread in threads:
        thread.start()
    taken: list[Message] = []
    while any(thread.is_alive() for thread in threads) or not outbox.idle:
        message = outbox.next(acknowledged_too=True)
        if message:
            taken.append(message)
            if message.on_done:
                message.on_done(0)
    assert sorted(one for one, _ in event_ids(taken)) == sorted(f"b-{number}" for number in range(writers * each))
    assert len(told) == writers * each
    counts = outbox.counts()
    assert counts.frames_sent + counts.frames_dropped == writers * each
    assert counts.events_sent == writers * each


@pytest.mark.parametrize(("max_hz", "camera_hz", "expected"), [(0, 30, 300), (10, 15, 100), (5, 30, 50), (30, 30, 300)])
def test_the_frame_rate_is_limited_by_time(max_hz, camera_hz, expected):
    """Ten seconds of a camera come out at the limit, not at the next divisor of the camera's rate."""
    limiter = FrameLimiter(max_hz)
    passed = sum(limiter.passes(round(number * 1e9 / camera_hz)) for number in range(camera_hz * 10))
    assert abs(passed - expected) <= 1


def test_a_pause_does_not_save_up_frames():
    """After a second without frames, two frames at once are still one too many."""
    limiter = FrameLimiter(10)
    assert [limiter.passes(at) for at in (0, 10**9, 10**9 + 1)] == [True, True, False]


def test_frames_left_out_by_the_limit_are_counted_apart():
    """They are not drops."""
    outbox = make_outbox(limiter=FrameLimiter(1), monotonic_ns=lambda: 5)
    outbox.begin_connection()
    assert [outbox.add_frame(lambda: b"") for _ in range(3)] == [True, False, False]
    assert (outbox.counts().frames_limited, outbox.counts().frames_dropped) == (2, 0)
