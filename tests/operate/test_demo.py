"""`piapp demo`: what it prints, and that it speaks of messages only."""

from __future__ import annotations

import re
import signal
import subprocess
from urllib.request import urlopen

import pytest

from piapp.camera.source import demo_clip
from piapp.errors import BrokerError
from piapp.mqtt.payload import PayloadWriter
from piapp.operate import demo
from piapp.testing.landmarker import standing_pose
from piapp.types import PoseResult
from tests.e2e.node import PIAPP, clean_environment, piapp
from tests.mosquitto import DEADLINE_S, wait_until


def test_the_whole_demo():
    """Events as they happen, then the landmarks' summary, exit 0; no camera, broker or configuration."""
    done = piapp("demo", PIAPP_MQTT__URL="mqtt://nobody.invalid", PIAPP_CAMERA__SOURCE="usb:0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for event in ("person_entered", "hand_raised", "sit_down", "stand_up", "fall"):
        assert re.search(rf"^ +\d+\.\d s  {event} ", done.stdout, re.MULTILINE), done.stdout
    summary = done.stdout.splitlines()[-1]
    found = re.search(r"done +(\d+) frames through the broker, ([\d.]+) a second, (\d+) landmarks", summary)
    assert found, summary
    assert int(found[1]) > 50
    assert int(found[3]) % 33 == 0
    assert int(found[3]) > 33 * 20
    assert re.search(r"p50 \d+ ms, p95 \d+ ms", summary)


def test_the_demo_can_be_stopped():
    """Ctrl-C ends a loop with the summary of what there was, exit 0."""
    with subprocess.Popen(
        [*PIAPP, "demo", "--loop"], env=clean_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if "person_entered" in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(DEADLINE_S) == 0
    assert "frames through the broker" in rest


def test_the_summary_counts_messages():
    """What came through, not what was sent; nothing at all is an error."""
    received = demo.Received()
    with pytest.raises(BrokerError, match="passed on no frame"):
        received.summary()
    writer = PayloadWriter("demo", "0")
    for seq in (1, 2):
        result = PoseResult(seq * 100, 0, (4, 3), (standing_pose(),) * (seq - 1))
        received.message("piapp/demo/frame", writer.frame(result, seq=seq))
    received.message("piapp/demo/status", b"offline")
    received.message("piapp/demo/unheard-of", b"\xff")
    received.wait_for_offline(0)
    summary = received.summary()
    assert "2 frames through the broker" in summary
    assert "33 landmarks; somebody in 1 frames; 0 events" in summary


def test_nothing_of_this_machine_is_read(monkeypatch, tmp_path):
    """The demo runs the shipped defaults, whatever is configured."""
    monkeypatch.setenv("PIAPP_CAMERA__SOURCE", "usb:0")
    monkeypatch.setenv("PIAPP_CONFIG", str(tmp_path / "gone"))
    config = demo.demo_config("mqtt://127.0.0.1:1", loop=True)
    assert config.camera.source == "demo:?loop=0"
    assert (config.node.id, config.mqtt.url) == ("demo", "mqtt://127.0.0.1:1")
    assert demo_clip().exists()


def test_a_page_that_is_looked_at_stays():
    """The clip begins again for whoever looks at it, until they end it."""
    assert demo.demo_config("mqtt://127.0.0.1:1", loop=False).camera.source == "demo:?loop=1"
    assert demo.demo_config("mqtt://127.0.0.1:1", loop=False, page=True).camera.source == "demo:?loop=0"


def test_the_page_is_opened(tmp_path):
    """`--open` serves the live page until the end, with the clip's picture, and starts a browser with it."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    with subprocess.Popen(
        [*PIAPP, "demo", "--open"],
        env=clean_environment(BROWSER=f"{browser} %s"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        url = next(line.split()[1] for line in process.stdout if line.startswith("page "))
        wait_until(opened.exists, "the browser")
        assert opened.read_text() == url
        for line in process.stdout:
            if "person_entered" in line:
                break
        with urlopen(f"{url}picture", timeout=DEADLINE_S) as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.read().startswith(b"\xff\xd8")
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(DEADLINE_S) == 0
