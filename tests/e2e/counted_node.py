"""A node on fakes that works through so many frames, prints its memory in kB and ends.

A program that counts instructions may run it.

Arguments: how many frames, "page" (a live page that nobody opens) or "none", and an empty folder for the state.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path

from piapp.config.load import load_config
from piapp.config.sections import Config
from piapp.landmarker.model import find_model
from piapp.node import app, assembly
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.node.days import DayFolder
from piapp.node.days_outlet import DaysOutlet
from piapp.node.outlets import LastHealth
from piapp.node.page import PageTools
from piapp.service.log_memory import LogMemory
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker

FPS = 15.0


def main(count: int, folder: Path, *, page: bool) -> None:
    """Run the node until its camera has no more frames."""
    overrides = {
        "mqtt.url": "mqtt://127.0.0.1:1",  # nobody is there, so that no network thread takes part
        "node.id": "counted",
        "spool.dir": str(folder),
        "landmarker.workers": "1",
        "power.idle_after_s": "3600",
        "health.period_s": "86400",  # what the clock makes due would come the more often, the slower counting is
        "preview.enabled": "true" if page else "false",
        "preview.port": "0",
    }
    loaded = load_config(Path(os.devnull), overrides=list(overrides.items()), environ={})
    camera = FakeCamera(paced=False, lockstep=True, count=count, fps=FPS, frame_timeout_s=3600.0)
    model = find_model(loaded.config.landmarker.model, masks=False)

    def days_by_frames(_folder: object, _node: str, config: Config) -> DaysOutlet | None:
        """What sums up the days, once in a second of frames, though counting makes them slow."""
        days = DayFolder(folder / "days", config.history.days)
        return DaysOutlet(days, monotonic_s=lambda: camera.delivered / FPS) if config.preview.enabled else None

    def page_tools() -> PageTools:
        """As `piapp run` makes them."""
        from piapp.operate.upkeep import Upkeep  # noqa: PLC0415 - as there

        return Upkeep(loaded, log, lambda: health.report).tools

    assembly.days_outlet = days_by_frames
    app.TICK_S, app.LOCKSTEP_BROKER_WAIT_S = 5.0, 0.0  # likewise
    health, log = LastHealth(), LogMemory()
    node = Node(
        loaded.config,
        NodeParts(camera.open, FakeLandmarker, model),
        observers=(health,),
        tools=page_tools,
    )
    node.run(threading.Event())
    assert camera.delivered == count
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    sys.stdout.write(f"{found[1]}\n")
    sys.stdout.flush()
    os._exit(0)  # what is torn down does not count


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[3]), page=sys.argv[2] == "page")
