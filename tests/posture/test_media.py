"""The whole way on real footage: pictures through the landmarker's VIDEO mode into the logic, all by the defaults."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from piapp.camera.pictures import read_image
from piapp.camera.video import VideoFile
from piapp.config.load import default_config
from piapp.landmarker.model import find_model
from piapp.landmarker.offline import OfflineStage
from piapp.types import ImageArray, PoseResult, PostureEvent, State
from tests.support.media import MEDIA

Watch = Callable[..., tuple[list[State], list[PostureEvent]]]

CLIPS, STILLS = MEDIA / "clips", MEDIA / "stills"
FALLS = ("S1_Fall_13", "S1_Fall_14", "S1_Fall_15", "S2_Fall_12", "S2_Fall_13", "S2_Fall_14")
# When the body reaches the floor or the bed, in seconds, read off the frames.
IMPACT_S = (1.3, 1.9, 2.8, 8.0, 3.7, 4.3)

pytestmark = [
    pytest.mark.media,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not MEDIA.exists(), reason=f"needs {MEDIA}, which is not part of the project"),
]


def _results(frames: Iterable[tuple[int, ImageArray]]) -> Iterator[PoseResult]:
    config = default_config().landmarker
    with OfflineStage(config, find_model(config.model, masks=False).path, video=True) as stage:
        for ts_ms, image in frames:
            size = image.shape[1], image.shape[0]
            yield PoseResult(ts_ms, ts_ms * 1_000_000, size, stage.detect(image, ts_ms))


def _video(name: str) -> Iterator[PoseResult]:
    with VideoFile(CLIPS / f"{name}.mp4") as video:
        yield from _results(video.frames())


def _still(name: str, seconds: float) -> Iterator[PoseResult]:
    image = read_image(STILLS / name)
    yield from _results((frame * 100, image) for frame in range(round(seconds * 10) + 1))


def _types(events: list[PostureEvent]) -> list[str]:
    return [event.event_type for event in events if event.event_type != "posture_changed"]


def test_falls_are_found(watch: Watch) -> None:
    """At least five of six, each within two seconds of the impact, and none twice."""
    found = 0
    for name, impact_s in zip(FALLS, IMPACT_S, strict=True):
        _, events = watch(_video(f"gmdcsa24/{name}"))
        times = [event.ts_ms / 1000 for event in events if event.event_type == "fall"]
        assert len(times) <= 1
        found += any(-1 < when - impact_s < 2 for when in times)
    assert found >= 5


@pytest.mark.parametrize(
    "name", ["gmdcsa24/S1_ADL_10", "gmdcsa24/S1_ADL_16", "gmdcsa24/S2_ADL_23", "pose_1", "pose_squats"]
)
def test_daily_life_is_no_fall(name: str, watch: Watch) -> None:
    """Somebody enters, does not fall, and is not lost."""
    _, events = watch(_video(name))
    types = _types(events)
    assert types.count("person_entered") == 1
    assert not {"fall", "person_left"} & set(types)


def test_five_squats_are_five(watch: Watch) -> None:
    """Counted one by one, without a fall or a chair."""
    _, events = watch(_video("mp_squats_5reps"))
    assert [event.evidence["count"] for event in events if event.event_type == "repetition"] == [1, 2, 3, 4, 5]
    assert not {"fall", "sit_down", "lie_down"} & set(_types(events))


@pytest.mark.parametrize("path", sorted(STILLS.glob("neg_*")), ids=lambda path: path.stem)
def test_nobody_in_empty_rooms(path: Path, watch: Watch) -> None:
    """Ten seconds of a picture without people."""
    _, events = watch(_still(path.name, 10))
    assert events == []


def test_nobody_in_a_car_park(watch: Watch) -> None:
    """Nor in a video of cars."""
    _, events = watch(_video("neg_cars_parking"))
    assert events == []


def test_postures_of_stills(watch: Watch) -> None:
    """A still is a clip of one second; nine of ten are called what they are."""
    expected = {path.name: path.stem.split("_")[1] for path in STILLS.glob("gm_*")}
    expected |= {path.name: {"stand": "standing", "sit": "sitting"}[path.stem.split("_")[0]]
                 for path in [*STILLS.glob("stand_*"), *STILLS.glob("sit_*")]}  # fmt: skip
    right = 0
    for name, posture in expected.items():
        states, _ = watch(_still(name, 1))
        right += [person.posture for person in states[-1].persons] == [posture]
    assert right / len(expected) >= 0.9, json.dumps(expected)
