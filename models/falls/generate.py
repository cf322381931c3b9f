"""Makes shards of training windows in a folder, each of its own seed, so that work can be stopped and taken up again.

python -m models.falls.generate --out .cache/falls
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.falls import life, low, tumbles
from models.falls.windows import Sample, random_clip, sample

SEED = 20261127
CLIPS_A_SHARD = 500
VIEWS = 2


@dataclass(frozen=True, slots=True)
class Part:
    """Motions of one mixture.

    Attributes:
        clips: How many.
        fall_share: Of falls among them.
        first_number: Of its clips, so that no two in the folder have the same.
    """

    seed: int
    clips: int
    fall_share: float
    falls: Mapping[tumbles.Beginning, float]
    calm: Mapping[life.Activity, float]
    first_number: int


PARTS = (
    Part(SEED, 12_000, 0.38, tumbles.KINDS, life.KINDS, 0),
    Part(SEED + 2, 5_000, 0.45, low.FALLS, low.LIFE, 2_000_000),
)


def clip_samples(part: Part, index: int) -> list[Sample]:
    """The views of one clip; the same part and index give the same."""
    rng = np.random.default_rng([part.seed, index])
    clip = random_clip(rng, part.fall_share, part.falls, part.calm)
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
    parser.add_argument("--out", type=Path, default=Path(".cache/falls"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        for first in range(0, part.clips, CLIPS_A_SHARD):
            path = folder / f"{part.seed}-{first:06d}.npz"
            if not path.exists():
                indices = range(first, first + CLIPS_A_SHARD)
                numbered = ((index, view) for index in indices for view in clip_samples(part, index))
                write_windows(path, [(part.first_number + index, view) for index, view in numbered])
                print(path, flush=True)


if __name__ == "__main__":
    main()
