"""Who this device is: node id, boot id, and event ids that are never used twice. Reads files, writes nothing."""

from __future__ import annotations

import hashlib
import itertools
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SERIAL_FILES = (Path("/proc/device-tree/serial-number"), Path("/sys/firmware/devicetree/base/serial-number"))
MACHINE_ID_FILE = Path("/etc/machine-id")
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")

# Topics allow 32 (`piapp.mqtt.topics`).
_MAX_LENGTH = 32
_HASH_DIGITS = 12
_BOOT_DIGITS = 8


def default_node_id(
    serial_files: Sequence[Path] = SERIAL_FILES,
    machine_id_file: Path = MACHINE_ID_FILE,
    hostname: str | None = None,
) -> str:
    """The node id of a device that was given none: its serial number, else a hash of its machine id, else its name.

    The machine id is hashed because it must not leave the machine (machine-id(5)).
    """
    for path in serial_files:
        serial = sanitised(_first_line(path))
        if serial.strip("0-"):
            return serial
    machine_id = _first_line(machine_id_file)
    if machine_id:
        return hashlib.sha256(f"piapp:{machine_id}".encode()).hexdigest()[:_HASH_DIGITS]
    return sanitised(socket.gethostname() if hostname is None else hostname) or "node"


def serial_number(serial_files: Sequence[Path] = SERIAL_FILES) -> str:
    """The board's serial number; empty on machines that have none."""
    return next((serial for serial in map(_first_line, serial_files) if sanitised(serial).strip("0-")), "")


def sanitised(text: str) -> str:
    """`text` in the form of a node id, 1 to 32 of a-z, 0-9 and "-"; the empty string when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_MAX_LENGTH].rstrip("-")


def boot_id(path: Path = BOOT_ID_FILE) -> str:
    """Eight hex digits that are the kernel's own for this boot; zeros where it gives none."""
    digits = re.sub(r"[^0-9a-f]", "", _first_line(path).lower())
    return digits[:_BOOT_DIGITS].ljust(_BOOT_DIGITS, "0")


def event_ids(boot: str, *, first: int | None = None) -> Iterator[str]:
    """Ids such as `9f2c61aa-000042`, rising and never used twice, whatever happens to the process.

    Args:
        boot: The boot's id.
        first: The first number. None takes `first_event_number`.
    """
    return (f"{boot}-{number:06d}" for number in itertools.count(first_event_number() if first is None else first))


def first_event_number() -> int:
    """Hundredths of a second since boot.

    Without a memory on disk a later run still starts above an earlier one's last number, as long as a run makes fewer
    than 100 events a second.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10_000_000


def _first_line(path: Path) -> str:
    """The first line of a small file, without the NUL that ends device-tree strings; empty when unreadable."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.replace("\x00", "\n").split("\n", 1)[0].strip()
