"""Writes the parts of `docs/mqtt.md` and of the README that follow from the code, and `docs/asyncapi.json`.

usage: docs/render.py [--check] [--capture]

`--check` changes nothing and exits 1 where a file is out of date. `--capture` first runs the demo and keeps one message
of each topic in `docs/examples`. A part of a page lies between `<!-- fields StructName -->`, `<!-- topics -->`,
`<!-- requests -->`, `<!-- example NAME -->` or `<!-- blueprints -->` and the next `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from piapp.mqtt.asyncapi import asyncapi
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.schema import CHANNELS, definitions

DOCS = Path(__file__).parent
ROOT = DOCS.parent
PAGES = (DOCS / "mqtt.md", ROOT / "README.md")
BLUEPRINTS = ROOT / "deploy" / "homeassistant"
EXAMPLES = DOCS / "examples"
ASYNCAPI = DOCS / "asyncapi.json"

_PART = re.compile(r"<!-- (fields|example|topics|requests|blueprints) ?([\w-]*) -->\n.*?<!-- end -->", re.DOTALL)
_TYPES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}
_LIMITS = {"minimum": "≥ {}", "maximum": "≤ {}", "minLength": "≥ {} characters", "maxLength": "≤ {} characters"}

_BY_HAND = """\
To import one, serve the folder (`python3 -m http.server --directory deploy/homeassistant 8000`) and give
`http://THIS-MACHINE:8000/fall_alert.yaml` to "Import blueprint" under Settings, Automations, Blueprints; or copy the
files to `blueprints/automation/piapp` of Home Assistant's configuration."""

# How much of an example is shown: rows of landmarks and sections of the configuration beyond that are cut.
_ROW_LENGTH = 5
_SHOWN_ROWS = 2
_SHOWN_KEYS = 2
_MOST_KEYS = 40


def rendered(page: str) -> str:
    """The page with its parts written anew."""
    return _PART.sub(lambda match: f"<!-- {_tag(match)} -->\n\n{_part(*match.groups())}\n\n<!-- end -->", page)


def _tag(match: re.Match[str]) -> str:
    return f"{match[1]} {match[2]}".strip()


def _part(kind: str, name: str) -> str:
    if kind == "fields":
        return _fields(definitions("#{name}")[name])
    if kind == "example":
        return _example(name)
    if kind == "blueprints":
        return blueprint_buttons(homepage())
    return _topics() if kind == "topics" else _requests()


