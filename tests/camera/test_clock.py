import itertools

import pytest

from piapp.camera.clock import FileClock, LiveClock

MS = 1_000_000
S = 1000 * MS


def run_live(rows, boot_offset_ns=0):
    """Stamp (arrival ms, sensor ms or None) rows; return (ts_ms, captured in ms) rows."""
    clock = LiveClock()
    stamps = []
    for arrival, sensor in rows:
        now_ns = int(arrival * MS)
        sensor_ns = None if sensor is None else int(sensor * MS)
        ts_ms, captured_ns = clock.stamp(sensor_ns, now_ns=now_ns, boottime_ns=now_ns + boot_offset_ns)
        stamps.append((ts_ms, captured_ns / MS))
    return stamps


@pytest.mark.parametrize(
    ("what", "offset_ms", "rows", "expected"),
    [
        ("monotonic", 0, [(10_050, 10_000), (10_090, 10_033)], [10_000, 10_033]),
        ("monotonic after a suspend", 90_000, [(10_050, 10_000), (10_090, 10_033)], [10_000, 10_033]),
        ("boottime after a suspend", 90_000, [(10_050, 100_000), (10_090, 100_033)], [10_000, 10_033]),
        ("boottime, short suspend", 60, [(10_050, 10_060), (10_090, 10_093)], [10_000, 10_033]),
        ("no stamp", 0, [(10_000, None), (10_033, None)], [10_000, 10_033]),
        ("zero", 0, [(10_000, 0), (10_033, 0)], [10_000, 10_033]),
        ("repeats", 0, [(10_050, 10_000), (10_083, 10_000), (10_116, 10_066)], [10_000, 10_033, 10_066]),
        ("runs backwards", 0, [(10_050, 10_000), (10_083, 9_000), (10_116, 10_066)], [10_000, 10_033, 10_066]),
        ("far in the future", 0, [(10_050, 10_000), (10_083, 99_000), (10_116, 10_066)], [10_000, 10_033, 10_066]),
        ("far in the past", 0, [(10_050, 10_000), (10_083, 1_000), (10_116, 10_066)], [10_000, 10_033, 10_066]),
        ("two in one millisecond", 0, [(10_000, None), (10_000.2, None), (10_033, None)], [10_000, 10_001, 10_033]),
        ("arrival stands still", 0, [(10_000, None), (10_000, None), (10_000, None)], [10_000, 10_001, 10_002]),
        ("slightly ahead of arrival", 0, [(10_000, 10_001)], [10_000]),
    ],
)
def test_live(what, offset_ms, rows, expected):
    """Whatever the sensor's clock does, the time line is the capture times."""
    assert [ts for ts, _ in run_live(rows, offset_ms * MS)] == expected, what


def test_live_always_increases():
    """Thousands of frames with wild stamps: strictly increasing, never later than arrival by more than the count."""
    wild = [0, None, 5, -3 * 10**9, 10**12, 40, 41, 39, 1999, 2001]
    rows = []
    for n in range(5000):
        arrival, jump = 10_000 + 33 * n, wild[n * 7 % len(wild)]
        rows.append((arrival, None if jump is None else arrival - jump))
    stamps = run_live(rows)
    assert all(later[0] > earlier[0] for earlier, later in itertools.pairwise(stamps))
    assert all(captured <= arrival for (arrival, _), (_, captured) in zip(rows, stamps, strict=True))
    assert all(arrival - captured <= 3000 for (arrival, _), (_, captured) in zip(rows, stamps, strict=True))


@pytest.mark.parametrize(
    ("what", "fps", "times", "expected"),
    [
        ("regular", 15, [0, 66.667, 133.333], [0, 67, 133]),
        ("variable", 30, [0, 40, 50, 90], [0, 40, 50, 90]),
        ("starts late", 10, [500, 600], [500, 600]),
        ("no times at all", 25, [0, 0, 0, 0], [0, 40, 80, 120]),
        ("a repeat", 25, [0, 40, 40, 120], [0, 40, 80, 120]),
        ("backwards", 25, [0, 40, 20, 120], [0, 40, 80, 120]),
        ("no rate", 0, [0, 0], [0, 40]),
        ("impossible rate", 90_000, [0, 0], [0, 40]),
        ("faster than a millisecond", 1000, [0, 0.2, 0.4], [0, 1, 2]),
        ("not a number", 25, [0, float("nan"), 80], [0, 40, 80]),
    ],
)
def test_file(what, fps, times, expected):
    """A file's times are kept where they make sense and replaced where not."""
    clock = FileClock(fps)
    assert [clock.stamp(time) for time in times] == expected, what


def test_file_repeats():
    """Rounds follow each other by one frame period."""
    clock = FileClock(10)
    rounds = []
    for _ in range(3):
        rounds += [clock.stamp(time) for time in (0, 100, 200)]
        clock.repeat()
    assert rounds == [0, 100, 200, 300, 400, 500, 600, 700, 800]


def test_constants_allow_slow_cameras():
    """A frame a second, delivered three periods late, is still believed."""
    assert run_live([(10_000, 7_001), (11_000, 8_001)]) == [(7_001, 7_001.0), (8_001, 8_001.0)]
    assert run_live([(10 * S / MS, 6_000)]) == [(10_000, 10_000.0)]
