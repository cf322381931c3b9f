"""What a simulated node sees: the bundled recording, looked at by the posture logic once, for any number of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from piapp.config import Config
from piapp.posture.monitor import Monitor
from piapp.recording import read_recording
from piapp.types import PoseResult, PostureEvent, State


@dataclass(frozen=True, slots=True)
class Step:
    """One result of the recording and what the posture logic made of it; times are the recording's."""

    result: PoseResult
    state: State
    events: tuple[PostureEvent, ...]


def recording() -> Path:
    """The bundled recording: what the landmarker sees in `piapp demo`'s clip."""
    return Path(str(resources.files("piapp").joinpath("media", "room_demo.npz")))


def make_script(config: Config) -> tuple[Step, ...]:
    """Run the posture logic over the recording, with the configuration's thresholds and zones."""
    monitor = Monitor(config.posture, config.zones, config.camera.tilt_deg)
    return tuple(Step(result, *monitor.update(result)) for result in read_recording(recording()))
