"""A node that does nothing but answer requests, by the node's own code for them."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from piapp.config.load import load_config
from piapp.mqtt.commands import Commands
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics


@contextmanager
def answering_node(url, name, answer):
    """A node that answers each request with what `answer` gives; the commands that were asked."""
    topics, done, asked = Topics("piapp", name), threading.Event(), []
    loaded = load_config(None, overrides=[("mqtt.url", url)], environ={}).config
    with Publisher(loaded.mqtt, loaded.publish, topics) as publisher:
        commands = Commands(topics, publisher.publish)
        publisher.subscribe(topics.requests, commands.receive)

        def serve():
            while not done.wait(0.01):
                if request := commands.take():
                    asked.append(request.command)
                    commands.answer(request, **answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert publisher.wait_connected(10.0)
        yield asked
        done.set()
        thread.join()
