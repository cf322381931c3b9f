"""Writes zones into a configuration file and leaves everything else in it as it is, comments included.

Owns finding them in the text. What TOML means is `tomllib`'s: it says where a statement ends, and reads the result
again before anything is written. (tomlkit would rewrite the file as well, but gives the comment above the next table
to the zone before it.)
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from piapp.config.sections import ZoneConfig
from piapp.errors import ConfigError
from piapp.whole_file import write_whole

_EMPTY_LINE_AT_END = re.compile(r"(?:(?<=\n)|\A)\r?\n\Z")


def may_write(file: Path | None) -> bool:
    """Whether zones can be kept in this file: it is one, and this user may replace it."""
    return (
        file is not None and file.is_file() and os.access(file, os.W_OK) and os.access(file.resolve().parent, os.W_OK)
    )


def write_zones(file: Path, zones: Sequence[ZoneConfig]) -> None:
    """Put zones into a configuration file in place of those that it has.

    Raises:
        ConfigError: The file cannot be read or written, or no longer is what can be changed safely; it is as before.
    """
    target = file.resolve()
    try:
        content = target.read_bytes()
        mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        new = mark + zones_replaced(content.removeprefix(mark).decode(), zones).encode()
        status = target.stat()
        write_whole(target, new, mode=status.st_mode & 0o7777, owner=(status.st_uid, status.st_gid))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"zones cannot be kept: {file}: is not TOML any more: {error}") from error
    except ValueError as error:
        raise ConfigError(f"zones cannot be kept in {file}: {error}; edit [[zones]] there by hand") from error
    except OSError as error:
        raise ConfigError(f"zones cannot be kept: {file} cannot be written: {error.strerror}") from error


def zones_replaced(text: str, zones: Sequence[ZoneConfig]) -> str:
    """The text of a TOML file with other zones.

    Tables of zones that stay keep their place and form, as far as the order allows; the others are added at the end.

    Raises:
        ValueError: It is not TOML, or the zones could not be told from the rest.
    """
    rows = msgspec.json.decode(msgspec.json.encode(zones))
    before = tomllib.loads(text)
    kept = _staying(before.get("zones", []), rows)
    for staying in (kept, frozenset[int]()):
        new = _with_tables("".join(_without_zones(text, staying)), rows[len(staying) :])
        after = tomllib.loads(new)
        if after.pop("zones", []) == rows and after == {key: before[key] for key in before if key != "zones"}:
            return new
    raise ValueError("its zones stand where they cannot be told from the rest")


def _staying(old: list[Any], new: list[Any]) -> frozenset[int]:
    """Which of the old zones, by number, are the first ones of the new."""
    staying: list[int] = []
    for number, zone in enumerate(old):
        if len(staying) < len(new) and zone == new[len(staying)]:
            staying.append(number)
    return frozenset(staying)


def _without_zones(text: str, staying: frozenset[int]) -> Iterator[str]:
    """The statements of a file but those of its zones, except the tables of `staying`.

    Comments and empty lines after a zone's last key belong to what follows.
    """
    table, number, waiting = "", -1, ""
    for statement, content in _statements(text):
        if not content:
            waiting += statement
            continue
        header = statement.lstrip().startswith("[")
        if header:
            table = next(iter(content))
            number += table == "zones"
        gone = number not in staying if table == "zones" else not table and "zones" in content
        if gone and table:
            waiting = _EMPTY_LINE_AT_END.sub("", waiting) if header else ""
        yield waiting + ("" if gone else statement)
        waiting = ""
    yield waiting


def _statements(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Split TOML into statements, each a line or the lines of one value, with what each means alone."""
    statement = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        statement += line
        with suppress(tomllib.TOMLDecodeError):
            yield statement, tomllib.loads(statement)
            statement = ""


def _with_tables(text: str, rows: Sequence[dict[str, Any]]) -> str:
    """The text with zones after it."""
    if not rows:
        return text
    tables = "".join(map(_table, rows))
    return f"{text.rstrip()}\n{tables}" if text.strip() else tables.lstrip()


def _table(row: dict[str, Any]) -> str:
    """One zone as TOML."""
    lines = [f"{key} = {_toml(value)}" for key, value in row.items()]
    return "\n".join(["\n[[zones]]", *lines, ""])


def _toml(value: Any) -> str:
    """Strings, numbers and lists of them; JSON's forms are TOML's, but for one letter."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
