"""What a simulated node sees: the bundled recording, looked at by the posture logic once, for any number of nodes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from piapp.config.sections import Config
from piapp.offline.replay import Step, replay


def recording() -> Path:
    """The bundled recording: what the landmarker sees in `piapp demo`'s clip."""
    return Path(str(resources.files("piapp").joinpath("media", "room_demo.npz")))


def make_script(config: Config) -> tuple[Step, ...]:
    """Run the posture logic over the recording, with the configuration's thresholds and zones."""
    return tuple(replay(recording(), config))
