"""What a booted machine has, to compare before and after."""

from __future__ import annotations

import re

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
