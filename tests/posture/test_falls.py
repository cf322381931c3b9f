from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from piapp.config.sections import PostureConfig, ZoneConfig
from piapp.types import PoseResult, PostureEvent
from tests.support import stick
from tests.support.stick import (
    BEND,
    KNEEL,
    LIE_BACK,
    LIE_FRONT,
    PLANK,
    PLANK_LOW,
    SIT,
    SIT_FLOOR,
    SQUAT,
    STAND,
    film,
    plunge,
    smooth,
)

Watch = Callable[..., tuple[list, list[PostureEvent]]]

SIDE_FALL = replace(LIE_BACK, trunk=-80, thigh=-60, shank=-75)
FALLS = {
    "backwards": ([(2, STAND), (0.6, LIE_BACK, plunge), (2, LIE_BACK)], STAND),
    "forwards": ([(2, STAND), (0.8, LIE_FRONT, plunge), (2, LIE_FRONT)], STAND),
    "with bent knees": ([(2, STAND), (0.7, SIDE_FALL, plunge), (2, SIDE_FALL)], STAND),
    "collapse": ([(2, STAND), (0.5, SQUAT, plunge), (0.5, LIE_BACK, plunge), (2, LIE_BACK)], STAND),
    "off a chair": ([(3, SIT), (0.6, LIE_FRONT, plunge), (2, LIE_FRONT)], SIT),
}
OTHERS = {
    "sitting down": [(2, STAND), (0.6, SIT), (3, SIT)],
    "dropping into a chair": [(2, STAND), (0.45, SIT, plunge), (3, SIT)],
    "sitting down on the floor": [(2, STAND), (0.8, SQUAT), (0.7, SIT_FLOOR), (3, SIT_FLOOR)],
    "lying down": [(2, STAND), (1.1, SQUAT), (0.7, SIT_FLOOR), (1.0, LIE_BACK), (3, LIE_BACK)],
    "lying back from the floor": [
        (2, STAND),
        (1.2, SQUAT),
        (0.8, SIT_FLOOR),
        (3, SIT_FLOOR),
        (0.7, LIE_BACK),
        (3, LIE_BACK),
    ],
    "bending": [(2, STAND), (0.5, BEND), (0.5, BEND), (0.5, STAND)] * 2,
    "squatting fast": [(2, STAND), *[(0.35, SQUAT), (0.35, STAND)] * 4],
    "kneeling": [(2, STAND), (0.9, KNEEL), (2, KNEEL), (0.9, STAND), (1, STAND)],
    "push-ups": [(2, STAND), (1, SQUAT), (1, PLANK), *[(0.5, PLANK_LOW), (0.2, PLANK_LOW), (0.5, PLANK)] * 4],
}


def _falls(events: Iterable[PostureEvent]) -> list[float]:
    return [event.ts_ms / 1000 for event in events if event.event_type == "fall"]


@pytest.mark.parametrize("fps", [15, 5])
@pytest.mark.parametrize("view", stick.VIEWS)
@pytest.mark.parametrize("name", FALLS)
def test_falls_are_found_soon_after_the_impact(name: str, view: str, fps: int, watch: Watch) -> None:
    """Once, within a second of the impact, in every view and at 5 to 30 frames a second."""
    steps, start = FALLS[name]
    impact = sum(step[0] for step in steps[:-1])
    _, events = watch(film(steps, camera=stick.VIEWS[view], fps=fps, start=start))
    (when,) = _falls(events)
    assert impact - 0.5 < when < impact + 1.5


@pytest.mark.parametrize("fps", [15, 5])
@pytest.mark.parametrize("view", stick.VIEWS)
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_fall(name: str, view: str, fps: int, watch: Watch) -> None:
    """Everyday movements and exercises that go down, some of them fast."""
    _, events = watch(film(OTHERS[name], camera=stick.VIEWS[view], fps=fps))
    assert _falls(events) == []


@pytest.mark.parametrize("fps", [30, 10])
@pytest.mark.parametrize("name", FALLS)
def test_falls_at_other_rates(name: str, fps: int, watch: Watch) -> None:
    """Duration counts, not the number of frames."""
    steps, start = FALLS[name]
    _, events = watch(film(steps, fps=fps, start=start))
    assert len(_falls(events)) == 1


