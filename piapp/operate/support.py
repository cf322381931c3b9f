"""A bundle for whoever helps: what a node is, how it does and what it logged. Nothing that anybody was seen by.

Owns what goes in. Logins in addresses are masked, passwords are never in the configuration, and there are neither
pictures nor landmarks.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from piapp.config.load import flatten
from piapp.config.sections import Config
from piapp.operate.check import Finding
from piapp.service import hardware

# Who the node is in a home is nobody's business either.
PRIVATE_KEYS = ("node.name", "node.area", "zones")
LEFT_OUT = "(left out)"


def support_bundle(
    config: Config,
    findings: Iterable[Finding],
    log: Iterable[Mapping[str, str]],
    health: Mapping[str, Any] | None,
    versions: Mapping[str, str],
) -> bytes:
    """Make the bundle, a ZIP file.

    Args:
        config: What is in force.
        findings: Of `piapp check`.
        log: The last lines.
        health: The last report; None before the first.
        versions: Of the program and what it stands on.
    """
    shown = {key: LEFT_OUT if key in PRIVATE_KEYS else value for key, value in flatten(config).items()}
    files = {
        "config.txt": "".join(f"{key} = {msgspec.json.encode(value).decode()}\n" for key, value in shown.items()),
        "check.txt": "".join(f"{finding.line()}\n" for finding in findings),
        "log.txt": "".join("{t} {level:8} {logger}: {text}\n".format(**line) for line in log),
        "health.json": _json(health),
        "machine.json": _json(hardware.describe() | {"versions": dict(versions)}),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            bundle.writestr(name, text)
    return content.getvalue()


def _json(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str)).decode() + "\n"
