"""Judges the fall detector on simulated falls and days of ordinary life that it was not trained on.

    python -m models.falls.simulate --falls 1000 --hours 48

An hour of ordinary life holds thirty activities; most people walk, sit and bend, and lie down on the floor twice in a
day. Each is filmed whole by a camera at any place. In between people are still or away.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from models.falls import life
from models.falls.camera import film
from models.falls.judge import line, wilson
from models.falls.landmarker import observe
from models.falls.motion import Clip
from models.falls.sight import stream
from models.falls.windows import ERRORS, random_clip
from piapp.posture.fall_decision import FALL_THRESHOLDS, FallDecision
from piapp.posture.fall_net import FallNet

SEED = 7_000_000  # far from the seed of training
ACTIVITIES_AN_HOUR = 30
DAILY = {
    life.walks: 22, life.passes: 14, life.sits: 18, life.leans_in_chair: 8, life.bends: 14, life.squats: 5,
    life.kneels: 3,
    life.drops_into_seat: 6, life.lies_on_bed: 1, life.drops_onto_bed: 0.5, life.rests: 2, life.gets_up: 1,
    life.sits_on_floor: 1.5, life.lies_on_floor: 0.4, life.exercises: 0.8, life.stumbles: 0.5, life.crawls: 0.6,
    life.toddles: 1, life.jumps: 0.5,
}  # fmt: skip


def detections(
    clip: Clip, net: FallNet, rng: np.random.Generator, *, recommended: bool, whole: bool
) -> dict[str, float]:
    """For each sensitivity that finds a fall in one view, the first time (s) at which it does."""
    sight = observe(film(rng, clip, recommended=recommended, whole=whole), clip.size, rng, ERRORS.get(clip.kind, 1.0))
    deciders = {name: FallDecision(threshold) for name, threshold in FALL_THRESHOLDS.items()}
    found: dict[str, float] = {}
    for window in stream(sight, 0.0):
        probability = net.probability(window.channels)
        for name, decision in deciders.items():
            if decision.step(window, probability) is not None:
                found.setdefault(name, window.ts_ms / 1000)
    return found


def judge_falls(net: FallNet, count: int, *, recommended: bool) -> None:
    """Print the share of falls that are found."""
    hits, early, delays = Counter[str](), 0, []
    by_kind: dict[str, list[bool]] = {}
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        clip = random_clip(rng, 1.0)
        assert clip.onset_s is not None
        assert clip.impact_s is not None
        found = detections(clip, net, rng, recommended=recommended, whole=False)
        hits.update(list(found))
        by_kind.setdefault(clip.kind, []).append("normal" in found)
        if "normal" in found:
            early += found["normal"] < clip.onset_s
            delays.append(found["normal"] - clip.impact_s)
    place = "recommended places" if recommended else "any place"
    for name in FALL_THRESHOLDS:
        print(f"falls, {place}, {name}: {line(hits[name], count)}")
    middle, late = np.quantile(delays, (0.5, 0.9))
    print(f"  {early} before the fall; delay {middle:.2f} s, nine tenths under {late:.2f} s")
    print("  " + ", ".join(f"{kind} {sum(found)}/{len(found)}" for kind, found in sorted(by_kind.items())))


def judge_life(net: FallNet, hours: float) -> None:
    """Print false falls an hour of ordinary life."""
    activities = round(hours * ACTIVITIES_AN_HOUR)
    wrong: dict[str, Counter[str]] = {name: Counter() for name in FALL_THRESHOLDS}
    for index in range(activities):
        rng = np.random.default_rng([SEED + 1, index])
        clip = life.random_life(rng, DAILY)
        for name in detections(clip, net, rng, recommended=False, whole=True):
            wrong[name][clip.kind] += 1
    for name, kinds in wrong.items():
        count = kinds.total()
        low, high = (share * ACTIVITIES_AN_HOUR for share in wilson(count, activities))
        rate = f"{count / hours:.3f} an hour ({low:.3f} to {high:.3f})"
        print(f"life, {hours:g} h, {name}: {count} false, {rate} {dict(kinds)}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Judge the fall detector on simulated falls and ordinary life")
    parser.add_argument("--falls", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--model", type=Path, default=Path("models/fall_detector.npz"))
    arguments = parser.parse_args()
    with np.load(arguments.model) as arrays:
        net = FallNet({name: arrays[name] for name in arrays.files})
    for recommended in (True, False):
        judge_falls(net, arguments.falls, recommended=recommended)
    judge_life(net, arguments.hours)


if __name__ == "__main__":
    main()
