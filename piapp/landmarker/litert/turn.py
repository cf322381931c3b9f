"""Who may run Python: landmarkers that work side by side take turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType


class Turn:
    """One landmarker's turns at running Python; a context manager.

    NumPy and OpenCV give up Python's own lock at each call and then wait to get it back: two landmarkers that compute
    side by side put each other to sleep several times a frame. Taking turns, two do a third more frames (measured).

    Args:
        lock: Held by the one whose turn it is; all that take turns share it.
        on_compute: Called when the turn is given away for a network's time.
    """

    def __init__(self, lock: threading.Lock | None = None, on_compute: Callable[[], None] = lambda: None) -> None:
        self._lock = lock or threading.Lock()
        self._on_compute = on_compute

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @contextmanager
    def given_away(self) -> Iterator[None]:
        """Leave the turn to others within this block, where nothing runs Python."""
        self._on_compute()
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
