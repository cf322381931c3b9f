"""What a lock means for another machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

LOCK = """\
# made by a tool
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via piapp
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:cc
only-arm==1.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:dd
rich==15.0.0 \\
    --hash=sha256:ee
"""


def select(lock: Path, *arguments: str) -> list[str]:
    script = PROJECT / "deploy" / "select_lock.py"
    done = subprocess.run([sys.executable, script, lock, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text(LOCK)
    return file


def test_markers_are_weighed_for_the_other_machine(lock: Path) -> None:
    """Python and processor of the target decide, not those of this machine; hashes stay."""
    assert select(lock, "3.13", "x86_64") == ["numpy==2.5.5 --hash=sha256:cc", "rich==15.0.0 --hash=sha256:ee"]
    assert select(lock, "3.11", "aarch64") == [
        "numpy==2.4.6 --hash=sha256:aa --hash=sha256:bb",
        "only-arm==1.0 --hash=sha256:dd",
        "rich==15.0.0 --hash=sha256:ee",
    ]


def test_names_choose(lock: Path) -> None:
    """With names only these are printed."""
    assert select(lock, "3.13", "aarch64", "rich") == ["rich==15.0.0 --hash=sha256:ee"]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_real_lock_pins_each_name_once(python: str) -> None:
    """For each supported Python the shipped lock names every package once, with hashes."""
    lines = select(PROJECT / "deploy" / "requirements.txt", python, "aarch64")
    names = [line.split("==")[0] for line in lines]
    assert len(names) == len(set(names)) > 20
    assert all("--hash=sha256:" in line for line in lines)
    assert "mediapipe" in names
