"""Describes this node for Home Assistant, from the configuration and the machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from importlib import metadata
from ipaddress import ip_address

from piapp import __version__
from piapp.config.sections import Config, PreviewConfig
from piapp.extras import DISTRIBUTION
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.device import Device
from piapp.mqtt.topics import Topics
from piapp.service import hardware
from piapp.service.identity import serial_number
from piapp.service.installation import newest_version


def home_device(config: Config, topics: Topics, live_keys: Collection[str], *, keeps_settings: bool) -> Device:
    """Describe the node.

    Args:
        config: What is in force.
        topics: Of the node.
        live_keys: The settings that can change while it runs.
        keeps_settings: Whether there is a folder that keeps them.
    """
    return Device(
        topics,
        name=config.node.name or topics.node,
        area=config.node.area,
        version=__version__,
        board=hardware.board(),
        keeps_settings=keeps_settings,
        sends_pictures=config.publish.image != "off",
        picture_period_s=config.publish.image_period_s,
        serial=serial_number(),
        page_url=page_url(config.preview, socket.gethostname()),
        project_url=project_url(),
        knows_newest_version=newest_version() is not None,
        zones=tuple(zone.name for zone in config.zones),
        requests=frozenset(COMMANDS),
        live_keys=frozenset(live_keys),
        fallen_after_s=config.posture.fallen_after_s,
        inactive_after_s=config.posture.inactive_after_s,
    )


def page_url(preview: PreviewConfig, hostname: str) -> str:
    """The live page's address for other machines; empty where they cannot reach it, or its port is not known yet.

    Args:
        preview: How the page is served.
        hostname: This machine's name, which multicast DNS resolves with ".local" on most home networks.
    """
    address = ip_address(preview.bind)
    if not preview.enabled or address.is_loopback or preview.port == 0:
        return ""
    bound = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004
    host = f"{hostname.removesuffix('.local')}.local" if address.is_unspecified else bound
    return f"http://{host}:{preview.port}/" if re.fullmatch(r"[a-zA-Z0-9.:\[\]-]+", host) else ""


def project_url() -> str:
    """Where the program comes from, as its package says; empty where it does not."""
    try:
        urls = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls if ", " in url)
    return str(named.get("Homepage", ""))
