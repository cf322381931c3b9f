"""`piapp check`: checks everything that the node needs, and prints a line for each: OK, or what to do.

Knows all parts, as `piapp.node.app` does, and changes nothing: the broker gets one message on a topic of its own.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Literal

from piapp.camera import open_camera
from piapp.config.instances import Instance, board_of, instance_of
from piapp.config.sections import Config
from piapp.errors import PiappError, UsageError
from piapp.extras import extra
from piapp.landmarker.egress import deny_sockets
from piapp.landmarker.runtime import chosen_precision, chosen_runtime
from piapp.model_choice import choose_model
from piapp.mqtt.broker_trial import try_broker
from piapp.mqtt.clock import clock_is_synchronised
from piapp.mqtt.topics import Topics
from piapp.node.assembly import node_id
from piapp.node.state_folder import STATE_FOLDER
from piapp.operate import allow_list, opencv
from piapp.service import hardware

Verdict = Literal["OK", "NOTE", "FAIL"]

CAMERA_TIMEOUT_S = 20.0
UNIT_PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "StatusText", "NRestarts", "IPAddressAllow", "IPAddressDeny",
)  # fmt: skip
LEAST_FREE_MB = 100

# A Pi without a clock chip that has not asked a time server yet lives in the past.
FIRST_YEAR = 2026


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        verdict: A note is worth knowing and does no harm.
        text: What is there; for a failure also what to do.
    """

    part: str
    verdict: Verdict
    text: str

    @property
    def failed(self) -> bool:
        """Whether something must be done."""
        return self.verdict == "FAIL"

    def line(self) -> str:
        """One line for people."""
        return f"{self.verdict:4}  {self.part:11}  {self.text}"


@dataclass(frozen=True, slots=True)
class Unit:
    """The systemd unit's properties; empty without systemd."""

    properties: dict[str, str]

    @property
    def installed(self) -> bool:
        """There is such a unit."""
        return self.properties.get("LoadState") == "loaded"

    @property
    def state(self) -> str:
        """Such as "active"."""
        return self.properties.get("ActiveState", "")


Check = Callable[[Config], Finding]


def check(
    config: Config,
    parts: Sequence[str] = (),
    *,
    file: Path | None = None,
    mend: bool = False,
    running: bool = False,
) -> Iterator[Finding]:
    """Check one part after another; a failure of one does not keep the next from being checked.

    Args:
        config: What is in force.
        parts: Only these; empty for all.
        file: Where the configuration is from. It tells which of several cameras of a board this is.
        mend: Whether to mend what a program can mend, which is a second OpenCV.
        running: The node itself asks, so its camera and the port of its page are in use, service or not.

    Raises:
        UsageError: There is no such part.
    """
    camera = instance_of(file)
    unit = read_unit(camera.unit)
    if running:
        unit = Unit(unit.properties | {"ActiveState": "active"})
    checks: dict[str, Check] = {
        "camera": lambda config: check_camera(config, unit),
        "model": check_model,
        "broker": check_broker,
        "clock": check_clock,
        "temperature": check_temperature,
        "disk": lambda _config: check_disk(),
        "service": lambda _config: check_unit(unit, camera.unit),
        "firewall": lambda config: check_firewall(config, unit),
        "egress": check_egress,
        "opencv": lambda _config: check_opencv(mend=mend),
    }
    if config.preview.enabled:
        checks["live page"] = lambda config: check_page(config, unit)
    others = [other for other in board_of(file) if other != camera]
    if others:
        checks["cameras"] = lambda _config: check_cameras(others)
    if unknown := [part for part in parts if part not in checks]:
        raise UsageError(f"check {unknown[0]}: there is no such part; expected {', '.join(checks)}")
    for part in parts or checks:
        try:
            yield checks[part](config)
        except PermissionError as error:
            yield Finding(part, "FAIL", f"{error.filename}: this user may not read it; try sudo")
        except (PiappError, OSError) as error:
            yield Finding(part, "FAIL", str(error))


def check_camera(config: Config, unit: Unit) -> Finding:
    """Open the camera and wait for one frame, unless the service holds it."""
    if unit.state == "active" and not config.camera.source.startswith(("file:", "images:")):
        return Finding("camera", "OK", "in use by the service, which is running")
    found: Future[str] = Future()
    # In a thread, because a driver can hang for ever.
    threading.Thread(target=_read_one_frame, args=(config, found), name="check-camera", daemon=True).start()
    try:
        return Finding("camera", "OK", found.result(CAMERA_TIMEOUT_S))
    except TimeoutError:
        text = f"{config.camera.source} does not answer within {CAMERA_TIMEOUT_S:g} s; restart the device"
        return Finding("camera", "FAIL", text)


