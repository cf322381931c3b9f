"""Which runtime is chosen, and that both come through the same two functions."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from ai_edge_litert.interpreter import Interpreter

from piapp.config.load import default_config, load_config
from piapp.errors import ConfigError
from piapp.landmarker import runtime
from piapp.landmarker.litert import network
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import (
    chosen_precision,
    chosen_runtime,
    half_precision_runs_here,
    live_factory,
    mediapipe_runs_here,
)

CONFIG = default_config().landmarker
PI_4 = "Features\t: fp asimd evtstrm crc32 cpuid\n"
PI_5 = "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid\n"


@pytest.mark.parametrize(
    ("machine", "text", "runs"),
    [
        ("x86_64", "", True),
        ("aarch64", PI_4, False),
        ("aarch64", PI_5, True),
        ("aarch64", "Model\t: atomics\n", False),
        ("armv7l", PI_5, False),
    ],
)
def test_where_mediapipe_runs(machine, text, runs, tmp_path):
    """ARMv8.0 lacks the atomics without which its wheels abort."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert mediapipe_runs_here(machine=machine, cpuinfo=cpuinfo) is runs


def test_an_unreadable_cpuinfo_is_no_promise(tmp_path):
    """Without it, the runtime that always works."""
    assert not mediapipe_runs_here(machine="aarch64", cpuinfo=tmp_path / "gone")


def test_auto_prefers_the_reference(monkeypatch):
    """MediaPipe where it runs and is installed, LiteRT elsewhere; a name is taken at its word."""
    auto = msgspec.structs.replace(CONFIG, runtime="auto")
    monkeypatch.setattr(runtime, "mediapipe_runs_here", lambda: True)
    assert chosen_runtime(auto) == "mediapipe"
    monkeypatch.setattr(runtime, "mediapipe_runs_here", lambda: False)
    assert chosen_runtime(auto) == "litert"
    monkeypatch.setattr(runtime, "mediapipe_runs_here", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert chosen_runtime(auto) == "litert"
    for name in ("mediapipe", "litert"):
        assert chosen_runtime(msgspec.structs.replace(CONFIG, runtime=name)) == name


@pytest.mark.parametrize(
    ("machine", "text", "runs"),
    [
        ("aarch64", PI_5, True),
        ("aarch64", PI_4, False),
        ("x86_64", PI_5, False),
        ("aarch64", "Model\t: asimdhp\n", False),
    ],
)
def test_where_half_precision_runs(machine, text, runs, tmp_path):
    """ARMv8.2 brought it; Pi 3 and 4 have ARMv8.0."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert half_precision_runs_here(machine=machine, cpuinfo=cpuinfo) is runs


@pytest.mark.parametrize(
    ("precision", "runtime_name", "able", "chosen"),
    [
        ("full", "litert", True, "full"),
        ("half", "litert", True, "half"),
        ("half", "auto", True, "half"),
        ("auto", "litert", True, "half"),
        ("auto", "litert", False, "full"),
        ("auto", "mediapipe", True, "full"),
        ("auto", "auto", True, "full"),
    ],
)
def test_chosen_precision(precision, runtime_name, able, chosen, monkeypatch):
    """Half only for LiteRT, and only where the processor has it; "auto" leaves the choice of the runtime as it is."""
    monkeypatch.setattr(runtime, "half_precision_runs_here", lambda: able)
    monkeypatch.setattr(runtime, "mediapipe_runs_here", lambda: True)
    config = msgspec.structs.replace(CONFIG, precision=precision, runtime=runtime_name)
    assert chosen_precision(config) == chosen
    assert (chosen == "full") or chosen_runtime(config) == "litert"


def test_the_shipped_precision_is_full():
    """Half waits until somebody has measured it on a Pi 5."""
    assert CONFIG.precision == "full"


def test_half_precision_where_there_is_none(monkeypatch):
    """The message says what the processor lacks and what to set, before anything is loaded."""
    monkeypatch.setattr(runtime, "half_precision_runs_here", lambda: False)
    config = msgspec.structs.replace(CONFIG, precision="half")
    with pytest.raises(ConfigError, match=r'landmarker\.precision: "half" needs .* set "auto" or "full"'):
        live_factory(config, Path("never-read.task"))


def test_half_precision_of_mediapipe():
    """What no processor can do is an error of the configuration."""
    overrides = [("landmarker.precision", '"half"'), ("landmarker.runtime", '"mediapipe"')]
    with pytest.raises(ConfigError, match=r"landmarker\.precision.*MediaPipe computes in full precision only"):
        load_config(Path(os.devnull), overrides=overrides, environ={})


def test_landmarkers_side_by_side_share_the_models(monkeypatch):
    """LiteRT refers to the bundle's 9 MB as long as it runs: one file serves all workers."""
    files = []

    def interpreter(*, model_path, **options):
        files.append(model_path)
        return Interpreter(model_path=model_path, **options)

    monkeypatch.setattr(network, "Interpreter", interpreter)
    config = msgspec.structs.replace(CONFIG, runtime="litert")
    create = live_factory(config, find_model("lite", masks=False).path)
    landmarkers = [create(lambda ts_ms, poses: None, lambda: None) for _ in range(2)]
    detector, landmarks, same_detector, same_landmarks = files
    assert detector is same_detector
    assert landmarks is same_landmarks
    assert min(len(detector.read()), len(landmarks.read())) > 3_000_000
    for landmarker in landmarkers:
        landmarker.close()


def test_litert_imports_no_mediapipe():
    """Nor matplotlib or anything else of its company: start-up and memory are the point."""
    code = (
        "import sys, msgspec; from piapp.config.load import default_config\n"
        "from piapp.landmarker.model import find_model\n"
        "from piapp.landmarker.runtime import offline_landmarker\n"
        "config = msgspec.structs.replace(default_config().landmarker, runtime='litert')\n"
        "offline_landmarker(config, find_model('lite', masks=False).path, video=True).close()\n"
        "print(sorted({'mediapipe', 'matplotlib', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "['ai_edge_litert']"
