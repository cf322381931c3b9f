import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from piapp.errors import MediaError
from piapp.offline.recording import (
    MAX_RESULTS,
    MAX_SPAN_MS,
    Recorded,
    RecordingError,
    RecordingWriter,
    iterate_recording,
    read_recording,
    write_recording,
)
from piapp.types import Found, Pose, PoseResult


def _result(ts_ms: int, people: int) -> PoseResult:
    rng = np.random.default_rng(ts_ms)
    poses = tuple(
        Pose(rng.random((33, 5)).astype(np.float32), rng.normal(0, 1, (33, 5)).astype(np.float32))
        for _ in range(people)
    )
    return PoseResult(ts_ms, ts_ms * 1_000_000, (640, 480), poses)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    """Times, sizes, the poses of each result and their landmarks survive, to half precision."""
    results = [_result(0, 1), _result(67, 0), _result(133, 3)]
    results[0].poses[0].landmarks[4, 3] = np.nan

    write_recording(tmp_path / "clip.npz", results)
    back = read_recording(tmp_path / "clip.npz")

    assert [(r.ts_ms, r.captured_ns, r.size, len(r.poses)) for r in back] == [
        (r.ts_ms, r.captured_ns, r.size, len(r.poses)) for r in results
    ]
    for old, new in zip(results[2].poses, back[2].poses, strict=True):
        np.testing.assert_allclose(new.landmarks, old.landmarks, atol=3e-4)
        np.testing.assert_allclose(new.world_landmarks, old.world_landmarks, atol=2e-3)
        assert new.landmarks.dtype == np.float32
    assert np.isnan(back[0].poses[0].landmarks[4, 3])


def test_how_poses_were_found_comes_back(tmp_path: Path) -> None:
    """What a search brought back is no movement in a replay either; where nothing is said poses were tracked."""
    result = _result(0, 4)
    kinds: tuple[Found, ...] = ("held", "tracked", "reacquired", "detected")
    poses = tuple(replace(pose, found=found) for pose, found in zip(result.poses, kinds, strict=True))
    write_recording(tmp_path / "clip.npz", [replace(result, poses=poses)])
    (back,) = read_recording(tmp_path / "clip.npz")
    assert tuple(pose.found for pose in back.poses) == kinds

    write_recording(tmp_path / "plain.npz", [result])
    with np.load(tmp_path / "plain.npz") as arrays:
        assert "found" not in arrays
    (back,) = read_recording(tmp_path / "plain.npz")
    assert {pose.found for pose in back.poses} == {"tracked"}


