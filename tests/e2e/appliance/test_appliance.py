"""The appliance on a whole machine of its own: installed, supervised, locked in, and taken away again.

For root. `make test-appliance` runs all of it, `make test` what takes little time once the guest is there. The tests
share one guest and run in their order.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.appliance import guest as machine
from tests.e2e.appliance.guest import Guest, wait_until
from tests.mosquitto import make_authority, make_certificate
from tests.support.guests import files, users

ALL = "PIAPP_TEST_APPLIANCE"
PYTHON = {"bookworm": "python3.11", "trixie": "python3.13"}[machine.SUITE]
PYTHON_OF_IT = "/opt/piapp/current/bin/python"
CLIP = f"/opt/piapp/current/lib/{PYTHON}/site-packages/piapp/media/room_demo.mp4"
INSTALL = ("/root/bundle/deploy/install.sh", "--with-broker", "--source", f"file:{CLIP}?loop=0")

pytestmark = pytest.mark.timeout(1800)

slow = pytest.mark.skipif(not os.environ.get(ALL), reason="slow: `make test-appliance` runs it")

STATE = "/var/lib/piapp"

DEPLOY = machine.PROJECT / "deploy"
SECRET = "open sesame"

# Where mosquitto must be able to write, of a machine whose root is read-only.
MEMORY_OF_THE_BROKER = ("memory /var/lib/mosquitto tmpfs size=16m", "memory /var/log tmpfs size=16m")


class Installed:
    """The guest with the appliance on it, and what it was before."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.files_before = files(guest)
        self.packages_before = guest.output("dpkg-query", "-W")
        self.said = guest.run(*INSTALL, timeout_s=900).stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """A fresh machine on which install.sh has run, from the offline bundle and without any network."""
    if reason := machine.missing():
        pytest.skip(f"NOT TESTED: the appliance; this machine cannot boot a guest: {reason}")
    try:
        guest = Guest(tmp_path_factory.mktemp("guest"))
    except machine.CannotBootError as error:
        if os.environ.get(ALL):
            raise
        pytest.skip(f"NOT TESTED: the appliance; no guest on this machine: {error}")
    try:
        yield Installed(guest)
    finally:
        guest.close()


@pytest.fixture
def guest(installed: Installed) -> Guest:
    """The machine with the service running."""
    installed.guest.wait_for_state("active")
    return installed.guest


@pytest.fixture
def change_unit(guest: Guest) -> Iterator[Callable[[str], None]]:
    """Put a drop-in in place for one test."""
    dropped: list[Path] = []
    yield lambda text: dropped.append(guest.drop_in(text))
    for file in dropped:
        file.unlink(missing_ok=True)
    guest.reload()


def driven(**limits: str) -> str:
    """The drop-in that runs the service on fakes with switches."""
    environment = "\n".join(f"Environment=PIAPP_{name}={value}" for name, value in limits.items())
    return (
        "[Service]\nExecStart=\nExecStart=/opt/piapp/current/bin/python /srv/inside/driver.py\n"
        f"WatchdogSec=4\n{environment}\n"
    )


def main_pid(guest: Guest) -> str:
    """The service's process, "0" when there is none."""
    return guest.property("MainPID")


def restarts(guest: Guest) -> int:
    """How often systemd has started it again by itself."""
    return int(guest.property("NRestarts"))


def wait_for_restart(guest: Guest, before: int) -> None:
    """Wait until it is up again after one more restart."""
    wait_until(lambda: restarts(guest) > before, "systemd to start the service again")
    guest.wait_for_state("active")


def heard(guest: Guest, leaf: str, value: str = "", **settings: str) -> list[dict[str, str]]:
    """Messages of a topic until the wanted one came; `settings` are variables such as MQTT__URL."""
    variables = [f"PIAPP_{name}={text}" for name, text in settings.items()]
    lines = guest.output("env", *variables, PYTHON_OF_IT, "/root/inside/listen.py", leaf, value).splitlines()
    return [json.loads(line) for line in lines]


def test_install_ends_with_a_running_service(installed: Installed) -> None:
    """install.sh says what it found, and ends only when a first frame went through the model."""
    assert "runtime: mediapipe" in installed.said
    assert "install: installed." in installed.said
    assert installed.guest.property("ActiveState") == "active"
    assert installed.guest.output("piapp", "--version").startswith("piapp ")


