"""Speaks to systemd: readiness, watchdog and status by sd_notify, and the journal with fields.

The only module that knows systemd-python. Without it the log goes to standard error, which the journal keeps without
fields; without a service manager everything here does nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, Self, TextIO

# A ping in each quarter of WatchdogSec: three may be lost to a machine that swaps.
PINGS_PER_WATCHDOG = 4
STATUS_PERIOD_S = 5.0

# As in systemd/piapp.service.
IDENTIFIER = "piapp"

# syslog(3): what the journal calls PRIORITY.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY = 7


class Notify(Protocol):
    """Sends one datagram of sd_notify(3), such as "READY=1"."""

    def __call__(self, state: str) -> object:
        """Send it; never blocks for long, never raises."""
        ...


def notifier(environ: Mapping[str, str] = os.environ) -> Notify:
    """What reaches the service manager that started this process; does nothing where there is none."""
    if not environ.get("NOTIFY_SOCKET"):
        return _nobody_listens
    try:
        from systemd import daemon  # noqa: PLC0415 - absent where piapp came by pip
    except ImportError:
        return _Datagrams(environ["NOTIFY_SOCKET"])
    notify: Notify = daemon.notify
    return notify


class _Datagrams:
    """Sends what sd_notify(3) would, for whoever has no systemd-python.

    Args:
        address: A path, or an abstract address that begins with "@".
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def __call__(self, state: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.connect(self._address)
            sender.send(state.encode())


def watchdog_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds without a ping after which systemd kills this process; None when it does not watch it."""
    period_us, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not period_us.isdecimal() or pid not in ("", str(os.getpid())):
        return None
    return int(period_us) / 1e6 or None


class Supervisor:
    """Tells the service manager how the node does; every call from one thread.

    The first result makes the service ready, and only results feed the watchdog: a node that is busy and sees nothing
    is killed and started again.

    Args:
        notify: Sends a state.
        watchdog_period_s: The service's WatchdogSec; None when nobody watches.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, notify: Notify, watchdog_period_s: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notify = notify
        self._ping_period_s = None if watchdog_period_s is None else watchdog_period_s / PINGS_PER_WATCHDOG
        self._clock = clock
        self._ready = False
        self._ping_due_s = 0.0
        self._line_started_s = 0.0
        self._results = 0
        self._latency_ms = 0.0

    @classmethod
    def of_this_process(cls) -> Self:
        """The one for the service manager that started this process, or for nobody."""
        return cls(notifier(), watchdog_s())

    def set_status(self, text: str) -> None:
        """Set the status line that `systemctl status` shows."""
        self._notify(f"STATUS={text}")

    def result(self, latency_ms: float, people: int) -> None:
        """A result is in, `latency_ms` after its frame was captured."""
        now_s = self._clock()
        if not self._ready:
            self._ready = True
            self._line_started_s = now_s
            self._notify("READY=1\nSTATUS=running")
        self.alive()
        self._results += 1
        self._latency_ms += latency_ms
        if now_s - self._line_started_s >= STATUS_PERIOD_S:
            self._report_progress(now_s, people)

    def paused(self) -> None:
        """The node is ready, though it is paused, and lives."""
        if not self._ready:
            self._ready = True
            self._line_started_s = self._clock()
            self._notify("READY=1\nSTATUS=paused")
        self.alive()

    def alive(self) -> None:
        """Feed the watchdog, when that is due; for times in which no results are wanted, too."""
        now_s = self._clock()
        if self._ping_period_s is not None and now_s >= self._ping_due_s:
            self._ping_due_s = now_s + self._ping_period_s
            self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        """The node obeys a request to stop."""
        self._notify("STOPPING=1\nSTATUS=stopping")

    def _report_progress(self, now_s: float, people: int) -> None:
        fps = self._results / (now_s - self._line_started_s)
        self.set_status(f"{fps:.1f} frames/s, {self._latency_ms / self._results:.0f} ms, {_count(people)}")
        self._line_started_s, self._results, self._latency_ms = now_s, 0, 0.0


def journal_handler(
    fields: Mapping[str, str], *, stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> logging.Handler | None:
    """A log handler that writes to the journal; None unless `stream`, standard error, already leads there.

    Args:
        fields: Journal fields of every record, such as `PIAPP_NODE`.
        stream: Standard error; None takes the present one.
        environ: Where JOURNAL_STREAM is looked for.
    """
    if not _leads_to_journal(sys.stderr if stream is None else stream, environ):
        return None
    try:
        from systemd import journal  # noqa: PLC0415 - absent where systemd is
    except ImportError:
        return None
    return JournalHandler(journal.send, fields)


class JournalHandler(logging.Handler):
    """Writes records as journal entries. A record's `fields`, given with `extra`, become fields of the entry."""

    def __init__(self, send: Callable[..., Any], fields: Mapping[str, str]) -> None:
        super().__init__()
        self._send = send
        self._fields = {"SYSLOG_IDENTIFIER": IDENTIFIER, **fields}
        self.setFormatter(logging.Formatter("%(message)s"))  # the journal knows time, level and logger by itself

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what goes wrong is `logging`'s to report."""
        try:
            self._send(
                self.format(record),
                PRIORITY=str(_priority(record.levelno)),
                LOGGER=record.name,
                THREAD_NAME=record.threadName or "",
                **self._fields,
                **getattr(record, "fields", {}),
            )
        except Exception:  # noqa: BLE001 - a full journal must not end the node
            self.handleError(record)


def _leads_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one that systemd connected to the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG_PRIORITY)


def _count(people: int) -> str:
    return {0: "nobody", 1: "1 person"}.get(people, f"{people} people")


def _nobody_listens(state: str) -> None:
    """Take the place of sd_notify where no manager is."""
