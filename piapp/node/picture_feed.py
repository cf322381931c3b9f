"""The `image` topic: pictures at a slow pace, and when somebody asks for one.

Owns when a picture is due, the thread that draws and encodes it, and the answers to `request/snapshot`. What may be
seen in a picture is the configuration's business alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from piapp import draw
from piapp.errors import ConfigError, PiappError
from piapp.mqtt.message import Message
from piapp.types import ImageArray, PoseLabel, PoseResult

# Longer than the 5 s between frames at the slowest idle rate, and no longer than a person waits.
SNAPSHOT_WAIT_S = 8.0

# One picture answers all who wait, so they are many only when no frame comes.
MAX_ASKED = 16

CONTENT_TYPE = "image/jpeg"

Answer = Callable[[dict[str, Any] | None, str | None], None]
"""Told once: data, or why there is none; from any thread."""


@dataclass(frozen=True, slots=True)
class _Asked:
    answer: Answer
    until_s: float


class PictureFeed:
    """Draws results that are due in a thread named "pictures", and publishes them.

    Args:
        kind: "skeleton" for landmarks on an empty ground, "photo" for the picture with them.
        period_s: Seconds between pictures; 0 for none but those that are asked for.
        topic: Where to.
        publish: Takes a message, from any thread.
        time_text: Gives a `CLOCK_MONOTONIC` instant in ns as payloads write it.
        snapshot_wait_s: How long whoever asks waits for a frame.
    """

    def __init__(
        self,
        kind: Literal["skeleton", "photo"],
        period_s: float,
        topic: str,
        publish: Callable[[Message], object],
        time_text: Callable[[int], str],
        *,
        snapshot_wait_s: float = SNAPSHOT_WAIT_S,
    ) -> None:
        self._kind = kind
        self._period_s = period_s
        self._topic = topic
        self._publish = publish
        self._time_text = time_text
        self._snapshot_wait_s = snapshot_wait_s
        self._changed = threading.Condition()
        self._slot: tuple[PoseResult, tuple[PoseLabel, ...]] | None = None  # one: a newer result replaces it
        self._asked: deque[_Asked] = deque()  # at most MAX_ASKED: more are refused
        self._served: tuple[_Asked, ...] = ()  # wait for the picture in work
        self._due_s = 0.0
        self._stopping = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish the picture in work and end; whoever waits is answered. False when it still draws after the time."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def offer(self, result: PoseResult, labels: tuple[PoseLabel, ...]) -> None:
        """Take a result, if a picture is due; never waits."""
        now_s = time.monotonic()
        with self._changed:
            if not self._asked and not self._period_is_over(now_s):
                return
            self._slot = (result, labels)
            self._changed.notify()

    def ask(self, answer: Answer) -> None:
        """Have the next result that is offered published, and answer.

        Raises:
            ConfigError: Too many wait already.
        """
        with self._changed:
            if len(self._asked) >= MAX_ASKED:
                raise ConfigError(f"busy: {MAX_ASKED} requests wait for a picture already; ask again later")
            self._asked.append(_Asked(answer, time.monotonic() + self._snapshot_wait_s))
            self._changed.notify()

    def raise_if_failed(self) -> None:
        """Raise what ended the thread, if anything did; for the main thread to call now and then.

        Raises:
            PiappError: An error in this program.
        """
        if self._failure is not None:
            kind = type(self._failure).__name__
            raise PiappError(f"the pictures thread ended: {kind}: {self._failure}") from self._failure

    def _period_is_over(self, now_s: float) -> bool:
        """Whether it is time for the next picture; keeps the rhythm, but makes up for nothing."""
        if not self._period_s or now_s < self._due_s:
            return False
        in_time = now_s - self._due_s < self._period_s
        self._due_s = (self._due_s if in_time else now_s) + self._period_s
        return True

    def _run(self) -> None:
        reason = "the node is stopping"
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 - raised on the main thread, which ends the program
            self._failure = error
            reason = f"the picture could not be made: {error}"
        finally:
            with self._changed:
                left = (*self._served, *self._asked)
                self._asked.clear()
            for asked in left:
                asked.answer(None, reason)

    def _step(self) -> bool:
        """Wait for a result and publish its picture, or answer who has waited too long; False when stopping."""
        with self._changed:
            if not (self._slot or self._stopping):
                self._changed.wait(self._patience_s())
            if self._stopping:
                return False
            due, self._slot = self._slot, None
            late = [] if due else self._too_late()
            if due:
                self._served = tuple(self._asked)
                self._asked.clear()
        for asked in late:
            asked.answer(None, f"no frame came within {self._snapshot_wait_s:g} s; see `health`")
        if due:
            self._send(*due)
        return True

    def _patience_s(self) -> float | None:
        return max(0.0, self._asked[0].until_s - time.monotonic()) if self._asked else None

    def _too_late(self) -> list[_Asked]:
        now_s = time.monotonic()
        late: list[_Asked] = []
        while self._asked and self._asked[0].until_s <= now_s:
            late.append(self._asked.popleft())
        return late

    def _send(self, result: PoseResult, labels: tuple[PoseLabel, ...]) -> None:
        picture = self._draw(result, labels)
        jpeg = draw.encode_jpeg(picture)
        self._publish(Message(self._topic, jpeg, content_type=CONTENT_TYPE, newest_only=True))
        data = {
            "topic": self._topic,
            "bytes": len(jpeg),
            "size": [picture.shape[1], picture.shape[0]],
            "t": self._time_text(result.captured_ns),
            "ts_ms": result.ts_ms,
        }
        served, self._served = self._served, ()
        for asked in served:
            asked.answer(data, None)

    def _draw(self, result: PoseResult, labels: tuple[PoseLabel, ...]) -> ImageArray:
        if self._kind == "skeleton":
            return draw.skeleton_picture(result.size, result.poses, labels)
        assert result.image is not None, "the landmarker stage does not keep pictures"
        return draw.photo_picture(result.image, result.poses, labels)
