"""Catches what native libraries write to the process's standard error, and puts it into the log.

MediaPipe, TensorFlow Lite and FFmpeg write there past Python, in words that are theirs and not a user's. The log itself
goes on writing to the real standard error.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading

log = logging.getLogger(__name__)

# absl and glog start a line with the severity's letter and the date: E0000, F1122.
_SEVERE = re.compile(r"^(?:[EF]\d{4} |ERROR|FATAL|Fatal|terminate called|\S*Check failed)")


def catch_native_stderr() -> None:
    """From now on read descriptor 2 in a thread named "native-stderr"; call once, before threads start.

    Severe lines are logged as warnings, the rest as debug. `sys.stderr` is replaced by a writer to the real one.
    """
    real = os.dup(2)
    sys.stderr.flush()
    sys.stderr = os.fdopen(real, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    threading.Thread(target=_read, args=(reader,), name="native-stderr", daemon=True).start()


def _read(reader: int) -> None:
    with os.fdopen(reader, encoding="utf-8", errors="backslashreplace") as lines:
        for line in lines:
            if text := line.rstrip():
                log.log(logging.WARNING if _SEVERE.match(text) else logging.DEBUG, "%s", text)
