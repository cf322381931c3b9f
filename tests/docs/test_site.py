"""The docs site is built strictly, loads nothing from elsewhere, and its pages name what exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def test_the_site_is_built_strictly_and_loads_nothing(tmp_path):
    """A broken link or anchor is an error; a reader's browser asks no other host."""
    mkdocs = Path(sys.executable).with_name("mkdocs")
    if not mkdocs.exists():
        pytest.skip("NOT TESTED: docs site; mkdocs is not installed")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        assert not re.search(r'(?:src|<link[^>]* href)="https?://', page.read_text()), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    """A path in code type that begins with a folder of the repository."""
    named = re.findall(r"`((?:piapp|tests|docs|deploy|models)/[\w./-]+)`", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists() and "room/" not in name]
    assert missing == []


def test_makefile_targets_that_pages_name_exist():
    """`make TARGET` in a page is a target."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z0-9-]+)", page.read_text())) <= targets, page