def _read_one_frame(config: Config, found: Future[str]) -> None:
    try:
        started_s = time.monotonic()
        with closing(open_camera(config.camera)) as camera:
            frame = next(iter(camera.frames()), None)
            if frame is None:
                raise PiappError(f"{config.camera.source} has no frame")  # noqa: TRY301 - one way out for all failures
            took_s = time.monotonic() - started_s
            found.set_result(f"{camera.description}; first frame after {took_s:.1f} s")
    except BaseException as error:  # noqa: BLE001 - raised by who waits
        found.set_exception(error)


def check_model(config: Config) -> Finding:
    """Find the model and compare its hash."""
    model = choose_model(config.landmarker, masks=config.landmarker.output_segmentation_masks)
    runs = f"run by {chosen_runtime(config.landmarker)} in {chosen_precision(config.landmarker)} precision"
    return Finding("model", "OK", f"{model.name} ({model.variant}), sha256 {model.sha256[:12]}..., {runs}")


def check_broker(config: Config) -> Finding:
    """Connect as the node would and publish below its topics: address, TLS, password and access list in one."""
    trial = try_broker(config, node_id(config))
    if trial.refused:
        root = Topics(config.mqtt.base_topic, node_id(config)).root
        refused = f"{config.mqtt.url} refuses {', '.join(trial.refused)}"
        return Finding("broker", "FAIL", f"{refused}; allow this user {root}/# in the broker's access list")
    hint = "" if trial.version == "5" else "; MQTT 3.1.1 does not tell whether its access list lets messages through"
    secured = "TLS verified" if trial.tls else "without TLS"
    if trial.tls and not config.mqtt.tls.verify_x509_strict:
        secured += ", but not strictly (mqtt.tls.verify_x509_strict = false)"
    home = "; Home Assistant is there" if trial.home_assistant in ("online", "listening") else ""
    return Finding("broker", "OK", f"{config.mqtt.url}, MQTT {trial.version}, {secured}{home}{hint}")


def check_clock(_config: Config) -> Finding:
    """Is the wall clock right? Only `t` in payloads depends on it, and TLS."""
    now = datetime.now(UTC)
    text = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.year < FIRST_YEAR:
        return Finding("clock", "FAIL", f"{text} is in the past; TLS fails until a time server was asked: timedatectl")
    if clock_is_synchronised():
        return Finding("clock", "OK", f"{text}, synchronised")
    return Finding(
        "clock",
        "NOTE",
        f"{text}, not synchronised: alarms come all the same, with a time that may be wrong (timedatectl)",
    )


def check_page(config: Config, unit: Unit) -> Finding:
    """Can the live page be served at its address, and who may open it?"""
    page = config.preview
    with extra("preview", "preview.enabled = true"):
        from piapp.preview.server import listen, require_libraries  # noqa: PLC0415

        require_libraries()
    if unit.state != "active":
        listen(page).close()
    where = f"http://{page.bind}:{page.port}/"
    who = f"with the token of {page.token_file}" if page.token_file else "from this machine, without a token"
    return Finding("live page", "OK", f"{where}, {who}")


def check_temperature(config: Config) -> Finding:
    """Is it too hot, or the power supply too weak, now or since boot?"""
    temperature_c, flags = hardware.temperature_c(), hardware.throttled()
    now, since_boot = flags or ([], [])
    text = f"{temperature_c:.0f} C" if temperature_c is not None else "no thermometer"
    if "under_voltage" in now:
        return Finding("temperature", "FAIL", f"{text}; the voltage is low: use the power supply made for the board")
    limit_c = config.power.max_temp_c
    if now or (limit_c and temperature_c is not None and temperature_c >= limit_c):
        return Finding("temperature", "FAIL", f"{text}, {', '.join(now) or 'hot'}: give it air or a heat sink")
    if since_boot:
        return Finding("temperature", "NOTE", f"{text}; since boot there was {', '.join(since_boot)}")
    return Finding("temperature", "OK", text + (", never throttled since boot" if flags else ""))


def check_disk() -> Finding:
    """Is there room for events that wait for the broker?"""
    folder = STATE_FOLDER if STATE_FOLDER.exists() else Path.cwd()
    free_mb = hardware.disk_free_mb(folder)
    if free_mb < LEAST_FREE_MB:
        return Finding("disk", "FAIL", f"{free_mb} MB free at {folder}; events that wait for the broker need room")
    return Finding("disk", "OK", f"{free_mb} MB free at {folder}")


def read_unit(name: str = "piapp.service") -> Unit:
    """Ask systemd; an empty unit where it is not."""
    if not Path("/run/systemd/system").is_dir():
        return Unit({})
    names = ",".join(UNIT_PROPERTIES)
    command = ["systemctl", "show", f"--property={names}", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - fixed words
    return Unit(dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line))


