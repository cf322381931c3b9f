"""The form of requests, their answers, and what hostile ones achieve."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.mqtt.commands import (
    BURST,
    COMMANDS,
    MAX_REQUEST_BYTES,
    MAX_WAITING,
    Commands,
    Parameters,
    Pause,
    Set,
)
from piapp.mqtt.incoming import Incoming
from piapp.mqtt.topics import Topics, is_topic_name

TOPICS = Topics("piapp", "hall")


class Clock:
    """Seconds that a test moves."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time now."""
        return self.now_s


class Desk:
    """Commands whose answers are kept."""

    def __init__(self, response_prefix: str = "") -> None:
        self.clock = Clock()
        self.sent = []
        self.commands = Commands(TOPICS, self.sent.append, response_prefix=response_prefix, clock=self.clock)

    def ask(self, command: str, payload: bytes = b"", **incoming) -> None:
        """Send a request, slowly enough."""
        self.clock.now_s += 1.0
        topic = f"piapp/hall/request/{command}"
        self.commands.receive(Incoming(topic, payload, **({"retain": False} | incoming)))

    def answers(self) -> list[dict]:
        """Decoded answers so far."""
        return [json.loads(message.payload) for message in self.sent]


@pytest.mark.parametrize("command", COMMANDS)
def test_valid_request(command):
    """Each command is handed over and answered on its own topic, with the transaction."""
    desk = Desk()
    extra = {"set": ',"values":{"posture.dwell_s":1}', "feedback": ',"verdict":"right"'}.get(command, "")
    desk.ask(command, b'{"transaction":"t-1"%s}' % extra.encode())
    request = desk.commands.take()
    assert request.command == command
    desk.commands.answer(request, data={"x": 1})
    (message,) = desk.sent
    assert (message.topic, message.qos, message.retain) == (f"piapp/hall/response/{command}", 1, False)
    assert desk.answers() == [{"status": "ok", "data": {"x": 1}, "error": None, "transaction": "t-1"}]
    assert desk.commands.take() is None


@pytest.mark.parametrize(
    ("command", "payload", "expected"),
    [
        ("ping", b"", Parameters()),
        ("ping", b"{}", Parameters()),
        ("ping", b'{"transaction":7}', Parameters(7)),
        ("pause", b"", Pause()),
        ("pause", b'{"paused":false}', Pause(paused=False)),
        ("set", b'{"values":{"a.b":1,"c.d":"e"},"persist":true}', Set(values={"a.b": 1, "c.d": "e"}, persist=True)),
    ],
)
def test_parameters(command, payload, expected):
    """What a request may hold; nothing at all where nothing is needed."""
    desk = Desk()
    desk.ask(command, payload)
    assert desk.commands.take().parameters == expected


@pytest.mark.parametrize(
    ("command", "payload", "words"),
    [
        ("dance", b"{}", "unknown command; expected one of ping, pause"),
        ("ping", b"ping", "malformed"),
        ("ping", b"[]", "Expected `object`"),
        ("ping", b"\xff\x00\x80", "malformed"),
        ("ping", b'{"transaction":null', "truncated"),
        ("ping", b'{"verbose":true}', "unknown field `verbose`"),
        ("pause", b'{"paused":"yes"}', "Expected `bool`"),
        ("set", b"{}", "`values`"),
        ("set", b'{"values":{}}', "length >= 1"),
        ("set", b'{"values":{"a.b":{"c":1}}}', "object"),
        ("set", b'{"values":{"a.b":1e999}}', "out of range"),
        ("ping", b"[" * 100_000, "100000 bytes; expected at most"),
        ("ping", b"[" * MAX_REQUEST_BYTES, "Expected `object`"),
        ("set", b'{"values":' + b'{"a":' * 1500, ""),
        ("ping", b'{"transaction":' + b"[" * 8000, ""),
        ("ping", b"x" * 1_000_000, "1000000 bytes"),
    ],
)
def test_refused_request(command, payload, words):
    """An error answer that says what was wrong; nothing is handed over."""
    desk = Desk()
    desk.ask(command, payload)
    assert desk.commands.take() is None
    (answer,) = desk.answers()
    assert answer["status"] == "error"
    assert words in answer["error"]
    assert desk.sent[0].topic == f"piapp/hall/response/{command}"
    assert desk.commands.refused == 1


def test_refused_request_keeps_its_transaction():
    """Whoever asked learns that it was this request, when that much can be read."""
    desk = Desk()
    desk.ask("pause", b'{"paused":3,"transaction":42}')
    desk.ask("pause", b'{"paused":3,"transaction":{}}')
    assert [answer["transaction"] for answer in desk.answers()] == [42, None]


