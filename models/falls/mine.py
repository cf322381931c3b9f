"""Adds windows that a first network takes for falls and that are none, so that the next one learns from its mistakes.

    python -m models.falls.mine --net .cache/falls/first.npz --out .cache/falls

Ordinary life, each piece seen by two cameras. Left out is what even a person cannot tell from a fall by the movement
alone, such as lying down on the floor: learnt from too often, it hides real falls.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.falls import life, low
from models.falls.camera import film
from models.falls.generate import VIEWS, write_windows
from models.falls.landmarker import observe
from models.falls.sight import stream
from models.falls.windows import ERRORS, Sample
from piapp.posture.fall_decision import came_down
from piapp.posture.fall_net import FallNet

SEED = 20261128
CLIPS_A_SHARD = 1000
# Shares of life as it is, of life that is chosen to look like falls, and of life that is low already.
MIXTURES = ((0.6, life.DAILY), (0.25, life.KINDS), (0.15, low.LIFE))
LIKE_FALLS = frozenset({
    "lies_on_floor", "lies_from_floor", "drops_onto_bed", "sits_on_floor", "toddles", "crawls", "rests", "gets_up",
    "settles_from_knees",
})  # fmt: skip
LEAST_LOGIT = -1.5
WINDOWS_A_VIEW = 12


def mistakes(net: FallNet, seed: int, index: int) -> list[Sample]:
    """Windows of one piece of life that the network is not sure are calm; the same seed and index give the same."""
    rng = np.random.default_rng([seed, index])
    shares = [share for share, _ in MIXTURES]
    _, chances = MIXTURES[np.searchsorted(np.cumsum(shares), rng.random(), side="right")]
    clip = life.random_life(rng, chances)
    found = []
    for _ in range(VIEWS):
        sight = observe(film(rng, clip), clip.size, rng, ERRORS.get(clip.kind, 1.0))
        windows = [window for window in stream(sight) if came_down(window.motion)]
        wrong = [window.channels for window in windows if net.logit(window.channels) > LEAST_LOGIT]
        if len(wrong) > WINDOWS_A_VIEW:
            wrong = [wrong[i] for i in np.sort(rng.choice(len(wrong), WINDOWS_A_VIEW, replace=False))]
        if wrong and clip.kind not in LIKE_FALLS:
            found.append(Sample(np.stack(wrong).astype(np.float16), np.zeros(len(wrong)), clip.kind))
    return found


def main() -> None:
    """Write the shards that are missing."""
    parser = argparse.ArgumentParser(description="Add simulated life that a first network takes for falls")
    parser.add_argument("--net", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--out", type=Path, default=Path(".cache/falls"))
    arguments = parser.parse_args()
    with np.load(arguments.net) as arrays:
        net = FallNet({name: arrays[name] for name in arrays.files})
    for first in range(0, arguments.clips, CLIPS_A_SHARD):
        path = arguments.out / f"{SEED}-{first:06d}.npz"
        if not path.exists():
            indices = range(first, first + CLIPS_A_SHARD)
            # Clips are numbered on from those of `generate`, none of which has so high a number.
            write_windows(path, [(10**6 + index, view) for index in indices for view in mistakes(net, SEED, index)])
            print(path, flush=True)


if __name__ == "__main__":
    main()
