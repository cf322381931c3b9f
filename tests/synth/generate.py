#!/usr/bin/env python3
"""Renders synthetic clips, runs them through the Pose Landmarker, and writes recordings with their ground truth.

    tests/synth/setup.sh
    .cache/synth/venv/bin/python tests/synth/generate.py all
    .cache/synth/venv/bin/python tests/synth/generate.py fall_back_corner --sheet /tmp/sheets --clip /tmp/clips

See README.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from body import Figure, Look
from motion import Moment, Performer
from render import Renderer
from room import Quad, empty_room, moved
from scenes import SCENES, Scene
from truth import ground_truth, write_truth

from piapp.config.load import default_config
from piapp.config.sections import LandmarkerConfig
from piapp.landmarker.offline import OfflineStage
from piapp.offline.recording import write_recording
from piapp.types import SKELETON, PoseResult

ROOT = Path(__file__).resolve().parents[2]
RECORDINGS = ROOT / "tests/recordings"
MODEL = ROOT / "models/pose_landmarker_lite_landmarks.task"
SEAT_BELOW_HIPS_M = 0.105
SEAT_BEHIND_HIPS_M = -0.03

Image = npt.NDArray[np.uint8]


def main() -> int:
    """Do what the command line asks; 0 when every scene was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="+", help="'all', or: " + ", ".join(SCENES))
    parser.add_argument("--out", type=Path, default=RECORDINGS, help="where recordings and ground truth go")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet per scene, with the landmarks found")
    parser.add_argument("--clip", type=Path, help="also write the clips there")
    arguments = parser.parse_args()
    names = list(SCENES) if arguments.scenes == ["all"] else arguments.scenes
    if unknown := sorted(set(names) - set(SCENES)):
        parser.error(f"no such scene: {', '.join(unknown)}; there are {', '.join(SCENES)}")
    _defaults()  # a broken configuration shows before the first picture is drawn
    for folder in filter(None, (arguments.out, arguments.sheet, arguments.clip)):
        folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        _make(SCENES[name], arguments.out, arguments.sheet, arguments.clip)
    return 0


def _make(scene: Scene, out: Path, sheets: Path | None, clips: Path | None) -> None:
    started = time.monotonic()
    played = _play(scene)
    images = list(_pictures(scene, played))
    results = _landmarks(scene, images)
    write_recording(out / f"{scene.name}.npz", results)
    write_truth(out / f"{scene.name}.json", ground_truth(scene, played))
    if clips:
        _write_clip(clips / f"{scene.name}.mp4", scene, images)
    if sheets:
        sheet(sheets / f"{scene.name}.png", images, results)
    seen = np.mean([len(result.poses) >= len(scene.cast) for result in results])
    took = time.monotonic() - started
    sys.stderr.write(f"{scene.name}: {len(images)} frames, everybody found in {seen:.0%}, {took:.0f} s\n")


def _play(scene: Scene) -> list[list[Moment]]:
    return [Performer(dressed(look), script).perform(scene.fps, scene.seconds) for look, script in scene.cast]


@cache
def dressed(look: Look) -> Figure:
    """A figure; made once for each look."""
    return Figure(look)


def _pictures(scene: Scene, played: Sequence[Sequence[Moment]]) -> Iterator[Image]:
    still = [*empty_room(), *scene.still, *_seats(scene, played)]
    renderer = Renderer([dressed(look) for look, _ in scene.cast], still, scene.camera, scene.sensor.exposure)
    rng = np.random.default_rng(1)
    for moments in zip(*played, strict=True):
        carried = scene.carried(moments[0]) if scene.carried else ()
        image = renderer.draw([m.vertices for m in moments], carried)
        yield scene.sensor.degrade(image, rng)
    renderer.release()


def _seats(scene: Scene, played: Sequence[Sequence[Moment]]) -> Iterator[Quad]:
    """A seat under everybody who sits at some time."""
    if scene.seat is None:
        return
    for moments in played:
        seated = [moment for moment in moments if moment.label == "sitting"]
        if seated:
            moment = seated[len(seated) // 2]
            ahead = np.radians(moment.yaw)
            x = moment.hips[0] + SEAT_BEHIND_HIPS_M * np.sin(ahead)
            z = moment.hips[2] + SEAT_BEHIND_HIPS_M * np.cos(ahead)
            yield from moved(scene.seat(moment.hips[1] - SEAT_BELOW_HIPS_M), x, z, moment.yaw)


def _landmarks(scene: Scene, images: Sequence[Image]) -> list[PoseResult]:
    config = msgspec.structs.replace(_defaults(), num_poses=len(scene.cast))
    size = scene.camera.width, scene.camera.height
    results = []
    with OfflineStage(config, MODEL, video=True) as stage:
        for i, image in enumerate(images):
            ts_ms = round(1000 * i / scene.fps)
            results.append(PoseResult(ts_ms, ts_ms * 1_000_000, size, stage.detect(image, ts_ms)))
    return results


@cache
def _defaults() -> LandmarkerConfig:
    return default_config().landmarker


def _write_clip(path: Path, scene: Scene, images: Sequence[Image]) -> None:
    size = f"{scene.camera.width}x{scene.camera.height}"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(scene.fps), "-i", "-"]
    coded = ["-c:v", "libx264", "-preset", "slow", "-crf", "24", "-g", "30", "-pix_fmt", "yuv420p"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *raw, *coded, "-movflags", "+faststart", str(path)]
    subprocess.run(command, input=b"".join(image.tobytes() for image in images), check=True)


def sheet(path: Path, images: Sequence[Image], results: Sequence[PoseResult], columns: int = 6) -> None:
    """Write a contact sheet of a clip with its skeletons."""
    picked = np.linspace(0, len(images) - 1, columns * 4).round().astype(int)
    tiles = [_drawn(images[i], results[i]) for i in picked]
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1])


def _drawn(image: Image, result: PoseResult, width: int = 320) -> Image:
    height = width * image.shape[0] // image.shape[1]
    tile = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    for pose in result.poses:
        points = (pose.landmarks[:, :2] * (width, height)).round().astype(int)
        for a, b in SKELETON:
            cv2.line(tile, points[a].tolist(), points[b].tolist(), (60, 255, 60), 1, cv2.LINE_AA)
    cv2.putText(tile, f"{result.ts_ms / 1000:.2f}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 0), 1)
    return tile


if __name__ == "__main__":
    raise SystemExit(main())
