"""Judges the posture logic with the fall detector on simulated falls and days of ordinary life.

    python -m models.falls.simulate --falls 500 --hours 48

None of them was trained on. An hour of ordinary life holds thirty activities; people walk, sit and bend most, and lie
down on the floor once in five hours. Each activity is seen whole, by a camera at any place. In between people are still
or away.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping

import msgspec
import numpy as np

from models.falls import life, low, tumbles
from models.falls.camera import Shot, fall_in_view, film
from models.falls.judge import line, wilson
from models.falls.landmarker import observe
from models.falls.motion import Clip
from models.falls.sight import results
from models.falls.windows import ERRORS, random_clip
from piapp.config.load import default_config
from piapp.config.sections import Config
from piapp.fall_model import monitor_of

SEED = 7_000_000  # far from the seed of training
ACTIVITIES_AN_HOUR = 30


def first_fall_s(clip: Clip, shot: Shot, config: Config, rng: np.random.Generator) -> float | None:
    """When the posture logic first reports a fall in a view of a clip; None when it does not."""
    monitor = monitor_of(config)
    for result in results(observe(shot, clip.size, rng, ERRORS.get(clip.kind, 1.0))):
        if any(event.event_type == "fall" for event in monitor.update(result)[1]):
            return result.ts_ms / 1000
    return None


def judge_falls(
    config: Config, count: int, kinds: Mapping[tumbles.Beginning, float] = tumbles.KINDS, *, recommended: bool
) -> None:
    """Print the share of falls that are found, not before they begin, and the same of those that are in view."""
    delays: list[float] = []
    by_kind: dict[str, list[bool]] = {}
    in_view: list[bool] = []
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        clip = random_clip(rng, 1.0, kinds)
        assert clip.onset_s is not None
        assert clip.impact_s is not None
        shot = film(rng, clip, recommended=recommended, whole=True)
        when_s = first_fall_s(clip, shot, config, rng)
        found = when_s is not None and when_s >= clip.onset_s
        by_kind.setdefault(clip.kind, []).append(found)
        if fall_in_view(shot, clip):
            in_view.append(found)
        if when_s is not None and found:
            delays.append(when_s - clip.impact_s)
    place = ("low falls, " if kinds is low.FALLS else "falls, ") + ("recommended" if recommended else "any") + " place"
    middle, late = np.quantile(delays, (0.5, 0.9))
    print(f"{place}: {line(len(delays), count)}; after impact {middle:.2f} s, nine tenths under {late:.2f} s")
    print(f"  in view: {line(sum(in_view), len(in_view))}")
    print("  " + ", ".join(f"{kind} {sum(found)}/{len(found)}" for kind, found in sorted(by_kind.items())), flush=True)


def judge_life(config: Config, hours: float) -> None:
    """Print false falls an hour of ordinary life."""
    activities = round(hours * ACTIVITIES_AN_HOUR)
    wrong: Counter[str] = Counter()
    for index in range(activities):
        rng = np.random.default_rng([SEED + 1, index])
        clip = life.random_life(rng, life.DAILY)
        if first_fall_s(clip, film(rng, clip, whole=True), config, rng) is not None:
            wrong[clip.kind] += 1
    low, high = (share * ACTIVITIES_AN_HOUR for share in wilson(wrong.total(), activities))
    rate = f"{wrong.total() / hours:.3f} an hour ({low:.3f} to {high:.3f})"
    print(f"life, {hours:g} h: {wrong.total()} false, {rate} {dict(wrong)}", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Judge the posture logic on simulated falls and ordinary life")
    parser.add_argument("--falls", type=int, default=500)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--sensitivity", choices=("low", "normal", "high"), default="normal")
    arguments = parser.parse_args()
    defaults = default_config()
    posture = msgspec.structs.replace(defaults.posture, fall_sensitivity=arguments.sensitivity)
    config = msgspec.structs.replace(defaults, posture=posture)
    judge_life(config, arguments.hours)
    for kinds in (tumbles.KINDS, low.FALLS):
        for recommended in (True, False):
            judge_falls(config, arguments.falls, kinds, recommended=recommended)


if __name__ == "__main__":
    main()