def test_empty_recording(tmp_path: Path) -> None:
    """No results at all is a recording too."""
    write_recording(tmp_path / "none.npz", [])
    assert read_recording(tmp_path / "none.npz") == []


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_not_a_recording_is_named(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or foreign file gives an error that names it."""
    path = tmp_path / "clip.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=r"clip\.npz"):
        read_recording(path)


GOOD = {
    "ts_ms": np.arange(2),
    "size": np.array([4, 3]),
    "offsets": np.arange(3),
    "landmarks": np.zeros((2, 33, 5), np.float16),
    "world_landmarks": np.zeros((2, 33, 5), np.float16),
}


def _crowd(count: int) -> dict[str, np.ndarray]:
    landmarks = np.zeros((count, 33, 5), np.float16)
    return {"offsets": np.array([0, count, count]), "landmarks": landmarks, "world_landmarks": landmarks}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ({"ts_ms": np.array(["x" * 1000] * 2)}, "its ts_ms are <U1000"),
        ({"latency_ms": np.array(["a", "b"])}, "its latency_ms are"),
        ({"utc_ms": np.arange(3)}, "its utc_ms are"),
        ({"landmarks": np.zeros((2, 33, 5), complex)}, "its landmarks are complex128"),
        ({"offsets": np.array([0, 2, 0])}, "do not divide 2 poses among 2 results"),
        ({"offsets": np.array([0, -5, 2])}, "has -5 to 7 poses"),
        ({"offsets": np.arange(9)}, "do not divide"),
        (_crowd(11), "has 0 to 11 poses"),
        (_crowd(20_000), "holds more than"),
        ({"other": np.zeros(10**8, np.uint8)}, "holds more than"),
    ],
)
def test_what_was_made_to_do_harm_is_named(tmp_path: Path, harm: dict[str, np.ndarray], words: str) -> None:
    """A backup from anywhere may bring recordings: they take no more memory than those of a node, and end nothing."""
    path = tmp_path / "clip.npz"
    np.savez_compressed(path, allow_pickle=False, **GOOD)
    assert len(read_recording(path)) == 2
    np.savez_compressed(path, allow_pickle=False, **GOOD | harm)
    with pytest.raises(MediaError, match=words):
        read_recording(path)


def _day(count: int, *, step_ms: int = 60, size: tuple[int, int] = (640, 480)) -> list[Recorded]:
    return [
        Recorded(replace(_result(i * step_ms, i % 3), size=size), float(i % 50), 1_000_000 + i * step_ms)
        for i in range(count)
    ]


def _write(path: Path, run: Sequence[Recorded]) -> int:
    with RecordingWriter(path) as writer:
        for recorded in run:
            writer.add(recorded)
    return writer.written_bytes


def _same(left: Recorded, right: Recorded) -> bool:
    facts = [(r.result.ts_ms, r.result.size, len(r.result.poses), r.latency_ms, r.utc_ms) for r in (left, right)]
    poses = zip(left.result.poses, right.result.poses, strict=True)
    return facts[0] == facts[1] and all(np.allclose(a.landmarks, b.landmarks, atol=3e-4) for a, b in poses)


def test_a_long_recording_is_many_archives(tmp_path: Path) -> None:
    """None is longer than a minute or 900 results, and reading joins them: order, latency and time of day survive."""
    run = _day(2000) + [Recorded(replace(r.result, ts_ms=r.result.ts_ms + 200_000)) for r in _day(50, size=(320, 240))]
    assert _write(tmp_path / "day.npz", run) == (tmp_path / "day.npz").stat().st_size
    back = list(iterate_recording(tmp_path / "day.npz"))
    assert len(back) == len(run)
    assert all(_same(*pair) for pair in zip(run, back, strict=True))
    assert (tmp_path / "day.npz").read_bytes().count(b"PK\x05\x06") >= 4


def test_what_was_written_survives_a_crash(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file cut off anywhere gives every archive that is whole, and says that something is missing."""
    run = _day(1900)
    _write(tmp_path / "day.npz", run)
    content = (tmp_path / "day.npz").read_bytes()
    counts = set()
    for share in (0.5, 0.8, 0.95, 0.9999):
        (tmp_path / "cut.npz").write_bytes(content[: int(len(content) * share)])
        back = list(iterate_recording(tmp_path / "cut.npz"))
        assert all(_same(*pair) for pair in zip(run, back, strict=False))
        counts.add(len(back))
        assert "are not complete" in caplog.text
        caplog.clear()
    assert counts == {900, 1800}


def test_a_recording_is_there_while_it_is_written(tmp_path: Path) -> None:
    """Full archives are on the disk before the writer is closed, and memory holds no more than one."""
    writer = RecordingWriter(tmp_path / "day.npz")
    for recorded in _day(MAX_RESULTS * 2 + 1):
        writer.add(recorded)
    assert len(list(iterate_recording(tmp_path / "day.npz"))) == 2 * MAX_RESULTS
    writer.close()
    writer.close()
    assert len(list(iterate_recording(tmp_path / "day.npz"))) == 2 * MAX_RESULTS + 1


def test_slow_recordings_reach_the_disk_too(tmp_path: Path) -> None:
    """A node that idles gives a result a second; a minute is all that can be lost."""
    writer = RecordingWriter(tmp_path / "night.npz")
    for recorded in _day(62, step_ms=1000):
        writer.add(recorded)
    assert len(list(iterate_recording(tmp_path / "night.npz"))) == MAX_SPAN_MS // 1000
    writer.close()


def test_a_file_is_not_replaced_by_accident(tmp_path: Path) -> None:
    """The error says how to; nothing is harmed."""
    _write(tmp_path / "a.npz", _day(3))
    with pytest.raises(RecordingError, match="--force"):
        RecordingWriter(tmp_path / "a.npz")
    assert len(read_recording(tmp_path / "a.npz")) == 3
    with pytest.raises(RecordingError, match="cannot be written"):
        RecordingWriter(tmp_path / "gone" / "a.npz")


def test_plain_landmarks_are_read(tmp_path: Path) -> None:
    """Archives that numpy writes in one call, with float16 as it is, are recordings: tests/recordings holds such."""
    landmarks = np.random.default_rng(0).normal(0, 1, (2, 33, 5)).astype(np.float16)
    plain = {"landmarks": landmarks, "world_landmarks": landmarks * 2}
    times = {"ts_ms": np.array([0, 67]), "offsets": np.array([0, 2, 2]), "size": np.array([640, 480])}
    np.savez_compressed(tmp_path / "a.npz", **plain, **times)
    first, second = iterate_recording(tmp_path / "a.npz")
    assert (len(first.result.poses), len(second.result.poses)) == (2, 0)
    np.testing.assert_array_equal(first.result.poses[1].world_landmarks, plain["world_landmarks"][1])
    assert (first.latency_ms, first.utc_ms) == (None, None)


def test_coding_loses_nothing_of_half_precision(tmp_path: Path) -> None:
    """Every bit of a float16 comes back, with its specials; what is too large for it is the largest."""
    bits = np.arange(0, 65_536, 397, np.uint32).astype(np.uint16)[:165]
    values = bits.view(np.float16).astype(np.float32).reshape(33, 5)
    huge = np.full((33, 5), 1e30, np.float32)
    write_recording(tmp_path / "a.npz", [PoseResult(0, 0, (1, 1), (Pose(values, huge), Pose(-values, -huge)))])
    one, other = read_recording(tmp_path / "a.npz")[0].poses
    finite = np.isfinite(values)
    np.testing.assert_array_equal(one.landmarks[finite], values[finite])
    np.testing.assert_array_equal(np.isnan(other.landmarks), np.isnan(values))
    assert one.world_landmarks.max() == -other.world_landmarks.min() == np.finfo(np.float16).max


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_what_both_landmarks_share_is_written_once(tmp_path: Path, compression: int) -> None:
    """The landmarker gives both the same visibility and presence; where they differ, both are kept."""
    landmarks = np.random.default_rng(0).normal(0, 1, (33, 5)).astype(np.float16).astype(np.float32)
    other = landmarks.copy()
    other[:, :3] *= 2
    unlike = other.copy()
    unlike[7, 3] += 0.5
    sizes = []
    for name, world in (("same", other), ("unlike", unlike)):
        with RecordingWriter(tmp_path / name, compression=compression) as writer:
            writer.add(Recorded(PoseResult(0, 0, (1, 1), (Pose(landmarks, world), Pose(-landmarks, -world)))))
        first, second = read_recording(tmp_path / name)[0].poses
        np.testing.assert_array_equal(first.world_landmarks, world)
        np.testing.assert_array_equal(second.world_landmarks, -world)
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes[0] < sizes[1] - 100


def test_landmarks_of_another_shape_are_no_recording(tmp_path: Path) -> None:
    """The message names both shapes."""
    odd = {"landmarks": np.zeros((2, 99, 1), np.uint8), "world_landmarks": np.zeros((2, 165, 1), np.uint8)}
    times = {"ts_ms": np.array([0]), "offsets": np.array([0, 1]), "size": np.array([640, 480])}
    np.savez(tmp_path / "a.npz", **odd, **times)
    with pytest.raises(MediaError, match=r"\(1, 33, 3\) and \(1, 33, 5\)"):
        read_recording(tmp_path / "a.npz")


def test_half_the_space_of_plain_landmarks(tmp_path: Path) -> None:
    """What people do makes small steps: a recording of them takes less than 0.6 of what it takes as it is."""
    plain = Path(__file__).parents[1] / "recordings" / "room_demo.npz"
    write_recording(tmp_path / "room.npz", read_recording(plain))
    assert (tmp_path / "room.npz").stat().st_size < 0.6 * plain.stat().st_size
