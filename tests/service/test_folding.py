"""Repeated warnings become one line and a count."""

from __future__ import annotations

import logging

import pytest

from piapp.service.folding import FOLD_S, MAX_KINDS, FoldRepeats


class Lines(logging.Handler):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.said.append(record.getMessage())


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def lines(now: list[float]) -> Lines:
    handler = Lines()
    handler.addFilter(FoldRepeats(lambda: now[0]))
    return handler


@pytest.fixture
def log(lines: Lines) -> logging.Logger:
    logger = logging.Logger("piapp.test")  # noqa: LOG001 - a logger that nobody else has
    logger.addHandler(lines)
    return logger


def test_repeats_are_held_back_and_counted(log: logging.Logger, lines: Lines, now: list[float]) -> None:
    """The first passes at once, the next after a minute tells how many were held back."""
    for age_s in range(5):
        log.warning("no result for %d.5 s", age_s)
    assert lines.said == ["no result for 0.5 s"]
    now[0] = FOLD_S
    log.warning("no result for %d.5 s", 60)
    assert lines.said[1:] == ["no result for 60.5 s (4 more like this in between)"]


def test_other_words_pass(log: logging.Logger, lines: Lines) -> None:
    """Only the same words are folded, of the same severity."""
    log.warning("camera lost")
    log.error("camera lost")
    log.warning("broker lost")
    assert lines.said == ["camera lost", "camera lost", "broker lost"]


def test_events_are_never_folded(log: logging.Logger, lines: Lines) -> None:
    """What is below a warning passes however often it comes."""
    for _ in range(3):
        log.info("event fall")
    assert lines.said == ["event fall"] * 3


def test_memory_is_bounded(lines: Lines, log: logging.Logger) -> None:
    """Messages without end do not fill the memory: all kinds are forgotten when there are too many."""
    log.warning("the first")
    log.warning("the first")
    assert lines.said == ["the first"]
    for number in range(MAX_KINDS):
        log.warning("word %s", "".join(chr(97 + int(digit)) for digit in str(number)))
    log.warning("the first")
    assert lines.said.count("the first") == 2, "it was forgotten when there were too many"
