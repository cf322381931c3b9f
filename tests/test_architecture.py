"""The layering holds in running interpreters, not only on paper."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VENDORS = (
    "mediapipe", "cv2", "picamera2", "libcamera", "paho", "systemd", "amqtt", "ai_edge_litert", "starlette", "uvicorn",
)  # fmt: skip


def imported_by(statement, *roots):
    """Which of the packages a fresh interpreter has imported after a statement."""
    code = (
        f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({roots!r})))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=100, check=True)
    return done.stdout.splitlines()[-1].split()


def core_modules():
    """The modules that the import rules protect, packages with all that is in them."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for name in rules[0]["source_modules"]:
        folder = ROOT.joinpath(*name.split("."))
        yield name
        if folder.is_dir():
            yield from (f"{name}.{path.stem}" for path in sorted(folder.glob("[a-z]*.py")))


def test_the_core_imports_no_vendor_library():
    """Configuration, values, posture and payloads load without camera, model or network libraries."""
    modules = list(core_modules())
    assert {"piapp.config", "piapp.posture.monitor", "piapp.mqtt.payload"} <= set(modules)
    assert imported_by(f"import {', '.join(modules)}", *VENDORS) == []


@pytest.mark.parametrize(
    "module", ["piapp.node.app", "piapp.cli", "piapp.landmarker.live", "piapp.landmarker.runtime", "piapp.camera"]
)
def test_only_adapters_bring_their_libraries(module):
    """The composition root knows all parts, and loads a vendor's library only with the adapter that is chosen."""
    allowed = {"paho"} if module == "piapp.node.app" else set()
    assert set(imported_by(f"import {module}", *VENDORS)) <= allowed


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["config", "show"]])
def test_light_commands_stay_light(arguments):
    """They answer at once: no model runtime, no OpenCV, no numpy."""
    statement = f"from piapp.cli.app import run_command\nassert run_command({arguments!r}) == 0"
    assert imported_by(statement, "mediapipe", "cv2", "ai_edge_litert", "numpy", "paho", "rich") == []


def test_the_version_needs_nothing():
    """Not even what reads a command line."""
    statement = "import sys\nsys.argv = ['piapp', '--version']\nfrom contextlib import suppress\n"
    statement += "from piapp.cli import main\nwith suppress(SystemExit):\n    main()"
    assert imported_by(statement, "typer", "msgspec", "rich") == []


def test_the_posture_logic_needs_no_adapter():
    """It judges arrays; pictures and brokers are others' business."""
    assert imported_by("import piapp.posture, piapp.posture.monitor", "cv2", "paho", "av") == []


BREACHES = (
    ("posture/geometry.py", "import cv2", "piapp.posture.geometry -> cv2"),
    ("node/control.py", "import rich", "piapp.node.control -> rich"),
    ("mqtt/topics.py", "import piapp.node.control", "piapp.mqtt.topics -> piapp.node.control"),
)


def test_the_rules_would_find_a_breach(tmp_path):
    """import-linter keeps its contracts here, and breaks them for a vendor's library elsewhere or a way up."""
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("NOT TESTED: import rules; import-linter is not installed")
    package = tmp_path / "piapp"
    subprocess.run(["cp", "-r", str(ROOT / "piapp"), str(package)], check=True)
    config = tmp_path / "pyproject.toml"
    config.write_text((ROOT / "pyproject.toml").read_text())

    def verdict():
        command = [lint, "--no-cache"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    assert verdict().returncode == 0, verdict().stdout
    for file, statement, _ in BREACHES:
        module = package / file
        module.write_text(f"{module.read_text()}\n{statement}\n")
    broken = verdict()
    assert broken.returncode != 0
    for _, _, found in BREACHES:
        assert found in broken.stdout
