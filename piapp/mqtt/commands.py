"""Requests and their answers: what is asked, by whom it is answered where, and how often.

Owns the form of requests, their limits and the way to the main loop. Does not know what a command does. A request is
validated before it is queued; whatever a hostile one holds, `receive` neither raises nor blocks.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from piapp.mqtt.incoming import Incoming
from piapp.mqtt.message import Message
from piapp.mqtt.topics import Topics, is_topic_name
from piapp.token_bucket import TokenBucket

# A `set` of every posture key is half of it.
MAX_REQUEST_BYTES = 8_192
MAX_CORRELATION_BYTES = 1_024

# More than a person or an automation asks; answers must leave room for the rest (a guess).
RATE_HZ = 5.0
BURST = 20
COMPLAIN_PERIOD_S = 60.0

# Requests that wait for the main loop; when it is full, because the model is loading, the answer is an error.
MAX_WAITING = 16

Transaction = Annotated[str, Meta(max_length=128)] | int | None
Value = bool | int | float | Annotated[str, Meta(max_length=256)]

_log = logging.getLogger(__name__)


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What every request may carry.

    Attributes:
        transaction: Comes back with the answer.
    """

    transaction: Transaction = None


class Pause(Parameters, frozen=True):
    """`request/pause`.

    Attributes:
        paused: False resumes, for switches that have one topic.
        persist: Stay paused over a restart.
    """

    paused: bool = True
    persist: bool = False


class Acknowledge(Parameters, frozen=True):
    """`request/acknowledge`.

    Attributes:
        event: Id of the alarm's `fall` or of one of its `fallen`; without it all open alarms are meant.
    """

    event: Annotated[str, Meta(max_length=64)] | None = None


class Feedback(Parameters, frozen=True, kw_only=True):
    """`request/feedback`.

    Attributes:
        verdict: Whether somebody had fallen.
        event: Id of the alarm's `fall` or of one of its `fallen`; without it the newest alarm is meant.
    """

    verdict: Literal["right", "no fall"]
    event: Annotated[str, Meta(max_length=64)] | None = None


class Set(Parameters, frozen=True, kw_only=True):
    """`request/set`.

    Attributes:
        values: Dotted key to value, at least one; types and ranges are those of `piapp config schema`.
        persist: Keep them over a restart.
    """

    values: Annotated[dict[str, Value], Meta(min_length=1)]
    persist: bool = False


class _OnlyTransaction(Struct, frozen=True):
    """What can be read of a request that is wrong otherwise."""

    transaction: Transaction = None


COMMANDS: Mapping[str, type[Parameters]] = {
    "ping": Parameters,
    "pause": Pause,
    "resume": Parameters,
    "snapshot": Parameters,
    "get_config": Parameters,
    "set": Set,
    "restart": Parameters,
    "acknowledge": Acknowledge,
    "test": Parameters,
    "feedback": Feedback,
    "missed": Parameters,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request.

    Attributes:
        reply_to: The topic of its answer.
        correlation_data: What MQTT 5's sender wants back.
    """

    command: str
    parameters: Parameters
    reply_to: str
    correlation_data: bytes = b""


class Commands:
    """Takes requests on the publisher thread, hands them to the main loop, and sends answers.

    Args:
        topics: Of this node.
        publish: Queues a message; from any thread.
        response_prefix: Answers may also go to the sender's response topic below this one; empty for nowhere.
        clock: Seconds, monotonic.

    Attributes:
        refused: Requests that were answered with an error because of their form, or because too many waited.
        ignored: Requests that the rate limit left unanswered.
    """

    def __init__(
        self,
        topics: Topics,
        publish: Callable[[Message], object],
        *,
        response_prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics = topics
        self._answered_below = tuple(
            f"{prefix}/" for prefix in (topics.response("").rstrip("/"), response_prefix) if prefix
        )
        self._publish = publish
        self._limit = TokenBucket(RATE_HZ, BURST, clock)
        self._waiting: queue.Queue[Request] = queue.Queue(MAX_WAITING)  # full: an error answer
        self._clock = clock
        self._complained_s = -COMPLAIN_PERIOD_S
        self.refused = 0
        self.ignored = 0

    def receive(self, incoming: Incoming) -> None:
        """Take what came on `request/<cmd>`; publisher thread. Never raises, never blocks."""
        command = incoming.topic.rpartition("/")[2]
        if not is_topic_name(command):
            self.refused += 1  # an answer would have nowhere to go
            return
        if not self._limit.take():
            self._ignore()
            return
        reply_to, correlation_data = self._way_back(incoming, command)
        try:
            parameters = self._read(incoming, command)
            self._waiting.put_nowait(Request(command, parameters, reply_to, correlation_data))
        except (ValueError, RecursionError, queue.Full) as error:
            self.refused += 1
            reason = "busy; ask again later" if isinstance(error, queue.Full) else str(error)
            self._answer(reply_to, correlation_data, _transaction(incoming.payload), error=reason)

    def take(self) -> Request | None:
        """The next request, oldest first; None when there is none. Main thread."""
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None

    def answer(self, request: Request, *, data: Any = None, error: str | None = None) -> None:
        """Answer a request; with `error` nothing was done."""
        self._answer(request.reply_to, request.correlation_data, request.parameters.transaction, data, error)

    def _ignore(self) -> None:
        """Answering everything of a flood would be another one."""
        self.ignored += 1
        if self._clock() - self._complained_s >= COMPLAIN_PERIOD_S:
            self._complained_s = self._clock()
            _log.warning("more than %g requests a second: some are ignored", RATE_HZ)

    def _read(self, incoming: Incoming, command: str) -> Parameters:
        """Check a request and decode it.

        Raises:
            ValueError: It is not one of ours.
            RecursionError: It is nested too deeply to be read.
        """
        if incoming.retain:
            raise ValueError("retained requests are not obeyed, they would come again with every connection")
        if command not in COMMANDS:
            raise ValueError(f"unknown command; expected one of {', '.join(COMMANDS)}")
        if len(incoming.payload) > MAX_REQUEST_BYTES:
            raise ValueError(f"{len(incoming.payload)} bytes; expected at most {MAX_REQUEST_BYTES}")
        return msgspec.json.decode(incoming.payload or b"{}", type=COMMANDS[command])

    def _way_back(self, incoming: Incoming, command: str) -> tuple[str, bytes]:
        """Where the answer goes: the sender's response topic where answers may go, else `response/<command>`.

        A sender who may ask must not be able to have this node publish where the sender itself may not.
        """
        wanted = incoming.response_topic
        allowed = is_topic_name(wanted) and wanted.startswith(self._answered_below)
        reply_to = wanted if allowed else self._topics.response(command)
        return reply_to, incoming.correlation_data[:MAX_CORRELATION_BYTES]

    def _answer(
        self,
        reply_to: str,
        correlation_data: bytes,
        transaction: Transaction,
        data: Any = None,
        error: str | None = None,
    ) -> None:
        answer = {"status": "ok" if error is None else "error", "data": data, "error": error}
        payload = msgspec.json.encode(answer | {"transaction": transaction})
        self._publish(
            Message(reply_to, payload, qos=1, content_type="application/json", correlation_data=correlation_data)
        )


def _transaction(payload: bytes) -> Transaction:
    """The transaction of a request that is wrong otherwise, None when that cannot be read either."""
    if len(payload) > MAX_REQUEST_BYTES:
        return None
    try:
        return msgspec.json.decode(payload, type=_OnlyTransaction).transaction
    except (ValueError, RecursionError):
        return None
