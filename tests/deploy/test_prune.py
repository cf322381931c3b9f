"""What the Debian packages and the container leave out: only what nothing opens, and nothing that has to stay."""

from __future__ import annotations

import fnmatch
import json
import runpy
import subprocess
import sys
import sysconfig
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PRUNE = runpy.run_path(str(PROJECT / "deploy" / "prune.py"))
SITE = Path(sysconfig.get_path("purelib"))

# Its package opens it where it is there, and does without: the container and the packages' own test run without it.
OPTIONAL = {"ai_edge_litert/libLiteRt.so"}

# Imports every module, has each runtime judge a picture, and prints which files that opened.
OPENED = """
import importlib, json, pkgutil, re, sys
from pathlib import Path
import msgspec
import numpy as np
import piapp
from piapp.config.load import default_config
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import offline_landmarker
for module in pkgutil.walk_packages(piapp.__path__, "piapp."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for runtime in ("litert", "mediapipe"):
    config = msgspec.structs.replace(default_config().landmarker, runtime=runtime)
    landmarker = offline_landmarker(config, find_model("lite", masks=False).path, video=False)
    landmarker.detect(np.zeros((240, 320, 3), np.uint8), 0)
    landmarker.close()
files = {module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
files |= set(re.findall(r"(/\\S+)$", Path("/proc/self/maps").read_text(), re.MULTILINE))
json.dump(sorted(files), sys.stdout)
"""


def make(folder: Path, *names: str) -> None:
    """Empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_what_nothing_opens_goes_with_its_folders(tmp_path: Path) -> None:
    """Code, data and licences stay."""
    make(tmp_path, "numpy/lib/tests/test_io.py", "numpy/_core/include/numpy/api.h", "av/frame.pyi", "cv2/LICENSE.txt")
    make(tmp_path, "ai_edge_litert/vendors/chip/plugin.so", "ai_edge_litert/libpywrap_litert_common.so", "av/frame.so")
    make(tmp_path, "piapp/systemd/piapp.service", "numpy-2.dist-info/METADATA")
    PRUNE["prune"](tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "ai_edge_litert/libpywrap_litert_common.so",
        "av/frame.so",
        "cv2/LICENSE.txt",
        "numpy-2.dist-info/METADATA",
        "piapp/systemd/piapp.service",
    }
    assert not (tmp_path / "numpy").exists()


def test_nothing_that_a_node_opens_is_left_out() -> None:
    """Every module of piapp imported, and a picture judged by LiteRT and by MediaPipe."""
    done = subprocess.run([sys.executable, "-c", OPENED], capture_output=True, text=True, check=True)
    opened = {Path(file) for file in json.loads(done.stdout)}
    ours = {path.relative_to(SITE).as_posix() for path in opened if path.is_relative_to(SITE)}
    assert {name.partition("/")[0] for name in ours} >= {"ai_edge_litert", "av", "cv2", "mediapipe", "numpy"}
    assert {name for name in ours if PRUNE["unneeded"](name)} <= OPTIONAL


def test_no_pattern_is_stale() -> None:
    """Each still stands for a file of a locked package, as this environment holds them."""
    roots = ("ai_edge_litert", "av", "matplotlib", "mediapipe", "mpl_toolkits", "numpy")
    files = [path.relative_to(SITE).as_posix() for root in roots for path in (SITE / root).rglob("*")]
    patterns = [pattern for some in PRUNE["UNNEEDED"].values() for pattern in some]
    assert [pattern for pattern in patterns if not fnmatch.filter(files, pattern)] == []
