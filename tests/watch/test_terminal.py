"""The terminal is used well and given back as it was."""

from __future__ import annotations

import os
import pty
import select
import termios
from contextlib import suppress

import pytest
from rich.text import Text

from piapp.watch.keys import Key
from piapp.watch.terminal import Terminal
from tests.mosquitto import DEADLINE_S


class Pair:
    """A pseudo-terminal: what a person has, and the program's end."""

    def __init__(self):
        self.leader, follower = pty.openpty()
        self.follower = open(follower, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a number; closed below

    def shown(self):
        """What was written since."""
        data = b""
        while select.select([self.leader], [], [], 0.05)[0]:
            data += os.read(self.leader, 65_536)
        return data.decode()

    def close(self):
        """End both."""
        self.follower.close()
        os.close(self.leader)


@pytest.fixture
def pair(monkeypatch):
    """80 x 24, with colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pair = Pair()
    yield pair
    pair.close()


def resize(pair, columns, rows):
    """Set the terminal's size."""
    termios.tcsetwinsize(pair.leader, (rows, columns))


def local_modes(pair):
    """Whether it echoes, collects lines, and sends signals."""
    flags = termios.tcgetattr(pair.leader)[3]
    return tuple(bool(flags & flag) for flag in (termios.ECHO, termios.ICANON, termios.ISIG))


def test_everything_is_put_back_after_a_crash(pair):
    """Echo, lines, keys, cursor, wrapping and the screen that was there before."""
    before = termios.tcgetattr(pair.leader)
    with suppress(ZeroDivisionError), Terminal(pair.follower, pair.follower) as terminal:
        assert terminal.has_keys
        assert local_modes(pair) == (False, False, True)
        assert pair.shown() == "\x1b[?1049h\x1b[H\x1b[?25l\x1b[?7l"
        raise ZeroDivisionError
    assert termios.tcgetattr(pair.leader) == before
    assert pair.shown() == "\x1b[?7h\x1b[?25h\x1b[?1049l"


def test_keys_come_one_by_one(pair):
    """Without return; a lone escape after a pause; nothing in time is nothing."""
    with Terminal(pair.follower, pair.follower) as terminal:
        os.write(pair.leader, b"\x1b[Bj")
        assert terminal.keys(DEADLINE_S) == [Key.DOWN, Key.DOWN]
        os.write(pair.leader, b"\x1b")
        assert terminal.keys(DEADLINE_S) == []
        assert terminal.keys(0.01) == [Key.ESCAPE]
        assert terminal.keys(0.01) == []


def test_ctrl_z_does_not_leave_the_screen_behind(pair):
    """It is no signal here."""
    with Terminal(pair.follower, pair.follower):
        assert termios.tcgetattr(pair.leader)[6][termios.VSUSP] == b"\x00"


def test_only_changed_lines_are_written(pair):
    """A slow line carries what is new; another size draws all again."""
    terminal = Terminal(pair.follower, pair.follower)
    terminal.paint([Text("first"), Text("second", "bold")])
    assert "\x1b[1;1H\x1b[2Kfirst\x1b[2;1H\x1b[2K\x1b[1msecond" in pair.shown()
    terminal.paint([Text("first"), Text("other")])
    assert pair.shown() == "\x1b[2;1H\x1b[2Kother"
    terminal.paint([Text("first"), Text("other", "bold")])
    assert pair.shown() == "\x1b[2;1H\x1b[2K\x1b[1mother\x1b[0m"
    terminal.paint([Text("first"), Text("other", "bold")])
    assert pair.shown() == ""
    resize(pair, 70, 20)
    assert terminal.size == (70, 20)
    terminal.paint([Text("first")])
    assert "first" in pair.shown()


def test_a_terminal_that_does_not_know_its_size(pair):
    """A serial line says 0 x 0."""
    resize(pair, 0, 0)
    assert Terminal(pair.follower, pair.follower).size == (80, 24)


def test_without_colour(pair, monkeypatch):
    """NO_COLOR leaves weight, which says nothing that words do not."""
    monkeypatch.setenv("NO_COLOR", "1")
    Terminal(pair.follower, pair.follower).paint([Text("FALLEN", "bold reverse red")])
    assert "\x1b[1;7mFALLEN\x1b[0m" in pair.shown()


def test_without_a_keyboard(pair, tmp_path):
    """Standard input may be a file: no keys, and nothing to put back."""
    with (tmp_path / "empty").open("w+") as file, Terminal(pair.follower, file) as terminal:
        assert not terminal.has_keys
        assert terminal.keys(0.0) == []
        assert local_modes(pair) == (True, True, True)


def test_a_terminal_that_is_gone_quits(pair):
    """Nobody looks any more."""
    terminal = Terminal(pair.follower, pair.follower)
    os.close(pair.leader)
    pair.leader = os.open(os.devnull, os.O_RDONLY)
    assert terminal.keys(DEADLINE_S) == [Key.QUIT]