def test_events_arrive_at_the_broker(guest: Guest) -> None:
    """What the camera sees comes out of a broker on the same machine as events."""
    event = json.loads(heard(guest, "event")[0]["payload"])
    assert event["event_type"]
    assert re.fullmatch(r"[0-9a-f]{8}-\d{6,}", event["id"])
    assert heard(guest, "status", "online")


def test_status_line_tells_how_it_goes(guest: Guest) -> None:
    """`systemctl status` shows rate, latency and people."""
    line = wait_until(lambda: re.search(r"[\d.]+ frames/s, \d+ ms, \w+", guest.property("StatusText")), "a status line")
    assert float(line.group().split()[0]) > 1


def test_journal_has_fields(guest: Guest) -> None:
    """Events can be selected in the journal by their type."""
    command = ("journalctl", "PIAPP_EVENT=person_entered", "--output=json", "--lines=1")
    entry = json.loads(wait_until(lambda: guest.output(*command), "somebody's coming logged"))
    assert entry["SYSLOG_IDENTIFIER"] == "piapp"
    assert entry["PIAPP_PERSON"].isdecimal()
    assert re.fullmatch("[a-z0-9-]{1,32}", entry["PIAPP_NODE"])
    assert entry["PRIORITY"] == "6"


def test_landmarkers_are_filtered_inside_the_sandbox(guest: Guest) -> None:
    """The unit's own filters leave room for the one that keeps MediaPipe from reporting usage."""
    assert "cannot be blocked" not in guest.journal()


def test_the_doctor_finds_nothing_wrong(guest: Guest) -> None:
    """`piapp check` on a machine that is well: no failure, and the service's own words."""
    done = guest.run("piapp", "check")
    verdicts = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    assert verdicts.pop("clock") in ("OK", "NOTE")  # a container has no time server
    assert set(verdicts.values()) == {"OK"}, done.stdout
    assert "service" in verdicts


def test_the_doctor_names_what_the_firewall_blocks(guest: Guest) -> None:
    """The unit's own list, as systemd has read it, against the address of a camera on another network."""
    done = guest.run("piapp", "check", "--set", "camera.source=rtsp://203.0.113.5/live", check=False)
    (line,) = (line for line in done.stdout.splitlines() if line.split()[1] == "firewall")
    assert line.startswith("FAIL"), line
    assert "IPAddressAllow=203.0.113.5" in line


def test_installing_again_changes_nothing(guest: Guest) -> None:
    """A second run finds everything in place."""
    folder = guest.output("readlink", "/opt/piapp/current")
    said = guest.run(*INSTALL).stderr
    assert "system packages: all there" in said
    assert "is there and intact" in said
    assert "piapp.toml is kept" in said
    assert guest.output("readlink", "/opt/piapp/current") == folder


def test_it_survives_a_reboot(guest: Guest) -> None:
    """It starts on boot, without a network."""
    before = guest.output("cat", "/proc/sys/kernel/random/boot_id"), guest.output("uptime", "-s")
    guest.reboot()
    guest.wait_for_state("active")
    assert restarts(guest) == 0, before


@pytest.mark.parametrize(
    ("memory", "problem"),
    [((f"memory {STATE} tmpfs size=16m",), ""), pytest.param((), "Read-only", marks=slow)],
    ids=["state in memory", "no state"],
)
def test_it_runs_on_a_read_only_root(installed: Installed, memory: tuple[str, ...], problem: str) -> None:
    """As with an overlay, or on a card that locked itself: it starts, events arrive, and what is not kept is said."""
    guest = installed.guest
    quick = "[Service]\nEnvironment=PIAPP_HEALTH__PERIOD_S=1\n"
    guest.drop_in(quick)
    with guest.read_only(*MEMORY_OF_THE_BROKER, *memory):
        guest.wait_for_state("active")
        assert guest.run("touch", "/etc/x", check=False).returncode != 0
        (event,) = heard(guest, "event")
        assert json.loads(event["payload"])["historical"] is False
        assert "font" not in guest.journal(), "another's words in the log"
        said = json.loads(heard(guest, "health")[0]["payload"])["spool_problem"]
        assert problem in said if problem else said is None
    guest.drop_in(quick).unlink()
    guest.reload()


