"""An invitation to set the node up in a browser: a code that lets one browser in, once, and an hour for all of it.

Owns a small file in the state folder. Whoever installs the node writes it (`Invitation.issue`), and the node opens it.
Time runs only while the node does, so that no wall clock is asked, which a Pi without network does not have.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from piapp.whole_file import write_whole

INVITATION_S = 3600.0

# Time for the browser to show that all is done, before the page ends.
FAREWELL_S = 20.0

# A power cut gives back at most so much of the hour; each write wears the card.
_KEEP_PERIOD_S = 300.0

# Without letters and digits that look alike. Eight of 31 are 8 * 10^11 codes: at the rate at which they may be tried
# nobody finds one in an hour.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_CODE_LENGTH = 8

_log = logging.getLogger(__name__)


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds.

    Attributes:
        code: What lets somebody in; empty once it was used.
        session: SHA-256 of what the browser shows that was let in; empty before.
        left_s: How long the invitation still lasts.
    """

    code: str
    session: str = ""
    left_s: Annotated[float, Meta(ge=0.0, le=INVITATION_S)] = INVITATION_S


class Invitation:
    """An invitation that is open; for any thread.

    Args:
        file: Where it is kept.
        kept: What the file holds.
        clock: Seconds, monotonic.
    """

    def __init__(self, file: Path, kept: Kept, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._kept = kept
        self._in_file = kept
        self._clock = clock
        self._until_s = clock() + kept.left_s
        self._written_s = clock()
        self._finished = False
        self._lock = threading.Lock()  # for what the file holds

    @classmethod
    def issue(cls, file: Path, owner: tuple[int, int] | None = None) -> str:
        """Write a new invitation in place of any that is there, and return its code.

        Args:
            file: Where the node looks for it.
            owner: User and group that the node runs as; None for this process's.

        Raises:
            OSError: It cannot be written.
        """
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
        write_whole(file, msgspec.json.encode(Kept(code)), mode=0o600, owner=owner)
        return shown_code(code)

    @classmethod
    def open(cls, file: Path | None, clock: Callable[[], float] = time.monotonic) -> Invitation | None:
        """The invitation in this file; None where there is none that still lasts."""
        if file is None or not file.exists():
            return None
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=Kept)
        except (OSError, ValueError) as error:
            _log.error("%s: cannot be read (%s); sudo piapp setup-page opens the set-up page anew", file, error)
            return None
        return cls(file, kept, clock) if kept.left_s > 0 else None

    @property
    def code(self) -> str:
        """What lets somebody in, as people read it; empty once it was used."""
        return shown_code(self._kept.code)

    @property
    def left_s(self) -> float:
        """How long it still lasts."""
        return max(0.0, self._until_s - self._clock())

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.left_s <= 0

    def redeem(self, text: str) -> str | None:
        """Use the code up.

        Args:
            text: What somebody has typed; spaces, hyphens and small letters do not matter.

        Returns:
            What their browser is to show from now on; None when this is not the code, or it was used before.
        """
        typed = "".join(sign for sign in text.upper() if sign.isalnum())
        with self._lock:
            right = hmac.compare_digest(typed.encode(), self._kept.code.encode())
            if not right or not self._kept.code or self.over:
                return None
            session = secrets.token_urlsafe(32)
            self._kept = Kept("", _digest(session), self.left_s)
            self._write()
        return session

    def is_session(self, cookie: str) -> bool:
        """Whether this is what the browser shows that was let in."""
        known = self._kept.session
        return hmac.compare_digest(_digest(cookie).encode(), known.encode()) and bool(known) and not self.over

    def tick(self) -> None:
        """Keep how much of the hour is left, now and then."""
        if not self._finished and self._clock() - self._written_s >= _KEEP_PERIOD_S:
            self.keep()

    def keep(self) -> None:
        """Keep how much of the hour is left, for the next start."""
        with self._lock:
            self._kept = msgspec.structs.replace(self._kept, left_s=self.left_s)
            self._write()

    def finish(self) -> None:
        """End it in a moment, and for good."""
        with self._lock:
            self._until_s = min(self._until_s, self._clock() + FAREWELL_S)
            self._remove()

    def _write(self) -> None:
        self._written_s = self._clock()
        if self._finished or self.over or not self._is_in_file():
            self._remove()
            return
        try:
            write_whole(self._file, msgspec.json.encode(self._kept), mode=0o600)
        except OSError as error:
            _log.warning("%s cannot be written (%s); a restart opens the set-up page as it was", self._file, error)
        else:
            self._in_file = self._kept

    def _remove(self) -> None:
        """Take the file away, unless another invitation is in it."""
        self._finished = True
        if self._is_in_file():
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def _is_in_file(self) -> bool:
        """Whether the file still holds this invitation, which nobody has taken back or replaced meanwhile."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Kept) == self._in_file
        except (OSError, ValueError):
            return False


def shown_code(code: str) -> str:
    """A code in two halves."""
    return f"{code[: _CODE_LENGTH // 2]}-{code[_CODE_LENGTH // 2 :]}" if code else ""


def _digest(session: str) -> str:
    return sha256(session.encode()).hexdigest()
