"""Writes a few simulated recordings for the tests, with what happens in them.

python -m models.falls.examples --out tests/recordings/simulated
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.falls import life, tumbles
from models.falls.camera import film
from models.falls.landmarker import observe
from models.falls.motion import Clip
from models.falls.sight import results
from piapp.offline.recording import write_recording

SEED = 8_000_000
FALLS = (tumbles.faint, tumbles.trip, tumbles.from_bending, tumbles.braced, tumbles.from_chair, tumbles.while_rising)
CALM = (life.walks, life.drops_into_seat, life.bends, life.squats, life.kneels, life.sits_on_floor)
RATE_HZ = 10.0


def example(index: int, make: Callable[[np.random.Generator], Clip | None]) -> tuple[Clip, np.random.Generator]:
    """A clip of a kind: the first of its seed that works."""
    rng = np.random.default_rng([SEED, index])
    while (clip := make(rng)) is None:
        pass
    return clip, rng


def main() -> None:
    """Write the recordings and truth.json."""
    parser = argparse.ArgumentParser(description="Write simulated recordings for the tests")
    parser.add_argument("--out", type=Path, default=Path("tests/recordings/simulated"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for index, kind in enumerate((*FALLS, *CALM)):
        falls = kind in FALLS
        make = (lambda rng, k=kind: tumbles.random_fall(rng, {k: 1})) if falls else (
            lambda rng, k=kind: life.random_life(rng, {k: 1})
        )  # fmt: skip
        clip, rng = example(index, make)
        sight = observe(film(rng, clip, recommended=True, rate_hz=RATE_HZ, whole=True), clip.size, rng)
        write_recording(folder / f"{kind.__name__}.npz", results(sight))
        truth[kind.__name__] = {"onset_s": clip.onset_s, "impact_s": clip.impact_s}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
