"""Pictures of recordings: what is in them, by their SVG's words, and that every size of recording can be drawn."""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import cv2
import pytest

from piapp.draw import OutputError
from piapp.offline.history import Band, History
from piapp.offline.recording import RecordingWriter
from piapp.offline.timeline import draw_history
from tests.e2e.node import piapp
from tests.support.recordings import some

PROJECT = Path(__file__).parents[2]
DAY_S = 86_400
MIDNIGHT_UTC_MS = 1_795_305_600_000


def clip(*, start_utc_ms=None, span_s=20.0, latency_ms=float("nan"), rate_hz=10):
    """Two people, a fall."""
    count = int(span_s * rate_hz)
    third = span_s / 3
    return History(
        [
            Band(1, "standing", 0.0, third),
            Band(1, "lying", third, span_s),
            Band(2, "sitting", third, 2 * third),
        ],
        [(third, "fall"), (third, "posture_changed"), (2 * third, "person_left")],
        [],
        array("d", [i / rate_hz for i in range(count)]),
        array("f", [latency_ms] * count),
        start_utc_ms,
    )


def words_of(path):
    """Texts of an SVG file, which names each in a comment."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_a_clip_is_drawn_in_seconds(tmp_path):
    """Persons, the postures and events that there were, the rate; no latency where it is not known."""
    draw_history(tmp_path / "a.svg", clip(), "the clip")
    words = words_of(tmp_path / "a.svg")
    assert {"the clip", "person 1", "person 2", "fall", "person left", "results/s", "seconds"} <= set(words)
    assert {"standing", "lying", "sitting"} <= set(words)
    assert not {"squatting", "posture changed", "latency, ms"} & set(words)


def test_a_day_is_drawn_in_local_time(tmp_path, monkeypatch):
    """Hours of the clock where the picture is made, and latency."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    import time  # noqa: PLC0415

    time.tzset()
    try:
        day = clip(start_utc_ms=MIDNIGHT_UTC_MS, span_s=DAY_S, latency_ms=40.0, rate_hz=0.2)
        draw_history(tmp_path / "a.svg", day, "the day")
    finally:
        monkeypatch.undo()
        time.tzset()
    words = set(words_of(tmp_path / "a.svg"))
    assert {"latency, ms", "median", "p95"} <= words
    assert any(word.endswith("local time (CET)") for word in words)
    assert {"06:00", "12:00", "18:00"} <= words


def test_pictures_stay_small(tmp_path):
    """A day with a posture every five seconds is no more than a few MB as SVG, and a fraction as PNG."""
    postures = ("standing", "sitting", "bending")
    day = clip(start_utc_ms=MIDNIGHT_UTC_MS, span_s=DAY_S, rate_hz=0.2)
    day.bands = [Band(1, postures[i % 3], i * 5.0, i * 5.0 + 5.0) for i in range(DAY_S // 5)]
    draw_history(tmp_path / "a.svg", day, "day")
    draw_history(tmp_path / "a.png", day, "day")
    assert (tmp_path / "a.svg").stat().st_size < 4_000_000
    assert (tmp_path / "a.png").stat().st_size < 200_000
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture.shape[1] == 1200


@pytest.mark.parametrize("count", [0, 1, 2])
def test_next_to_nothing_can_be_drawn(tmp_path, count):
    """An empty recording, and one that is over as soon as it began."""
    history = History(times_s=array("d", [0.0, 0.05][:count]), latency_ms=array("f", [1.0, 2.0][:count]))
    draw_history(tmp_path / "a.svg", history, "short")
    assert "nobody" in words_of(tmp_path / "a.svg")


@pytest.mark.parametrize("name", ["gone/a.png", "a.xyz"])
def test_what_cannot_be_written_is_named(tmp_path, name):
    """Folder or format."""
    with pytest.raises(OutputError, match=name):
        draw_history(tmp_path / name, clip(), "x")


def test_the_command_draws_a_recording(tmp_path):
    """From the file to the picture; nothing on standard output."""
    with RecordingWriter(tmp_path / "hall.npz") as writer:
        for recorded in some(30):
            writer.add(recorded)
    done = piapp("plot", tmp_path / "hall.npz", "-o", tmp_path / "a.svg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {"hall.npz", "person 1", "person entered"} <= set(words_of(tmp_path / "a.svg"))
    done = piapp("plot", tmp_path / "gone.npz", "-o", tmp_path / "b.svg")
    assert (done.returncode, "no such recording" in done.stderr) == (69, True), done.stderr


def test_without_matplotlib_the_command_says_what_to_install(tmp_path):
    """And nothing else happens."""
    (tmp_path / "matplotlib.py").write_text("raise ImportError('no module named matplotlib')")
    done = piapp("plot", "a.npz", "-o", tmp_path / "a.png", PYTHONPATH=f"{tmp_path}:{PROJECT}")
    assert (done.returncode, "install piapp-node[plot]" in done.stderr) == (2, True), done.stderr