def test_killed_it_comes_back(guest: Guest) -> None:
    """SIGKILL, as the kernel sends it when memory runs out."""
    before, pid = restarts(guest), main_pid(guest)
    guest.run("systemctl", "kill", "--signal=SIGKILL", "piapp")
    wait_for_restart(guest, before)
    assert main_pid(guest) != pid


@slow
def test_stopped_process_is_restarted_by_the_watchdog(guest: Guest, change_unit: Callable[[str], None]) -> None:
    """A process that does nothing at all is killed and started again."""
    change_unit("[Service]\nWatchdogSec=4\n")
    guest.wait_for_state("active")
    before = restarts(guest)
    guest.run("systemctl", "kill", "--signal=SIGSTOP", "piapp")
    wait_for_restart(guest, before)
    assert "Watchdog timeout" in guest.journal()


@pytest.mark.parametrize(("part", "switch"), [("camera", "SIGUSR1"), ("landmarker", "SIGUSR2")])
def test_hung_part_is_restarted_by_the_watchdog(
    guest: Guest, change_unit: Callable[[str], None], part: str, switch: str
) -> None:
    """Where the program does not notice by itself that a part hangs, the missing pings tell systemd."""
    (guest.root / "srv/inside").mkdir(exist_ok=True)
    shutil.copy(machine.HERE / "inside" / "driver.py", guest.root / "srv/inside")
    change_unit(driven(CAMERA__FRAME_TIMEOUT_S="600", LANDMARKER__MAX_RESULT_AGE_S="600"))
    guest.wait_for_state("active")
    before, cursor = restarts(guest), guest.output("date", "+%s")
    guest.run("systemctl", "kill", f"--signal={switch}", "piapp")
    wait_for_restart(guest, before)
    assert "Watchdog timeout" in guest.journal(f"--since=@{cursor}"), part


@slow
@pytest.mark.parametrize(
    ("switch", "limit", "words"),
    [
        ("SIGUSR1", {"CAMERA__FRAME_TIMEOUT_S": "1"}, "no frame for"),
        ("SIGUSR2", {"LANDMARKER__MAX_RESULT_AGE_S": "1"}, "gave no result for"),
    ],
)
def test_hung_part_is_named(
    guest: Guest, change_unit: Callable[[str], None], switch: str, limit: dict[str, str], words: str
) -> None:
    """Before the watchdog strikes the program ends by itself, and says which part hangs."""
    (guest.root / "srv/inside").mkdir(exist_ok=True)
    shutil.copy(machine.HERE / "inside" / "driver.py", guest.root / "srv/inside")
    change_unit(driven(**limit))
    guest.wait_for_state("active")
    before, since = restarts(guest), guest.output("date", "+%s")
    guest.run("systemctl", "kill", f"--signal={switch}", "piapp")
    wait_for_restart(guest, before)
    assert words in guest.journal(f"--since=@{since}")


def test_broken_configuration_stays_down_and_says_why(guest: Guest) -> None:
    """A mistake in the file is not retried; the status names key and value."""
    file = guest.root / "etc/piapp/piapp.toml"
    good = file.read_text()
    try:
        file.write_text(f"{good}\n[landmarker]\nnum_poses = 99\n")
        guest.reload()
        guest.wait_for_state("failed")
        assert guest.property("ExecMainStatus") == "78"
        assert "num_poses" in guest.run("systemctl", "status", "piapp", check=False).stdout
        assert restarts(guest) == 0
    finally:
        file.write_text(good)
        guest.reload()


def test_it_stops_in_time_and_says_goodbye(guest: Guest) -> None:
    """`systemctl stop` takes under 5 s, without a kill, and subscribers hear `offline`."""
    started = time.monotonic()
    guest.run("systemctl", "stop", "piapp")
    took_s = time.monotonic() - started
    result, status = guest.property("Result"), heard(guest, "status")[-1]["payload"]
    guest.reload()
    assert took_s < 5
    assert (result, status) == ("success", "offline")


