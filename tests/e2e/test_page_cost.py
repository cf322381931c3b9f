"""What a page that nobody has open costs: memory, and instructions a frame, which do not depend on other work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.node import NodeProcess
from tests.mosquitto import Mosquitto

NODE = Path(__file__).with_name("counted_node.py")
FEW, MORE = 120, 620  # the difference is of frames alone, without the start
ROUNDS = 3  # what the clock makes due comes more or less often in a run, by 0.3 % of all
MEMORY_ROUNDS = 5  # two nodes of one kind differ by up to 1 %
SETTLED_S = 15.0
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


def resident_mb(folder: Path, port: int, page: str) -> float:
    """Memory of a node that has watched the bundled clip for a while."""
    state = Path(tempfile.mkdtemp(dir=folder))
    options = [f"spool.dir={state}", "landmarker.runtime=litert", "landmarker.workers=1", "preview.port=0"]
    options += [f"preview.enabled={'true' if page == 'page' else 'false'}", "camera.source=demo:?loop=0"]
    node = NodeProcess(folder, port, [part for option in options for part in ("--set", option)])
    try:
        node.wait_for_log("running")
        time.sleep(SETTLED_S)
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{node.pid}/status").read_text())
    finally:
        node.kill()
    assert found
    return int(found[1]) / 1024


def test_a_page_that_nobody_has_open_takes_no_memory(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A node is within 1 % as large as one without a page; each round one of either, the median counts."""
    rounds = [[resident_mb(tmp_path, mosquitto.port, page) for page in ("none", "page")] for _ in range(MEMORY_ROUNDS)]
    sys.stderr.write(f"MB without a page, and with it: {rounds}\n")
    none, page = (median(found) for found in zip(*rounds, strict=True))
    assert page / none < 1 + MOST, rounds
