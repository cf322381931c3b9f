"""Names of topics. Pure; knows nothing of a client or a payload."""

from __future__ import annotations

import re
from dataclasses import dataclass

from piapp.errors import ConfigError

NODE_PATTERN = re.compile(r"[a-z0-9-]{1,32}")

# MQTT allows 65,535 bytes of UTF-8; nothing here needs more.
MAX_NAME_LENGTH = 1_024
_NO_NAME = re.compile(r"[#+\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def is_topic_name(text: str) -> bool:
    """Whether a message may be published to `text`: no wildcard, no control character, not one of the broker's own."""
    return 0 < len(text) <= MAX_NAME_LENGTH and text[0] != "$" and not _NO_NAME.search(text)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node: `<base>/<node>/...`.

    Raises:
        ConfigError: The base or the node is not legal inside a topic.
    """

    base: str
    node: str

    def __post_init__(self) -> None:
        if not self.base or self.base[0] == "/" or self.base[-1] == "/" or re.search(r"[#+\x00]", self.base):
            raise ConfigError(
                f"mqtt.base_topic = {self.base!r}: expected a topic without '#' and '+' that neither starts nor ends "
                f"with '/', such as 'piapp' or 'home/sensors'"
            )
        if not NODE_PATTERN.fullmatch(self.node):
            raise ConfigError(f"node.id = {self.node!r}: expected 1 to 32 of a-z, 0-9 and '-', such as 'hall'")

    @property
    def root(self) -> str:
        """What all topics of this node start with, without the last slash."""
        return f"{self.base}/{self.node}"

    @property
    def status(self) -> str:
        """`online` or `offline`; retained; the will's topic."""
        return f"{self.root}/status"

    @property
    def info(self) -> str:
        """What this node is; retained."""
        return f"{self.root}/info"

    @property
    def frame(self) -> str:
        """Landmarks, one message a processed frame."""
        return f"{self.root}/frame"

    @property
    def state(self) -> str:
        """Who is there; retained."""
        return f"{self.root}/state"

    @property
    def event(self) -> str:
        """What happened."""
        return f"{self.root}/event"

    @property
    def trigger(self) -> str:
        """The bare type of a live event."""
        return f"{self.root}/trigger"

    @property
    def health(self) -> str:
        """How the node does; retained."""
        return f"{self.root}/health"

    @property
    def settings(self) -> str:
        """What requests may change, as it is now; retained."""
        return f"{self.root}/settings"

    @property
    def image(self) -> str:
        """JPEG, when enabled."""
        return f"{self.root}/image"

    @property
    def requests(self) -> str:
        """Filter that matches every request to this node."""
        return self.request("+")

    def request(self, command: str) -> str:
        """Where `command` is asked for."""
        return f"{self.root}/request/{command}"

    def response(self, command: str) -> str:
        """Where `command` is answered."""
        return f"{self.root}/response/{command}"