def check_unit(unit: Unit, name: str = "piapp.service") -> Finding:
    """Is the service installed, enabled and running?"""
    if not unit.installed:
        return Finding("service", "NOTE", "not installed as a service; sudo deploy/install.sh does that")
    status = unit.properties.get("StatusText") or "no status"
    restarts = unit.properties.get("NRestarts", "0")
    if unit.state != "active":
        return Finding(
            "service", "FAIL", f"{unit.state}: {status}; see: journalctl -u {name.removesuffix('.service')} -n 30"
        )
    if unit.properties.get("UnitFileState") != "enabled":
        return Finding(
            "service",
            "FAIL",
            f"runs and will not at the next boot; sudo systemctl enable {name.removesuffix('.service')}",
        )
    return Finding("service", "OK", f"{status}; restarted {restarts} times by itself since it was last started")


def check_cameras(others: Sequence[Instance], read: Callable[[str], Unit] = read_unit) -> Finding:
    """Do the services of this board's other cameras run?"""
    if not read(others[0].unit).installed:
        return Finding("cameras", "NOTE", f"{', '.join(other.unit for other in others)}: not installed as services")
    states = {other.unit: read(other.unit).state or "unknown" for other in others}
    if failed := {unit: state for unit, state in states.items() if state != "active"}:
        named = ", ".join(f"{unit} is {state}" for unit, state in failed.items())
        return Finding("cameras", "FAIL", f"{named}; see: journalctl -u {next(iter(failed))} -n 30")
    return Finding("cameras", "OK", f"{', '.join(states)}: active")


def check_firewall(config: Config, unit: Unit, resolve: Callable[[str], list[str]] = allow_list.resolve) -> Finding:
    """May the service reach its broker, its camera and who knows their addresses?"""
    allow, deny = (unit.properties.get(name, "") for name in ("IPAddressAllow", "IPAddressDeny"))
    if not unit.installed:
        allow, deny = " ".join(map(str, allow_list.LOCAL_NETWORKS)), allow_list.EVERYWHERE
    blocked: dict[str, list[str]] = {}
    for host in allow_list.peers(config):
        try:
            addresses = allow_list.addresses_for(host, resolve=resolve, name_servers=allow_list.name_servers())
        except OSError as error:
            return Finding("firewall", "NOTE", f"{host} has no address that could be compared: {error}")
        if found := allow_list.forbidden(addresses, allow=allow, deny=deny):
            blocked[host] = found
    if not blocked:
        return Finding("firewall", "OK", "the service may reach its broker and camera")
    named = "; ".join(f"{host} ({', '.join(found)})" if found != [host] else host for host, found in blocked.items())
    if not unit.installed:
        text = f"outside local networks: {named}; sudo deploy/install.sh lets the service reach that"
        return Finding("firewall", "NOTE", text)
    line = f"IPAddressAllow={' '.join(dict.fromkeys(chain(*blocked.values())))}"
    return Finding(
        "firewall", "FAIL",
        f"the service may not reach {named}; run sudo deploy/install.sh again, which allows it, "
        f"or write [Service] and {line} with: sudo systemctl edit piapp",
    )  # fmt: skip


def check_egress(config: Config) -> Finding:
    """Can the landmarker be kept from talking to its vendor?"""
    outcome: Future[bool] = Future()
    # The filter stays with its thread for good.
    threading.Thread(target=lambda: outcome.set_result(_socket_is_refused()), name="check-egress", daemon=True).start()
    if outcome.result():
        return Finding("egress", "OK", "the landmarker's threads are refused internet sockets")
    if chosen_runtime(config.landmarker) != "mediapipe":
        return Finding("egress", "OK", "nothing to refuse: LiteRT opens no socket")
    text = "sockets cannot be refused here, and MediaPipe reports usage to its vendor: apt-get install libseccomp2"
    return Finding("egress", "FAIL", text)


def check_opencv(*, mend: bool = False) -> Finding:
    """Is there exactly one OpenCV?"""
    versions = opencv.installed()
    if mend and opencv.problem(versions):
        opencv.mend(versions)
        return Finding("opencv", "OK", f"{opencv.OURS} {versions[opencv.OURS]} was installed again, the other removed")
    if problem := opencv.problem(versions):
        return Finding("opencv", "FAIL", problem)
    return Finding("opencv", "OK", f"one, {' '.join(*versions.items())}" if versions else "of the system")


def _socket_is_refused() -> bool:
    if not deny_sockets():
        return False
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except OSError:
        return True
    return False
