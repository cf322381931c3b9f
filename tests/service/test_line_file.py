"""A file of lines that never grows beyond its bound."""

from __future__ import annotations

from piapp.service.line_file import LineFile


def test_the_newest_lines_stay_and_the_oldest_go(tmp_path):
    """Never more than two halves, and always at least one of them full of the newest."""
    lines = LineFile(tmp_path / "log", 1000)
    for number in range(500):
        lines.add(b"%d" % number)
        assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2000
    kept = [int(line) for line in lines.lines()]
    assert kept == list(range(kept[0], 500))
    assert len(kept) > 200


def test_another_process_goes_on_where_one_ended(tmp_path):
    """With what is there, and with the same bound; others may not read it."""
    LineFile(tmp_path / "log", 1000).add(b"before")
    again = LineFile(tmp_path / "log", 1000)
    again.add(b"after")
    assert again.lines() == [b"before", b"after"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_takes_nothing_costs_the_lines_alone(tmp_path):
    """Whoever logs goes on."""
    lines = LineFile(tmp_path / "none" / "log", 10)
    for _ in range(3):
        lines.add(b"0123456789")
    assert lines.lines() == []
