"""Two OpenCVs in one folder are found, and one is left."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from piapp.operate import opencv
from piapp.operate.opencv import MendError, installed, mend, problem


def distributions(folder: Path, **versions: str) -> list[metadata.Distribution]:
    """Installed packages as their metadata shows them; "_" stands for "-"."""
    for name, version in versions.items():
        information = folder / f"{name}-{version}.dist-info"
        information.mkdir(parents=True)
        name_of_it = name.replace("_", "-")
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name_of_it}\nVersion: {version}\n")
    return list(metadata.distributions(path=[str(folder)]))


def test_one_is_right(tmp_path):
    """Ours alone, or none that came as a Python package."""
    found = installed(distributions(tmp_path, opencv_python_headless="5.0", numpy="2.4"))
    assert found == {"opencv-python-headless": "5.0"}
    assert not problem(found)
    assert not problem(installed([]))


def test_two_are_found_and_named(tmp_path):
    """With the command that mends it."""
    found = installed(distributions(tmp_path, opencv_python_headless="5.0", opencv_contrib_python="5.1"))
    assert "opencv-contrib-python and opencv-python-headless" in problem(found)
    assert "piapp check opencv --mend" in problem(found)


def test_another_folder_is_none_of_ours(tmp_path):
    """A system's package that an environment sees does not share its folder."""
    theirs = distributions(tmp_path / "system", opencv_contrib_python="4.6")
    ours = distributions(tmp_path / "environment", opencv_python_headless="5.0")
    assert installed([*theirs, *ours]) == {"opencv-python-headless": "5.0"}


def test_mending_fetches_before_it_removes():
    """Without a network nothing is taken away."""
    calls: list[str] = []

    def offline(arguments):
        calls.append(arguments[0])
        raise MendError("no network")

    versions = {"opencv-python-headless": "5.0", "opencv-contrib-python": "5.1"}
    with pytest.raises(MendError, match="no network"):
        mend(versions, offline)
    assert calls == ["download"]
    mend(versions, lambda arguments: calls.append(f"{arguments[0]} {arguments[-1]}"))
    assert calls[2:] == ["uninstall opencv-contrib-python", "install opencv-python-headless==5.0"]


def test_without_pip_it_says_how_uv_does_it(monkeypatch):
    """An environment that uv made has no pip of its own."""
    monkeypatch.setattr(opencv.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MendError, match="uv tool install --overrides"):
        mend({"opencv-python-headless": "5.0", "opencv-contrib-python": "5.1"})