def test_sandbox_denies_what_it_should(guest: Guest) -> None:
    """The unit's own rules, tried from within: what it needs works, and nothing else does."""
    unit = (guest.root / "etc/systemd/system/piapp.service").read_text()
    unit = re.sub(r"(?m)^(Type|NotifyAccess|Restart|WatchdogSec|ExecStart)=.*\n", "", unit)
    unit = unit.replace("[Service]", "[Service]\nType=oneshot\nExecStart=/usr/bin/python3 /srv/probe.py")
    unit = unit.replace("SyslogIdentifier=piapp", "SyslogIdentifier=probe")
    shutil.copy(machine.HERE / "inside" / "probe.py", guest.root / "srv/probe.py")
    (guest.root / "etc/systemd/system/probe.service").write_text(unit)
    for address in ("192.168.77.1/32", "203.0.113.1/32", "2001:db8::1/128"):
        guest.add_address(address)
    # Misc devices without a driver: opening one that is allowed answers ENODEV, one that is not EPERM.
    guest.add_device("vcio", 250)
    guest.add_device("stranger", 251)
    guest.run("systemctl", "daemon-reload")
    guest.run("systemctl", "start", "probe")
    printed = guest.output("journalctl", "--unit=probe", "--identifier=probe", "--output=cat")
    result = json.loads(printed.splitlines()[-1])
    (guest.root / "etc/systemd/system/probe.service").unlink()
    (guest.root / "srv/probe.py").unlink()
    guest.run("systemctl", "daemon-reload")
    # Newer kernels refuse by themselves, older ones by a filter of systemd.
    assert result.pop("memory to write and execute") in ("EACCES", "EPERM")
    assert result == {
        "write /etc": "EROFS",
        "write own configuration": "EACCES",
        "write /opt": "EROFS",
        "write /usr": "EROFS",
        "write /sys": "EROFS",
        "write own state": "done",
        "list /root": "EACCES",
        "read password file": "EACCES",
        "read shadow": "EACCES",
        "see process 1": "ENOENT",
        "ptrace": "EPERM",
        "new user namespace": "EPERM",
        "mount": "EPERM",
        "become root": "EPERM",
        "packet socket": "EAFNOSUPPORT",
        "set the clock": "EPERM",
        "device that is allowed": "ENODEV",
        "device that is not": "EPERM",
        "send to this machine": "done",
        "send to a local network": "done",
        "send elsewhere": "EPERM",
        "send elsewhere by IPv6": "EPERM",
        "user": guest.output("id", "-u", "piapp"),
        "capabilities": "0000000000000000",
        "credential": "done",
    }


