"""When an empty room needs no inference, on drawn pictures."""

from __future__ import annotations

import numpy as np
import pytest

from piapp.landmarker.still_room import RECHECK_MS, StillRoom

HEIGHT, WIDTH = 480, 640


def room(seed: int = 0, *, noise: float = 3.0, light: float = 1.0) -> np.ndarray:
    """A wall, a floor and a table, with a sensor's noise."""
    image = np.full((HEIGHT, WIDTH, 3), 140.0)
    image[300:] = 90
    image[260:340, 100:260] = 60
    image = image * light + np.random.default_rng(seed).normal(0, noise, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def with_block(image: np.ndarray, corner: tuple[int, int], size: tuple[int, int], levels: int) -> np.ndarray:
    """The picture with something of another brightness in it."""
    (x, y), (width, height) = corner, size
    result = image.astype(int)
    result[y : y + height, x : x + width] += levels
    return result.clip(0, 255).astype(np.uint8)


def answers(*pictures: np.ndarray, period_ms: int = 1000) -> list[bool]:
    """Whether each picture after the first is unchanged."""
    still = StillRoom()
    assert not still.unchanged(pictures[0], 0)
    return [still.unchanged(image, (number + 1) * period_ms) for number, image in enumerate(pictures[1:])]


@pytest.mark.parametrize("noise", [0.0, 3.0, 10.0])
def test_noise_is_no_movement(noise):
    """By day and by night."""
    assert answers(*(room(seed, noise=noise) for seed in range(9))) == [True] * 8


def test_somebody_who_comes_in_is_movement():
    """Also far away and small, in a coat little brighter than the wall."""
    for size, levels in (((120, 300), 30), ((16, 36), 30), ((60, 160), 8)):
        assert answers(room(0), with_block(room(1), (320, 100), size, levels)) == [False]


def test_a_light_switched_on_is_looked_at_once():
    """The bright room is what is compared with from then on."""
    lamp = [with_block(room(seed, light=1.4), (0, 0), (WIDTH, 300), 20) for seed in (2, 3, 4)]
    assert answers(room(0), room(1), *lamp) == [True, False, True, True]


def test_the_light_of_day_is_no_movement():
    """All of the picture becomes brighter by a level a second."""
    assert answers(*(with_block(room(seed), (0, 0), (WIDTH, HEIGHT), seed) for seed in range(8))) == [True] * 7


def test_curtains_and_television_move():
    """They are looked at as long as they do."""
    curtains = [with_block(room(seed), (400 + 10 * (seed % 2), 40), (60, 220), 25) for seed in range(5)]
    assert answers(*curtains) == [False] * 4
    screens = [with_block(room(seed), (300, 120), (160, 90), 15 * (seed % 3)) for seed in range(5)]
    assert answers(*screens) == [False] * 4


def test_whatever_lies_still_is_looked_at_again():
    """After half a minute, though nothing moved, and again after another."""
    found = answers(*(room(seed) for seed in range(65)))
    assert [second for second, still in enumerate(found, 1) if not still] == [
        RECHECK_MS // 1000,
        2 * RECHECK_MS // 1000,
    ]


def test_another_size_is_another_picture():
    """A camera that changes its mode."""
    assert answers(room(0), room(1)[:240, :320].copy()) == [False]


def test_the_smallest_pictures_are_compared_too():
    """Down to one pixel."""
    for shape in ((1, 1, 3), (3, 5, 3), (6, 8, 3)):
        assert answers(*[np.zeros(shape, np.uint8)] * 2) == [True]
