"""Keys of a terminal, and what they choose. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Key(Enum):
    """What a key means here."""

    UP = auto()
    DOWN = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    FIRST = auto()
    LAST = auto()
    ENTER = auto()
    ESCAPE = auto()
    QUIT = auto()


# What xterm and its kin send (xterm's ctlseqs, "PC-Style Function Keys"), and letters for terminals without arrows.
_KEYS = {
    b"\x1b[A": Key.UP, b"\x1bOA": Key.UP, b"k": Key.UP,
    b"\x1b[B": Key.DOWN, b"\x1bOB": Key.DOWN, b"j": Key.DOWN,
    b"\x1b[5~": Key.PAGE_UP, b"\x1b[6~": Key.PAGE_DOWN, b" ": Key.PAGE_DOWN,
    b"\x1b[H": Key.FIRST, b"\x1bOH": Key.FIRST, b"\x1b[1~": Key.FIRST, b"g": Key.FIRST,
    b"\x1b[F": Key.LAST, b"\x1bOF": Key.LAST, b"\x1b[4~": Key.LAST, b"G": Key.LAST,
    b"\r": Key.ENTER, b"\n": Key.ENTER, b"\x1b[C": Key.ENTER, b"\x1bOC": Key.ENTER, b"l": Key.ENTER,
    b"\x1b": Key.ESCAPE, b"\x7f": Key.ESCAPE, b"\x1b[D": Key.ESCAPE, b"\x1bOD": Key.ESCAPE, b"h": Key.ESCAPE,
    b"q": Key.QUIT, b"Q": Key.QUIT,
}  # fmt: skip

_WHOLE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~]|\x1b(?=[^\[O])|[^\x1b]", re.DOTALL)

# No sequence is longer; a terminal that sends garbage must not fill memory.
_MAX_PENDING = 32


class KeyReader:
    """Makes keys of bytes, which a slow line may bring in pieces."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> list[Key]:
        """The keys that are complete with these bytes."""
        self._pending += data
        keys: list[Key] = []
        while found := _WHOLE.match(self._pending):
            self._pending = self._pending[found.end() :]
            keys += self._key(found[0])
        self._pending = self._pending[:_MAX_PENDING]
        return keys

    def pause(self) -> list[Key]:
        """Nothing more came: an escape that has begun nothing was the key itself."""
        pending, self._pending = self._pending, b""
        return self._key(pending)

    @staticmethod
    def _key(sequence: bytes) -> list[Key]:
        return [_KEYS[sequence]] if sequence in _KEYS else []


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person at the keyboard has chosen.

    Attributes:
        name: The node at the cursor; empty for the first, whichever that is.
        is_open: Whether it is looked at alone.
    """

    name: str = ""
    is_open: bool = False

    def at(self, names: Sequence[str]) -> int:
        """The cursor's place among the nodes; 0 when its node is not among them."""
        return names.index(self.name) if self.name in names else 0

    def press(self, key: Key, names: Sequence[str], page: int) -> Choice:
        """What is chosen after a key.

        Args:
            key: Any but `Key.QUIT`.
            names: All nodes as they are listed.
            page: How many are listed at a time.
        """
        if key is Key.ESCAPE:
            return Choice(self.name)
        if not names:
            return self
        steps = {Key.UP: -1, Key.DOWN: 1, Key.PAGE_UP: -page, Key.PAGE_DOWN: page}
        ends = {Key.FIRST: 0, Key.LAST: len(names) - 1}
        place = ends.get(key, self.at(names) + steps.get(key, 0))
        return Choice(names[min(max(place, 0), len(names) - 1)], self.is_open or key is Key.ENTER)
