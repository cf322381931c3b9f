"""The script that sends alarms to ntfy, with real mosquitto_sub, jq and curl, and a server that keeps what it gets."""

from __future__ import annotations

import subprocess

import pytest

from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.types import PostureEvent, State
from tests.mosquitto import Subscriber, wait_until
from tests.support.ntfy import SCRIPT, alarm_script

WRITER = PayloadWriter("hall", "9f2c61aa")


def event(kind: str, *, historical: bool = False, test: bool = False) -> bytes:
    """An `event` message."""
    payload = WRITER.event(PostureEvent(kind, 0, person=1), TimeLine(0, 0), event_id="b-1", test=test)
    return payload.encoded(historical=historical)


@pytest.fixture
def chain(mosquitto):
    """The script between a broker and a server; a client that publishes, and the server."""
    publisher = Subscriber(mosquitto.port, "none")
    with alarm_script(mosquitto.port, publisher) as ntfy:
        yield publisher, ntfy
    publisher.close()


def test_alarm_goes_from_the_fall_to_the_phone(chain):
    """An alarm, its repeat, a sensor that goes offline meanwhile, up again; history and broken messages call nobody."""
    publisher, ntfy = chain
    publisher.publish("piapp/hall/event", event("fallen", historical=True))
    publisher.publish("piapp/hall/event", b"{broken")
    publisher.publish("piapp/hall/event", event("fall"))
    publisher.publish("piapp/hall/event", event("recovered"))
    publisher.publish("piapp/hall/status", b"offline")
    publisher.publish("piapp/hall/event", event("fallen"))
    publisher.publish("piapp/hall/event", event("fallen"))
    publisher.publish("piapp/hall/status", b"offline")
    publisher.publish("piapp/hall/event", event("recovered"))
    publisher.publish("piapp/hall/event", event("fallen", test=True))
    wait_until(lambda: any(title == "Test" for title, _, _ in ntfy.of("hall")), "the last message")
    assert [(title, priority) for title, priority, _ in ntfy.of("hall")] == [
        ("Somebody has fallen", "urgent"),
        ("Somebody has fallen", "urgent"),
        ("Sensor offline", "urgent"),
        ("Up again", "default"),
        ("Test", "default"),
    ]


@pytest.mark.parametrize(
    ("missed", "seen_up", "title"),
    [(False, True, "Up again"), (True, True, "Up again"), (False, False, "Nobody seen"), (True, False, "Nobody seen")],
)
def test_the_end_is_heard_however_it_comes(chain, missed, seen_up, title):
    """Late, or by the retained state where the event was missed; that nobody was seen is no good news."""
    publisher, ntfy = chain
    node = f"{'missed' if missed else 'late'}-{seen_up}".lower()
    evidence = {} if seen_up else {"nobody_seen": 1}
    end = WRITER.event(PostureEvent("recovered", 0, 1, evidence=evidence), TimeLine(0, 0), event_id="b-2")
    before, after = (
        WRITER.state(State(0, (), ()), TimeLine(0, 0), alarm=alarm, last_recovered=end) for alarm in (True, False)
    )
    publisher.publish(f"piapp/{node}/event", event("fallen"))
    publisher.publish(f"piapp/{node}/state", before)
    if missed:
        publisher.publish(f"piapp/{node}/state", after)
    else:
        publisher.publish(f"piapp/{node}/event", end.encoded(historical=True))
    wait_until(lambda: len(ntfy.of(node)) == 2, "the end on the phone")
    assert [one for one, _, _ in ntfy.of(node)] == ["Somebody has fallen", title]


def test_a_test_says_that_it_is_one(chain):
    """Whoever reads it knows that nobody has fallen."""
    publisher, ntfy = chain
    publisher.publish("piapp/den/event", event("fallen", test=True))
    wait_until(lambda: ntfy.of("den"), "the test on the phone")
    assert ntfy.of("den") == [("Test", "default", "den: this is a test, nobody has fallen")]


def test_what_it_must_be_given_is_said():
    """Without the address there is nowhere to send."""
    answer = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "usage: alarm.sh NTFY_URL" in answer.stderr
