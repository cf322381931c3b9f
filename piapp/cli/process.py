"""The process around a command: standard error, the log, signals, exit codes."""

from __future__ import annotations

import errno
import faulthandler
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NoReturn

from piapp.errors import PiappError

log = logging.getLogger("piapp")

EXIT_SOME_FAILED = 1
EXIT_INTERNAL = 70


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def exit_code(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; every error is written to standard error."""
    try:
        try:
            command()
        finally:
            sys.stdout.flush()  # here, where a failure can be told
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_SOME_FAILED
    except BrokenPipeError:
        # Whoever read standard output has gone; Python must not complain again when it flushes at exit.
        _discard_output()
        return EXIT_SOME_FAILED
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.filename is not None:
            return report_error(error)
        write_line(f"piapp: standard output cannot be written: {error.strerror}; what was printed is incomplete")
        _discard_output()
        return EXIT_SOME_FAILED
    except Exception as error:  # noqa: BLE001 - the last resort, with exit code 70
        return report_error(error)
    return 0


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report_error(error: BaseException) -> int:
    """Write what ended the program to standard error and to `systemctl status`; return its exit code."""
    from piapp.service.systemd import notifier  # noqa: PLC0415 - most commands end without an error

    text = str(error) if isinstance(error, PiappError) else f"internal error: {error!r}"
    notifier()("STATUS=" + "; ".join(line.strip() for line in text.splitlines()))
    if isinstance(error, PiappError):
        write_line(f"piapp: {error}")
        return error.exit_code
    trace = "".join(traceback.format_exception(error))
    write_line(trace + "piapp: internal error; please report it with the lines above")
    return EXIT_INTERNAL


def inform(text: str) -> None:
    """Write what is going on to standard error, where that is a terminal."""
    if sys.stderr.isatty():
        write_line(text)


def write_line(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(text + "\n")


def leave(error: BaseException | None) -> NoReturn:
    """End the process while threads of ours hang in a driver or library, which Python would wait for."""
    code = 0
    if error is not None:
        code = report_error(error)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def start_logging(level: LogLevel, *, node: str = "") -> None:
    """Log to standard error, or as a service to the journal; what native libraries print joins the log.

    Args:
        level: The least that is logged.
        node: The node id that journal entries carry.
    """
    from piapp.service.folding import FoldRepeats  # noqa: PLC0415
    from piapp.service.native_stderr import catch_native_stderr  # noqa: PLC0415
    from piapp.service.systemd import journal_handler  # noqa: PLC0415

    catch_native_stderr()
    handler = journal_handler({"PIAPP_NODE": node} if node else {})
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))
    handler.addFilter(FoldRepeats())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # It comes along with mediapipe, and tells of the fonts it has found.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    # A watchdog's SIGABRT and a crash in a native library leave every thread's stack in the log.
    faulthandler.enable(sys.stderr)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()

    def handle(number: int, _frame: Any) -> None:
        log.info("stopping on %s", signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
