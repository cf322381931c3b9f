"""Who the device is."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.service.identity import boot_id, default_node_id, event_ids, sanitised


def write(path, text):
    """A file with this content."""
    path.write_text(text)
    return path


def test_a_boards_serial_number_is_the_node(tmp_path):
    """The device tree's string ends in NUL."""
    serial = write(tmp_path / "serial", "10000000AB12cd34\0")
    assert default_node_id([serial], tmp_path / "absent") == "10000000ab12cd34"


def test_a_serial_number_of_zeros_is_none(tmp_path):
    """Virtual machines have such; then the machine id is hashed, and does not leave."""
    machine_id = "4a0f8f6c1f0e4f7f9f6a8c0d1e2f3a4b"
    serial = write(tmp_path / "serial", "0000000000000000\0")
    node = default_node_id([serial], write(tmp_path / "machine-id", machine_id + "\n"))
    assert re.fullmatch(r"[0-9a-f]{12}", node)
    assert node not in machine_id
    assert node == default_node_id([], tmp_path / "machine-id")


def test_the_host_name_is_the_last_resort(tmp_path):
    """A device without serial number and machine id still has a legal node id."""
    assert default_node_id([], tmp_path / "absent", hostname="Küche_Pi.local") == "k-che-pi-local"
    assert default_node_id([], tmp_path / "absent", hostname="___") == "node"


@given(st.text())
def test_anything_becomes_legal_or_empty(text):
    """The form of a node id holds for any text."""
    assert re.fullmatch(r"|[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", sanitised(text))


def test_this_machine_has_a_node_id():
    """With the real files."""
    assert re.fullmatch(r"[a-z0-9-]{1,32}", default_node_id())


@pytest.mark.parametrize(("text", "expected"), [("9F2C61AA-1b2c-4d\n", "9f2c61aa"), ("", "00000000")])
def test_boot_ids_are_eight_hex_digits(tmp_path, text, expected):
    """The start of the kernel's id, or zeros."""
    assert boot_id(write(tmp_path / "boot_id", text)) == expected


def test_event_ids_rise_from_the_first():
    """Six digits at least."""
    assert list(itertools.islice(event_ids("9f2c61aa", first=42), 2)) == ["9f2c61aa-000042", "9f2c61aa-000043"]


def test_a_later_run_starts_above_an_earlier_one():
    """Without memory, the time since boot keeps runs apart."""
    first = next(event_ids("9f2c61aa"))
    assert next(event_ids("9f2c61aa")) >= first
    assert int(first.split("-")[1]) > 0
