"""The keys that may change while the node runs, and the file that remembers them.

Owns which keys these are, their validation and the file. A change replaces `LiveSettings.config` as a whole; whoever
calls `change` then hands the new values to the parts that work with them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from piapp.config.change_log import ChangeLog
from piapp.config.former import former_key
from piapp.config.load import changed, with_zones
from piapp.config.sections import Config, ZoneConfig
from piapp.config.settings_trial import SettingsTrial
from piapp.config.zones_file import may_write, write_zones
from piapp.errors import ConfigError
from piapp.whole_file import write_whole

# Other keys are read once, at the start, when cameras are opened and models loaded.
LIVE_SECTIONS = ("posture", "power")
LIVE_KEYS = ("publish.max_frame_hz", "health.period_s", "schedule.enabled", "schedule.pause")
ZONES = "zones"

# Keys that the owner's page may change for the next start. No value that they allow keeps a node from starting, which
# would shut its owner out of the page; none opens the node, or lets a picture leave it.
RESTART_KEYS = (
    "node.name", "node.area", "camera.fps", "camera.rotation", "camera.hflip", "camera.vflip", "camera.tilt_deg",
    "landmarker.num_poses", "landmarker.reacquire", "publish.frames", "publish.world_landmarks",
    "homeassistant.discovery", "cases.enabled", "cases.max_cases", "cases.max_mb", "history.days",
    "preview.max_fps",
)  # fmt: skip

# Keys that setting up in a browser changes, together and by itself alone: a page that could name another broker, or
# another password's file, would be sent the password that the node has. In force together, for one needs the other.
SETUP_KEYS = (
    "mqtt.username", "mqtt.password_file", "mqtt.url", "preview.token_file", "preview.bind", "preview.enabled",
)  # fmt: skip

_log = logging.getLogger(__name__)


class LiveSettings:
    """The configuration in force, which changes as a whole when live keys or zones do; main thread only.

    What was kept by an earlier run is applied; a value that this version does not accept is left out, with a warning.

    Args:
        config: What the file, the environment and the command line gave.
        file: Where changes are kept that shall survive a restart; None for nowhere.
        config_file: The configuration file that was read. Zones are kept in it, if it may be written to.
        trial: Of a start; settings with which the last starts failed are left out.
        changes: Remembers who changed what.

    Attributes:
        config: What is in force; replaced by another value with each change, and never changed itself.
        file: As given.
        changes: As given.
    """

    def __init__(
        self,
        config: Config,
        file: Path | None,
        config_file: Path | None = None,
        *,
        trial: SettingsTrial | None = None,
        changes: ChangeLog | None = None,
    ) -> None:
        self.config = config
        self.file = file
        self.changes = ChangeLog(None) if changes is None else changes
        self._config_file = config_file
        self._kept: dict[str, Any] = {}
        self._trial = trial
        kept = self._read() if trial is None or trial.begin() else {}
        for values in _in_groups(kept):
            try:
                self._apply_kept(values)
            except ConfigError as error:
                _log.warning("%s; left out", error)
            else:
                self._kept |= values
        if self._kept:
            _log.info("settings kept in %s: %s", file, self._kept)

    def change(self, values: Mapping[str, Any], *, persist: bool, by: str = "mqtt") -> None:
        """Change values, all or none.

        Args:
            values: Dotted key to value.
            persist: Also keep them for the next run.
            by: Who asked for it.

        Raises:
            ConfigError: A key cannot change while the node runs, a value is not allowed, or nothing can be kept.
        """
        before = self.config
        self._apply(values, "request")
        if persist:
            try:
                self._keep(values)
            except ConfigError:
                self.config = before
                raise
        was, now = ({key: _read_key(config, key) for key in values} for config in (before, self.config))
        self.changes.add(by, was, now, write=persist)

    def change_at_restart(self, values: Mapping[str, Any], *, by: str, keys: Sequence[str] = RESTART_KEYS) -> None:
        """Keep values for the next start, all or none; what is in force stays as it is.

        Args:
            values: Dotted key to value.
            by: Who asked for it.
            keys: Those that may change.

        Raises:
            ConfigError: A key is none of `keys`, a value is not allowed, or nothing can be kept.
        """
        for key in values:
            if key not in keys:
                raise ConfigError(f"{key}: can only change in the configuration file")
        planned = changed(self.config, values, by)
        was = {key: self._kept.get(key, _read_key(self.config, key)) for key in values}
        now = {key: _read_key(planned, key) for key in values}
        self._keep(now)
        self.changes.add(by, was, now, write=True)

    @property
    def pending(self) -> dict[str, Any]:
        """Values that the next start will put in force."""
        kept = {key: self._kept[key] for key in (*RESTART_KEYS, *SETUP_KEYS) if key in self._kept}
        return {key: value for key, value in kept.items() if value != _read_key(self.config, key)}

    def passed(self) -> None:
        """The node works with what was kept, or ended for a reason that is not the settings'."""
        if self._trial is not None:
            self._trial.passed()

    @property
    def kept(self) -> tuple[str, ...]:
        """Keys whose values an earlier run or a request had kept."""
        return tuple(self._kept)

    @property
    def keeps_zones(self) -> bool:
        """Whether there is a place to keep zones."""
        return self.file is not None or may_write(self._config_file)

    def change_zones(self, zones: Any, *, by: str = "page") -> bool:
        """Put other zones in force, and keep them where that is possible.

        Args:
            zones: A list of tables, as plain values.
            by: Who asked for it.

        Returns:
            Whether they will be there after a restart.

        Raises:
            ConfigError: They are not zones, or could not be kept; nothing is changed.
        """
        new = with_zones(self.config, zones, "request").zones
        kept = self._keep_zones(new)
        was, now = ({ZONES: msgspec.to_builtins(zones)} for zones in (self.config.zones, new))
        self._use_zones(new)
        self.changes.add(by, was, now, write=kept)
        return kept

    def values(self) -> dict[str, Any]:
        """All live keys and their values."""
        return {key: _read_key(self.config, key) for key in _live_keys(self.config)}

    def _apply_kept(self, values: Mapping[str, Any]) -> None:
        if ZONES in values:
            self._use_zones(with_zones(self.config, values[ZONES], str(self.file)).zones)
        elif all(key in RESTART_KEYS or key in SETUP_KEYS for key in values):
            self.config = changed(self.config, values, str(self.file))
        else:
            self._apply(values, str(self.file))

    def _use_zones(self, zones: tuple[ZoneConfig, ...]) -> None:
        self.config = msgspec.structs.replace(self.config, zones=zones)

    def _keep_zones(self, zones: tuple[ZoneConfig, ...]) -> bool:
        """In the configuration file, where a person looks for them, else with the other changes."""
        if self._config_file is not None and may_write(self._config_file):
            write_zones(self._config_file, zones)
            if ZONES in self._kept:
                self._store({key: value for key, value in self._kept.items() if key != ZONES})
            return True
        if self.file is not None:
            self._store(self._kept | {ZONES: msgspec.to_builtins(zones)})
            return True
        return False

    def _apply(self, values: Mapping[str, Any], origin: str) -> None:
        live = _live_keys(self.config)
        for key in values:
            if (what := former_key(key)) is not None:
                raise ConfigError(f"{key} ({origin}): {what}")
            if key not in live:
                known = ", ".join((*(f"{section}.*" for section in LIVE_SECTIONS), *LIVE_KEYS))
                raise ConfigError(f"{key}: cannot change while the node runs; these can: {known}")
        self.config = changed(self.config, values, origin)

    def _keep(self, values: Mapping[str, Any]) -> None:
        if self.file is None:
            raise ConfigError("persist: this node has no folder for its state (spool.dir); leave persist out")
        self._store(self._kept | dict(values))

    def _store(self, kept: dict[str, Any]) -> None:
        assert self.file is not None
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.file, msgspec.json.format(msgspec.json.encode({"values": kept})), mode=0o600)
        except OSError as error:
            raise ConfigError(f"cannot be kept: {self.file} cannot be written: {error.strerror}") from error
        self._kept = kept

    def _read(self) -> dict[str, Any]:
        try:
            if self.file is None or not self.file.exists():
                return {}
            return msgspec.json.decode(self.file.read_bytes(), type=dict[str, dict[str, Any]]).get("values", {})
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); what requests had set is lost", self.file, error)
            return {}


def page_keys(config: Config) -> tuple[str, ...]:
    """Every key that the owner's page may change, zones among them."""
    return (ZONES, *_live_keys(config), *RESTART_KEYS)


def _in_groups(kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was kept, in parts of which each is accepted or left out as a whole."""
    together = {key: kept[key] for key in SETUP_KEYS if key in kept}
    alone = [{key: value} for key, value in kept.items() if key not in together]
    return [together, *alone] if together else alone


def _live_keys(config: Config) -> tuple[str, ...]:
    sections = (f"{section}.{name}" for section in LIVE_SECTIONS for name in getattr(config, section).__struct_fields__)
    return (*sections, *LIVE_KEYS)


def _read_key(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)
