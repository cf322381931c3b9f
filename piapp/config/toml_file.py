"""Reads TOML, whatever somebody's editor or a stranger has made of it, and writes tables of plain values.

Owns the errors about its form.
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from piapp.errors import ConfigError

# A file with every key is 20 kB; a device or a log in its place has no end.
MAX_BYTES = 1_000_000

_OTHER_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: It cannot be read, or is none; with the reason and the way out.
    """
    return parse_toml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read a text file that is meant to be TOML; a byte-order mark is left out.

    Raises:
        ConfigError: It cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{str(path)!r}: is no path: {error}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES} bytes, so it is no configuration")
    for mark, name in _OTHER_ENCODINGS:
        if data.startswith(mark):
            raise ConfigError(f"{path}: is {name} text; save it as UTF-8, which TOML is written in")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: is not UTF-8 text (line {line}), so not TOML; save it as UTF-8") from error


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """Parse TOML.

    Args:
        text: What to parse.
        origin: Where it comes from, for messages.

    Raises:
        ConfigError: It is none.
    """
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: is not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{origin}: tables or lists are nested too deeply to be read; no key needs that") from error
    except ValueError as error:
        raise ConfigError(f"{origin}: holds a number that is too long to be read: {error}") from error


def toml_text(tables: Mapping[str, Mapping[str, Any]], prefix: str = "") -> str:
    """Tables as TOML, an empty line before each.

    Args:
        tables: Name to keys; values are strings, numbers, true or false, lists of these, and tables.
        prefix: Of the tables' names.
    """
    text = ""
    for name, table in tables.items():
        inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
        # A string, a number and a list are written in TOML as in JSON.
        lines = [f"{key} = {msgspec.json.encode(table[key]).decode()}\n" for key in table if key not in inner]
        text += f"\n[{prefix}{name}]\n{''.join(lines)}" if lines else ""
        text += toml_text(inner, f"{prefix}{name}.")
    return text
