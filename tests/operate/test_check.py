"""The doctor: each look against real parts, and what it says when they are ill."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from piapp.config.instances import Instance
from piapp.config.load import load_config
from piapp.config.sections import Config
from piapp.errors import PiappError, UsageError
from piapp.operate import allow_list
from piapp.operate import check as doctor
from piapp.operate.check import (
    Finding,
    Unit,
    check_broker,
    check_camera,
    check_cameras,
    check_clock,
    check_firewall,
    check_temperature,
    check_unit,
)
from piapp.service import hardware
from tests.mosquitto import Mosquitto, Subscriber, free_port, make_authority, make_certificate, needs_openssl

CLIP = Path(__file__).parents[2] / "piapp" / "media" / "room_demo.mp4"
NOT_INSTALLED = Unit({"LoadState": "not-found"})


def config(**settings: str) -> Config:
    """The defaults with some keys changed; `__` stands for the dot."""
    overrides = [(key.replace("__", "."), value) for key, value in settings.items()]
    return load_config(Path(os.devnull), overrides=[("node.id", "doc"), *overrides], environ={}).config


def unit(state: str, **properties: str) -> Unit:
    """An installed unit."""
    return Unit({"LoadState": "loaded", "ActiveState": state, "UnitFileState": "enabled", **properties})


def test_camera_gives_a_frame() -> None:
    """A source that gives a frame is well."""
    finding = check_camera(config(camera__source=f"file:{CLIP}"), NOT_INSTALLED)
    assert (finding.verdict, finding.part) == ("OK", "camera")
    assert "640x480" in finding.text


def test_camera_that_is_not_there() -> None:
    """A missing device is a failure in the words of its adapter."""
    with pytest.raises(PiappError, match="no such device"):
        check_camera(config(camera__source="v4l2:/dev/video99"), NOT_INSTALLED)


def test_camera_in_use_by_the_service_is_left_alone() -> None:
    """A running service holds its camera: opening it would fail, and proves nothing."""
    finding = check_camera(config(camera__source="v4l2:/dev/video99"), unit("active"))
    assert finding == Finding("camera", "OK", "in use by the service, which is running")


def test_a_node_that_runs_asks_about_itself() -> None:
    """Its camera and its page's port are in use, by itself: neither is a failure, nor is either opened."""
    with socket.create_server(("127.0.0.1", 0)) as page:
        port = str(page.getsockname()[1])
        own = config(camera__source="v4l2:/dev/video99", preview__enabled="true", preview__port=port)
        findings = list(doctor.check(own, ("camera", "live page"), running=True))
    assert [(finding.part, finding.verdict) for finding in findings] == [("camera", "OK"), ("live page", "OK")]


def test_broker_is_reached(mosquitto: Mosquitto) -> None:
    """A broker that takes a message is well, and subscribers to the node hear nothing that it says by itself."""
    subscriber = Subscriber(mosquitto.port, "piapp/doc/#")
    finding = check_broker(config(mqtt__url=mosquitto.url))
    assert finding.verdict == "OK"
    assert "MQTT 5" in finding.text
    subscriber.wait_for("check")
    subscriber.close()
    assert {message.leaf for message in subscriber.messages} == {"check"}


def test_broker_that_is_away() -> None:
    """No broker is a failure that names the address."""
    port = free_port()
    with pytest.raises(PiappError, match=str(port)):
        check_broker(config(mqtt__url=f"mqtt://localhost:{port}"))


