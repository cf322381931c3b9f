import numpy as np
import pytest

from piapp.config.sections import PostureConfig
from piapp.posture.features import measure
from piapp.posture.geometry import read_body
from piapp.posture.postures import PostureFilter, SettledPosture, classify
from piapp.types import Pose, Posture
from tests.support import stick

STANCES = {
    "stand": (stick.STAND, "standing"),
    "hand up": (stick.RAISE_RIGHT, "standing"),
    "sit": (stick.SIT, "sitting"),
    "sit on the floor": (stick.SIT_FLOOR, "sitting"),
    "squat": (stick.SQUAT, "squatting"),
    "kneel": (stick.KNEEL, "squatting"),
    "kneel, leaning back": (stick.KNEEL_BACK, "squatting"),
    "sit on the heels": (stick.SIT_HEELS, "sitting"),
    "bend": (stick.BEND, "bending"),
    "push-up": (stick.PLANK, "bending"),
    "on the back": (stick.LIE_BACK, "lying"),
    "face down": (stick.LIE_FRONT, "lying"),
}


def _judge(pose: Pose, tilt: float, config: PostureConfig, held: Posture = "unknown") -> Posture:
    body = read_body(pose, stick.SIZE)
    assert body is not None
    return classify(measure(body, tilt), config, held)


@pytest.mark.parametrize("stance", STANCES)
@pytest.mark.parametrize("view", stick.VIEWS)
def test_every_posture_in_every_view(view: str, stance: str, config: PostureConfig) -> None:
    """From the front, the side, behind and a high corner."""
    camera = stick.VIEWS[view]
    figure, expected = STANCES[stance]
    assert _judge(camera.pose(stick.joints(figure)), camera.tilt, config) == expected


def test_upper_body_only_is_unknown(config: PostureConfig) -> None:
    """With the legs out of sight nothing is guessed, whatever they are predicted to do."""
    pose = stick.FRONT.pose(stick.joints(stick.STAND))
    pose.landmarks[25:, 3] = 0.1
    assert _judge(pose, 0.0, config) == "unknown"


def test_lying_needs_no_legs(config: PostureConfig) -> None:
    """Half hidden behind furniture, a level trunk still lies."""
    pose = stick.SIDE.pose(stick.joints(stick.LIE_BACK))
    pose.landmarks[25:, 3] = 0.1
    assert _judge(pose, 0.0, config) == "lying"


def test_hidden_trunk_is_unknown(config: PostureConfig) -> None:
    """Shoulders or hips that are not seen say nothing."""
    pose = stick.FRONT.pose(stick.joints(stick.STAND))
    pose.landmarks[23, 3] = 0.2
    assert _judge(pose, 0.0, config) == "unknown"


def test_limits_favour_the_posture_held(config: PostureConfig) -> None:
    """Between standing and bending, it stays what it was."""
    stoop = stick.SIDE.pose(stick.joints(stick.Stance(trunk=42)))
    assert _judge(stoop, 0.0, config, "standing") == "standing"
    assert _judge(stoop, 0.0, config, "bending") == "bending"


def _changes(config: PostureConfig, frames: list[tuple[int, Posture]]) -> list[tuple[int, Posture]]:
    kept, last, changes = PostureFilter(config), frames[0][0], []
    for ts_ms, posture in frames:
        if kept.step(posture, (ts_ms - last) / 1000, ts_ms):
            changes.append((ts_ms, kept.posture))
        last = ts_ms
    return changes


@pytest.mark.parametrize("fps", [30, 15, 10, 5])
def test_a_posture_changes_after_the_dwell_at_any_rate(fps: int, config: PostureConfig) -> None:
    """One change, one frame around the dwell time after the first sight."""
    frames: list[tuple[int, Posture]] = [
        (i * 1000 // fps, "standing" if i * 1000 // fps < 2000 else "sitting") for i in range(4 * fps)
    ]
    ((ts_ms, posture),) = _changes(config, frames)
    assert posture == "sitting"
    assert 0 <= ts_ms - 2000 <= config.dwell_s * 1000 + 1000 / fps


def test_flicker_does_not_change_the_posture(config: PostureConfig) -> None:
    """Single frames of something else are outvoted."""
    frames: list[tuple[int, Posture]] = [(i * 66, "sitting" if i % 5 == 4 else "standing") for i in range(60)]
    assert _changes(config, frames) == []


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        ("standing", "sitting", "sit_down"),
        ("sitting", "standing", "stand_up"),
        ("lying", "standing", "stand_up"),
        ("standing", "lying", "lie_down"),
        ("sitting", "lying", "lie_down"),
        ("lying", "sitting", None),
        ("standing", "squatting", None),
        ("standing", "bending", None),
    ],
)
def test_events_between_postures_at_rest(
    before: Posture, after: Posture, event: str | None, config: PostureConfig
) -> None:
    """Told once, when the new posture has lasted."""
    rest = SettledPosture(config)
    assert rest.step(before, 0.0, on_floor=False) == (None, None)
    assert rest.step(after, config.settle_s / 2, on_floor=False) == (None, None)
    assert rest.step(after, config.settle_s * 2, on_floor=False)[0] == event
    assert rest.step(after, config.settle_s * 3, on_floor=False) == (None, None)


def test_a_squat_between_does_not_make_anybody_stand_up(config: PostureConfig) -> None:
    """Standing, squatting, standing: nothing was sat on."""
    rest = SettledPosture(config)
    events = [rest.step(posture, 5.0, on_floor=False)[0] for posture in ("standing", "squatting", "standing")]
    assert events == [None, None, None]


def test_shares_are_kept_when_nothing_is_known(config: PostureConfig) -> None:
    """The first judgement counts at once, so that a still of one second has a posture."""
    kept = PostureFilter(config)
    assert not kept.step("sitting", 0.0, 0)
    assert kept.posture == "sitting"
    assert kept.share == pytest.approx(1.0)
    assert np.isfinite(kept.share)
