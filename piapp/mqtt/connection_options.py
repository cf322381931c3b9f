"""How to connect to a broker: address, name, password, certificates, and the versions of MQTT that there are."""

from __future__ import annotations

import codecs
import errno
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from piapp.config.addresses import BrokerAddress, broker_address, first_line
from piapp.config.sections import MqttConfig
from piapp.mqtt.failures import Peer

MqttVersion = Literal["5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to connect; passwords and certificates are read anew at each attempt, so that they can be renewed.

    Attributes:
        will_topic: Where the broker publishes `offline` when the connection breaks; empty for whoever is no node, whose
            going must change nothing.
    """

    config: MqttConfig
    client_id: str
    will_topic: str = ""

    @property
    def address(self) -> BrokerAddress:
        """The broker's host and port."""
        return broker_address(self.config.url)

    @property
    def peer(self) -> Peer:
        """Both ends, for messages."""
        return Peer(self.config.url, self.address.host, self.client_id, self.config.username)

    def password(self) -> str | None:
        """The first line of the password file, None without a file."""
        if not self.config.password_file:
            return None
        try:
            return first_line(self.config.password_file)
        except ValueError as error:
            raise OSError(errno.EACCES, str(error), self.config.password_file) from error

    def tls_context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, with authority and host name verified."""
        tls = self.config.tls
        context = ssl.create_default_context(cadata=_authorities(tls.ca) if tls.ca else None)
        if not tls.verify_x509_strict:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.cert:
            # An empty pass phrase: a key that needs one is an error, not a question on the terminal.
            context.load_cert_chain(tls.cert, tls.key, password="")
        return context


def _authorities(file: str) -> str | bytes:
    """Certificates of a PEM file, whatever mark an editor left at its start, or of a DER file."""
    data = Path(file).read_bytes().removeprefix(codecs.BOM_UTF8)
    return data.decode("ascii", errors="replace") if b"-----BEGIN" in data else data
