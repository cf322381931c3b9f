"""Where pictures changed, on drawn ones."""

from __future__ import annotations

import numpy as np

from piapp.landmarker.changes import LEAST_SIDE, MEMORY_S, RecentPictures

PLACES = np.array([[0.25, 0.5], [0.75, 0.5]], np.float32)


def picture(bright: slice | None = None, noise: int = 0) -> np.ndarray:
    """A grey picture with noise and a bright stripe of columns."""
    rng = np.random.default_rng(noise)
    image = rng.integers(96, 105, (240, 320, 3), np.uint8)
    if bright is not None:
        image[:, bright] += 40
    return image


def test_somebody_who_came_and_a_thing_that_was_there():
    """Only the half that became brighter has changed; noise is no change."""
    recent = RecentPictures()
    recent.keep(picture(), 0)
    now = picture(slice(0, 160), noise=1)
    assert recent.changed_share(now, PLACES[:1]) == 1
    assert recent.changed_share(now, PLACES[1:]) == 0
    assert recent.changed_share(now, PLACES) == 0.5


def test_a_change_counts_for_some_seconds():
    """What came is there for good in the end."""
    recent, changed = RecentPictures(), picture(slice(0, 160))
    recent.keep(picture(), 0)
    for second in range(1, MEMORY_S):
        recent.keep(changed, second * 1000)
    assert recent.changed_share(changed, PLACES[:1]) == 1
    recent.keep(changed, MEMORY_S * 1000)
    assert recent.changed_share(changed, PLACES[:1]) == 0


def test_one_copy_a_second():
    """A picture that comes too soon is not kept."""
    recent = RecentPictures()
    recent.keep(picture(), 0)
    for ts_ms in range(100, 1000, 100):
        recent.keep(picture(slice(0, 160)), ts_ms)
    assert recent.changed_share(picture(slice(0, 160)), PLACES[:1]) == 1


def test_without_a_past_everything_counts():
    """At the start, after another size, and for points outside the picture nothing speaks against a find."""
    recent = RecentPictures()
    assert recent.changed_share(picture(), PLACES) == 1
    recent.keep(picture()[::2, ::2], 0)
    assert recent.changed_share(np.ascontiguousarray(picture()[:100]), PLACES) == 1
    assert recent.changed_share(picture(), np.array([[1.5, 0.5]], np.float32)) == 1


def test_a_place_that_is_again_as_it_was():
    """Bright in between: whoever came there is gone; where it still is bright, or never was, nobody left."""
    recent = RecentPictures()
    assert recent.vacated_share(picture(), PLACES) == 0
    recent.keep(picture(), 0)
    recent.keep(picture(slice(0, 160)), 1000)
    assert recent.vacated_share(picture(noise=1), PLACES) == 0.5
    assert recent.vacated_share(picture(slice(0, 160), noise=1), PLACES) == 0


def test_a_place_that_stayed_as_it_was():
    """Since a picture was kept last; without one nothing says so."""
    recent = RecentPictures()
    assert recent.same_share(picture(), PLACES) == 0
    recent.keep(picture(slice(0, 160)), 0)
    recent.keep(picture(), 1000)
    assert recent.same_share(picture(noise=1), PLACES) == 1
    assert recent.same_share(picture(slice(0, 160), noise=1), PLACES) == 0.5


def test_where_something_moves():
    """A square around it, no smaller than a third of the picture's height; none in noise, or when all is different."""
    recent = RecentPictures()
    assert recent.moving(picture(), 500) is None
    recent.keep(picture(), 0)
    now = picture(noise=1)
    now[100:140, 200:220] += 60
    x, y, side = recent.moving(now, 500)
    assert max(abs(x - 210), abs(y - 120)) < 4
    assert LEAST_SIDE * 240 <= side < 100
    assert recent.moving(now, 100) is None
    assert recent.moving(picture(noise=2), 500) is None
    assert recent.moving(picture(slice(0, 320)), 500) is None
