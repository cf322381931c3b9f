"""A node reduced to its events: the real spool, ids and publisher, without camera and model. Run as a program.

It makes events at a random pace and prints each one's id once it has happened, that is, once it must not get lost.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from piapp.config.load import load_config
from piapp.mqtt.clock import TimeLine
from piapp.mqtt.payload import PayloadWriter
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.spool import open_spool
from piapp.mqtt.topics import Topics
from piapp.node.state_folder import state_folder
from piapp.service.identity import boot_id, event_ids, first_event_number
from piapp.types import PostureEvent

MOST_PAUSE_S = 0.012
FLUSH_S = 60.0


def main(url: str, folder: str, run: int, count: int) -> None:
    """Make `count` events that name this run, and wait until the broker has them."""
    settings = {"mqtt.url": url, "spool.dir": folder, "mqtt.reconnect_min_s": "0.05", "mqtt.reconnect_max_s": "0.2"}
    config = load_config(Path(os.devnull), overrides=list(settings.items()), environ={}).config
    topics = Topics(config.mqtt.base_topic, "events")
    spool = open_spool(config.spool, state_folder(config.spool), topics.node, first=first_event_number())
    ids = event_ids(boot_id(), first=spool.last + 1)
    writer = PayloadWriter(topics.node, boot_id())
    with Publisher(config.mqtt, config.publish, topics, events=spool) as publisher:
        for number in range(count):
            event = PostureEvent("wave", number, evidence={"run": run, "number": number})
            payload = writer.event(event, TimeLine(0, 0), event_id=next(ids))
            publisher.publish_event(payload)
            print(payload.id, flush=True)  # noqa: T201 - the test reads it
            time.sleep(random.uniform(0.0, MOST_PAUSE_S))
        until = time.monotonic() + FLUSH_S
        while publisher.event_depth and time.monotonic() < until:
            time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
