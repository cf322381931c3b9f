"""Compares what the demo's clip makes two working trees publish, but for times and ids.

    python -m tests.e2e.compare_messages BEFORE AFTER [KEY=VALUE ...]

Each tree runs its own `piapp run` on the clip in lockstep, against a mosquitto of this machine, with the interpreter
that runs this. Prints how many messages of each topic there were, and the first difference of each; exit 1 if there is
any. To be run before and after a change that must not be noticed outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.mosquitto import Mosquitto, Subscriber, wait_until

RUN_S = 500.0

# Times, ids, folders, and what is measured anew in each run.
LEFT_OUT = {"t", "since", "boot", "id", "ts_ms", "latency_ms", "last_fall", "url", "dir"}

# `health` is nothing but measurements, as often as the run lasts: its fields count, not their values or their number.
FIELDS_ONLY = {"health"}

# The learnt detector reads tenths of a second of the clock, which every run meets elsewhere.
LEFT_OUT_OF_FALLS = {"score", "evidence"}

Messages = dict[str, list[tuple[bool, Any]]]
"""By topic: whether each was retained, and what it says."""


def published(tree: Path, settings: Sequence[str]) -> Messages:
    """Run a tree's node over the clip, and give all that it published."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder)).start()
        subscriber = Subscriber(broker.port, "#")
        options = [f"spool.dir={folder}/state", "landmarker.workers=1", "landmarker.runtime=litert", *settings]
        command = [sys.executable, "-P", "-m", "piapp", "run", "--node", "compared", "--broker", broker.url]
        command += ["--source", "demo:?pace=lockstep", *(word for option in options for word in ("--set", option))]
        environment = os.environ | {"PYTHONPATH": str(tree), "PIAPP_CONFIG": os.devnull}
        subprocess.run(command, env=environment, cwd=folder, timeout=RUN_S, check=True)
        wait_until(lambda: subscriber.of("status")[-1].payload == b"offline", "the end")
        messages: Messages = {}
        for message in subscriber.messages:
            leaf = message.topic.rpartition("/")[2]
            found = (message.retain, _comparable(leaf, message.payload))
            if leaf not in FIELDS_ONLY or found not in messages.get(message.topic, ()):
                messages.setdefault(message.topic, []).append(found)
        subscriber.close()
        broker.stop()
    return messages


def differences(before: Messages, after: Messages) -> Iterator[str]:
    """A line for each topic that differs: in which message, where in it, and how."""
    for topic in sorted(before.keys() | after.keys()):
        pairs = zip_longest(before.get(topic, []), after.get(topic, []))
        found = next(((number, pair) for number, pair in enumerate(pairs) if pair[0] != pair[1]), None)
        if found is not None:
            number, (was, now) = found
            yield f"{topic}, message {number}{_place(was, now)}"


def _place(was: Any, now: Any) -> str:
    """The path to the first difference, and both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        name = next(name for name in {**was, **now} if was.get(name) != now.get(name))
        return f".{name}{_place(was.get(name), now.get(name))}"
    if isinstance(was, list | tuple) and isinstance(now, list | tuple) and len(was) == len(now):
        number = next(number for number in range(len(was)) if was[number] != now[number])
        return f"[{number}]{_place(was[number], now[number])}"
    return f": before {was}, after {now}"


def _comparable(leaf: str, payload: bytes) -> Any:
    try:
        value = json.loads(payload)
    except ValueError:
        return payload
    return sorted(value) if leaf in FIELDS_ONLY else _stripped(value)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = LEFT_OUT | (LEFT_OUT_OF_FALLS if value.get("event_type") == "fall" else set())
        return {name: _stripped(each) for name, each in value.items() if name not in left_out}
    if isinstance(value, list):
        return [_stripped(each) for each in value]
    return value


def main() -> int:
    """Compare two trees."""
    trees, settings = sys.argv[1:3], sys.argv[3:]
    before, after = (published(Path(tree).resolve(), settings) for tree in trees)
    for topic in sorted(before.keys() | after.keys()):
        sys.stdout.write(f"{topic}: {len(before.get(topic, ()))} before, {len(after.get(topic, ()))} after\n")
    found = list(differences(before, after))
    sys.stdout.write("\n".join(found) + "\n" if found else "all equal\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
