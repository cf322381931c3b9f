"""The settings as the owner's page shows and changes them.

Owns the document that the form is made from. Values are checked as those of the file are, and changed by the same
code as `request/set` (`piapp.node.control`).
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from piapp.config.key_list import KeyDescription, described_keys
from piapp.config.live import RESTART_KEYS, LiveSettings
from piapp.config.load import flatten
from piapp.config.schema import json_schema
from piapp.errors import ConfigError
from piapp.mqtt.commands import Set, Value
from piapp.node.control import Control


class ChangeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends.

    Attributes:
        values: Dotted key to value; either all change at once, or all with the next start.
    """

    values: Annotated[dict[str, Value], Meta(min_length=1)]


class PageSettings:
    """Settings for the page.

    Args:
        settings: What is in force.
        control: Changes what can change at once.
    """

    def __init__(self, settings: LiveSettings, control: Control) -> None:
        self._settings = settings
        self._control = control

    def document(self, _query: object) -> dict[str, Any]:
        """All keys with their values, what a change takes, and the last changes; any thread."""
        settings = self._settings
        values, live = flatten(settings.config), settings.values()
        return {
            "keys": [msgspec.to_builtins(key) | _state(key.key, values, live) for key in _descriptions()],
            "pending": settings.pending,
            "kept": settings.file is not None,
            "rates": fall_rates(),
            "changes": msgspec.to_builtins(settings.changes.newest()),
        }

    def change(self, body: bytes, sender: str) -> dict[str, Any]:
        """Change settings that somebody has changed on the page; main thread.

        Returns:
            The values that are in force, and those that wait for a restart.

        Raises:
            ValueError: The body has another form.
            ConfigError: A value is not allowed, or a key cannot change here.
        """
        values = msgspec.json.decode(body, type=ChangeSettings).values
        at_restart = [key for key in values if key in RESTART_KEYS]
        if not at_restart:
            self._control.carry_out("set", Set(values=values, persist=self._settings.file is not None), sender)
        elif len(at_restart) == len(values):
            self._settings.change_at_restart(values, by=sender)
        else:
            raise ConfigError(f"{', '.join(at_restart)}: takes a restart; change it apart from the other keys")
        return {
            "values": {key: flatten(self._settings.config)[key] for key in values},
            "pending": self._settings.pending,
        }


@lru_cache(maxsize=1)
def fall_rates() -> dict[str, Any]:
    """What was measured for each value of `posture.fall_sensitivity`: `make accuracy` writes the file."""
    found: dict[str, Any] = msgspec.json.decode(
        resources.files("piapp.config").joinpath("fall_rates.json").read_bytes()
    )
    return found


@lru_cache(maxsize=1)
def _descriptions() -> tuple[KeyDescription, ...]:
    return tuple(described_keys(json_schema()))


def _state(key: str, values: dict[str, Any], live: dict[str, Any]) -> dict[str, Any]:
    """A key's value, and what a change of it takes."""
    takes = "nothing" if key in live else "restart" if key in RESTART_KEYS else "file"
    return {"value": values[key], "takes": takes}
