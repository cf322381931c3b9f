from pathlib import Path

import numpy as np
import pytest

from piapp.errors import MediaError
from piapp.recording import read_recording, write_recording
from piapp.types import Pose, PoseResult


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
