"""What a booted machine has, to compare before and after, and how much memory it takes meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.appliance.guest import Guest

# What a machine may keep after the appliance has come and gone: logs, caches and the package manager's own books.
KEPT = re.compile(
    r"/(proc|sys|dev|run|tmp|root)(/|$)|/var/(log|cache|tmp|lib/(dpkg|apt|systemd|ucf|pam|dbus))(/|$)|/var/backups|"
    r"/etc/((passwd|shadow|group|gshadow)-|ld\.so\.cache|\.pwd\.lock|\.updated|subuid-?|subgid-?|mailcap)|"
    r"/(usr/lib/python3|usr/share/python3)/.*__pycache__|/etc/(rc\d\.d|default|init\.d)(/|$)"
)


def files(guest: Guest) -> set[str]:
    """Every file of the guest that the appliance should not have changed."""
    listed = guest.output("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-print").splitlines()
    return {path for path in listed if not KEPT.match(path)}


def users(guest: Guest) -> set[str]:
    """Names of users and groups."""
    lines = [guest.output("getent", base) for base in ("passwd", "group")]
    return {line.split(":")[0] for line in "\n".join(lines).splitlines()}


@dataclass
class Memory:
    """What all processes of a guest together take.

    Attributes:
        peak_mb: The most that was seen, ten times a second; pages that several use are counted once.
    """

    peak_mb: float = 0.0


@contextmanager
def measured_memory(guest: Guest) -> Iterator[Memory]:
    """Measure the memory of the guest's processes, process 1 and the broker among them, while a block runs."""
    memory, done = Memory(), threading.Event()

    def sample() -> None:
        while not done.wait(0.1):
            memory.peak_mb = max(memory.peak_mb, sum(map(_share_mb, (guest.root / "proc").glob("[0-9]*"))))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield memory
    finally:
        done.set()
        sampler.join()


def _share_mb(process: Path) -> float:
    try:
        found = re.search(r"^Pss: +(\d+) kB", (process / "smaps_rollup").read_text(), re.MULTILINE)
    except OSError:  # it has ended
        return 0.0
    return int(found[1]) / 1000 if found else 0.0
