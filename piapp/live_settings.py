"""The keys that may change while the node runs, and the file that remembers them.

Owns which keys these are, their validation and the file. The parts that use a value find it changed in place: they
were given the sections of `LiveSettings.config`.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from piapp.config import Config, changed
from piapp.errors import ConfigError

# Other keys are read once, at the start, when cameras are opened and models loaded.
LIVE_SECTIONS = ("posture", "power")
LIVE_KEYS = ("publish.max_frame_hz", "health.period_s")

_log = logging.getLogger(__name__)


class LiveSettings:
    """A configuration of its own, some of whose values change in place; main thread only.

    What was kept by an earlier run is applied; a value that this version does not take is left out and said.

    Args:
        config: What the file, the environment and the command line gave.
        file: Where changes are kept that shall survive a restart; None for nowhere.

    Attributes:
        config: What is in force.
    """

    def __init__(self, config: Config, file: Path | None) -> None:
        self.config = copy.deepcopy(config)
        self._file = file
        self._kept: dict[str, Any] = {}
        for key, value in self._read().items():
            try:
                self._apply({key: value}, str(file))
            except ConfigError as error:
                _log.warning("%s; left out", error)
            else:
                self._kept[key] = value
        if self._kept:
            _log.info("settings kept in %s: %s", file, self._kept)

    def change(self, values: Mapping[str, Any], *, persist: bool) -> None:
        """Change values, all or none.

        Args:
            values: Dotted key to value.
            persist: Also keep them for the next run.

        Raises:
            ConfigError: A key cannot change while the node runs, a value is not allowed, or nothing can be kept.
        """
        before = self.values()
        self._apply(values, "request")
        if persist:
            try:
                self._keep(values)
            except ConfigError:
                self._apply(before, "request")
                raise

    def values(self) -> dict[str, Any]:
        """All live keys and their values."""
        return {key: _read_key(self.config, key) for key in _live_keys(self.config)}

    def _apply(self, values: Mapping[str, Any], origin: str) -> None:
        live = _live_keys(self.config)
        for key in values:
            if key not in live:
                known = ", ".join((*(f"{section}.*" for section in LIVE_SECTIONS), *LIVE_KEYS))
                raise ConfigError(f"{key}: cannot change while the node runs; these can: {known}")
        new = changed(self.config, values, origin)
        for key in values:
            section, _, name = key.partition(".")
            # In place, so that whoever holds the section goes on with what it has learnt, such as who is who.
            msgspec.structs.force_setattr(getattr(self.config, section), name, _read_key(new, key))

    def _keep(self, values: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ConfigError("persist: this node has no folder for its state (spool.dir); leave persist out")
        kept = self._kept | dict(values)
        try:
            _write(self._file, msgspec.json.format(msgspec.json.encode({"values": kept})))
        except OSError as error:
            raise ConfigError(f"persist: {self._file} cannot be written: {error.strerror}") from error
        self._kept = kept

    def _read(self) -> dict[str, Any]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, dict[str, Any]]).get("values", {})
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); what requests had set is lost", self._file, error)
            return {}


def _live_keys(config: Config) -> tuple[str, ...]:
    sections = (f"{section}.{name}" for section in LIVE_SECTIONS for name in getattr(config, section).__struct_fields__)
    return (*sections, *LIVE_KEYS)


def _read_key(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _write(file: Path, content: bytes) -> None:
    """Replace a file as a whole, so that a power cut leaves the old one or the new one."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