def test_access_list_that_refuses_is_told(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """A broker that accepts the connection and refuses the topics fails, with the line to allow."""
    access = tmp_path / "acl"
    access.write_text("topic readwrite elsewhere/#\n")
    broker = start_mosquitto(lines=[f"acl_file {access}"])
    finding = check_broker(config(mqtt__url=broker.url))
    assert finding.verdict == "FAIL"
    assert "piapp/doc/#" in finding.text


@needs_openssl
def test_a_certificate_that_is_not_verified_strictly_is_named(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """An authority without `keyUsage` works where its owner allows that, and the doctor says so."""
    authority = make_authority(tmp_path, key_usage=False)
    broker = start_mosquitto(tls=make_certificate(authority, "broker", "localhost"))
    trusted = {"mqtt__url": broker.url, "mqtt__tls__ca": str(authority)}
    finding = check_broker(config(**trusted, mqtt__tls__verify_x509_strict="false"))
    assert finding.verdict == "OK"
    assert "mqtt.tls.verify_x509_strict = false" in finding.text


def test_password_that_is_wrong_is_told(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """A wrong password is a failure, and is not repeated."""
    broker = start_mosquitto(users={"node": "right"})
    secret = tmp_path / "password"
    secret.write_text("wrong-secret\n")
    with pytest.raises(PiappError) as error:
        check_broker(config(mqtt__url=broker.url, mqtt__username="node", mqtt__password_file=str(secret)))
    assert "wrong-secret" not in str(error.value)


@pytest.mark.parametrize(
    ("temperature_c", "flags", "verdict", "words"),
    [
        (50.0, ([], []), "OK", "50 C, never throttled"),
        (None, None, "OK", "no thermometer"),
        (90.0, None, "FAIL", "hot"),
        (60.0, (["throttled"], ["throttled"]), "FAIL", "throttled"),
        (60.0, (["under_voltage"], ["under_voltage"]), "FAIL", "power supply"),
        (60.0, ([], ["under_voltage"]), "NOTE", "since boot there was under_voltage"),
    ],
)
def test_temperature_and_throttling(
    monkeypatch: pytest.MonkeyPatch,
    temperature_c: float | None,
    flags: tuple[list[str], list[str]] | None,
    verdict: str,
    words: str,
) -> None:
    """Heat and a weak supply fail while they last, and are a note afterwards."""
    monkeypatch.setattr(hardware, "temperature_c", lambda: temperature_c)
    monkeypatch.setattr(hardware, "throttled", lambda: flags)
    finding = check_temperature(config())
    assert finding.verdict == verdict
    assert words in finding.text


@pytest.mark.parametrize(
    ("state", "verdict", "words"),
    [
        (NOT_INSTALLED, "NOTE", "install.sh"),
        (Unit({}), "NOTE", "install.sh"),
        (unit("active", StatusText="14.9 frames/s", NRestarts="2"), "OK", "restarted 2 times"),
        (unit("failed", StatusText="camera.fps is wrong"), "FAIL", "camera.fps is wrong"),
        (unit("active", UnitFileState="disabled"), "FAIL", "systemctl enable"),
    ],
)
def test_service(state: Unit, verdict: str, words: str) -> None:
    """The unit's state decides, in words that name the next command."""
    finding = check_unit(state)
    assert finding.verdict == verdict
    assert words in finding.text


def test_other_cameras_of_the_board(tmp_path: Path) -> None:
    """Each is asked about by its unit; one that does not run is named with where to read why."""
    others = [Instance(name, tmp_path / name / "piapp.toml") for name in ("bedroom", "kitchen")]
    states = {"piapp@bedroom.service": unit("active"), "piapp@kitchen.service": unit("failed")}
    finding = check_cameras(others, states.__getitem__)
    assert (finding.verdict, finding.part) == ("FAIL", "cameras")
    assert "piapp@kitchen.service is failed" in finding.text
    assert "bedroom" not in finding.text
    assert check_cameras(others[:1], states.__getitem__).verdict == "OK"
    assert check_cameras(others, lambda _name: NOT_INSTALLED).verdict == "NOTE"


def test_a_board_with_one_camera_has_no_line_about_others(tmp_path: Path) -> None:
    """A second configuration brings the line."""
    for name, expected in (("", UsageError), ("bedroom", None)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "piapp.toml").write_text("")
        findings = doctor.check(config(), ["cameras"], file=tmp_path / "piapp.toml")
        if expected:
            with pytest.raises(expected, match="there is no such part"):
                next(findings)
        else:
            assert next(findings).part == "cameras"


# Of systemd/piapp.service, as `systemctl show` prints it.
LOCAL_ONLY = {
    "IPAddressAllow": "127.0.0.0/8 ::1/128 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 fe80::/10 fc00::/7",
    "IPAddressDeny": "0.0.0.0/0 ::/0",
}
ELSEWHERE = {"mqtt__url": "mqtt://broker.example", "camera__source": "rtsp://cam.example:8554/live"}
ADDRESSES = {
    "localhost": ["127.0.0.1"],
    "broker.example": ["198.51.100.7"],
    "cam.example": ["192.168.1.9", "2001:db8::9"],
    "192.168.1.9": ["192.168.1.9"],
    "203.0.113.5": ["203.0.113.5"],
}


def firewall(state: Unit, **settings: str) -> Finding:
    """What the doctor says of a firewall, with no name server outside."""
    return check_firewall(config(**settings), state, ADDRESSES.__getitem__)


@pytest.fixture(autouse=True)
def _no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allow_list, "name_servers", list)


def test_addresses_that_the_service_may_not_reach_are_named() -> None:
    """Broker and camera, each by name and by the addresses that are blocked, with the line that allows them."""
    finding = firewall(unit("active", **LOCAL_ONLY), **ELSEWHERE)
    assert finding.verdict == "FAIL"
    assert "broker.example (198.51.100.7)" in finding.text
    assert "cam.example (2001:db8::9)" in finding.text
    assert "IPAddressAllow=198.51.100.7 2001:db8::9" in finding.text
    assert "deploy/install.sh" in finding.text


def test_a_drop_in_lets_addresses_through() -> None:
    """What the installer's drop-in allows is in the unit's list, as systemd has read it."""
    allowed = LOCAL_ONLY | {"IPAddressAllow": f"{LOCAL_ONLY['IPAddressAllow']} 198.51.100.7/32 2001:db8::9/128"}
    assert firewall(unit("active", **allowed), **ELSEWHERE).verdict == "OK"
    assert firewall(unit("active", **allowed), camera__source="rtsp://203.0.113.5/live").verdict == "FAIL"


def test_local_addresses_pass_every_firewall() -> None:
    """With the shipped unit, and with one that forbids nothing."""
    local = {"mqtt__url": "mqtt://localhost", "camera__source": "rtsp://192.168.1.9/live"}
    assert firewall(unit("active", **LOCAL_ONLY), **local).verdict == "OK"
    assert firewall(unit("active"), **ELSEWHERE).verdict == "OK"


def test_a_name_server_that_the_service_may_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is worth nothing when who knows its address is blocked; an address needs nobody."""
    monkeypatch.setattr(allow_list, "name_servers", lambda: ["203.0.113.53"])
    finding = firewall(unit("active", **LOCAL_ONLY), camera__source="rtsp://cam.example/live")
    assert "cam.example (2001:db8::9, 203.0.113.53)" in finding.text
    assert firewall(unit("active", **LOCAL_ONLY), camera__source="rtsp://192.168.1.9/live").verdict == "OK"


def test_a_name_without_an_address_is_named() -> None:
    """The firewall cannot be judged; the looks at camera and broker fail by themselves."""

    def unknown(_host: str) -> list[str]:
        raise OSError(-2, "Name or service not known")

    finding = check_firewall(config(mqtt__url="mqtt://broker.example"), unit("active", **LOCAL_ONLY), unknown)
    assert finding.verdict == "NOTE"
    assert "broker.example" in finding.text


def test_before_the_installation_an_address_elsewhere_is_a_note() -> None:
    """Nothing is blocked yet, and the installer allows it."""
    finding = firewall(NOT_INSTALLED, camera__source="rtsp://203.0.113.5/live")
    assert finding.verdict == "NOTE"
    assert "203.0.113.5" in finding.text
    assert "install.sh" in finding.text


def test_clock_of_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was never set fails: TLS would, too."""
    monkeypatch.setattr(doctor, "FIRST_YEAR", 9999)
    assert check_clock(config()).verdict == "FAIL"


@pytest.mark.parametrize(("synchronised", "verdict"), [(True, "OK"), (False, "NOTE")])
def test_clock_that_nobody_vouches_for_is_a_note(
    monkeypatch: pytest.MonkeyPatch, *, synchronised: bool, verdict: str
) -> None:
    """A clock without a time server may be right."""
    monkeypatch.setattr(doctor, "clock_is_synchronised", lambda: synchronised)
    assert check_clock(config()).verdict == verdict


def test_command_goes_on_after_a_failure_and_ends_with_one(mosquitto: Mosquitto) -> None:
    """Each part has its line, whatever the others say; one failure is exit code 1."""
    command = [sys.executable, "-m", "piapp", "check", "--set", "node.id=doc", "--set", f"mqtt.url={mosquitto.url}"]
    environ = os.environ | {"PIAPP_CONFIG": os.devnull}
    good = subprocess.run(
        [*command, "--set", f"camera.source=file:{CLIP}"], capture_output=True, text=True, check=False, env=environ
    )
    ill = subprocess.run(
        [*command, "--set", "camera.source=v4l2:/dev/video99"], capture_output=True, text=True, check=False, env=environ
    )
    parts = [
        "config",
        "camera",
        "model",
        "broker",
        "clock",
        "temperature",
        "disk",
        "service",
        "firewall",
        "egress",
        "opencv",
    ]
    assert [line.split()[1] for line in ill.stdout.splitlines()] == parts
    assert ill.returncode == 1
    assert "FAIL  camera" in ill.stdout
    assert "FAIL" not in good.stdout
    assert good.returncode == 0, good.stderr
