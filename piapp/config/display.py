"""Shows configuration values to people, with secrets masked."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from piapp.wording import masked


def shown(value: Any) -> str:
    """A value as TOML would write it, shortened, with the password of a URL left out."""
    finite = not isinstance(value, float) or isfinite(value)
    try:
        text = msgspec.json.encode(without_secrets(value), enc_hook=str).decode() if finite else str(value)
    except (ValueError, OverflowError):  # whole numbers beyond 64 bits
        text = "a number that is too long" if isinstance(value, int) else "a value that holds one that is too long"
    limit = 80
    return text if len(text) <= limit else text[: limit - 3] + "..."


def without_secrets(value: Any) -> Any:
    """A plain value in which user names and passwords of URLs are left out."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value
