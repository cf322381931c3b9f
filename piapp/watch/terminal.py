"""The terminal: its keys, and lines on its other screen, both put back on leaving whatever happens."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Sequence
from typing import Any, Self, TextIO

from rich.console import Console
from rich.text import Text

from piapp.watch.keys import Key, KeyReader

# Control sequences of xterm that rich has no word for: without wrapping, a character that a terminal takes for wider
# than Unicode's tables do cannot push lines down.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_LINE = "\x1b[2K"

# Of a serial line, which does not know its terminal's size.
_USUAL_SIZE = (80, 24)

# os.read takes what is there, up to this.
_READ_BYTES = 1024


class Terminal:
    """A context manager; one thread uses it.

    Args:
        out: A terminal that can move its cursor.
        keyboard: Where keys come from; no key comes from what is no terminal.
    """

    def __init__(self, out: TextIO, keyboard: TextIO) -> None:
        self._out = out
        self._console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._shown: list[str] = []
        self._shown_size = (0, 0)
        self._reader = KeyReader()
        self._keyboard: int | None = keyboard.fileno() if keyboard.isatty() else None
        self._before: list[Any] | None = None

    @property
    def has_keys(self) -> bool:
        """Whether keys are heard."""
        return self._keyboard is not None

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows) now."""
        size = os.get_terminal_size(self._out.fileno())
        return size.columns or _USUAL_SIZE[0], size.lines or _USUAL_SIZE[1]

    def __enter__(self) -> Self:
        if self._keyboard is not None:
            self._before = termios.tcgetattr(self._keyboard)
            self._listen(self._keyboard)
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)
        self._write(_NO_WRAP)
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            self._write(_WRAP)
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        finally:
            if self._keyboard is not None and self._before is not None:
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)

    def paint(self, lines: Sequence[Text]) -> None:
        """Show lines from the top; only those that have changed are written."""
        if self.size != self._shown_size:
            self._shown, self._shown_size = [], self.size
            self._console.clear()
        before = [*self._shown, *[None] * len(lines)]
        self._shown = [self._ansi(line) for line in lines]
        changed = [(row, text) for row, text in enumerate(self._shown, 1) if text != before[row - 1]]
        self._write("".join(f"\x1b[{row};1H{_CLEAR_LINE}{text}" for row, text in changed))

    def keys(self, timeout_s: float) -> list[Key]:
        """Wait for keys, at most so long."""
        if self._keyboard is None:
            time.sleep(timeout_s)
            return []
        ready, _, _ = select.select([self._keyboard], [], [], timeout_s)
        if not ready:
            return self._reader.pause()
        data = b""  # also how a terminal that has gone is read
        with contextlib.suppress(OSError):
            data = os.read(self._keyboard, _READ_BYTES)
        return self._reader.feed(data) if data else [Key.QUIT]

    @staticmethod
    def _listen(keyboard: int) -> None:
        """Give keys one by one and unseen; Ctrl-C stays a signal, Ctrl-Z would leave this screen behind."""
        tty.setcbreak(keyboard, termios.TCSADRAIN)
        attributes = termios.tcgetattr(keyboard)
        attributes[6][termios.VSUSP] = os.fpathconf(keyboard, "PC_VDISABLE").to_bytes(1, sys.byteorder)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, attributes)

    def _ansi(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
