"""Lays tables over each other and converts them, key by key, so that every problem is found and its origin named."""

from __future__ import annotations

import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from piapp.config.display import shown
from piapp.config.former import former_key
from piapp.config.sections import Config, Section
from piapp.errors import ConfigError
from piapp.wording import MASK, did_you_mean, is_secret_key

_SectionT = typing.TypeVar("_SectionT", bound=Section)


class Layers:
    """Tables laid over each other, with the origin of every leaf, and its text if it was given as one.

    Attributes:
        errors: The problems found so far.
    """

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.errors: list[str] = []

    def add_table(self, table: dict[str, Any], origin: str) -> None:
        """Lay a table over what is there."""
        self._merge(self.tree, table, "", origin)

    def add_value(self, key: str, text: str, origin: str) -> None:
        """Lay one value over what is there, given as text: TOML, else a plain string."""
        if not _is_text(key + text):
            self.errors.append(f"{key!a} ({origin!a}): is not UTF-8 text")
        elif self.add_plain(key, _read_value(text), origin):
            self.texts[key] = text

    def add_plain(self, key: str, value: Any, origin: str) -> bool:
        """Lay one plain value over what is there; False, and a problem noted, when the key is none."""
        parts = key.split(".")
        if len(parts) < 2 or not all(parts):  # noqa: PLR2004 - a section and a key
            self.errors.append(f"{key!r} ({origin}): is not SECTION.KEY, such as mqtt.url")
            return False
        table: dict[str, Any] = {parts[-1]: value}
        for part in reversed(parts[:-1]):
            table = {part: table}
        self.add_table(table, origin)
        return True

    def _merge(self, into: dict[str, Any], table: dict[str, Any], prefix: str, origin: str) -> None:
        for name, value in table.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict) and isinstance(into.get(name, {}), dict):
                self._merge(into.setdefault(name, {}), value, f"{key}.", origin)
            else:
                into[name] = value
                self.texts.pop(key, None)
            self.origins[key] = origin


def checked(layers: Layers, defaults: Mapping[str, Any]) -> Config:
    """Convert what was layered; every problem found is raised together."""
    config = _build(Config, layers.tree, _Place("", layers), defaults)
    errors = layers.errors
    if errors or config is None:
        count = f"{len(errors)} problem{'s' if len(errors) != 1 else ''}"
        raise ConfigError(f"configuration: {count}\n" + "\n".join(f"  {error}" for error in errors))
    return config


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a table stands, for messages."""

    prefix: str
    layers: Layers

    def inside(self, name: str) -> _Place:
        return _Place(f"{self.prefix}{name}.", self.layers)

    def text(self, name: str) -> str | None:
        """The value as the command line or environment gave it, None when it comes from elsewhere."""
        return self.layers.texts.get(f"{self.prefix}{name}")

    def report(self, name: str, what: str, *value: object) -> None:
        key = f"{self.prefix}{name}"
        given = f" = {shown(value[0])}" if value else ""
        origins = self.layers.origins
        whole_list = key.partition("[")[0]
        origin = origins.get(key) or origins.get(self.prefix.rstrip(".")) or origins.get(whole_list, "default")
        self.layers.errors.append(f"{key}{given} ({origin}): {what}")


def _build(cls: type[_SectionT], table: dict[str, Any], place: _Place, defaults: Mapping[str, Any]) -> _SectionT | None:
    """Convert one table, key by key, so that every problem in it is found.

    A key that does not fit takes its default, so that what combines several keys is checked all the same; None when
    there is no default to take.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    for name, value in table.items():
        if name not in hints:
            what = former_key(f"{place.prefix}{name}") or f"is not a known key{_instead(name, hints)}"
            place.report(name, what, MASK if is_secret_key(name) else value)
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in table:
            place.report(name, f"is missing; expected {_allowed(hint)}")
            continue
        value, ok = _convert(hint, table[name], name, place, defaults.get(name))
        if not ok and name in defaults and not isinstance(defaults[name], dict):
            value, ok = msgspec.convert(defaults[name], hint), True
        if ok:
            values[name] = value
    if len(values) < len(hints):
        return None
    section = cls(**values)
    for name, what in section.problems():
        place.report(name, what)
    return section


def _instead(name: str, known: Iterable[str]) -> str:
    """What to write in place of an unknown key."""
    if is_secret_key(name):
        return "; secrets are never values: write it into a file, and name that in a key such as password_file"
    return did_you_mean(name, known)


def _convert(hint: Any, value: Any, name: str, place: _Place, default: Any) -> tuple[Any, bool]:
    """Convert one value; report and return (None, False) when it does not fit."""
    if isinstance(hint, type) and issubclass(hint, Section):
        if isinstance(value, dict):
            section = _build(hint, value, place.inside(name), default or {})
            return section, section is not None
        place.report(name, f"expected a table, [{place.prefix}{name}]", value)
        return None, False
    item = _section_item(hint)
    if item is not None and isinstance(value, list):
        rows = enumerate(value, start=1)
        pairs = [_convert(item, row, f"{name}[{number}]", place, None) for number, row in rows]
        return tuple(row for row, _ in pairs), all(ok for _, ok in pairs)
    # What reads as TOML may still be meant as a string, such as mqtt.protocol=5.
    for form in (value,) if isinstance(value, str) else (value, place.text(name)):
        with suppress(msgspec.ValidationError, OverflowError):
            return msgspec.convert(form, hint), True
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    hint_text = did_you_mean(str(value), [str(choice) for choice in choices])
    place.report(name, f"expected {_allowed(hint)}{hint_text}", value)
    return None, False


def _section_item(hint: Any) -> type[Section] | None:
    """The section type of an array of tables, None for anything else."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and isinstance(args[0], type) and issubclass(args[0], Section):
        return args[0]
    return None


_KIND = {
    int: "a whole number",
    float: "a number",
    str: "a string (in quotes)",
    bool: "true or false",
    dict: "a table",
}


def _allowed(hint: Any) -> str:
    """What a value may be, in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        bounds = []
        for meta in args[1:]:
            bounds += [f"at least {meta.ge}"] if meta.ge is not None else []
            bounds += [f"more than {meta.gt}"] if meta.gt is not None else []
            bounds += [f"at most {meta.le}"] if meta.le is not None else []
            bounds += [f"at least {meta.min_length} long"] if meta.min_length is not None else []
            bounds += [f"at most {meta.max_length} long"] if meta.max_length is not None else []
            bounds += [f"of the form {meta.pattern}"] if meta.pattern is not None else []
        kind, semicolon, items = _allowed(args[0]).partition("; ")
        return f"{kind} {', '.join(bounds)}{semicolon}{items}"
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(shown(choice) for choice in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_allowed(arg) for arg in args)
    if origin is tuple and args[-1] is Ellipsis:
        return f"a list; each item {_allowed(args[0])}"
    if origin is tuple:
        return f"{len(args)} values, each {_allowed(args[0])}"
    return _KIND.get(origin or hint, "a value")


def _is_text(text: str) -> bool:
    """Whether it holds no lone surrogates, in which Python keeps bytes of the environment that are no text."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _read_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # a number beyond all limits is no TOML, too
        return text
    return table["value"] if list(table) == ["value"] else text
