"""The last lines of the log, as the owner's page shows them."""

from __future__ import annotations

import logging

import pytest

from piapp.service.log_memory import MAX_CHARACTERS, MAX_LINES, LogMemory


@pytest.fixture
def logged():
    """A logger whose lines are remembered."""
    memory, log = LogMemory(), logging.getLogger("piapp.test_log_memory")
    log.addHandler(memory)
    log.setLevel(logging.INFO)
    yield log, memory
    log.removeHandler(memory)


def test_lines_are_remembered_with_level_and_time(logged):
    """Oldest first."""
    log, memory = logged
    log.info("first %d", 1)
    log.warning("second")
    log.debug("not logged")
    first, second = memory.lines()
    assert (first["level"], first["logger"], first["text"]) == ("INFO", "piapp.test_log_memory", "first 1")
    assert second["level"] == "WARNING"
    assert first["t"] <= second["t"]


def test_no_login_is_remembered(logged):
    """A camera's address has its password."""
    log, memory = logged
    log.error("rtsp://me:hunter2@camera/1 does not answer")
    assert "hunter2" not in memory.lines()[0]["text"]
    assert "camera/1" in memory.lines()[0]["text"]


def test_the_memory_is_bounded(logged):
    """The oldest go, and a long line is cut."""
    log, memory = logged
    for number in range(MAX_LINES + 5):
        log.info("%d %s", number, "x" * 10_000)
    lines = memory.lines()
    assert len(lines) == MAX_LINES
    assert lines[0]["text"].startswith("5 ")
    assert max(len(line["text"]) for line in lines) == MAX_CHARACTERS
