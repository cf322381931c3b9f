"""`piapp service add|drop`: further cameras of this board, each a node with a service of its own.

Owns a further camera's first configuration: it takes broker, login and page of the first camera's, so that one account
does for both, and has a node id, a source, a page port and a state folder of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from piapp.config.instances import Instance, instances, is_name
from piapp.config.load import DEFAULT_FILE, load_config
from piapp.config.sections import Config
from piapp.config.toml_file import read_toml, toml_text
from piapp.errors import PiappError, UsageError
from piapp.node.assembly import node_id
from piapp.node.state_folder import STATE_FOLDER
from piapp.operate import service
from piapp.whole_file import write_whole

# What one broker account and one household have in common.
SHARED = ("mqtt", "homeassistant", "publish", "preview")

HEAD = """\
# The configuration of a further camera of this board. Broker and page were taken from ../piapp.toml when it was added.
# After a change: sudo systemctl restart piapp@{name}
"""


class CameraError(PiappError, OSError):
    """A camera's configuration cannot be written here."""

    exit_code = 1


def add(
    name: str,
    settings: Mapping[str, str],
    *,
    start: bool = True,
    dry_run: bool = False,
    folder: Path = DEFAULT_FILE.parent,
) -> Path:
    """Write a further camera's configuration, and enable and start its service.

    Args:
        name: Of the camera; the unit is `piapp@NAME.service`.
        settings: Dotted keys and values that are its own, `camera.source` among them.
        start: Whether to start it now and wait for its first result.
        dry_run: Print what would be written and done, and change nothing.
        folder: Of the configurations.

    Returns:
        The configuration file.

    Raises:
        UsageError: The name cannot be used, or there is no first camera.
        ConfigError: A setting is not allowed.
        ServiceError: A step failed.
    """
    file = folder / name / DEFAULT_FILE.name
    text = configuration(name, settings, folder=folder)
    if dry_run:
        print(f"would write {file}:\n{text}")  # noqa: T201 - what a dry run is for
    else:
        service.require_root()
        _write(file, text)
    service.add_camera(name, start=start, dry_run=dry_run)
    return file


def configuration(name: str, settings: Mapping[str, str], *, folder: Path = DEFAULT_FILE.parent) -> str:
    """The text of a further camera's first configuration.

    Raises:
        UsageError: The name cannot be used, or there is no first camera.
    """
    known = instances(folder)
    if not is_name(name):
        raise UsageError(f"camera {name!r}: expected 1 to 16 of a to z and 0 to 9, a letter first, and not 'tls'")
    if not known or known[0].name:
        raise UsageError(f"{folder / DEFAULT_FILE.name} is missing: install the first camera before a further one")
    if name in (camera.name for camera in known):
        raise UsageError(f"camera {name!r} is there already: {folder / name / DEFAULT_FILE.name}")
    others = {camera: load_config(camera.file, environ={}).config for camera in known}
    _check_source(settings["camera.source"], others)
    first = others[known[0]]
    tables: dict[str, dict[str, Any]] = {
        "node": {"id": f"{node_id(first)[: 31 - len(name)]}-{name}"},
        "camera": {},
        **{key: dict(table) for key, table in read_toml(known[0].file).items() if key in SHARED},
        "spool": {"dir": str(STATE_FOLDER / name)},
    }
    tables.get("mqtt", {}).pop("client_id", None)  # two clients of one id throw each other out
    own = {"preview.port": free_port(others)} if first.preview.port else {}
    for key, value in {**own, **settings}.items():
        section, _, leaf = key.partition(".")
        tables.setdefault(section, {})[leaf] = value
    return HEAD.format(name=name) + toml_text(tables)


def free_port(others: Mapping[Instance, Config]) -> int:
    """The first port for a page after those of the other cameras."""
    return max(config.preview.port for config in others.values()) + 1


def drop(name: str, *, purge: bool = False, dry_run: bool = False, folder: Path = DEFAULT_FILE.parent) -> None:
    """Stop a further camera's service and take it away.

    Args:
        name: Of the camera.
        purge: Also its configuration and state.
        dry_run: Print every step to standard error and change nothing.
        folder: Of the configurations.

    Raises:
        UsageError: There is no such camera.
        ServiceError: A step failed.
    """
    further = [camera.name for camera in instances(folder) if camera.name]
    if name not in further:
        raise UsageError(
            f"camera {name!r}: there is none; further cameras of this board: {', '.join(further) or 'none'}"
        )
    service.remove_camera(name, purge=purge, dry_run=dry_run)


def _check_source(source: str, others: Mapping[Instance, Config]) -> None:
    """Refuse a camera that another node has open; recordings and streams may be read by several."""
    if not source.startswith(("picamera2:", "v4l2:")):
        return
    for camera, config in others.items():
        if _device(source) == _device(config.camera.source):
            raise UsageError(
                f"{source} is the camera of {camera.unit} already; give this one another, such as picamera2:1 or "
                "v4l2:/dev/video2"
            )


def _device(source: str) -> str:
    return {"picamera2:": "picamera2:0"}.get(source, source)


def _write(file: Path, text: str) -> None:
    """Write the configuration when this version accepts it; nothing is left behind when not."""
    try:
        file.parent.mkdir(mode=0o755)
        file.parent.chmod(0o755)  # whatever the caller's mask
        try:
            write_whole(file, text.encode(), mode=0o644)
            load_config(file, environ={})
        except BaseException:
            file.unlink(missing_ok=True)
            with suppress(OSError):
                file.parent.rmdir()
            raise
    except OSError as error:
        raise CameraError(f"{error.filename or file}: cannot be written: {error.strerror}; try sudo") from error