@pytest.fixture
def hardened(guest: Guest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The guest's broker with deploy/mosquitto's own files: TLS, and passwords; what a node needs to know of it."""
    authority = make_authority(tmp_path)
    server = make_certificate(authority, "server", "localhost")
    made = {
        "etc/mosquitto/conf.d/piapp.conf": DEPLOY / "mosquitto" / "piapp.conf",
        "etc/mosquitto/piapp.acl": DEPLOY / "mosquitto" / "piapp.acl",
        "etc/mosquitto/ca_certificates/nodes.crt": authority,
        "etc/mosquitto/certs/server.crt": server.certificate,
        "etc/mosquitto/certs/server.key": server.key,
        "etc/piapp/tls/ca.crt": authority,
    }
    for name, source in made.items():
        shutil.copy(source, guest.root / name)
    passwords = "/etc/mosquitto/piapp.passwords"
    guest.run("mosquitto_passwd", "-c", "-b", passwords, "hall", SECRET)
    guest.run("mosquitto_passwd", "-b", passwords, "dashboard", "d")
    guest.run("chown", "-R", "mosquitto", "/etc/mosquitto/certs", "/etc/mosquitto/piapp.acl", passwords)
    guest.run("chgrp", "piapp", "/etc/piapp/tls/ca.crt")
    guest.run("chmod", "640", "/etc/piapp/tls/ca.crt")
    guest.run("systemctl", "restart", "mosquitto")
    yield {"MQTT__URL": "mqtts://localhost:8883", "MQTT__TLS__CA": "/etc/piapp/tls/ca.crt"}
    for name in (*made, passwords.removeprefix("/")):
        (guest.root / name).unlink()
    (guest.root / "etc/piapp/mqtt_password").write_text("")
    guest.run("systemctl", "restart", "mosquitto")


@slow
def test_a_password_is_a_credential(guest: Guest, hardened: dict[str, str], change_unit: Callable[[str], None]) -> None:
    """What root alone can read on disk reaches the broker by LoadCredential, and nothing else; a wrong one is named."""
    settings = {**hardened, "NODE__ID": "hall", "MQTT__USERNAME": "hall"}
    password = guest.root / "etc/piapp/mqtt_password"
    assert password.stat().st_mode & 0o777 == 0o600
    password.write_text(f"not {SECRET}\n")
    cursor = guest.output("date", "+%s")
    change_unit("[Service]\n" + "".join(f"Environment=PIAPP_{name}={text}\n" for name, text in settings.items()))
    guest.wait_for_state("active")
    wait_until(
        lambda: "not authorised: user 'hall'" in guest.journal(f"--since=@{cursor}"), "the reason in the journal"
    )
    password.write_text(f"{SECRET}\n")
    guest.reload()
    guest.wait_for_state("active")
    (guest.root / "run/dashboard").write_text("d\n")
    dashboard = {**hardened, "MQTT__USERNAME": "dashboard", "MQTT__PASSWORD_FILE": "/run/dashboard"}
    assert heard(guest, "event", **dashboard)[-1]["topic"] == "piapp/hall/event"
    process = guest.root / "proc" / main_pid(guest)
    shown = [process.joinpath(name).read_text() for name in ("environ", "cmdline")]
    shown += [guest.output("systemctl", "show", "piapp"), guest.journal()]
    shown += [heard(guest, "info", **dashboard)[0]["payload"]]
    assert not [text for text in shown if SECRET in text]


@slow
def test_an_upgrade_that_fails_goes_back(guest: Guest) -> None:
    """A new version that does not come up is removed; the old one runs again, and can report the newer one."""
    folder = guest.output("readlink", "/opt/piapp/current")
    make_broken_bundle(guest.root / "root/broken", guest.bundle)
    done = guest.run("/root/broken/deploy/install.sh", check=False, timeout_s=400)
    assert done.returncode != 0
    assert "broken on purpose" in done.stderr
    assert f"version {folder} runs again" in done.stderr
    assert guest.output("readlink", "/opt/piapp/current") == folder
    assert guest.output("ls", "/opt/piapp").split() == sorted([folder, "current", "newest", "packages"])
    guest.wait_for_state("active")
    assert guest.output("cat", "/opt/piapp/newest").strip() == "99.0.0"


def make_broken_bundle(target: Path, source: Path) -> None:
    """A bundle of version 99.0.0 whose daemon refuses to start."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("debs", "wheels", "SHA256SUMS"))
    version = target / "piapp" / "__init__.py"
    version.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0.0"', version.read_text()))
    (target / "wheels").mkdir()
    for wheel in (source / "wheels").glob("*.whl"):
        if wheel.name.startswith("piapp_node-"):
            rewrite_wheel(wheel, target / "wheels" / "piapp_node-99.0.0-py3-none-any.whl")
        else:
            (target / "wheels" / wheel.name).symlink_to(Path("/root/bundle/wheels") / wheel.name)


def rewrite_wheel(source: Path, target: Path) -> None:
    """The same package under another version, with a daemon that does not start."""
    old = source.name.split("-")[1]
    with zipfile.ZipFile(source) as wheel, zipfile.ZipFile(target, "w") as changed:
        for name in wheel.namelist():
            data = wheel.read(name)
            if ".dist-info/" in name:
                data = data.replace(f"Version: {old}".encode(), b"Version: 99.0.0")
                data = data.replace(f"piapp_node-{old}.dist-info".encode(), b"piapp_node-99.0.0.dist-info")
            if name == "piapp/node/app.py":
                data = b"from piapp.errors import ConfigError\nraise ConfigError('broken on purpose')\n"
            changed.writestr(name.replace(f"piapp_node-{old}.dist-info", "piapp_node-99.0.0.dist-info"), data)


ASK_NOW = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8088/api/now').read().decode())"
PAGE = "\n[preview]\nenabled = true\n"
ASK_BOARD = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8088/api/board').read().decode())"


@slow
def test_a_further_camera_has_a_service_of_its_own(guest: Guest) -> None:
    """It is added beside the first, sends to the same broker, is on the first one's page, and outlasts an upgrade."""
    file = guest.root / "etc/piapp/piapp.toml"
    file.write_text(f"{file.read_text()}{PAGE}")
    guest.run("sh", "-c", f"rm -f {STATE}/invitation-*.json")  # while it lasts, the page asks for its code
    guest.reload()
    guest.run("piapp", "service", "add", "bedroom", "--source", "demo:?loop=0", "--title", "Bedroom", timeout_s=300)
    assert guest.property("ActiveState", "piapp@bedroom") == "active"
    assert guest.property("UnitFileState", "piapp@bedroom") == "enabled"
    topics = {message["topic"].split("/")[1] for message in heard(guest, "info", "Bedroom")}
    assert any(node.endswith("-bedroom") for node in topics)
    assert guest.output("stat", "-c", "%U %a", f"{STATE}/bedroom") == "piapp 750"
    guest.wait_for_state("active")
    command = (PYTHON_OF_IT, "-c", ASK_BOARD)
    cameras = json.loads(wait_until(lambda: guest.run(*command, check=False).stdout, "the page"))["cameras"]
    assert [(camera["name"], camera["here"], camera["port"]) for camera in cameras][1] == ("Bedroom", False, 8089)
    assert cameras[1]["now"]["name"] == "Bedroom"
    for options in ((), ("--config", "/etc/piapp/bedroom/piapp.toml")):
        line = next(
            line for line in guest.output("piapp", "check", *options, "cameras").splitlines() if "cameras" in line
        )
        assert line.startswith("OK"), line


ASK = """
import json, sys, urllib.request
method, name, kind, body = sys.argv[1:]
content = open(body[1:], "rb").read() if body.startswith("@") else body.encode()
asked = urllib.request.Request(f"http://127.0.0.1:8088/api/{name}", content, {"Content-Type": kind}, method=method)
answer = urllib.request.urlopen(asked).read()
open("/root/backup.zip", "wb").write(answer) if name == "backup" else print(answer.decode())
"""


@slow
def test_the_page_backs_up_and_restores_an_installed_service(guest: Guest) -> None:
    """With the password that systemd hands over, though the service may not read its file; systemd starts it again."""

    def ask(method: str, name: str, body: str, kind: str = "application/json") -> str:
        return guest.output(PYTHON_OF_IT, "-c", ASK, method, name, kind, body)

    (guest.root / "etc/piapp/mqtt_password").write_text(f"{SECRET}\n")
    guest.reload()
    guest.wait_for_state("active")
    ask("POST", "backup", '{"password": "correct horse"}')
    ask("POST", "settings", '{"values": {"node.area": "Attic"}}')
    made = json.loads(ask("PUT", "restore", "@/root/backup.zip", "application/zip"))
    before = guest.property("MainPID")
    wait_until(lambda: not json.loads(guest.output(PYTHON_OF_IT, "-c", ASK_NOW))["alarms"], "no alarm to be open")
    ask("POST", "restore", json.dumps({"sha256": made["sha256"]}))
    ask("POST", "restart", "{}")
    wait_until(lambda: guest.property("MainPID") not in (before, "0"), "systemd to start it again")
    guest.wait_for_state("active")
    assert "restored the backup" in guest.journal()
    kept = guest.output("sh", "-c", f"cat {STATE}/settings-*.json")
    assert "Attic" not in kept
    (guest.root / "etc/piapp/mqtt_password").write_text("")
    (guest.root / "root/backup.zip").unlink()


@slow
def test_cameras_are_upgraded_and_dropped_together(guest: Guest) -> None:
    """The installer starts both afresh and may add another; a dropped one leaves the others as they are."""
    before = guest.property("MainPID", "piapp@bedroom")
    guest.run(*INSTALL, "--force", "--camera", "kitchen=demo:?loop=0", timeout_s=900)
    assert guest.property("ActiveState", "piapp@bedroom") == "active"
    assert guest.property("MainPID", "piapp@bedroom") != before
    assert guest.property("ActiveState", "piapp@kitchen") == "active"
    guest.run("piapp", "service", "drop", "kitchen", "--purge")
    assert guest.property("ActiveState", "piapp@kitchen") == "inactive"
    assert not (guest.root / "etc/piapp/kitchen").exists()
    assert not (guest.root / "var/lib/piapp/kitchen").exists()
    assert guest.property("ActiveState", "piapp@bedroom") == "active"


def test_uninstall_leaves_nothing(installed: Installed, guest: Guest) -> None:
    """Every file, user and package that came with the appliance goes with it."""
    guest.run("rm", "-rf", "/root/broken", "/srv/inside")
    guest.run("/root/bundle/deploy/uninstall.sh")
    assert files(guest) - installed.files_before == set()
    assert installed.files_before - files(guest) == set()
    assert "piapp" not in users(guest)
    assert guest.output("dpkg-query", "-W") == installed.packages_before
    assert not guest.output("systemctl", "list-units", "--all", "--no-legend", "piapp*", "piapp@*")
