"""Parts of the posture logic that are tuned by `[posture]`, whose values may change while somebody is in view."""

from __future__ import annotations

from piapp.config.sections import PostureConfig


class Tuned:
    """A part that reads its limits from the configuration that it was handed last."""

    __slots__ = ("_config",)

    def __init__(self, config: PostureConfig) -> None:
        self._config = config

    def use(self, config: PostureConfig) -> None:
        """Take other values from the next result on; what was learnt and what is under way stays."""
        self._config = config
