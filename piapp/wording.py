"""Pieces of messages that several parts use: what was meant, and what must not be repeated. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message that offers the known word nearest to a mistyped one, empty when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


MASK = "***"

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*):(//)?(\S+)", re.IGNORECASE)
# A name in a path or query after which a secret stands; cameras write user=admin&password=x and user=admin_password=x.
_NAMES_OF_SECRETS = (
    "pass(?:word|wd|phrase|code)?|pwd|pw|psw|token|secret|(?:api|access|auth|stream)?_?key|auth|credentials?|"
    "user(?:name)?|usr|login|account|sign?|signature|session|sid"
)
_NAMED_SECRET = re.compile(rf"((?:^|[/?&;,_#]|\b)(?:{_NAMES_OF_SECRETS})=)[^&;/?#\s]+", re.IGNORECASE)
# A part of a path that nobody would choose by hand: letters and digits mixed, long, without a break.
_RANDOM_PART = re.compile(r"(?<=/)(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16,}(?=[/?#]|$)")
_SECRET_KEY = re.compile(rf"(?:^|[._-])(?:{_NAMES_OF_SECRETS})$", re.IGNORECASE)
# Keys that merely name a secret's file, or a person.
_NO_SECRET_KEYS = ("username", "user", "login", "account")


def masked(text: str) -> str:
    """Return a source, URL or message with everything left out that may be a secret.

    That is all between a URL's scheme and its last "@" (a password that is not percent-encoded may hold any sign), the
    values of names such as `password=` and `token=` in its path or query, and parts of the path that look random.
    """
    return _URL.sub(_masked_url, text)


def is_secret_key(key: str) -> bool:
    """Return whether a configuration key's name says that its value is a secret, such as `mqtt.password`."""
    name = key.rpartition(".")[2].lower()
    return name not in _NO_SECRET_KEYS and _SECRET_KEY.search(name) is not None


def _masked_url(match: re.Match[str]) -> str:
    scheme, slashes, rest = match[1], match[2] or "", match[3]
    if slashes:
        _user, at, after = rest.rpartition("@")
        rest = f"{MASK}@{after}" if at else rest
        rest = _RANDOM_PART.sub(MASK, rest)
    return f"{scheme}:{slashes}" + _NAMED_SECRET.sub(lambda named: named[1] + MASK, rest)


def printable(text: str) -> str:
    """Without what would move a terminal's cursor: names and words come from anybody on the broker."""
    return "".join(char if char.isprintable() else "?" for char in text)
