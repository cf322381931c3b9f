"""The day's log, as the owner's page shows it."""

from __future__ import annotations

import json
import logging
import time

import pytest

from piapp.service.log_memory import DAY_S, MAX_CHARACTERS, MAX_LINES, MAX_SHOWN, RUNTIME_VARIABLE, LogMemory


@pytest.fixture(params=["memory", "files"])
def logged(request, tmp_path):
    """A logger whose lines are remembered, in this process and in files."""
    memory = LogMemory(tmp_path if request.param == "files" else None)
    log = logging.getLogger("piapp.test_log_memory")
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
    """The oldest go, and a long line is cut; a warning outlasts any number of other lines."""
    log, memory = logged
    log.warning("early")
    for number in range(3000):
        log.info("%d %s", number, "x" * 10_000)
    lines = memory.lines()
    assert lines[0]["text"] == "early"
    assert MAX_LINES < len(lines) < 3000
    assert lines[-1]["text"].startswith("2999 ")
    assert max(len(line["text"]) for line in lines) == MAX_CHARACTERS


def test_the_page_reads_by_level_and_backwards(logged):
    """The newest first that fit, and how many there are before them."""
    log, memory = logged
    for number in range(MAX_SHOWN + 20):
        log.log(logging.ERROR if number % 2 else logging.WARNING, "%d", number)
    log.info("calm")
    assert [line["text"] for line in memory.document({"level": "ERROR"})["lines"]][-2:] == ["517", "519"]
    assert memory.document({"level": "INFO"})["lines"][-1]["text"] == "calm"
    newest = memory.document({"level": "WARNING"})
    assert len(newest["lines"]) <= MAX_SHOWN
    before = memory.document({"level": "WARNING", "before": repr(newest["lines"][0]["at_s"])})
    assert all(line["at_s"] < newest["lines"][0]["at_s"] for line in before["lines"])
    assert newest["earlier"] >= len(before["lines"])


@pytest.mark.parametrize("query", [{"level": "LOUD"}, {"before": "yesterday"}])
def test_a_query_of_another_form_is_refused(query):
    """As every request of the page is."""
    with pytest.raises(ValueError, match=r"expected|convert"):
        LogMemory().document(query)


def test_a_day_and_no_longer(tmp_path):
    """What is older is not shown, and a line that a crash has cut off is left out."""
    now_s = time.time()
    rows = [[now_s - DAY_S - 60, "INFO", "x", "old"], [now_s - DAY_S + 60, "INFO", "x", "young"]]
    (tmp_path / "log").write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '[1, "IN')
    assert [line["text"] for line in LogMemory(tmp_path).lines()] == ["young"]


def test_a_restart_of_the_service_goes_on(tmp_path, monkeypatch):
    """In the runtime folder that systemd gives; elsewhere in memory alone."""
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "before", None, None)
    monkeypatch.setenv(RUNTIME_VARIABLE, str(tmp_path))
    LogMemory.of_this_process().emit(record)
    assert [line["text"] for line in LogMemory.of_this_process().lines()] == ["before"]
    monkeypatch.delenv(RUNTIME_VARIABLE)
    assert LogMemory.of_this_process().lines() == []
