"""The AsyncAPI 3 document of a node's topics, made of the same structs as the JSON Schemas. Pure."""

from __future__ import annotations

from typing import Any

from piapp import __version__
from piapp.mqtt.commands import COMMANDS
from piapp.mqtt.schema import CHANNELS, Channel, definitions
from piapp.mqtt.structs import AnswerPayload

_REFERENCE = "#/components/schemas/{name}"
_BINDING_VERSION = "0.2.0"
_REQUEST_QOS = 1

_PARAMETERS = {
    "base": {"description": "The configured mqtt.base_topic.", "default": "piapp"},
    "node": {"description": "The node's id: 1 to 32 of a-z, 0-9 and -."},
}


def asyncapi() -> dict[str, Any]:
    """The document: what a node sends, and what it receives and answers."""
    channels = {channel.name: _channel(channel.name) for channel in CHANNELS}
    operations = {f"send_{channel.name}": _send(channel) for channel in CHANNELS}
    messages = {channel.name: _message(channel) for channel in CHANNELS}
    for command, form in COMMANDS.items():
        request, response = f"request_{command}", f"response_{command}"
        channels |= {
            request: _channel(request, f"request/{command}"),
            response: _channel(response, f"response/{command}"),
        }
        messages |= {request: _json_message(form.__name__), response: _json_message(AnswerPayload.__name__)}
        operations[f"receive_{request}"] = _receive(request, response)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "piapp",
            "version": __version__,
            "description": "A posture sensor: landmarks, posture and events of a camera over MQTT.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": definitions(_REFERENCE)},
    }


def _channel(name: str, topic: str = "") -> dict[str, Any]:
    return {
        "address": f"{{base}}/{{node}}/{topic or name}",
        "parameters": _PARAMETERS,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _send(channel: Channel) -> dict[str, Any]:
    binding: dict[str, Any] = {"qos": channel.qos, "retain": channel.retained}
    if channel.expiry_s is not None:
        binding["messageExpiryInterval"] = channel.expiry_s
    return _operation("send", channel.name) | {
        "summary": channel.summary,
        "bindings": {"mqtt": binding | {"bindingVersion": _BINDING_VERSION}},
    }


def _receive(request: str, response: str) -> dict[str, Any]:
    binding = {"qos": _REQUEST_QOS, "retain": False, "bindingVersion": _BINDING_VERSION}
    return _operation("receive", request) | {"bindings": {"mqtt": binding}, "reply": _place(response)}


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action} | _place(channel)


def _place(channel: str) -> dict[str, Any]:
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{channel}"}],
    }


def _message(channel: Channel) -> dict[str, Any]:
    if channel.payload is not None:
        return _json_message(channel.payload.__name__)
    payload: dict[str, Any] = {"type": "string"}
    if channel.values:
        payload["enum"] = list(channel.values)
    return {"contentType": channel.content_type, "payload": payload}


def _json_message(struct: str) -> dict[str, Any]:
    return {"contentType": "application/json", "payload": {"$ref": _REFERENCE.format(name=struct)}}
