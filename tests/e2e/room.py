"""`piapp run` in a room that goes on by itself: a fake camera, and landmarks recorded from the bundled clip.

Run as a program: `room.py EPOCH_NS ...` with the arguments of `piapp`. What is seen is where the clip is now, if it
began at EPOCH_NS (`CLOCK_MONOTONIC`), however often the process is killed and started again. At its end it stands
still. `room.py @SECONDS ...` begins at that second of the clip when the camera is opened, however long the start takes;
`@SECONDS:FILE` notes the beginning in the file, and goes on from there when it is started again.
"""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from pathlib import Path

from piapp.cli.app import run_command
from piapp.config.sections import Config
from piapp.landmarker.live import OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.node import app
from piapp.node.assembly import NodeParts
from piapp.offline.recording import read_recording
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker
from piapp.types import Frame, Pose
from piapp.whole_file import write_whole

RECORDING = Path(__file__).parents[1] / "recordings" / "room_demo.npz"
FPS = 15.0


class RoomCamera(FakeCamera):
    """Tells the log when it is opened and closed."""

    def __init__(self) -> None:
        super().__init__(fps=FPS)
        sys.stderr.write("room: camera opened\n")

    def close(self) -> None:
        """Stop."""
        super().close()
        sys.stderr.write("room: camera closed\n")


def noted_beginning(begin_s: float, file: Path | None) -> int:
    """When the clip began (`CLOCK_MONOTONIC` ns): as the file has it, or so that it is at that second now."""
    if file and file.exists():
        return int(file.read_text())
    epoch_ns = time.monotonic_ns() - int(begin_s * 1e9)
    if file:
        write_whole(file, str(epoch_ns).encode(), mode=0o600)
    return epoch_ns


def main() -> int:
    """Run the command line with the room for a camera."""
    begin, _, noted = sys.argv[1].partition(":")
    epoch_ns = None if begin.startswith("@") else int(begin)
    results = read_recording(RECORDING)
    times_ms = [result.ts_ms for result in results]

    def open_camera() -> RoomCamera:
        nonlocal epoch_ns
        if epoch_ns is None:
            epoch_ns = noted_beginning(float(begin[1:]), Path(noted) if noted else None)
        return RoomCamera()

    def poses(frame: Frame) -> tuple[Pose, ...]:
        assert epoch_ns is not None, "no frame comes before the camera is open"
        at_ms = (frame.captured_ns - epoch_ns) / 1e6
        return results[max(0, bisect_right(times_ms, at_ms) - 1)].poses

    def factory(on_result: OnResult, on_compute: OnCompute) -> FakeLandmarker:
        return FakeLandmarker(on_result, on_compute, poses=poses)

    def make_parts(config: Config) -> NodeParts:
        return NodeParts(open_camera, factory, find_model(config.landmarker.model, masks=False))

    app.make_parts = make_parts
    return run_command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