def _fields(schema: dict[str, Any]) -> str:
    rows = ["| field | type | unit | range | meaning |", "|---|---|---|---|---|"]
    for name, field in schema.get("properties", {}).items():
        optional = name not in schema.get("required", ())
        cells = (
            f"`{name}`",
            _type(field),
            field.get("x-unit", _unit(field)),
            _range(field),
            _meaning(field, optional=optional),
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _type(field: dict[str, Any]) -> str:
    """A schema's type in words, with a link to a struct's table."""
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "$ref" in field:
        name = field["$ref"].removeprefix("#")
        return f"[object](#{re.sub(r'(?<!^)(?=[A-Z])', '-', name.removesuffix('Payload')).lower()})"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type")
    if kind == "array":
        return f"list of {_type(field['items'])}" if field.get("items") else "list of integer"
    if kind == "object":
        values = field.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
    return _TYPES[kind] if kind else "any"


def _unit(field: dict[str, Any]) -> str:
    return next((choice["x-unit"] for choice in field.get("anyOf", ()) if "x-unit" in choice), "")


def _range(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return next((found for found in map(_range, field["anyOf"]) if found), "")
    if "minItems" in field and field["minItems"] == field.get("maxItems"):
        return f"{field['minItems']} items"
    return ", ".join(text.format(field[key]) for key, text in _LIMITS.items() if key in field)


def _meaning(field: dict[str, Any], *, optional: bool) -> str:
    text = field.get("description", "").replace("|", "\\|")
    if optional and "default" in field:
        return f"{text} May be left out: `{json.dumps(field['default'])}`."
    return text


def _topics() -> str:
    rows = ["| topic | retained | QoS | expiry | payload | tells |", "|---|---|---|---|---|---|"]
    for channel in CHANNELS:
        expiry = f"{channel.expiry_s} s" if channel.expiry_s else "none"
        retained = "yes" if channel.retained else "no"
        kind = f"`{channel.content_type}`"
        rows.append(f"| `{channel.name}` | {retained} | {channel.qos} | {expiry} | {kind} | {channel.summary} |")
    return "\n".join(rows)


def _requests() -> str:
    rows = ["| command | parameter | type | range | meaning |", "|---|---|---|---|---|"]
    schemas = definitions("#{name}")
    for command, form in COMMANDS.items():
        own = {name: field for name, field in schemas[form.__name__]["properties"].items() if name != "transaction"}
        required = schemas[form.__name__].get("required", ())
        if not own:
            rows.append(f"| `{command}` | none | | | |")
        for name, field in own.items():
            meaning = _meaning(field, optional=name not in required)
            rows.append(f"| `{command}` | `{name}` | {_type(field)} | {_range(field)} | {meaning} |")
    return "\n".join(rows)


def _example(name: str) -> str:
    message = json.loads((EXAMPLES / f"{name}.json").read_text())
    if isinstance(config := message.get("config"), dict):
        message["config"] = dict(list(config.items())[:_SHOWN_KEYS]) | {"…": "…"}
    return f"```json\n{shortened(message)}\n```"


def homepage() -> str:
    """The project's public address, on a forge such as https://github.com/OWNER/NAME; empty while it has none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project.get("urls", {}).get("Homepage", "")).rstrip("/")


def blueprint_buttons(address: str) -> str:
    """Buttons that open Home Assistant's import of each blueprint; without an address, how to import them by hand."""
    names = [path.name for path in sorted(BLUEPRINTS.glob("*.yaml"))]
    if not address:
        return _BY_HAND
    return "\n".join(["| blueprint | import |", "|---|---|", *(_button(address, name) for name in names)])


def _button(address: str, name: str) -> str:
    """A row of the table; Home Assistant turns a forge's page of a file into the file itself."""
    file = quote(f"{address}/blob/main/deploy/homeassistant/{name}", safe="")
    link = f"https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url={file}"
    return f"| `{name}` | [![Import](https://my.home-assistant.io/badges/blueprint_import.svg)]({link}) |"


def shortened(message: dict[str, Any]) -> str:
    """A message with long lists and long objects cut, marked by an ellipsis."""
    text = json.dumps(_cut(message), indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda match: "[" + re.sub(r"\s+", " ", match[1]) + "]", text)
    return text.replace('"…": "…"', "…").replace('"…"', "…")


def _cut(value: Any) -> Any:
    if isinstance(value, list):
        whole = len(value) <= _ROW_LENGTH
        return [_cut(item) for item in value] if whole else [*map(_cut, value[:_SHOWN_ROWS]), "…"]
    if isinstance(value, dict):
        kept = list(value.items())
        if len(kept) > _MOST_KEYS:
            kept = [*kept[:_SHOWN_KEYS], ("…", "…")]
        return {name: _cut(item) for name, item in kept}
    return value


def capture() -> None:
    """Run the demo and keep one message of each topic."""
    from tests.support.demo_run import run_demo_node  # noqa: PLC0415 - starts a node

    run = run_demo_node()
    examples = {name: run.documents(name)[-1] for name in ("info", "health")}
    examples["settings"] = run.documents("settings")[0]  # a later one has what a request of the run has changed
    examples["frame"] = next(frame for frame in run.documents("frame") if frame["poses"] and frame["poses"][0]["id"])
    examples["state"] = next(state for state in run.documents("state") if state["persons"])
    examples["event"] = next(
        event for event in run.documents("event") if event["event_type"] == "fall" and event["person"]
    )
    examples["test-event"] = next(event for event in run.documents("event") if event.get("test"))
    for command, _, status, answer in run.answers:
        examples.setdefault(f"response-{command}" if status == "ok" else "response-error", answer)
    EXAMPLES.mkdir(exist_ok=True)
    for name, message in examples.items():
        (EXAMPLES / f"{name}.json").write_text(json.dumps(message, ensure_ascii=False) + "\n")


def main(arguments: list[str]) -> int:
    """Write or check the files."""
    if "--capture" in arguments:
        capture()
    document = json.dumps(asyncapi(), indent=1, ensure_ascii=False) + "\n"
    wanted = {page: rendered(page.read_text()) for page in PAGES} | {ASYNCAPI: document}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        sys.stderr.writelines(f"{path}: out of date; run `make docs-tables`\n" for path in stale)
        return bool(stale)
    for path in stale:
        path.write_text(wanted[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
