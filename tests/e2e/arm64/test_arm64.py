"""The processors of Raspberry Pis, emulated, with the very wheels that the installer puts on them.

Slow: `make test-arm64` runs it, about 5 minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from tests.e2e.arm64.emulated import PROJECT, Emulated, missing

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("PIAPP_TEST_ARM64"), reason="emulates other processors: `make test-arm64` runs it"
    ),
    pytest.mark.timeout(1800),
]

# Raspberry Pi 3 and Zero 2 W, Pi 4, Pi 5: and what install.sh must choose there.
PROCESSORS = {"cortex-a53": "litert", "cortex-a72": "litert", "cortex-a76": "mediapipe"}

# Where somebody stands in the bundled clip.
FRAME = 75

# Share of the torso's length that landmarks may differ by: other vector units round differently.
TOLERANCE = 0.005

# The same for half precision, on average over one person's landmarks.
HALF_TOLERANCE = 0.03


@pytest.fixture(scope="module")
def emulated() -> Emulated:
    """The arm64 system."""
    if reason := missing():
        pytest.skip(f"the arm64 tests cannot emulate on this machine: {reason}")
    return Emulated()


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of somebody."""
    path = tmp_path_factory.mktemp("still") / "still.png"
    with VideoFile(demo_clip()) as video:
        image = next(image for number, (_, image) in enumerate(video.frames()) if number == FRAME)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def places_px(printed: str) -> np.ndarray:
    """The one person's (33, 2) landmarks in pixels, in what `piapp detect` printed."""
    result = json.loads(printed)
    (pose,) = result["poses"]
    return np.array(pose["landmarks"])[:, :2] * result["size"]


def torso_px(places: np.ndarray) -> float:
    """From the middle of the shoulders to the middle of the hips."""
    return float(np.linalg.norm(places[11:13].mean(axis=0) - places[23:25].mean(axis=0)))


@pytest.mark.parametrize(("processor", "runtime"), PROCESSORS.items())
def test_installer_and_program_choose_what_runs(
    emulated: Emulated, tmp_path: Path, processor: str, runtime: str
) -> None:
    """By the features that the kernel lists, both come to the same choice, and the installer gives its reason."""
    code = (
        "from piapp.config.load import default_config; from piapp.landmarker.runtime import chosen_runtime\n"
        "print(chosen_runtime(default_config().landmarker)); print(open('/proc/cpuinfo').read())"
    )
    done = emulated.run(processor, "-c", code)
    assert done.returncode == 0, done.stderr
    chosen, _, cpuinfo = done.stdout.partition("\n")
    assert chosen == runtime
    for name, text in {
        "proc/cpuinfo": cpuinfo,
        "proc/meminfo": "MemTotal: 4000000 kB\n",
        "etc/os-release": "VERSION_CODENAME=trixie\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    installer = subprocess.run(
        [PROJECT / "deploy" / "install.sh", "--dry-run"],
        env=os.environ | {"PIAPP_FACTS": str(tmp_path), "PIAPP_MACHINE": "aarch64"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"runtime: {runtime}" in installer.stderr
    assert ("LSE" in installer.stderr) == (runtime == "litert")


@pytest.mark.parametrize(("processor", "runtime"), [*PROCESSORS.items(), ("cortex-a76", "litert")])
def test_inference_agrees_with_this_machine(emulated: Emulated, still: Path, processor: str, runtime: str) -> None:
    """The whole of `piapp detect`, from the picture to the landmarks, gives what it gives here."""
    options = ["-m", "piapp", "detect", still, "--set", f"landmarker.runtime={runtime}"]
    here = subprocess.run([sys.executable, "-P", *options], capture_output=True, text=True, check=True)
    there = emulated.run(processor, *options)
    assert there.returncode == 0, there.stderr
    expected = places_px(here.stdout)
    apart = np.linalg.norm(places_px(there.stdout) - expected, axis=1).max() / torso_px(expected)
    print(f"{processor}, {runtime}: {apart:.4f} of the torso apart")  # noqa: T201 - a figure for people
    assert apart < TOLERANCE


@pytest.fixture(scope="module")
def package(emulated: Emulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Debian package brings, its libraries stripped, and OpenCV with Debian's LAPACK."""
    return emulated.unpacked_package(tmp_path_factory.mktemp("package"))


@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_debian_package_infers(emulated: Emulated, still: Path, package: Path, processor: str) -> None:
    """It gives the landmarks that this machine gives."""
    options = ["-m", "piapp", "detect", still, "--set", "landmarker.runtime=litert"]
    here = subprocess.run([sys.executable, "-P", *options], capture_output=True, text=True, check=True)
    there = emulated.run(processor, *options, site=package)
    assert there.returncode == 0, there.stderr
    expected = places_px(here.stdout)
    apart = np.linalg.norm(places_px(there.stdout) - expected, axis=1).max() / torso_px(expected)
    assert apart < TOLERANCE


def test_half_precision_on_the_pi_5(emulated: Emulated, still: Path) -> None:
    """The whole of `piapp detect` in half precision finds the person, moved by a little: so half was computed."""
    options = ["-m", "piapp", "detect", still, "--set", "landmarker.runtime=litert", "--set"]
    full, half = (
        emulated.run("cortex-a76", *options, f"landmarker.precision={precision}") for precision in ("full", "auto")
    )
    assert half.returncode == 0, half.stderr
    expected = places_px(full.stdout)
    apart = np.linalg.norm(places_px(half.stdout) - expected, axis=1) / torso_px(expected)
    print(f"half precision: {apart.mean():.4f} of the torso apart, {apart.max():.4f} at most")  # noqa: T201
    assert 0.0001 < apart.mean() < HALF_TOLERANCE


def test_half_precision_on_the_pi_4(emulated: Emulated, still: Path) -> None:
    """Where the processor has none, "half" is refused with what to set instead."""
    options = ["-m", "piapp", "detect", still, "--set", "landmarker.precision=half"]
    done = emulated.run("cortex-a72", *options)
    assert done.returncode == 78
    assert 'set "auto" or "full"' in done.stderr


@pytest.mark.parametrize("processor", [name for name, runtime in PROCESSORS.items() if runtime == "litert"])
def test_the_reason_for_the_choice_still_holds(emulated: Emulated, still: Path, processor: str) -> None:
    """MediaPipe's wheel aborts where the installer leaves it out; when it no longer does, this test says so."""
    done = emulated.run(processor, "-m", "piapp", "detect", still, "--set", "landmarker.runtime=mediapipe")
    assert done.returncode != 0
    assert '"poses"' not in done.stdout
