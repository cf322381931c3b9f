"""The adapter on the real libcamera and the unmodified Picamera2, with libcamera's virtual camera.

Slow for the first time: `make test-camera` runs it and keeps a Debian of 1.1 GB in `.cache`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
ROOT = PROJECT / ".cache" / "camera" / "forky"

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("PIAPP_TEST_CAMERA"), reason="makes a Debian with libcamera: `make test-camera` runs it"
    ),
    pytest.mark.timeout(1200),
]

Scenario = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def root() -> Path:
    """The Debian with libcamera, the adapter of this working tree, and a scene: left half red, right half blue."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("the camera tests need root and mmdebstrap (apt-get install mmdebstrap)")
    if not ROOT.exists():
        unfinished = ROOT.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([HERE / "setup.sh", unfinished], check=True)
        unfinished.rename(ROOT)
    package = ROOT / "srv" / "piapp"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(PROJECT / "piapp", package, ignore=shutil.ignore_patterns("__pycache__", "media"))
    for file in (HERE / "inside").glob("*.py"):
        shutil.copy(file, ROOT / "srv")
    shutil.copy(HERE / "inside" / "virtual.yaml", ROOT / "usr/share/libcamera/pipeline/virtual/virtual.yaml")
    scene = np.zeros((480, 640, 3), np.uint8)
    scene[:, :320], scene[:, 320:] = (0, 0, 255), (255, 0, 0)
    cv2.imwrite(str(ROOT / "srv/scene/0.jpg"), scene)
    return ROOT


@pytest.fixture
def run(root: Path) -> Scenario:
    """Run one scenario in there."""

    def run(name: str) -> dict[str, Any]:
        # The mount is in a namespace that ends with the scenario.
        inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" /opt/venv/bin/python /srv/scenario.py "$1"'
        command = ["unshare", "--mount", "sh", "-c", inside, root, name]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return outcome

    return run


def test_frames(run: Scenario) -> None:
    """Pictures come in the right order of colours, with the sensor's time on our clock."""
    result = run("frames")
    assert result["shape"] == [480, 640, 3]
    assert result["contiguous"]
    assert result["rising"]
    assert np.argmax(result["left"]) == 0
    assert np.argmax(result["right"]) == 2
    assert 0 <= result["age_ms"] < 2000
    assert "640x480" in result["description"]


def test_a_camera_in_use(run: Scenario) -> None:
    """The lock that libcamera itself takes is told as such."""
    result = run("busy")
    assert result["error"] == "CameraBusyError", result


def test_a_camera_that_is_not_there(run: Scenario) -> None:
    """What is connected is listed."""
    result = run("absent")
    assert result["error"] == "CameraNotFoundError"
    assert "0: virtual0" in result["words"]


def test_frames_that_stop(run: Scenario) -> None:
    """No frame within the deadline is an error of ours, where Picamera2 waits for ever."""
    assert run("stall")["error"] == "CameraTimeoutError"


def test_closing_while_frames_are_waited_for(run: Scenario) -> None:
    """Close wakes the reader, which ends without an error."""
    assert run("close_while_waiting") == {"ended": [{"error": ""}]}


def test_opening_again_and_again(run: Scenario) -> None:
    """Nothing is left open."""
    counts = run("again")["counts"]
    assert counts[1:] == [counts[1]] * 4
