"""The unit as systemd itself judges it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "piapp.service"
INSTANCE = UNIT.parent / "piapp@.service.d" / "instance.conf"

# systemd-analyze's scale is 0 to 100 here: 1.5 of 10.
THRESHOLD = 15


@pytest.fixture
def analyze() -> str:
    """systemd-analyze, in a release that knows `--offline`."""
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("systemd-analyze is not installed; `apt install systemd` runs these tests")
    return command


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there: the installed one is not, on this machine."""
    file = tmp_path / "piapp.service"
    file.write_text(UNIT.read_text().replace("/opt/piapp/current/bin/piapp", "/bin/true"))
    return file


def test_every_key_is_known(analyze: str, unit: Path) -> None:
    """No key is misspelt, unknown to the oldest systemd that is supported, or in the wrong section."""
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_further_cameras_unit_is_known(analyze: str, tmp_path: Path) -> None:
    """The same text under the template's name, with what an instance has of its own."""
    text = UNIT.read_text().replace("/opt/piapp/current/bin/piapp", "/bin/true")
    (tmp_path / "piapp@bedroom.service").write_text(text)
    (tmp_path / "piapp@.service.d").mkdir()
    (tmp_path / "piapp@.service.d" / INSTANCE.name).write_text(INSTANCE.read_text())
    command = [analyze, "verify", "--man=no", "--recursive-errors=no", tmp_path / "piapp@bedroom.service"]
    done = subprocess.run(
        command, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_further_camera_shares_login_and_token_alone() -> None:
    """What an instance does not replace is the board's: both secrets; folders and camera login are its own."""
    own = INSTANCE.read_text()
    assert "mqtt_password" not in own
    assert "preview_token" not in own
    assert own.index("StateDirectoryMode=0750") > own.index("StateDirectory=\n"), "which resets the mode"
    for key in ("StateDirectory", "RuntimeDirectory"):
        assert re.search(rf"^{key}=\n{key}=\S*%i$", own, re.MULTILINE), key


def test_exposure_is_low(analyze: str, unit: Path) -> None:
    """The score of systemd itself is 1.5 or better."""
    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={THRESHOLD}", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    score = re.search(r"Overall exposure level for piapp.service: ([\d.]+)", done.stdout)
    assert score
    assert float(score.group(1)) <= THRESHOLD / 10


@pytest.mark.parametrize("key", ["RestartSteps", "RestartMaxDelaySec"])
def test_what_older_systemd_lacks_is_apart(key: str) -> None:
    """Keys of systemd 254 are in the drop-in that the installer adds from there on, not in the unit."""
    assert f"{key}=" not in UNIT.read_text()
    assert f"{key}=" in (UNIT.parent / "piapp.service.d" / "backoff.conf").read_text()


@pytest.mark.parametrize("device", ["char-video4linux", "char-media", "char-dma_heap", "/dev/vcsm-cma", "/dev/vcio"])
def test_camera_devices_are_reachable(device: str) -> None:
    """The devices of libcamera on Pi 4 and Pi 5 are allowed, with writing: buffers are queued by ioctl."""
    assert f"DeviceAllow={device} rw" in UNIT.read_text().splitlines()
