"""Renders the pictures of the README from real runs: `make pictures`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PIAPP = Path(sys.executable).with_name("piapp")

# Seconds into the clip: standing, right hand up, sitting, on the floor.
MOMENTS_S = (5.5, 8.0, 13.0, 19.0)
CLIP_FPS = 15


def main() -> None:
    """Render all of them."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _demo_strip(scratch)
        _timeline(scratch)


def _demo_strip(scratch: Path) -> None:
    """Four moments of the demo clip with what piapp saw drawn in."""
    clip = ROOT / "piapp" / "media" / "room_demo.mp4"
    _piapp("detect", clip, "--annotate", scratch)
    video = cv2.VideoCapture(str(scratch / clip.name))
    frames = []
    for at_s in MOMENTS_S:
        video.set(cv2.CAP_PROP_POS_FRAMES, round(at_s * CLIP_FPS))
        _, frame = video.read()
        frames.append(cv2.resize(frame, (400, 300), interpolation=cv2.INTER_AREA))
    strip = np.hstack(frames)
    cv2.imwrite(str(HERE / "demo.jpg"), strip, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _timeline(scratch: Path) -> None:
    """Labels and findings of three synthetic clips over time."""
    recordings = ROOT / "tests" / "recordings"
    for name in ("room_demo", "fall_back_corner", "sit_fast_front", "pick_up_front"):
        for suffix in (".npz", ".json"):
            shutil.copy(recordings / f"{name}{suffix}", scratch)
    _piapp("evaluate", scratch, "--picture", HERE / "timeline.png")


def _piapp(*arguments: str | Path) -> None:
    subprocess.run([PIAPP, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
