"""Chooses what runs the model: MediaPipe, the reference, or LiteRT, which runs on every 64-bit machine.

The only place that knows both; neither is imported before a landmarker is created, in the thread that creates it.
"""

from __future__ import annotations

import importlib.util
import platform
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from piapp import extras
from piapp.config.sections import LandmarkerConfig
from piapp.errors import ConfigError
from piapp.landmarker.live import Landmarker, LandmarkerFactory, OnCompute, OnResult
from piapp.landmarker.views import StillSearch, SyncLandmarker

if TYPE_CHECKING:
    from piapp.landmarker import litert

Runtime = Literal["mediapipe", "litert"]
Precision = Literal["full", "half"]

_WANTS_MEDIAPIPE = 'landmarker.runtime = "mediapipe"'
_CPUINFO = Path("/proc/cpuinfo")
_LSE = "atomics"  # Linux' name for ARMv8.1's atomic instructions, without which MediaPipe's wheels abort
_HALF = "asimdhp"  # its name for arithmetic on vectors of half precision, which came with ARMv8.2


def chosen_runtime(config: LandmarkerConfig) -> Runtime:
    """What `landmarker.runtime` names; for "auto" MediaPipe where it is installed and this processor can run it.

    Half precision is LiteRT's alone, so where it is asked for "auto" means LiteRT.
    """
    if config.runtime != "auto":
        return config.runtime
    if config.precision == "half":
        return "litert"
    return "mediapipe" if importlib.util.find_spec("mediapipe") and mediapipe_runs_here() else "litert"


def chosen_precision(config: LandmarkerConfig) -> Precision:
    """What `landmarker.precision` names; for "auto" half where LiteRT runs the model and the processor can.

    Raises:
        ConfigError: Half precision is asked for, and this processor has none.
    """
    if config.precision == "full" or chosen_runtime(config) == "mediapipe":
        return "full"
    if half_precision_runs_here():
        return "half"
    if config.precision == "auto":
        return "full"
    raise ConfigError(
        f'landmarker.precision: "half" needs a processor that computes in half precision, as a Raspberry Pi 5 does '
        f'({_HALF} among the Features in {_CPUINFO}), and this one does not; set "auto" or "full"'
    )


def mediapipe_runs_here(*, machine: str | None = None, cpuinfo: Path = _CPUINFO) -> bool:
    """Whether MediaPipe's wheels run on this processor: x86-64, or 64-bit ARM with the atomics of ARMv8.1.

    Args:
        machine: What `uname -m` says; None asks.
        cpuinfo: Where the kernel lists the processor's features.
    """
    machine = machine or platform.machine()
    return machine in ("x86_64", "AMD64") or (machine == "aarch64" and _LSE in _features(cpuinfo))


def half_precision_runs_here(*, machine: str | None = None, cpuinfo: Path = _CPUINFO) -> bool:
    """Whether XNNPACK computes in half precision on this processor: 64-bit ARM with ARMv8.2's arithmetic.

    Args:
        machine: What `uname -m` says; None asks.
        cpuinfo: Where the kernel lists the processor's features.
    """
    return (machine or platform.machine()) == "aarch64" and _HALF in _features(cpuinfo)


def _features(cpuinfo: Path) -> set[str]:
    """The kernel's names of an ARM processor's features; empty where they cannot be read."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {feature for line in lines if line.startswith("Features") for feature in line.split()[1:]}


def live_factory(config: LandmarkerConfig, model: Path) -> LandmarkerFactory:
    """A factory of landmarkers for `LiveStage`; call it in the thread that is to own the landmarker.

    Raises:
        ConfigError: This processor cannot do what is configured.
    """
    runtime = chosen_runtime(config)
    half = chosen_precision(config) == "half"
    # LiteRT's landmarkers share these two.
    turn = threading.Lock()
    models: litert.Models | None = None

    def create(on_result: OnResult, on_compute: OnCompute) -> Landmarker:
        nonlocal models
        if runtime == "mediapipe":
            with extras.mediapipe(_WANTS_MEDIAPIPE):
                from piapp.landmarker.mediapipe import LiveLandmarker  # noqa: PLC0415 - takes seconds

            return LiveLandmarker(config, model, on_result, on_compute)
        from piapp.landmarker import litert  # noqa: PLC0415 - opens libraries

        with turn:
            models = models or litert.read_models(model, half=half)
        return litert.LiveLandmarker(config, models, on_result, on_compute, turn)

    return create


def offline_landmarker(config: LandmarkerConfig, model: Path, *, video: bool) -> SyncLandmarker:
    """A synchronous landmarker, in VIDEO mode or else in IMAGE mode; call it in the thread that is to own it.

    Raises:
        ConfigError: This processor cannot do what is configured.
        ModelError: The bundle cannot be loaded.
    """
    landmarker = _runtime_landmarker(config, model, video=video)
    return landmarker if video or not config.reacquire else StillSearch(landmarker, config.num_poses)


def _runtime_landmarker(config: LandmarkerConfig, model: Path, *, video: bool) -> SyncLandmarker:
    if chosen_runtime(config) == "mediapipe":
        with extras.mediapipe(_WANTS_MEDIAPIPE):
            from piapp.landmarker.mediapipe import OfflineLandmarker  # noqa: PLC0415 - takes seconds

        return OfflineLandmarker(config, model, video=video)
    from piapp.landmarker import litert  # noqa: PLC0415 - opens libraries

    models = litert.read_models(model, half=chosen_precision(config) == "half")
    return litert.OfflineLandmarker(config, models, video=video)
