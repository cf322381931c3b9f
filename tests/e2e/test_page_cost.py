"""What a page that nobody has open costs: memory, and instructions a frame, which do not depend on other work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import pytest

NODE = Path(__file__).with_name("counted_node.py")
FEW, MORE = 120, 620  # the difference is of frames alone, without the start
ROUNDS = 3  # what the clock makes due comes more or less often in a run, by 0.3 % of all
MEMORY_ROUNDS = 5  # two nodes of one kind differ by 0.1 MB
NODE_MB = 90.0  # a node with LiteRT and one worker (docs/decisions.md); those here have no landmarker
MOST = 0.01
ENVIRONMENT = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

pytestmark = [
    pytest.mark.skipif(not os.environ.get("PIAPP_TEST_BROWSERS"), reason="slow: `make test-page-browsers` runs it"),
    pytest.mark.timeout(2400),
]


def executed(folder: Path, count: int, page: str) -> int:
    """Instructions that a node with so many frames executes."""
    state = Path(tempfile.mkdtemp(dir=folder))
    log = state.with_suffix(".log")
    command = [
        "valgrind",
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
        f"--log-file={log}",
    ]
    subprocess.run([*command, sys.executable, NODE, str(count), page, state], env=os.environ | ENVIRONMENT, check=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text())
    assert found, log.read_text()
    return int(found[1].replace(",", ""))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="`apt install valgrind`")
def test_a_page_that_nobody_has_open_costs_nothing(tmp_path: Path) -> None:
    """A frame executes within 1 % more than without a page, though the page's node sums up the days, too."""
    starts = {page: executed(tmp_path, FEW, page) for page in ("none", "page")}
    ratios = []
    for _ in range(ROUNDS):
        none, page = ((executed(tmp_path, MORE, page) - start) / (MORE - FEW) for page, start in starts.items())
        ratios.append(page / none)
        sys.stderr.write(f"million instructions a frame: {none / 1e6:.3f} without a page, {page / 1e6:.3f} with it\n")
    assert median(ratios) < 1 + MOST, ratios


def resident_mb(folder: Path, page: str) -> float:
    """Memory of a node, without a landmarker's, after so many frames."""
    state = tempfile.mkdtemp(dir=folder)
    command = [sys.executable, NODE, str(MORE), page, state]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout) / 1024


def test_a_page_that_nobody_has_open_takes_no_memory(tmp_path: Path) -> None:
    """Less than 1 % of a node more than without a page; one of either in turns, the median counts."""
    rounds = [[resident_mb(tmp_path, page) for page in ("none", "page")] for _ in range(MEMORY_ROUNDS)]
    sys.stderr.write(f"MB without a page, and with it: {rounds}\n")
    none, page = (median(found) for found in zip(*rounds, strict=True))
    assert page - none < MOST * NODE_MB, rounds
