"""The service on fakes, which hang on command: SIGUSR1 freezes the camera, SIGUSR2 the landmarkers."""

import signal
import sys
import threading

from piapp.cli.process import LogLevel, start_logging
from piapp.config.load import load_config
from piapp.errors import PiappError
from piapp.landmarker.live import Landmarker, OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.node.app import Node
from piapp.node.assembly import NodeParts
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker

config = load_config().config
stop = threading.Event()
camera = FakeCamera(frame_timeout_s=config.camera.frame_timeout_s)
landmarkers: list[FakeLandmarker] = []


def create(on_result: OnResult, on_compute: OnCompute) -> Landmarker:
    """Make a landmarker, and keep it for its switch."""
    landmarkers.append(FakeLandmarker(on_result, on_compute))
    return landmarkers[-1]


signal.signal(signal.SIGTERM, lambda *_: stop.set())
signal.signal(signal.SIGUSR1, lambda *_: camera.freeze())
signal.signal(signal.SIGUSR2, lambda *_: [landmarker.hang() for landmarker in landmarkers])
start_logging(LogLevel.INFO)
try:
    Node(config, NodeParts(lambda: camera, create, find_model("lite", masks=False))).run(stop)
except PiappError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(error.exit_code)
