#!/usr/bin/env python3
"""Judges the whole chain, landmarker and search included, on pictures of simulated bodies.

    tests/synth/setup.sh
    .cache/synth/venv/bin/python tests/synth/simulated.py --hours 4 --falls 100
    .cache/synth/venv/bin/python tests/synth/simulated.py --hours 0 --falls 5 --sheet /tmp/sheets

The motions and cameras are those of `python -m models.falls.simulate`, none of which was trained on. There, a model of
the landmarker's error turns joints into landmarks; here the bodies are drawn, and the landmarker itself looks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from body import Look
from camera import Camera
from generate import MODEL, dressed, sheet
from puppet import TO_MESH, Puppet
from render import Renderer, Sensor
from room import HALF, Quad, empty_room, furniture

from models.falls.camera import Camera as FilmCamera
from models.falls.camera import Shot
from models.falls.motion import FPS, HIPS, KNEES, Clip
from models.falls.simulate import judge_falls, judge_life
from piapp.config.load import default_config
from piapp.config.sections import Config
from piapp.fall_model import monitor_of
from piapp.landmarker.offline import OfflineStage
from piapp.types import PoseResult

Rng = np.random.Generator
Image = npt.NDArray[np.uint8]
Block = tuple[np.ndarray, np.ndarray]  # centre and half size, as the simulation has them

RATE_HZ = 10.0
WIDTH_PX = 640
SKINS = ((0.80, 0.52, 0.38), (0.62, 0.38, 0.26), (0.30, 0.17, 0.11))
# Metres, of a body of usual size: hips of those who sit, how far their knees may be lower, and what sits below hips.
_SEATED, _LEVEL, _SEAT_BELOW_HIPS_M = (0.3, 0.7), 0.15, 0.11
_ON_SOMETHING_M = 0.25  # height of the body's lowest point from which it lies on something
_STILL_FRAMES, _STILL_M = FPS // 2, 0.06
_BODY_TO_WALL_M, _CAMERA_TO_WALL_M = 1.5, 0.3  # at least; there are cupboards at the walls


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Judge landmarker, search and posture logic on drawn simulated bodies")
    parser.add_argument("--falls", type=int, default=100)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--first", type=int, default=0, help="begin with this clip")
    parser.add_argument("--runtime", choices=("mediapipe", "litert"), default="mediapipe")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet of each clip there")
    arguments = parser.parse_args()
    defaults = default_config()
    landmarker = msgspec.structs.replace(defaults.landmarker, runtime=arguments.runtime)
    config = msgspec.structs.replace(defaults, landmarker=landmarker)
    if arguments.sheet:
        arguments.sheet.mkdir(parents=True, exist_ok=True)

    def watch(clip: Clip, shot: Shot, rng: Rng, name: str) -> list[float]:
        return seen_falls(config, clip, shot, rng, name=name, sheets=arguments.sheet)

    if arguments.hours:
        judge_life(watch, arguments.hours, first=arguments.first, rate_hz=RATE_HZ)
    if arguments.falls:
        for recommended in (True, False):
            judge_falls(watch, arguments.falls, recommended=recommended, first=arguments.first, rate_hz=RATE_HZ)


def seen_falls(config: Config, clip: Clip, shot: Shot, rng: Rng, *, name: str, sheets: Path | None) -> list[float]:
    """When the node would report a fall, in seconds of the clip, which is drawn and seen frame by frame."""
    monitor, falls_s, images, results = monitor_of(config), [], [], []
    with OfflineStage(config.landmarker, MODEL, video=True) as stage:
        for at_s, image in zip(shot.times_s.tolist(), pictures(clip, shot, rng), strict=True):
            ts_ms = int(at_s * 1000)
            size = image.shape[1], image.shape[0]
            result = PoseResult(ts_ms, ts_ms * 1_000_000, size, stage.detect(image, ts_ms))
            falls_s += [at_s for event in monitor.update(result)[1] if event.event_type == "fall"]
            results.append(result)
            if sheets:
                images.append(image)
    seen = np.mean([bool(result.poses) for result in results])
    sys.stderr.write(f"{name} {clip.kind}: {len(results)} frames, seen {seen:.0%}, falls {falls_s}, {clip.impact_s}\n")
    if sheets:
        sheet(sheets / f"{name}_{clip.kind}.png", images, results)
    return falls_s


def pictures(clip: Clip, shot: Shot, rng: Rng) -> Iterator[Image]:
    """The frames of a shot, (height, width, 3) uint8 RGB."""
    puppet = Puppet(dressed(_look(rng)), clip.human)
    low, high = _used(clip, shot.camera)
    middle = np.append((low + high) / 2, 0.0)
    stretch = max(1.0, float((high - low).max()) / 2 / HALF)
    blocks = [*shot.boxes, *_supports(clip)]
    still = [*_tinted(_wider(empty_room(), stretch), rng), *_drawn(blocks, middle, rng)]
    camera = _camera(shot.camera, middle)
    renderer = Renderer([puppet.figure], still, camera, rng.uniform(0.6, 1.3), stretch)
    sensor = Sensor(noise=rng.uniform(1, 6), blur_px=rng.uniform(0.3, 1.0))
    shift = (TO_MESH @ middle).astype(np.float32)
    frames = np.clip(np.rint(shot.shown_s * FPS).astype(int), 0, len(clip.frames) - 1)
    for frame in frames:
        image = renderer.draw([puppet.vertices(clip.frames[frame]) - shift])
        yield sensor.degrade(image, rng)
    renderer.release()


def _used(clip: Clip, camera: FilmCamera) -> tuple[np.ndarray, np.ndarray]:
    """Both ends (x, y) of what the room has to hold."""
    hips = clip.points[:, HIPS, :2].mean(axis=1)
    low = np.minimum(hips.min(axis=0) - _BODY_TO_WALL_M, camera.place[:2] - _CAMERA_TO_WALL_M)
    return low, np.maximum(hips.max(axis=0) + _BODY_TO_WALL_M, camera.place[:2] + _CAMERA_TO_WALL_M)


def _look(rng: Rng) -> Look:
    shirt, trousers = (tuple(rng.uniform(0.03, 0.7, 3)) for _ in range(2))
    return Look(
        str(rng.choice(["male", "female"])), str(rng.choice(["young", "old"])), shirt, trousers,
        SKINS[rng.integers(len(SKINS))], long_sleeves=bool(rng.random() < 0.5),
    )  # fmt: skip


def _camera(camera: FilmCamera, middle: np.ndarray) -> Camera:
    """The simulated camera in the drawn room, its picture at most WIDTH_PX wide."""
    width, height = camera.size
    shrink = min(1.0, WIDTH_PX / width)
    eye = TO_MESH @ (camera.place - middle)
    _, down, ahead = camera.axes
    field_deg = float(np.degrees(2 * np.arctan(width / 2 / camera.focal_px)))
    size = round(width * shrink), round(height * shrink)
    return Camera(tuple(eye), tuple(eye + TO_MESH @ ahead), field_deg, *size, up=tuple(TO_MESH @ -down))


def _supports(clip: Clip) -> Iterator[Block]:
    """What stands under somebody who lies or sits on something that the simulation leaves out."""
    if clip.boxes:
        return
    blocks: list[Block] = []
    for shape in (_bed_under, _seat_under):
        for frame in _still_frames(clip):
            block = shape(clip, frame)
            if block is not None and not any(_over(block[0], other) for other in blocks):
                blocks.append(block)
    yield from blocks


def _still_frames(clip: Clip) -> Iterator[int]:
    for frame in range(0, len(clip.frames) - _STILL_FRAMES, _STILL_FRAMES):
        before, after = clip.points[[frame, frame + _STILL_FRAMES]][:, HIPS].mean(axis=1)
        if np.linalg.norm(after - before) < _STILL_M:
            yield frame


def _bed_under(clip: Clip, frame: int) -> Block | None:
    """A bed under somebody whose lowest point is well above the floor."""
    clip.human.pose(clip.frames[frame])
    top_m = clip.human.lowest_m()
    trunk = clip.points[frame, [*range(13), *HIPS, *KNEES], :2]
    return _block(trunk.min(axis=0) - 0.25, trunk.max(axis=0) + 0.25, top_m) if top_m > _ON_SOMETHING_M else None


def _seat_under(clip: Clip, frame: int) -> Block | None:
    """A stool under somebody whose thighs are level and whose feet are on the floor."""
    hips, knees = clip.points[frame, HIPS].mean(axis=0), clip.points[frame, KNEES].mean(axis=0)
    if not (_SEATED[0] < hips[2] / clip.size < _SEATED[1] and hips[2] - knees[2] < _LEVEL * clip.size):
        return None
    behind = hips[:2] - 0.15 * (knees[:2] - hips[:2])
    return _block(behind - 0.22, behind + 0.22, hips[2] - _SEAT_BELOW_HIPS_M * clip.size)


def _block(low: np.ndarray, high: np.ndarray, top_m: float) -> Block:
    return np.append((low + high) / 2, top_m / 2), np.append((high - low) / 2, top_m / 2)


def _over(centre: np.ndarray, block: Block) -> bool:
    """Whether a place lies within a block's outline, or close to it."""
    return bool((np.abs(centre - block[0])[:2] < block[1][:2] + 0.2).all())


def _drawn(blocks: Sequence[Block], middle: np.ndarray, rng: Rng) -> Iterator[Quad]:
    for centre, half in blocks:
        ends = [TO_MESH @ (centre + sign * half - middle) for sign in (-1, 1)]
        yield from furniture((tuple(ends[0]), tuple(ends[1]), tuple(rng.uniform(0.05, 0.6, 3))))


def _wider(quads: Sequence[Quad], stretch: float) -> Iterator[Quad]:
    for quad in quads:
        yield replace(quad, corners=tuple((x * stretch, y, z * stretch) for x, y, z in quad.corners))


def _tinted(quads: Iterator[Quad], rng: Rng) -> Iterator[Quad]:
    tint = rng.uniform(0.6, 1.25, 3)
    for quad in quads:
        yield replace(quad, color=tuple(np.clip(np.array(quad.color) * tint, 0, 1)))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
