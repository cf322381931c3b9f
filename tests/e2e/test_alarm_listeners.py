"""A real fall, and who listens without Home Assistant: plain `mosquitto_sub`, the ntfy script, openHAB's channels."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.e2e.node import NODE, NodeProcess
from tests.mosquitto import Mosquitto, Subscriber, wait_until
from tests.support.ntfy import alarm_script
from tests.support.openhab import channels, json_path

ROOM = str(Path(__file__).with_name("room.py"))

# The second of the clip at which the camera opens: somebody stands, falls at 17.4 and is up at 23.1.
BEGIN = "@14"


class OpenHabThing:
    """What openHAB's Items show and send, by the shipped channels; the node is another than "hall"."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._channels = {name: settings for name, (_, settings) in channels().items()}

    def shows(self, name: str) -> object:
        """A channel's value by the newest message; None before the first."""
        settings = self._channels[name]
        messages = self._subscriber.of(settings["stateTopic"].rpartition("/")[2])
        return json_path(settings["transformationPattern"], messages[-1].payload) if messages else None

    def send(self, name: str) -> None:
        """Send a channel's command."""
        settings = self._channels[name]
        topic = settings["commandTopic"].replace("/hall/", f"/{NODE}/")
        self._subscriber.publish(topic, settings["formatBeforePublish"].encode())


@contextmanager
def listening(port: int) -> Iterator[IO[str]]:
    """What `mosquitto_sub` prints of the topic for simple automations."""
    command = ["mosquitto_sub", "-p", str(port), "-t", f"piapp/{NODE}/trigger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout
        finally:
            process.terminate()


def triggers(subscriber: Subscriber) -> list[str]:
    """What came on `trigger`."""
    return [message.payload.decode() for message in subscriber.of("trigger")]


def test_everybody_hears_of_the_fall(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """From the fall to the phone; openHAB acknowledges, which ends the repeats, and all learn that they are up."""
    broker = start_mosquitto()
    subscriber = Subscriber(broker.port)
    with alarm_script(broker.port, subscriber) as ntfy, listening(broker.port) as plain:
        openhab = OpenHabThing(subscriber)
        options = ("--set", "spool.dir=off", "--set", "posture.fallen_after_s=2", "--set", "posture.repeat_alarm_s=1")
        node = NodeProcess(tmp_path, broker.port, options, program=(sys.executable, ROOM, BEGIN))
        try:
            subscriber.wait_for("trigger", payload=b"fallen")
            wait_until(lambda: openhab.shows("alarm") is True, "openHAB to show the alarm")
            assert openhab.shows("cared_for") is False
            wait_until(lambda: ntfy.of(NODE), "the alarm on the phone")
            openhab.send("acknowledge")
            wait_until(lambda: openhab.shows("cared_for") is True, "somebody to take care")
            told = triggers(subscriber).count("fallen")
            subscriber.wait_for("trigger", payload=b"recovered")
            repeats = triggers(subscriber).count("fallen")
            assert repeats <= told + 1, "one may have been on its way; three more were due"
            wait_until(lambda: openhab.shows("alarm") is False, "openHAB to show that they are up")
            wait_until(lambda: ntfy.of(NODE)[-1][0] == "Up again", "the end on the phone")
        finally:
            node.kill()
            subscriber.close()
        heard = list(iter(plain.readline, "recovered\n"))
    assert heard.count("fall\n") == 1
    assert heard.count("fallen\n") == repeats
    assert [title for title, _, _ in ntfy.of(NODE)] == ["Somebody has fallen"] * repeats + ["Up again"]
