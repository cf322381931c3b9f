"""What is concluded from landmarks about how the camera stands, and asking a node for them."""

from __future__ import annotations

import time

import msgspec
import pytest

from piapp.config.load import load_config
from piapp.errors import BrokerError
from piapp.operate.aim import SeenFrame, SeenPose, aim_text, aims
from tests.mosquitto import Subscriber


def person(crown, sole, *, posture="standing", visibility=0.9):
    """Somebody from head to foot at these heights."""
    rows = [[0.5, (crown + sole) / 2, 0.0, visibility, 0.9] for _ in range(33)]
    for number in (0, 2, 5, 7, 8):
        rows[number][1] = crown
    for number in (27, 28, 29, 30, 31, 32):
        rows[number][1] = sole
    return SeenPose(rows, posture)


@pytest.mark.parametrize(
    ("pose", "text"),
    [
        (person(0.2, 0.8), "fills 65% of the picture's height, 20% left above and 20% below: good"),
        (person(0.4, 0.6), "too small"),
        (person(0.0, 0.8), "head or feet"),
        (person(0.2, 1.0), "head or feet"),
        (person(0.2, 0.8, visibility=0.1), "head or feet"),
        (person(0.2, 0.8, posture="sitting"), "stand still"),
    ],
)
def test_numbers_and_what_to_do(pose, text):
    """For whoever stands in view."""
    assert text in aim_text(SeenFrame([pose]))


def test_nobody():
    """Is said, too."""
    assert aim_text(SeenFrame([])) == "nobody is seen"


def options(port, **keys):
    """A node's configuration."""
    values = {"mqtt.url": f"mqtt://127.0.0.1:{port}", "node.id": "aimed", **keys}
    return load_config(overrides=list(values.items())).config


@pytest.mark.parametrize(
    ("payload", "text"),
    [(msgspec.json.encode(SeenFrame([person(0.2, 0.8)])), "good"), (b"no frame", "nobody"), (b"{}", "nobody")],
)
def test_frames_of_a_node_are_shown(mosquitto, payload, text):
    """The newest about once a second; what is no frame shows nobody."""
    shown = []
    node = Subscriber(mosquitto.port, "piapp/aimed/frame")

    def done(_seconds):
        before = len(node.messages)
        node.deliver("piapp/aimed/frame", payload, retain=False)
        node.wait_for("frame", before + 1)
        time.sleep(0.2)  # it asks for frames in a thread of its own
        return bool(shown)

    aims(options(mosquitto.port), shown.append, done)
    node.close()
    assert all(text in line for line in shown)


def test_silence_is_told(mosquitto):
    """With both reasons that it can have."""
    with pytest.raises(BrokerError, match=r"no frame .* may this user read"):
        aims(options(mosquitto.port), print, lambda _seconds: False)