@pytest.mark.parametrize("gone", [(2.3, 2.8), (2.55, 3.4), (2.6, 9.0)], ids=["on the way", "at the impact", "for good"])
def test_a_fall_survives_losing_the_person(gone: tuple[float, float], watch: Watch) -> None:
    """The model loses blurred and lying people; the fall is told all the same, by the same id."""
    results = [
        replace(result, poses=()) if gone[0] < result.ts_ms / 1000 < gone[1] else result
        for result in film([(2, STAND), (0.6, LIE_BACK, plunge), (4, LIE_BACK)])
    ]
    _, events = watch(results)
    fall = next(event for event in events if event.event_type == "fall")
    assert fall.ts_ms < 4500
    assert fall.person == 1


def test_fallen_and_recovered_follow(watch: Watch, config: PostureConfig) -> None:
    """`fallen` after the configured time on the floor, `recovered` when up again, each once and with numbers."""
    steps = [(2, STAND), (0.6, LIE_BACK, plunge), (12, LIE_BACK), (2, SIT_FLOOR), (1, SQUAT), (1, STAND), (2, STAND)]
    states, events = watch(film(steps))
    story = [event for event in events if event.event_type in ("fall", "fallen", "recovered")]
    assert [event.event_type for event in story] == ["fall", "fallen", "recovered"]
    fall, fallen, recovered = story
    assert fallen.ts_ms - fall.ts_ms == pytest.approx(config.fallen_after_s * 1000, abs=100)
    assert recovered.ts_ms > 17_500
    assert fall.evidence["drop_m"] > 0.8
    assert fall.evidence["descent_s"] < 0.7
    assert fall.evidence["speed_m_s"] > 1.5
    assert 0.5 < fall.score <= 1
    assert any(person.fallen for state in states for person in state.persons)
    assert not states[-1].persons[0].fallen


def test_somebody_who_fell_and_was_lost_is_still_there(watch: Watch, config: PostureConfig) -> None:
    """Unseen on the floor for a minute: `fallen` comes, nobody leaves, and the id is the same when seen again."""
    before = list(film([(2, STAND), (0.6, LIE_BACK, plunge), (1, LIE_BACK)]))
    lost = [stick.result(3.6 + k, []) for k in range(1, 61)]
    after = [stick.result(65 + r.ts_ms / 1000, r.poses) for r in film([(1, LIE_BACK)], start=LIE_BACK)]
    states, events = watch([*before, *lost, *after])
    types = [event.event_type for event in events]
    assert types.count("fall") == types.count("fallen") == 1
    assert "person_left" not in types
    assert [person.id for person in states[-1].persons] == [1]
    assert config.fallen_gap_s > 60


def test_a_bed_does_not_count(watch: Watch) -> None:
    """In a zone that ignores falls the same descent is lying down."""
    bed = ZoneConfig(name="bed", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), ignore=("fall",))
    steps, _ = FALLS["backwards"]
    _, events = watch(film(steps), zones=(bed,))
    types = [event.event_type for event in events]
    assert "fall" not in types
    assert "lie_down" in types


@pytest.mark.parametrize(("edge", "falls"), [(-0.02, 1), (0.02, 0)], ids=["before the bed", "on the bed"])
def test_a_fall_before_a_bed_counts(watch: Watch, edge: float, falls: int) -> None:
    """The hips decide: head and shoulders may hide the bed from who lies on the floor beside it."""
    steps, _ = FALLS["backwards"]
    down = list(film(steps))
    hips = float(down[-1].poses[0].landmarks[23:25, 0].mean())
    shoulders = float(down[-1].poses[0].landmarks[11:13, 0].mean())
    near, far = (0.0, hips + edge) if shoulders < hips else (hips - edge, 1.0)
    bed = ZoneConfig(name="bed", polygon=((near, 0.0), (far, 0.0), (far, 1.0), (near, 1.0)), ignore=("fall",))
    assert near < shoulders < far
    _, events = watch(down, zones=(bed,))
    assert len(_falls(events)) == falls


def test_going_down_slowly_on_the_same_way_is_no_fall(watch: Watch) -> None:
    """The path of a fall in three seconds is lying down."""
    _, events = watch(film([(2, STAND), (3.0, LIE_BACK, smooth), (3, LIE_BACK)]))
    assert _falls(events) == []
    assert "lie_down" in [event.event_type for event in events]


def _thin(results: Iterable[PoseResult], keep: int) -> list[PoseResult]:
    return [result for index, result in enumerate(results) if index % keep != keep - 1]


def test_dropped_frames_do_not_hide_a_fall(watch: Watch) -> None:
    """Every second and every third frame missing."""
    for keep in (2, 3):
        steps, _ = FALLS["forwards"]
        _, events = watch(_thin(film(steps, fps=15), keep))
        assert len(_falls(events)) == 1
