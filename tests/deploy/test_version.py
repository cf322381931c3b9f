"""The next version: written wherever it stands, or nowhere."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
VERSION = runpy.run_path(str(PROJECT / "deploy" / "version.py"))
FILES = (*VERSION["PLACES"], "CHANGELOG.md", "pyproject.toml")
NOW = runpy.run_path(str(PROJECT / "piapp" / "__init__.py"))["__version__"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that name the version, as before a release."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    changelog = (tmp_path / "CHANGELOG.md").read_text().split("\n## ", 1)[0]
    (tmp_path / "CHANGELOG.md").write_text(f"{changelog}\n## {NOW} (unreleased)\n\n- Something new.\n")
    return tmp_path


def texts(project: Path) -> dict[str, str]:
    """What the files hold."""
    return {name: (project / name).read_text() for name in FILES}


def test_a_release_is_named_everywhere(project: Path) -> None:
    """The old version stands nowhere any more, and the changelog has the date."""
    VERSION["set_version"](project, "98.0.0", "2030-01-02")
    written = texts(project)
    assert runpy.run_path(str(project / "piapp" / "__init__.py"))["__version__"] == "98.0.0"
    assert "\n## 98.0.0 (2030-01-02)\n" in written["CHANGELOG.md"]
    assert "piapp-node-98.0.0-requirements.txt" in written["README.md"]
    assert "5 - Production/Stable" in written["pyproject.toml"]
    places = {name: [form.format(NOW) for form in forms] for name, forms in VERSION["PLACES"].items()}
    assert [form for name, forms in places.items() for form in forms if form in written[name]] == []


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.0", "expected MAJOR.MINOR.PATCH"),
        ("v1.0.0", "expected MAJOR"),
        ("01.0.0", "expected"),
        ("0.0.1", "is older"),
    ],
)
def test_what_is_no_next_version_changes_nothing(project: Path, version: str, message: str) -> None:
    """With what was expected."""
    before = texts(project)
    with pytest.raises(ValueError, match=message):
        VERSION["set_version"](project, version, "2030-01-02")
    assert texts(project) == before


def test_without_changes_there_is_no_release(project: Path) -> None:
    """The second of two releases of the same changes is refused."""
    VERSION["set_version"](project, "98.0.0", "2030-01-02")
    before = texts(project)
    with pytest.raises(ValueError, match=r"expected one section '## 98\.0\.0 \(unreleased\)'"):
        VERSION["set_version"](project, "98.1.0", "2030-01-03")
    assert texts(project) == before
