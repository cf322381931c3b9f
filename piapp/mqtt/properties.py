"""MQTT 5's properties of what is published. Imports paho, whose type they are."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from piapp.mqtt.message import Message

# A frame that has waited so long in a broker is of no use.
FRAME_EXPIRY_S = 2

# The one topic with an alias is that of frames.
_FRAME_ALIAS = 1


class PublishProperties:
    """Properties for each message of one connection; frames share theirs, and their topic is sent once.

    Attributes:
        frame_alias: Whether the broker takes a topic alias; set when it has accepted the connection.
    """

    def __init__(self) -> None:
        self.frame_alias = False
        self._of_frames: Properties | None = None

    def of(self, message: Message) -> tuple[str, Properties]:
        """The topic to write, which is empty when the broker knows it by its alias, and the properties."""
        if not message.is_frame:
            return message.topic, _made(message)
        known = self._of_frames is not None
        if self._of_frames is None:
            self._of_frames = self._made_for_frames(message)
        return "" if known and self.frame_alias else message.topic, self._of_frames

    def _made_for_frames(self, message: Message) -> Properties:
        properties: Any = _filled(_PackedOnce(PacketTypes.PUBLISH), message)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = FRAME_EXPIRY_S
        if self.frame_alias:
            properties.TopicAlias = _FRAME_ALIAS
        return cast("Properties", properties)


class _PackedOnce(Properties):
    """Properties that do not change after their first message; paho packs others anew for each."""

    @cached_property
    def _packed(self) -> bytes:
        return bytes(super().pack())  # type: ignore[no-untyped-call]

    def pack(self) -> bytes:
        """As they are written."""
        return self._packed


def _made(message: Message) -> Properties:
    return _filled(Properties(PacketTypes.PUBLISH), message)  # type: ignore[no-untyped-call]


def _filled(properties: Any, message: Message) -> Properties:
    if message.content_type:
        properties.ContentType = message.content_type
    if message.correlation_data:
        properties.CorrelationData = message.correlation_data
    return cast("Properties", properties)
