"""`piapp run` with a fake camera and fake landmarkers; lines on standard input throw their switches.

Run as a program: the arguments are those of `piapp`. "camera freeze" calls `FakeCamera.freeze`, "landmarker hang" calls
`FakeLandmarker.hang`, and so on; "landmarker break" lets the next frame raise, "landmarker die" its own thread.
"""

from __future__ import annotations

import sys
import threading

from piapp.cli.app import run_command
from piapp.config.sections import Config
from piapp.landmarker.live import OnCompute, OnResult
from piapp.landmarker.model import find_model
from piapp.node import app
from piapp.node.assembly import NodeParts
from piapp.testing.camera import FakeCamera
from piapp.testing.landmarker import FakeLandmarker
from piapp.types import Frame

NEVER_S = 3600.0


class BreakableLandmarker(FakeLandmarker):
    """A fake that can also raise, as a bug of ours would."""

    broken = False

    def submit(self, frame: Frame) -> None:
        """Take one frame, or raise."""
        if self.broken:
            raise ZeroDivisionError("broken on command")
        super().submit(frame)

    def break_(self) -> None:
        """Raise at the next frame."""
        self.broken = True

    def die(self) -> None:
        """Fail where frames are worked on."""
        self.fail(MemoryError("died on command"))


def main() -> int:
    """Run the command line with fakes for parts."""
    camera = FakeCamera(fps=30.0, frame_timeout_s=NEVER_S)
    landmarkers: list[BreakableLandmarker] = []

    def factory(on_result: OnResult, on_compute: OnCompute) -> BreakableLandmarker:
        landmarkers.append(BreakableLandmarker(on_result, on_compute))
        return landmarkers[-1]

    def make_parts(config: Config) -> NodeParts:
        return NodeParts(camera.open, factory, find_model(config.landmarker.model, masks=False))

    def obey() -> None:
        for line in sys.stdin:
            part, switch = line.split()
            for fake in [camera] if part == "camera" else landmarkers:
                getattr(fake, {"break": "break_"}.get(switch, switch))()
            sys.stderr.write(f"switched {part} {switch}\n")

    app.make_parts = make_parts
    threading.Thread(target=obey, name="switches", daemon=True).start()
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
