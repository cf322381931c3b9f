"""Encrypts a backup's secrets with a password: scrypt makes the key, AES-256-GCM encrypts and notices any change.

Owns the form of the encrypted bytes. cryptography does both: it is the Python Cryptographic Authority's own library,
which wraps OpenSSL, is reviewed in public and has wheels for every board. The standard library has no cipher.
"""

from __future__ import annotations

import os

from piapp.errors import PiappError
from piapp.extras import extra

with extra("backup", "a backup with secrets"):
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32

# 64 MB and about a second on a small board for each guess (RFC 7914's parameters).
_COST, _BLOCK, _PARALLEL = 2**16, 8, 1

MIN_PASSWORD = 8


class PasswordError(PiappError, ValueError):
    """The password is wrong, or too short to protect anything."""

    exit_code = 1


def seal(plain: bytes, password: str, *, context: bytes) -> bytes:
    """Encrypt.

    Args:
        plain: What to encrypt.
        password: Whoever knows it can read it.
        context: Readable data that must not be changed either.

    Raises:
        PasswordError: It is too short.
    """
    if len(password) < MIN_PASSWORD:
        raise PasswordError(f"the password has fewer than {MIN_PASSWORD} characters; choose a longer one")
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    return salt + nonce + AESGCM(_key(password, salt)).encrypt(nonce, plain, context)


def unseal(sealed: bytes, password: str, *, context: bytes) -> bytes:
    """Decrypt what `seal` made.

    Raises:
        PasswordError: The password is another one, or a byte was changed.
    """
    salt, rest = sealed[:_SALT_BYTES], sealed[_SALT_BYTES:]
    try:
        return AESGCM(_key(password, salt)).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as error:
        raise PasswordError(
            "the secrets cannot be decrypted: the password is wrong, or the file was changed"
        ) from error


def _key(password: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=_COST, r=_BLOCK, p=_PARALLEL).derive(password.encode())
