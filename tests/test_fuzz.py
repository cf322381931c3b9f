"""Whatever strangers, disks and editors make of what piapp reads: it is read, or refused with an error of ours.

Each example begins with something valid and damages it. `make test` tries few, `make soak` many: the profiles of
hypothesis are in conftest.py. Requests, responses and topics have their own in tests/mqtt/test_commands.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piapp.config.live import LiveSettings
from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError, MediaError, ModelError
from piapp.landmarker.bundle import read_bundle
from piapp.landmarker.model import shipped_folder
from piapp.mqtt.frame_limiter import FrameLimiter
from piapp.offline.recording import iterate_recording, read_recording
from piapp.posture.monitor import Monitor
from tests.support.publishers import event, make_spool

RECORDING = Path(__file__).parent / "recordings" / "fall_back_front.npz"

# Files are slow: an eighth of what the profile says of others.
few = settings(max_examples=settings().max_examples // 8)

# Where, as a share of the whole, and what is done there.
Place = st.floats(0.0, 1.0, exclude_max=True)
Damage = Callable[[bytes], bytes]


def flipped(place: float, bit: int) -> Damage:
    """One bit is another."""

    def damage(content: bytes) -> bytes:
        at = int(place * len(content))
        return content[:at] + bytes(byte ^ 1 << bit for byte in content[at : at + 1]) + content[at + 1 :]

    return damage


def cut(place: float) -> Damage:
    """The rest is missing."""
    return lambda content: content[: int(place * len(content))]


def written(place: float, what: bytes) -> Damage:
    """Something else stands there."""

    def damage(content: bytes) -> bytes:
        at = int(place * len(content))
        return content[:at] + what + content[at + len(what) :]

    return damage


def inserted(place: float, what: bytes) -> Damage:
    """Something stands in between."""

    def damage(content: bytes) -> bytes:
        at = int(place * len(content))
        return content[:at] + what + content[at:]

    return damage


SOMETHING = st.binary(min_size=1, max_size=64) | st.sampled_from(
    [b"\0" * 5000, b"\xff" * 5000, b"[" * 2000, b"9" * 500]
)
DAMAGES = st.lists(
    st.builds(flipped, Place, st.integers(0, 7))
    | st.builds(cut, Place)
    | st.builds(written, Place, SOMETHING)
    | st.builds(inserted, Place, SOMETHING),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, damages: Sequence[Damage]) -> bytes:
    """Do one after the other."""
    for damage in damages:
        content = damage(content)
    return content


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all examples."""
    return tmp_path_factory.mktemp("fuzz")


CONFIGURATION = b"""
[node]
id = "hall"
name = "K\xc3\xbcche"
[camera]
source = "rtsp://me:secret@192.168.1.9:554/Streaming/Channels/101?token=abc"
fps = 15
controls = { AeExposureMode = 1, AfMode = 2 }
[mqtt]
url = "mqtts://broker.lan:8883"
base_topic = "piapp"
[publish]
max_frame_hz = 7.5
[schedule]
quiet = ["mon-fri 08:00-17:30"]
[[zones]]
name = "sofa"
polygon = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]
ignore = ["fall"]
"""


@few
@given(damages=DAMAGES)
def test_a_damaged_configuration_is_read_or_refused(folder, damages):
    """With a ConfigError, which says where; a secret that was understood as one is not repeated."""
    file = folder / "piapp.toml"
    file.write_bytes(damaged(CONFIGURATION, damages))
    with suppress(ConfigError):
        config = load_config(file, environ={}).config
        Monitor(config.posture, config.zones)


SETTINGS = LiveSettings(default_config(), None).values()
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.floats(), max_size=3)
)


@few
@given(values=st.dictionaries(st.sampled_from(sorted(SETTINGS)), VALUES, min_size=1, max_size=5))
def test_whatever_a_request_may_keep_leaves_a_node_that_starts(folder, values):
    """Kept values are read again at the next start as they were granted, and everything that uses them works."""
    file = folder / "settings.json"
    file.unlink(missing_ok=True)
    with suppress(ConfigError):
        granted = LiveSettings(default_config(), file)
        granted.change(values, persist=True)
        again = LiveSettings(default_config(), file)
        assert again.values() == granted.values()
        monitor = Monitor(again.config.posture, again.config.zones)
        for result in fall()[:4]:
            monitor.update(result)
        FrameLimiter(again.config.publish.max_frame_hz).passes(10**18)


@few
@given(damages=DAMAGES)
def test_damaged_kept_settings_do_not_keep_a_node_from_starting(folder, damages):
    """What cannot be used is left out."""
    file = folder / "kept.json"
    file.write_bytes(damaged(json.dumps({"values": SETTINGS}).encode(), damages))
    LiveSettings(default_config(), file).values()


@cache
def spooled(folder: Path) -> dict[str, bytes]:
    """The files of a spool with a hundred events, as a process that was killed left them."""
    spool = make_spool(folder / "whole" / "events-hall.db")
    for number in range(100):
        spool.append(event(number))
    left = {path.name: path.read_bytes() for path in (folder / "whole").iterdir()}
    spool.close()
    return left


@few
@given(damages=DAMAGES, which=st.integers(0, 2))
def test_a_damaged_spool_takes_events_again(folder, damages, which):
    """Whatever of its files is damaged, and how: it opens, takes an event, and has it after the next start."""
    place = folder / "spool"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for number, (name, content) in enumerate(sorted(spooled(folder).items())):
        (place / name).write_bytes(damaged(content, damages) if number == which else content)
    spool = make_spool(place / "events-hall.db", first=5_000)
    number = spool.append(event(5_000))
    spool.close()
    again = make_spool(place / "events-hall.db", first=6_000)
    assert again.peek(number - 1) is not None
    again.close()


@cache
def fall():
    """A recording that is whole."""
    return read_recording(RECORDING)


@few
@given(damages=DAMAGES)
def test_a_damaged_recording_is_read_or_refused(folder, damages):
    """As far as it goes, or with the name of the file."""
    file = folder / "recording.npz"
    file.write_bytes(damaged(RECORDING.read_bytes(), damages))
    with suppress(MediaError):
        for recorded in iterate_recording(file):
            assert len(recorded.result.size) == 2


@few
@given(damages=DAMAGES)
def test_a_damaged_bundle_is_read_or_refused(damages):
    """Only two networks of a size that networks have come out of it."""
    whole = shipped_folder() / "pose_landmarker_lite_landmarks.task"
    with suppress(ModelError):
        detector, landmarks = read_bundle(damaged(whole.read_bytes(), damages))
        assert detector[4:8] == landmarks[4:8] == b"TFL3"
