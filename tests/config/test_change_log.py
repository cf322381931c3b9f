"""Who changed which setting, when and from what."""

from __future__ import annotations

import pytest

from piapp.config.change_log import MAX_CHANGE_BYTES, MAX_CHANGES, ChangeLog


def test_changes_outlive_the_process(tmp_path):
    """Newest first; what was not worth a write comes with the next that is."""
    file = tmp_path / "state" / "changes.json"
    log = ChangeLog(file)
    log.add("mqtt", {"a.b": 1}, {"a.b": 2}, write=False)
    assert not file.exists()
    log.add("page 192.0.2.7", {"a.b": 2, "a.c": 0}, {"a.b": 3, "a.c": 0}, write=True)
    newest, oldest = ChangeLog(file).newest()
    assert (newest.by, newest.before, newest.after) == ("page 192.0.2.7", {"a.b": 2}, {"a.b": 3})
    assert oldest.by == "mqtt"
    assert file.stat().st_mode & 0o777 == 0o600


def test_bounds(tmp_path):
    """Only so many are kept, a huge one is left out, and one that changes nothing is none."""
    log = ChangeLog(None)
    for number in range(MAX_CHANGES + 10):
        log.add("mqtt", {"a.b": number}, {"a.b": number + 1}, write=True)
    assert len(log.newest()) == MAX_CHANGES
    assert log.newest()[0].after == {"a.b": MAX_CHANGES + 10}
    log.add("page", {"zones": []}, {"zones": ["x" * MAX_CHANGE_BYTES]}, write=True)
    log.add("page", {"a.b": 1}, {"a.b": 1}, write=True)
    assert log.newest()[0].after == {"a.b": MAX_CHANGES + 10}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_not_fatal(tmp_path, content, caplog):
    """It is forgotten, with a warning, and written anew."""
    file = tmp_path / "changes.json"
    file.write_bytes(content)
    log = ChangeLog(file)
    assert log.newest() == ()
    assert "cannot be read" in caplog.text
    log.add("mqtt", {"a.b": 1}, {"a.b": 2}, write=True)
    assert len(ChangeLog(file).newest()) == 1


def test_a_full_disk_costs_the_memory_alone(tmp_path, caplog):
    """The change is done; who did it is known until the restart."""
    log = ChangeLog(tmp_path / "file" / "changes.json")
    (tmp_path / "file").write_text("in the way")
    log.add("mqtt", {"a.b": 1}, {"a.b": 2}, write=True)
    assert len(log.newest()) == 1
    assert "cannot be written" in caplog.text
