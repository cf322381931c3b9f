"""The list of what people report: each kind has its verdict, and the tests that it names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = 37


def rows() -> list[list[str]]:
    """The cells of the list's rows: number, report, what the node does, tests."""
    lines = (ROOT / "docs/decisions.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d+ \|", line)]


def test_every_kind_has_a_verdict() -> None:
    """Numbered without a gap, with what the node does and at least one test."""
    assert [int(cells[0]) for cells in rows()] == list(range(1, KINDS + 1))
    for number, report, does, tests in rows():
        assert report.endswith("."), number
        assert does.endswith("."), number
        assert re.search(r"`test_\w+`", tests), number


def test_the_tests_that_are_named_exist() -> None:
    """Wherever they are in the repository."""
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^\s*(?:async )?def (test_\w+)", code, re.MULTILINE))
    named = {name for cells in rows() for name in re.findall(r"`(test_\w+)`", cells[-1])}
    assert named - there == set()
