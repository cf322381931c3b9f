"""Judges the posture logic with the fall detector on simulated falls and days of ordinary life.

    python -m models.falls.simulate --falls 500 --hours 48

None of them was trained on. An hour of ordinary life holds thirty activities; people walk, sit and bend most, and lie
down on the floor once in five hours. Each activity is seen whole, by a camera at any place. In between people are still
or away.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

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


Watch = Callable[[Clip, Shot, np.random.Generator, str], Sequence[float]]
"""Gives when a fall is reported in a view of a clip, in seconds of the clip; the text names the view."""


def first_fall_s(config: Config, clip: Clip, shot: Shot, rng: np.random.Generator, _name: str) -> list[float]:
    """When the posture logic first reports a fall in what the simulated landmarker makes of a view; empty without."""
    monitor = monitor_of(config)
    for result in results(observe(shot, clip.size, rng, ERRORS.get(clip.kind, 1.0))):
        if any(event.event_type == "fall" for event in monitor.update(result)[1]):
            return [result.ts_ms / 1000]
    return []


def judge_falls(
    watch: Watch,
    count: int,
    kinds: Mapping[tumbles.Beginning, float] = tumbles.KINDS,
    *,
    recommended: bool,
    first: int = 0,
    rate_hz: float | None = None,
) -> None:
    """Print the share of falls that are found, not before they begin, and the same of those that are in view."""
    delays: list[float] = []
    by_kind: dict[str, list[bool]] = {}
    in_view: list[bool] = []
    place = "recommended" if recommended else "any"
    for index in range(first, first + count):
        rng = np.random.default_rng([SEED, index])
        clip = random_clip(rng, 1.0, kinds)
        assert clip.onset_s is not None
        assert clip.impact_s is not None
        shot = film(rng, clip, recommended=recommended, rate_hz=rate_hz, whole=True)
        found_s = [at_s for at_s in watch(clip, shot, rng, f"{place}_{index}") if at_s >= clip.onset_s]
        by_kind.setdefault(clip.kind, []).append(bool(found_s))
        if fall_in_view(shot, clip):
            in_view.append(bool(found_s))
        delays += [at_s - clip.impact_s for at_s in found_s[:1]]
    print(f"{'low falls' if kinds is low.FALLS else 'falls'}, {place} place: {line(len(delays), count)}{_late(delays)}")
    print(f"  in view: {line(sum(in_view), len(in_view))}")
    print("  " + ", ".join(f"{kind} {sum(found)}/{len(found)}" for kind, found in sorted(by_kind.items())), flush=True)


def _late(delays_s: Sequence[float]) -> str:
    if not delays_s:
        return ""
    middle, late = np.quantile(delays_s, (0.5, 0.9))
    return f"; after impact {middle:.2f} s, nine tenths under {late:.2f} s"


def judge_life(watch: Watch, hours: float, *, first: int = 0, rate_hz: float | None = None) -> None:
    """Print false falls an hour of ordinary life."""
    activities = round(hours * ACTIVITIES_AN_HOUR)
    wrong: Counter[str] = Counter()
    for index in range(first, first + activities):
        rng = np.random.default_rng([SEED + 1, index])
        clip = life.random_life(rng, life.DAILY)
        if watch(clip, film(rng, clip, rate_hz=rate_hz, whole=True), rng, f"life_{index}"):
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
    watch = partial(first_fall_s, config)
    judge_life(watch, arguments.hours)
    for kinds in (tumbles.KINDS, low.FALLS):
        for recommended in (True, False):
            judge_falls(watch, arguments.falls, kinds, recommended=recommended)


if __name__ == "__main__":
    main()
