"""`piapp run` on the bundled clip's pictures and the real model, with a camera that fails on command.

Run as a program: the arguments are those of `piapp`; the line "camera unplug" on standard input lets the camera fail.
"""

from __future__ import annotations

import sys
import threading

from piapp.camera.source import demo_clip
from piapp.camera.video import VideoFile
from piapp.cli.app import run_command
from piapp.config.sections import Config
from piapp.landmarker.model import find_model
from piapp.landmarker.runtime import live_factory
from piapp.node import app
from piapp.node.assembly import NodeParts
from piapp.testing.camera import FakeCamera

# More than the model manages, so that frames are dropped all the time.
FPS = 120.0

# From where somebody stands until they sit.
PICTURES = slice(60, 200)


def main() -> int:
    """Run the command line with a camera that obeys."""
    with VideoFile(demo_clip()) as video:
        pictures = [image for _, image in video.frames()][PICTURES]
    camera = FakeCamera(pictures, fps=FPS)

    def make_parts(config: Config) -> NodeParts:
        model = find_model(config.landmarker.model, masks=False)
        return NodeParts(lambda: camera, live_factory(config.landmarker, model.path), model)

    def obey() -> None:
        for line in sys.stdin:
            assert line == "camera unplug\n"
            camera.unplug()
            sys.stderr.write(f"switched {line}")

    app.make_parts = make_parts
    threading.Thread(target=obey, name="switches", daemon=True).start()
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
