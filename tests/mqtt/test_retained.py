"""Which retained message a broker does not survive, found by elimination."""

from __future__ import annotations

import pytest

from piapp.mqtt.retained import LEFT_OUT_AFTER, SUSPECT_AFTER, RetainedTopics


class Broker:
    """Takes what is due; closes the connection at a message that is too large, acknowledging what came before.

    With `batch` it reads everything before it answers anything, as a fast sender makes it.
    """

    def __init__(self, limit, *, batch):
        self.limit, self.batch = limit, batch

    def connection(self, topics):
        """One connection: what it took, and whether it survived."""
        topics.renew()
        taken, waiting = [], []
        while (due := topics.next(acknowledged_too=True)) is not None or waiting:
            if due is not None:
                if len(due.payload) > self.limit:
                    topics.lost()
                    return taken, False
                taken.append(due.topic)
                waiting.append(due)
                if self.batch:
                    continue
            for one in waiting:
                one.acknowledged(0)
            waiting = []
        return taken, True


def topics_of(sizes, qos=1):
    """Topics with payloads of these sizes."""
    topics = RetainedTopics()
    for number, size in enumerate(sizes):
        topics.set(f"t{number}", bytes(size), qos)
    return topics


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("large", range(4))
def test_the_one_that_kills_is_left_out_and_all_others_arrive(batch, qos, large, caplog):
    """Wherever it stands, whatever its QoS; named with its size, once."""
    topics = topics_of([5000 if number == large else 10 for number in range(4)], qos)
    broker = Broker(1000, batch=batch)
    for _ in range(SUSPECT_AFTER + 4 * LEFT_OUT_AFTER + 2):
        taken, survived = broker.connection(topics)
        if survived:
            break
    assert survived
    assert sorted(taken) == sorted(f"t{number}" for number in range(4) if number != large)
    assert topics.left_out == (f"t{large}",)
    assert caplog.text.count("5000 bytes") == 1
    assert broker.connection(topics)[1]


def test_two_that_kill_are_both_found():
    """One after the other."""
    topics = topics_of([10, 5000, 10, 6000])
    for _ in range(40):
        if Broker(1000, batch=True).connection(topics)[1]:
            break
    assert topics.left_out == ("t1", "t3")


def test_a_bad_network_leaves_nothing_out():
    """Connections that break with many under way, or now and then with one."""
    topics = topics_of([10, 10, 10])
    for number in range(60):
        topics.renew()
        due = [topics.next(acknowledged_too=True) for _ in range(3)]
        if number % 3 == 2:
            for one in due:
                if one:
                    one.acknowledged(0)
        topics.lost()
    assert topics.left_out == ()


def test_a_shorter_value_is_tried_again():
    """What was left out comes back when there is hope."""
    topics = topics_of([5000])
    for _ in range(20):
        Broker(1000, batch=False).connection(topics)
    assert topics.left_out == ("t0",)
    topics.set("t0", bytes(6000), 1)
    assert topics.left_out == ("t0",)
    topics.set("t0", bytes(10), 1)
    assert topics.left_out == ()
    assert Broker(1000, batch=False).connection(topics) == (["t0"], True)
