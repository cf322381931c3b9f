"""Asks a node at its broker for something, and waits for its answer: what commands about a running node are made of."""

from __future__ import annotations

import queue
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from piapp.config.sections import MqttConfig
from piapp.errors import BrokerError, PiappError
from piapp.mqtt.subscriber import Subscriber
from piapp.mqtt.topics import Topics

# A node answers within a tick of its main loop, unless its model is loading.
ANSWER_S = 10.0


class RequestError(PiappError, ValueError):
    """The node has refused a request."""

    exit_code = 1


def ask(
    config: MqttConfig,
    topics: Topics,
    command: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    timeout_s: float = ANSWER_S,
) -> Any:
    """Ask a node; the data of its answer.

    Args:
        config: The broker and how to log in.
        topics: Of the node.
        command: What follows `request/`.
        parameters: The request's own.
        timeout_s: How long to wait for the answer.

    Raises:
        BrokerError: The broker cannot be reached or refuses, or no answer came.
        RequestError: The node refused; the message is its own.
    """
    transaction = secrets.token_hex(8)
    answers: queue.Queue[dict[str, Any]] = queue.Queue(16)  # full: others' answers, which nobody waits for

    def received(_topic: str, payload: bytes) -> None:
        answer = msgspec.json.decode(payload)
        if isinstance(answer, dict) and answer.get("transaction") == transaction and not answers.full():
            answers.put_nowait(answer)

    request = msgspec.json.encode({**(parameters or {}), "transaction": transaction})
    with Subscriber(config.url, [topics.response(command)], received, login=config) as subscriber:
        subscriber.publish(topics.request(command), request)
        try:
            answer = answers.get(timeout=timeout_s)
        except queue.Empty as error:
            raise BrokerError(
                f"{topics.node}: no answer within {timeout_s:g} s; is it online (`piapp watch`), and may this user "
                f"write to {topics.request(command)} and read {topics.response(command)}?"
            ) from error
    if answer.get("status") != "ok":
        raise RequestError(f"{topics.node}: {answer.get('error')}")
    return answer.get("data")
