"""When nobody is watched."""

from __future__ import annotations

import pytest

from piapp.errors import ConfigError
from piapp.node.pauses import Pauses


def step(pauses, *, scheduled=False, unattended=False):
    """Decide; what pauses now."""
    pauses.update(scheduled=scheduled, unattended=unattended)
    return pauses.by


def test_a_request_pauses_until_another_resumes():
    """Whatever the schedule says meanwhile."""
    pauses = Pauses(None)
    assert step(pauses) is None
    pauses.request(paused=True)
    assert pauses.update(scheduled=False, unattended=False)
    assert pauses.by == "request"
    assert step(pauses, scheduled=True) == "request"
    assert step(pauses) == "request"
    pauses.request(paused=False)
    assert step(pauses) is None
    assert not pauses.update(scheduled=False, unattended=False)


def test_the_schedule_pauses_for_its_time():
    """Resuming by request holds until that time ends; the next one pauses again."""
    pauses = Pauses(None)
    assert step(pauses, scheduled=True) == "schedule"
    assert step(pauses) is None
    assert step(pauses, scheduled=True) == "schedule"
    pauses.request(paused=False)
    assert [step(pauses, scheduled=True) for _ in range(3)] == [None] * 3
    assert step(pauses) is None
    assert step(pauses, scheduled=True) == "schedule"


def test_a_request_during_a_scheduled_time_goes_on_after_it():
    """Whoever asks for it gets it."""
    pauses = Pauses(None)
    step(pauses, scheduled=True)
    pauses.request(paused=True)
    assert step(pauses, scheduled=True) == "request"
    assert step(pauses) == "request"


def test_the_schedule_waits_for_an_open_alarm():
    """Until it is over or somebody takes care of it; a pause by request does not wait."""
    pauses = Pauses(None)
    assert step(pauses, scheduled=True, unattended=True) is None
    assert step(pauses, scheduled=True) == "schedule"
    other = Pauses(None)
    other.request(paused=True)
    assert step(other, unattended=True) == "request"


def test_a_pause_survives_a_restart_where_that_was_asked_for(tmp_path):
    """And only then; resuming ends it for good."""
    file = tmp_path / "state" / "paused-hall"
    Pauses(file).request(paused=True)
    assert Pauses(file).by is None
    Pauses(file).request(paused=True, persist=True)
    assert Pauses(file).by == "request"
    Pauses(file).request(paused=False)
    assert Pauses(file).by is None
    Pauses(file).request(paused=True, persist=True)
    Pauses(file).request(paused=True)
    assert Pauses(file).by is None, "the newest request did not ask for it"


def test_what_cannot_be_kept_changes_nothing(tmp_path):
    """The error says why."""
    (tmp_path / "state").write_text("a file where a folder should be")
    for file, words in ((None, r"no folder for its state \(spool.dir\)"), (tmp_path / "state" / "x", "cannot be kept")):
        pauses = Pauses(file)
        with pytest.raises(ConfigError, match=words):
            pauses.request(paused=True, persist=True)
        assert step(pauses) is None
