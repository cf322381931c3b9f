"""What a page that nobody has open costs: instructions a frame, which no other work of this machine can change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NODE = Path(__file__).with_name("counted_node.py")
FEW, MORE = 20, 120  # the difference is of frames alone, without the start
MOST = 0.01
ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

pytestmark = [
    pytest.mark.skipif(not os.environ.get("PIAPP_TEST_BROWSERS"), reason="slow: `make test-page-browsers` runs it"),
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="`apt install valgrind`"),
    pytest.mark.timeout(1200),
]


def executed(folder: Path, count: int, page: str) -> int:
    """Instructions that a node with so many frames executes."""
    log = folder / f"{count}-{page}"
    command = [
        "valgrind",
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
        f"--log-file={log}",
    ]
    subprocess.run([*command, sys.executable, NODE, str(count), page], env=os.environ | ENVIRONMENT, check=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text())
    assert found, log.read_text()
    return int(found[1].replace(",", ""))


def test_a_page_that_nobody_has_open_costs_nothing(tmp_path: Path) -> None:
    """A frame executes within 1 % of what it executes without a page."""
    none, page = (a_frame(tmp_path, page) for page in ("none", "page"))
    assert page / none < 1 + MOST, f"{none / 1e6:.3f} million instructions without a page, {page / 1e6:.3f} with one"


def a_frame(folder: Path, page: str) -> float:
    """Instructions for each frame after the first ones."""
    return (executed(folder, MORE, page) - executed(folder, FEW, page)) / (MORE - FEW)
