"""How often the node was started since the machine booted."""

from __future__ import annotations

import logging

import pytest

from piapp.service.restarts import count_start


def test_starts_of_a_boot_are_counted(tmp_path):
    """The first is no restart; another boot begins anew."""
    assert [count_start(tmp_path, "hall", "9f2c61aa") for _ in range(3)] == [0, 1, 2]
    assert [count_start(tmp_path, "hall", "00112233") for _ in range(2)] == [0, 1]


def test_each_node_has_its_own(tmp_path):
    """Two cameras on one machine; and nobody else can read when they were started."""
    count_start(tmp_path, "hall", "9f2c61aa")
    assert count_start(tmp_path, "bath", "9f2c61aa") == 0
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600, 0o600]


@pytest.mark.parametrize("content", [b"", b"9f2c61aa", b"9f2c61aa many", b"\xff\xfe\x00", b"1 2 3"])
def test_a_damaged_file_counts_as_none(tmp_path, content):
    """As after a power cut in the middle of the write; the next start counts on."""
    (tmp_path / "starts-hall").write_bytes(content)
    assert [count_start(tmp_path, "hall", "9f2c61aa") for _ in range(2)] == [0, 1]


def test_where_nothing_can_be_remembered_nothing_is_claimed(tmp_path, caplog):
    """No folder, or one that cannot be written: unknown, not zero."""
    assert count_start(None, "hall", "9f2c61aa") is None
    with caplog.at_level(logging.INFO):
        assert count_start(tmp_path / "absent", "hall", "9f2c61aa") is None
    assert "restarts are not counted" in caplog.text
