import numpy as np
import pytest

from piapp.offline.evaluate.perturb import PERTURBATIONS, add_noise, drop_frames, halve_rate, perturbed, shift
from piapp.types import Pose, PoseResult


def results(count=300, period_ms=67):
    rng = np.random.default_rng(1)
    landmarks = rng.uniform(0.3, 0.6, (33, 5)).astype(np.float32)
    world = rng.uniform(-0.8, 0.8, (33, 5)).astype(np.float32)
    poses = (Pose(landmarks, world),)
    return [PoseResult(1 + i * period_ms, 0, (640, 480), poses) for i in range(count)]


def times(some):
    return [result.ts_ms for result in some]


def test_about_one_frame_in_seven_is_dropped():
    """What stays keeps its time and order."""
    original = results()
    kept = drop_frames(original, seed=3)
    assert 0.75 < len(kept) / len(original) < 0.95
    assert times(kept) == sorted(set(times(kept)) & set(times(original)))


def test_half_the_frames_and_a_later_start():
    """Halving begins with the first or the second frame; shifting leaves out one frame or two."""
    original = results(count=7)
    assert times(halve_rate(original, 0)) == times(original)[::2]
    assert times(halve_rate(original, 1)) == times(original)[1::2]
    assert times(shift(original, 0)) == times(original)[1:]
    assert times(shift(original, 1)) == times(original)[2:]


def test_noise_has_the_size_of_the_landmarkers_error():
    """Trunk and head move by half a centimetre or so, hands and feet by three times that, in both sets alike."""
    original = results()
    noisy = add_noise(original, seed=5)
    moved = np.array(
        [b.poses[0].world_landmarks - a.poses[0].world_landmarks for a, b in zip(original, noisy, strict=True)]
    )
    spread_m = moved[:, :, :2].std(axis=(0, 2))
    assert 0.004 < spread_m[[11, 12, 23, 24]].mean() < 0.009
    assert 2.0 < spread_m[[15, 16, 27, 28]].mean() / spread_m[[11, 12, 23, 24]].mean() < 4.0
    pixels = np.array([b.poses[0].landmarks - a.poses[0].landmarks for a, b in zip(original, noisy, strict=True)])
    ratio = (pixels[:, 15, 0] * 640) / moved[:, 15, 0]
    assert ratio.std() / ratio.mean() < 0.01
    assert np.array_equal(original[0].poses[0].landmarks, results()[0].poses[0].landmarks)


def test_noise_is_slow_for_the_most_part():
    """From frame to frame it changes less than it is large."""
    noisy = add_noise(results(), seed=7)
    hand = np.array([result.poses[0].world_landmarks[15, 0] for result in noisy])
    assert np.diff(hand).std() < hand.std()


@pytest.mark.parametrize("kind", list(PERTURBATIONS))
def test_the_same_seed_gives_the_same_copy(kind):
    """And nothing breaks on an empty clip."""
    first, second = (PERTURBATIONS[kind](results(count=50), 9) for _ in range(2))
    assert times(first) == times(second)
    assert np.array_equal(first[-1].poses[0].landmarks, second[-1].poses[0].landmarks)
    assert PERTURBATIONS[kind]([], 9) == []


def test_copies_take_the_kinds_in_turn():
    """A fifth copy is another of the first kind."""
    copies = perturbed(results(), 5)
    assert [kind for kind, _ in copies] == [*PERTURBATIONS, "frames dropped"]
    assert times(copies[0][1]) != times(copies[4][1])
