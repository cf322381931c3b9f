"""Secrets come back with the password alone, and any change is noticed."""

from __future__ import annotations

import pytest

from piapp.operate.sealing import PasswordError, seal, unseal

PASSWORD = "correct horse"


def test_there_and_back():
    """The same bytes; twice sealed, they look different."""
    first, second = (seal(b"open sesame", PASSWORD, context=b"hall") for _ in range(2))
    assert first != second
    assert unseal(first, PASSWORD, context=b"hall") == b"open sesame"


@pytest.mark.parametrize("at", [0, 20, -1])
def test_a_changed_byte_is_noticed(at):
    """Of the salt, of what is encrypted, of the check."""
    sealed = bytearray(seal(b"open sesame", PASSWORD, context=b"hall"))
    sealed[at] ^= 1
    with pytest.raises(PasswordError):
        unseal(bytes(sealed), PASSWORD, context=b"hall")


def test_another_password_or_context():
    """Neither can be changed."""
    sealed = seal(b"open sesame", PASSWORD, context=b"hall")
    for password, context in (("battery staple", b"hall"), (PASSWORD, b"attic")):
        with pytest.raises(PasswordError, match="the password is wrong"):
            unseal(sealed, password, context=context)
    with pytest.raises(PasswordError):
        unseal(b"short", PASSWORD, context=b"hall")
