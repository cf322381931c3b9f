"""Prints messages of the guest's broker, one JSON line each, until one of a wanted kind has come.

usage: listen.py TOPIC-END [VALUE]    such as: listen.py event fall; listen.py status offline
Variables such as PIAPP_MQTT__URL say where and as whom; else the open broker on this machine.
"""

import json
import os
import sys
import threading
from pathlib import Path

from piapp.config.load import load_config
from piapp.mqtt.subscriber import Subscriber

DEADLINE_S = 120.0

leaf, value = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
found = threading.Event()


def on_message(topic: str, payload: bytes) -> None:
    """Print a message, and stop at the wanted one."""
    if topic.rpartition("/")[2] != leaf or found.is_set():
        return
    text = payload.decode()
    sys.stdout.write(json.dumps({"topic": topic, "payload": text}) + "\n")
    if value in text:
        found.set()


mqtt = load_config(Path(os.devnull)).config.mqtt
with Subscriber(mqtt.url, ["piapp/#"], on_message, login=mqtt):
    sys.exit(0 if found.wait(DEADLINE_S) else 1)
