import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from piapp.errors import MediaError
from piapp.offline.evaluate.labels import ExpectedEvent, Found, Labels, Score, read_labels, report, score
from piapp.offline.timeline import draw_timelines
from piapp.types import PostureEvent

RECORDINGS = Path(__file__).parents[2] / "recordings"


def labels(*events: ExpectedEvent, spans: tuple[tuple[float, float, str], ...] = ()) -> Labels:
    return Labels("clip", Path("clip.npz"), frozenset({"fall", "sit_down"}), events, spans)


def expected(event_type: str, at_s: float) -> ExpectedEvent:
    return ExpectedEvent(event_type, at_s, at_s - 1.0, at_s + 1.0)


def found(*events: tuple[str, int], postures: tuple[tuple[float, str], ...] = ()) -> Found:
    return Found(postures, tuple(PostureEvent(event_type, ts_ms) for event_type, ts_ms in events))


@pytest.mark.parametrize(
    ("labelled", "events", "counts"),
    [
        ([("fall", 3.0)], [("fall", 3400)], (1, 0, 0)),
        ([("fall", 3.0)], [("fall", 4100)], (0, 1, 1)),
        ([("fall", 3.0)], [], (0, 1, 0)),
        ([], [("fall", 3000)], (0, 0, 1)),
        ([("fall", 3.0)], [("fall", 2900), ("fall", 3100)], (1, 0, 1)),
        ([("fall", 3.0), ("fall", 3.5)], [("fall", 3100), ("fall", 3600)], (2, 0, 0)),
        ([("fall", 3.0)], [("sit_down", 3000)], (0, 1, 1)),
        ([("fall", 3.0)], [("fall", 3000), ("hand_raised", 3000)], (1, 0, 0)),
    ],
)
def test_events_are_matched_once_within_the_tolerance(labelled, events, counts):
    """An event counts as found once, near its label and of its type; types that labels do not tell are left out."""
    result = score(labels(*(expected(*each) for each in labelled)), found(*events))
    assert tuple(sum(counter.values()) for counter in (result.found, result.missed, result.false)) == counts


def test_delays_count_from_the_label():
    """A delay is the event's time less the label's."""
    result = score(labels(expected("fall", 3.0)), found(("fall", 3400)))
    assert result.delays_s["fall"] == [pytest.approx(0.4)]


def test_posture_is_compared_where_it_is_labelled():
    """Frames outside of labelled spans do not count."""
    postures = ((0.0, "standing"), (1.0, "standing"), (2.0, "lying"), (3.0, "sitting"))
    result = score(labels(spans=((0.5, 2.5, "standing"),)), found(postures=postures))
    assert dict(result.confusion) == {("standing", "standing"): 1, ("standing", "lying"): 1}
    assert result.posture_accuracy == 0.5


def test_totals_add_up():
    """The total holds what all clips hold."""
    one = score(labels(expected("fall", 3.0)), found(("fall", 3400)))
    other = score(labels(expected("fall", 3.0)), found(("sit_down", 100)))
    total = Score("total")
    total.add(one)
    total.add(other)
    assert (total.found["fall"], total.missed["fall"], total.false["sit_down"]) == (1, 1, 1)
    assert total.as_dict()["events"]["fall"] == {"found": 1, "missed": 1, "false": 0, "delays_s": [0.4]}
    assert any(line.startswith("fall") and "+0.40 s" in line for line in report([one, other], total))


def test_segments_are_read(tmp_path):
    """Spans with GMDCSA24's words become postures and expected falls."""
    clip = {
        "file": "a.mp4",
        "segments": [
            {"label": "Walking", "start": 0.0, "end": 2.0},
            {"label": "Falling (BW)", "start": 2.0, "end": 5.0},
            {"label": "Drinking", "start": 0.0, "end": 1.0},
        ],
    }
    (tmp_path / "segments.json").write_text(json.dumps({"A": clip}))
    (read,) = read_labels(tmp_path, tolerance_s=1.0)
    assert read.spans == ((0.0, 2.0, "standing"),)
    assert read.events == (ExpectedEvent("fall", 2.0, 1.0, 6.0),)
    assert read.path == tmp_path / "a.mp4"


def test_whoever_leaves_is_waited_for(tmp_path):
    """A person who left is given up only `gap_s` later, so the event may be that much later, too."""
    truth = {"clip": "a", "fps": 15, "persons": [{"labels": [], "events": [{"event_type": "person_left", "t_s": 3.0}]}]}
    (tmp_path / "a.json").write_text(json.dumps(truth))
    (tmp_path / "a.npz").touch()
    (read,) = read_labels(tmp_path, tolerance_s=1.0, gap_s=2.0)
    assert (read.events[0].earliest_s, read.events[0].latest_s) == (2.0, 6.0)


@pytest.mark.parametrize("content", ["", "[1]", '{"A": {"file": 3}}', '{"A": {"file": "a.mp4", "segments": [{}]}}'])
def test_bad_labels_name_the_file(tmp_path, content):
    """Labels that cannot be understood say which file they are in."""
    (tmp_path / "segments.json").write_text(content)
    with pytest.raises(MediaError, match=r"segments\.json: is not a file of labels"):
        read_labels(tmp_path, tolerance_s=1.0)


def test_a_folder_without_labels_says_what_is_expected(tmp_path):
    """The message names both forms of labels."""
    with pytest.raises(MediaError, match=r"neither segments\.json nor clips with a NAME\.json"):
        read_labels(tmp_path, tolerance_s=1.0)


def test_evaluate_command_on_a_recording(tmp_path):
    """The command prints JSON totals for the demo's recording, with all its falls, and draws the picture."""
    for suffix in (".npz", ".json"):
        (tmp_path / f"room_demo{suffix}").write_bytes((RECORDINGS / f"room_demo{suffix}").read_bytes())
    picture = tmp_path / "out.png"
    command = [sys.executable, "-m", "piapp", "evaluate", str(tmp_path), "--json", "--picture", str(picture)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    total = json.loads(run.stdout)["total"]
    assert total["events"]["fall"] | {"delays_s": []} == {"found": 1, "missed": 0, "false": 0, "delays_s": []}
    assert total["posture_accuracy"] >= 0.95
    image = cv2.imread(str(picture))
    assert image.shape[1] > image.shape[0] > 100


def test_unwritable_picture_is_named(tmp_path):
    """A picture that cannot be written is an error with its path."""
    clip = (labels(), found(postures=((0.0, "standing"), (1.0, "standing"))))
    with pytest.raises(OSError, match=r"nowhere/out\.png"):
        draw_timelines(tmp_path / "nowhere" / "out.png", [clip])
