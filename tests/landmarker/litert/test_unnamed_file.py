"""Files without names, from which models are mapped."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from piapp.landmarker.litert.network import DETECTOR_ENTRY, open_networks, read_models
from piapp.landmarker.litert.unnamed_file import UnnamedFile
from piapp.landmarker.model import find_model


def descriptors() -> set[str]:
    """Those that this process has."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_it_holds_the_stream_and_leaves_nothing(tmp_path):
    """It is read by its path as long as the object lives; the folder never shows it."""
    before = descriptors()
    file = UnnamedFile(io.BytesIO(b"weights" * 100_000), tmp_path)
    assert file.read() == b"weights" * 100_000
    assert list(tmp_path.iterdir()) == []
    del file
    assert descriptors() == before


def test_a_folder_that_takes_none(tmp_path):
    """An error, and no descriptor is left."""
    before = descriptors()
    with pytest.raises(OSError, match="No such file"):
        UnnamedFile(io.BytesIO(b"weights"), tmp_path / "gone")
    assert descriptors() == before


@pytest.mark.parametrize("half", [False, True])
def test_where_no_disk_takes_them_models_stay_in_memory(half, monkeypatch, tmp_path):
    """The same models, and networks open from either."""
    path = find_model("lite", masks=False).path
    mapped = read_models(path, half=half)
    monkeypatch.setattr("piapp.landmarker.litert.unnamed_file.os.open", _refuse)
    held = read_models(path, half=half)
    monkeypatch.undo()
    assert isinstance(held.detector, bytes)
    assert isinstance(mapped.detector, UnnamedFile)
    assert mapped.detector.read() == held.detector
    assert [network.size for network in open_networks(held, 1)] == [
        network.size for network in open_networks(mapped, 1)
    ]


def _refuse(*_arguments: object, **_keywords: object) -> int:
    raise PermissionError(13, "Permission denied")


def test_a_model_is_mapped_and_not_copied():
    """LiteRT reads its weights where the kernel can take them away."""
    models = read_models(find_model("lite", masks=False).path)
    networks = open_networks(models, 1)
    size = len(models.detector.read())
    mapped = [line for line in Path("/proc/self/maps").read_text().splitlines() if "(deleted)" in line and "r-" in line]
    sizes = [int(end, 16) - int(start, 16) for start, end in (line.split()[0].split("-") for line in mapped)]
    assert any(0 <= found - size < 4096 for found in sizes), DETECTOR_ENTRY
    del networks
