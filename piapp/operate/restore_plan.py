"""What a backup would change on a node that runs. Pure but for reading the backup.

Owns which of a backup's settings a page may restore: those that it may change. What only the configuration file can
change, such as the broker, is named and stays: a page that could name another broker would be sent the password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from piapp.config.live import ZONES, page_keys
from piapp.config.load import PASSWORD_CREDENTIAL, changed, default_config, flatten, with_zones
from piapp.config.sections import Config
from piapp.config.toml_file import parse_toml
from piapp.errors import ConfigError
from piapp.operate.archive import Archive, BackupError
from piapp.operate.restore import Found

ORIGIN = "backup"

# With its own password, and with nothing else: a broker from anywhere would be sent the password that the node has.
URL, USERNAME, PASSWORD_FILE = "mqtt.url", "mqtt.username", "mqtt.password_file"

# Certificates lie beside the configuration, where no page can write.
TLS = "mqtt.tls"


class KeyChange(Struct, frozen=True):
    """A setting that becomes another.

    Attributes:
        key: Dotted, or "zones".
        before: What it is.
        after: What it becomes.
    """

    key: str
    before: Any
    after: Any


class RestorePlan(Struct, frozen=True):
    """What a backup would change.

    Attributes:
        sha256: Of the backup.
        node: Whose it is.
        created: When it was made, UTC.
        version: That made it.
        secrets: Whether it has secrets.
        broker: Address of the broker whose login can be restored with them; None where it cannot.
        changes: Settings that become others.
        stays: Keys that differ and that only the configuration file can change.
        learnt: Whether what the node has learnt of its room is replaced.
        cases: How many kept alarms are added.
        known: How many are there already, and stay as they are.
    """

    sha256: str
    node: str
    created: str
    version: str
    secrets: bool
    broker: str | None
    changes: list[KeyChange]
    stays: list[str]
    learnt: bool
    cases: int
    known: int


def plan(opened: Archive, found: Found, config: Config, *, sha256: str, known_cases: frozenset[str]) -> RestorePlan:
    """What a backup would change.

    Args:
        opened: The backup.
        found: What was read of it.
        config: What is in force.
        sha256: Of the backup.
        known_cases: Ids of the kept alarms that are there.

    Raises:
        BackupError: A setting in it is not accepted by this version.
    """
    before, after = flatten(config), flatten(restored(found, config))
    file = _flat(found)
    cases = {case_id for case_id, suffix in opened.cases() if suffix == "json"}
    page = page_keys(config)
    return RestorePlan(
        sha256=sha256,
        node=opened.manifest.node,
        created=opened.manifest.created,
        version=opened.manifest.piapp,
        secrets=opened.manifest.secrets,
        broker=file.get(URL) if opened.manifest.secrets and not any(key.startswith(TLS) for key in file) else None,
        changes=[KeyChange(key, before[key], after[key]) for key in page if before[key] != after[key]],
        stays=[key for key, value in file.items() if key in before and key not in page and before[key] != value],
        learnt=found.learnt is not None,
        cases=len(cases - known_cases),
        known=len(cases & known_cases),
    )


def restored(found: Found, config: Config) -> Config:
    """The configuration with the settings of a backup that a page may change.

    Raises:
        BackupError: One is not accepted by this version.
    """
    kept, file, defaults = _kept(found), _flat(found), flatten(default_config())
    values = {key: kept.get(key, file.get(key, defaults[key])) for key in page_keys(config)}
    zones = values.pop(ZONES)
    try:
        return with_zones(changed(config, values, ORIGIN), zones, ORIGIN)
    except ConfigError as error:
        raise BackupError(f"the settings in the backup are not accepted here; nothing was restored. {error}") from error


def settings_of(found: Found, base: Config, kept: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to keep, so that the next start has those of a backup.

    Args:
        found: What was read of it.
        base: What the configuration file gives.
        kept: Settings that are kept now; those that no page may change stay.

    Raises:
        BackupError: One is not accepted by this version.
    """
    page, given, wanted = page_keys(base), flatten(base), flatten(restored(found, base))
    others = {key: value for key, value in kept.items() if key not in page}
    return others | {key: wanted[key] for key in page if wanted[key] != given[key]}


def broker_of(found: Found) -> tuple[dict[str, str], bytes]:
    """Broker and user name of a backup whose secrets were read, and the password that goes with them.

    Raises:
        BackupError: It has no such login.
    """
    file = _flat(found)
    if not isinstance(file.get(URL), str) or any(key.startswith(TLS) for key in file):
        raise BackupError("the login in this backup cannot be restored here, only by `piapp restore --secrets`")
    named = str(file.get(PASSWORD_FILE, PASSWORD_CREDENTIAL)).rpartition("/")[2]
    values = {URL: file[URL], USERNAME: str(file.get(USERNAME, ""))}
    return values, found.files.get(named, b"") if named in found.secret else b""


def _kept(found: Found) -> Mapping[str, Any]:
    if found.settings is None:
        return {}
    try:
        return msgspec.json.decode(found.settings, type=dict[str, dict[str, Any]]).get("values", {})
    except (ValueError, RecursionError) as error:
        raise BackupError(f"the settings in the backup cannot be read: {error}; nothing was restored") from error


def _flat(found: Found) -> dict[str, Any]:
    """Dotted key to value of the backup's configuration file."""
    if found.config is None:
        return {}
    try:
        tables = parse_toml(found.config.decode("utf-8-sig"), "the configuration in the backup")
    except (ConfigError, UnicodeDecodeError) as error:
        raise BackupError(f"{error}; nothing was restored") from error
    flat: dict[str, Any] = {}
    for section, table in tables.items():
        if isinstance(table, dict):
            flat |= {f"{section}.{key}": value for key, value in table.items()}
        else:
            flat[section] = table
    return flat
