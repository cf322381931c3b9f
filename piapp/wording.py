"""Pieces of messages that several parts use: what was meant, and what must not be repeated. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message that offers the known word nearest to a mistyped one, empty when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def masked(text: str) -> str:
    """A source or URL fit for messages: user name and password of a URL are left out."""
    return re.sub(r"(://)[^/\s]*@", r"\1***@", text)


def printable(text: str) -> str:
    """Without what would move a terminal's cursor: names and words come from anybody on the broker."""
    return "".join(char if char.isprintable() else "?" for char in text)
