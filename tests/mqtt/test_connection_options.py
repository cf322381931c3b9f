"""What a connection is made with: password, certificates, TLS."""

from __future__ import annotations

import ssl

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.mqtt.connection_options import ConnectionOptions
from tests.mosquitto import make_authority, needs_openssl

CONFIG = default_config().mqtt


@pytest.fixture
def authority(tmp_path):
    """A certificate authority."""
    return make_authority(tmp_path)


def with_password(file):
    """Options of a user whose password stands in a file."""
    config = msgspec.structs.replace(CONFIG, username="me", password_file=str(file))
    return ConnectionOptions(config, "id", "status")


def test_the_password_is_the_first_line(tmp_path):
    """Read anew each time, without what editors leave around it."""
    file = tmp_path / "password"
    for content in ("s3cret\n", "\ufeffs3cret\r\nmore\n", "s3cret"):
        file.write_text(content)
        assert with_password(file).password() == "s3cret"
    assert ConnectionOptions(CONFIG, "id", "status").password() is None


def test_a_password_that_cannot_be_read_names_its_file(tmp_path):
    """As an error of the operating system, with the reason."""
    with pytest.raises(OSError, match="no such file") as caught:
        with_password(tmp_path / "gone").password()
    assert caught.value.filename == str(tmp_path / "gone")


@needs_openssl
def test_tls_is_never_lax(authority):
    """1.2 at least, certificate and host name verified: nothing in the configuration can turn that off."""
    config = CONFIG
    tls = msgspec.structs.replace(config.tls, ca=str(authority))
    for section in (config, msgspec.structs.replace(config, tls=tls)):
        context = ConnectionOptions(section, "id", "status").tls_context()
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