def test_retained_request_is_refused():
    """A retained `restart` would come again with every connection."""
    desk = Desk()
    desk.ask("restart", b"{}", retain=True)
    assert desk.commands.take() is None
    assert "retained" in desk.answers()[0]["error"]


@given(command=st.text(min_size=1, max_size=8), payload=st.binary(max_size=200))
def test_never_raises_on_bytes(command, payload):
    """Any bytes get exactly one answer or are handed over, unless an answer would have no topic."""
    desk = Desk()
    command = command.replace("/", "")
    desk.ask(command, payload)
    handed_over = desk.commands.take() is not None
    assert handed_over + len(desk.sent) == is_topic_name(command)


@given(
    command=st.sampled_from(sorted(COMMANDS)),
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["transaction", "values", "persist", "paused", "posture.x"]), inner)
        ),
        max_leaves=10,
    ),
)
def test_never_raises_on_json(command, document):
    """Any JSON likewise, and what is handed over can be answered."""
    desk = Desk()
    desk.ask(command, json.dumps(document).encode())
    request = desk.commands.take()
    if request is not None:
        desk.commands.answer(request, error="no")
    assert len(desk.sent) == 1
    assert desk.answers()[0]["status"] == "error"


@pytest.mark.parametrize(
    ("wanted", "topic"),
    [
        ("app/answers/1", "app/answers/1"),
        ("app/answers", "piapp/hall/response/ping"),
        ("app/answersheet/1", "piapp/hall/response/ping"),
        ("app/other/1", "piapp/hall/response/ping"),
        ("homeassistant/switch/x/config", "piapp/hall/response/ping"),
        ("piapp/bath/request/restart", "piapp/hall/response/ping"),
        ("piapp/bath/event", "piapp/hall/response/ping"),
        ("piapp/hall/responses/mine", "piapp/hall/response/ping"),
        ("app/answers/\ud800", "piapp/hall/response/ping"),
        ("piapp/hall/response/mine", "piapp/hall/response/mine"),
        ("", "piapp/hall/response/ping"),
        ("app/#", "piapp/hall/response/ping"),
        ("app/+/x", "piapp/hall/response/ping"),
        ("a\x00b", "piapp/hall/response/ping"),
        ("$SYS/x", "piapp/hall/response/ping"),
        ("x" * 2000, "piapp/hall/response/ping"),
        ("piapp/hall/status", "piapp/hall/response/ping"),
        ("piapp/hall/request/restart", "piapp/hall/response/ping"),
    ],
)
def test_response_topic(wanted, topic):
    """MQTT 5's response topic is used below the node's own responses and the configured prefix, nowhere else."""
    desk = Desk(response_prefix="app/answers")
    desk.ask("ping", response_topic=wanted, correlation_data=b"\x01\x02")
    desk.commands.answer(desk.commands.take())
    desk.ask("dance", response_topic=wanted, correlation_data=b"\x03")
    assert desk.sent[0].topic == topic
    assert desk.sent[0].correlation_data == b"\x01\x02"
    assert desk.sent[1].topic == topic.replace("response/ping", "response/dance")
    assert desk.sent[1].correlation_data == b"\x03"


@pytest.mark.parametrize("command", ["#", "+", "a+b", "", "\x00", "\n"])
def test_what_is_no_topic_is_not_answered(command):
    """A broker may deliver anything; an answer on such a topic would end the connection."""
    desk = Desk()
    desk.ask(command)
    assert (desk.sent, desk.commands.take(), desk.commands.refused) == ([], None, 1)


def test_too_many_waiting_requests_are_refused():
    """While the main loop is busy, an answer says so, and the queue stays bounded."""
    desk = Desk()
    for number in range(MAX_WAITING + 3):
        desk.ask("ping", b'{"transaction":%d}' % number)
    assert [answer["transaction"] for answer in desk.answers()] == [MAX_WAITING, MAX_WAITING + 1, MAX_WAITING + 2]
    assert all("busy" in answer["error"] for answer in desk.answers())
    assert [desk.commands.take().parameters.transaction for _ in range(MAX_WAITING)] == list(range(MAX_WAITING))


def test_flood_is_ignored():
    """Beyond the rate nothing is answered or handed over, only counted; later requests pass again."""
    desk = Desk()
    for _ in range(1000):
        desk.commands.receive(Incoming("piapp/hall/request/ping", b"x", retain=False))
    assert len(desk.sent) == BURST
    assert desk.commands.ignored == 1000 - BURST
    desk.ask("ping")
    assert desk.commands.take()
