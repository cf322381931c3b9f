"""What a node needs to join a broker with TLS: its private key, a certificate request, a configuration, access rules.

The key is made where the command runs and never leaves it; who runs the broker signs the request (deploy/mosquitto).
OpenSSL's own command makes both: it comes with ca-certificates, without which nothing could verify a broker anyway.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from piapp.config.addresses import BrokerAddress, broker_address
from piapp.errors import PiappError, UsageError
from piapp.mqtt.topics import Topics

# Where systemd/piapp.service lets the node read, and its installer keeps the configuration.
NODE_FOLDER = Path("/etc/piapp/tls")

# Signing takes well under a second on any Pi.
_OPENSSL_TIMEOUT_S = 60.0


class ProvisionError(PiappError, RuntimeError):
    """The files could not be made."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Provision:
    """The files of one node.

    Attributes:
        key: Private key; for the node alone.
        request: To be signed by the broker's authority.
        config: To become a part of the node's piapp.toml.
        rules: To become a part of the broker's access rules.
    """

    key: Path
    request: Path
    config: Path
    rules: Path


def provision(
    topics: Topics, folder: Path, *, url: str, on_node: Path = NODE_FOLDER, discovery_prefix: str = "homeassistant"
) -> Provision:
    """Make a node's files in `folder`, readable by nobody else.

    Args:
        topics: The node's.
        folder: Made if need be.
        url: The broker, `mqtts://`.
        on_node: Where certificate and key will be on the node.
        discovery_prefix: Home Assistant's.

    Raises:
        UsageError: The URL is not TLS, or the node has files there already, which are never overwritten.
        ProvisionError: OpenSSL or the disk failed.
    """
    _address(url)
    node = topics.node
    made = Provision(*(folder / f"{node}.{suffix}" for suffix in ("key", "csr", "toml", "acl")))
    for path in (made.key, made.request, made.config, made.rules):
        if path.exists():
            raise UsageError(f"{path} is there already and is not overwritten; name another --out, or remove it first")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_key(made, node)
        _write(made.config, config_snippet(topics, url, on_node))
        _write(made.rules, access_rules(topics, discovery_prefix))
    except OSError as error:
        raise ProvisionError(f"{error.filename or folder}: {error.strerror}") from error
    return made


def config_snippet(topics: Topics, url: str, on_node: Path) -> str:
    """The keys of piapp.toml that make a node use its certificate."""
    node = topics.node
    values = {name: msgspec.json.encode(str(on_node / file)).decode() for name, file in _files(node).items()}
    return (
        f"# Of `piapp provision --node {node}`: a part of /etc/piapp/piapp.toml. The files below belong to the user\n"
        f"# piapp: install -o piapp -g piapp -m 0600 {node}.key {node}.crt ca.crt {on_node}/\n"
        f'[node]\nid = "{node}"\n\n'
        f"[mqtt]\nurl = {msgspec.json.encode(url).decode()}\n"
        f"base_topic = {msgspec.json.encode(topics.base).decode()}\n\n"
        "[mqtt.tls]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
    )


def access_rules(topics: Topics, discovery_prefix: str) -> str:
    """What deploy/mosquitto's patterns cannot say: the node's own places in Home Assistant's discovery.

    A pattern replaces a whole level by the user name, and discovery topics only contain it.
    """
    device = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{topics.base}_{topics.node}")
    return (
        f"# Of `piapp provision --node {topics.node}`: append to the broker's access rules.\n"
        f"user {topics.node}\n"
        f"topic readwrite {discovery_prefix}/device/{device}/config\n"
        f"topic readwrite {discovery_prefix}/+/{device}/+/config\n"
    )


def _files(node: str) -> dict[str, str]:
    return {"ca": "ca.crt", "cert": f"{node}.crt", "key": f"{node}.key"}


def _address(url: str) -> BrokerAddress:
    try:
        address = broker_address(url)
    except ValueError as error:
        raise UsageError(f"--broker {error}") from error
    if not address.tls:
        raise UsageError(f"--broker {url!r}: a certificate needs TLS; expected mqtts://host[:port]")
    return address


def _make_key(made: Provision, node: str) -> None:
    _write(made.key, "")  # OpenSSL keeps the mode of a file that is there
    command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    # The subject is the user name that the broker's rules know.
    subject = [
        "-subj",
        f"/CN={node}",
        "-addext",
        f"subjectAltName=DNS:{node}",
        "-addext",
        "extendedKeyUsage=clientAuth",
    ]
    files = ["-keyout", str(made.key), "-out", str(made.request)]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and a node id of a-z, 0-9 and "-"
            command + subject + files, capture_output=True, text=True, timeout=_OPENSSL_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        made.key.unlink()
        raise ProvisionError("the command openssl is missing; on Debian: apt-get install openssl") from error
    if done.returncode:
        made.key.unlink()
        raise ProvisionError(f"openssl could not make key and request: {done.stderr.strip()}")
    made.request.chmod(0o600)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")
