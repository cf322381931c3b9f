"""A command in a terminal of its own, as a person at the keyboard has it."""

from __future__ import annotations

import codecs
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

# A loaded machine takes its time; only what hangs fails.
DEADLINE_S = 60.0


class PseudoTerminal:
    """`piapp` with these arguments; a context manager, at whose end the program is gone."""

    def __init__(self, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._leader, follower = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "piapp", *map(str, arguments)],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=_own_the_terminal,  # noqa: PLW1509 - one thread, before the program begins
            env=os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm"} | (environment or {}),
        )
        os.close(follower)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._process.kill()
        self._process.wait()
        os.close(self._leader)

    def answer(self, question: str, text: str | bytes) -> None:
        """Wait for a question and the end of its prompt, then type an answer and Enter.

        What is typed before a prompt for a password has ended is thrown away (getpass).
        """
        self.read_until(question)
        self.read_until(": ")
        self.press((text.encode() if isinstance(text, str) else text) + b"\n")

    def press(self, keys: bytes) -> None:
        """Type; a byte of value 3 is Ctrl-C."""
        os.write(self._leader, keys)

    def read_until(self, text: str) -> None:
        """Wait until the program has shown a text that it had not shown when this was called last."""
        until = time.monotonic() + DEADLINE_S
        while text not in self._unread:
            assert time.monotonic() < until, f"waited in vain for {text!r}; shown: {self.shown}"
            assert self._read(), f"ended without {text!r}; shown: {self.shown}"
        self._seen = self.shown.index(text, self._seen) + len(text)

    def end(self) -> int:
        """Wait for the program's end; its exit code."""
        until = time.monotonic() + DEADLINE_S
        while self._read():
            assert time.monotonic() < until, f"does not end; shown: {self.shown}"
        return self._process.wait(DEADLINE_S)

    _seen = 0

    @property
    def _unread(self) -> str:
        return self.shown[self._seen :]

    def _read(self) -> bool:
        """Read what is there; False when the program has closed the terminal."""
        ready, _, _ = select.select([self._leader], [], [], 1.0)
        if not ready:
            return True
        try:
            data = os.read(self._leader, 65_536)
        except OSError:  # EIO: nobody has the other end any more
            return False
        self.shown += self._decoder.decode(data).replace("\r\n", "\n")
        return bool(data)


def _own_the_terminal() -> None:
    """Make it the controlling terminal, from which Ctrl-C comes and to which a password prompt goes."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
