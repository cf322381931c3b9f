"""Makes shards of training windows in a folder, each of its own seed, so that work can be stopped and taken up again.

python -m models.falls.generate --clips 8000 --out .cache/falls
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.falls.windows import Sample, random_clip, sample

SEED = 20261127
CLIPS_A_SHARD = 500
VIEWS = 2
FALL_SHARE = 0.38


def clip_samples(seed: int, index: int) -> list[Sample]:
    """The views of one clip; the same seed and index give the same."""
    rng = np.random.default_rng([seed, index])
    clip = random_clip(rng, FALL_SHARE)
    views = (sample(clip, rng) for _ in range(VIEWS))
    return [view for view in views if view is not None]


def write_windows(path: Path, views: list[tuple[int, Sample]]) -> None:
    """Write windows, labels, and the number of the clip that each comes from."""
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(
            file,
            windows=np.concatenate([view.windows for _, view in views]),
            labels=np.concatenate([view.labels for _, view in views]).astype(np.float32),
            clips=np.concatenate([np.full(len(view.labels), index) for index, view in views]),
            kinds=np.concatenate([np.full(len(view.labels), view.kind) for _, view in views]),
        )
    partial.rename(path)


def main() -> None:
    """Write the shards that are missing."""
    parser = argparse.ArgumentParser(description="Make training windows of simulated falls and ordinary life")
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=Path(".cache/falls"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, arguments.clips, CLIPS_A_SHARD):
        path = arguments.out / f"{arguments.seed}-{first:06d}.npz"
        if not path.exists():
            indices = range(first, first + CLIPS_A_SHARD)
            write_windows(path, [(index, view) for index in indices for view in clip_samples(arguments.seed, index)])
            print(path, flush=True)


if __name__ == "__main__":
    main()
