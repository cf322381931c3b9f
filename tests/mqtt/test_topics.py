"""Topic names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piapp.errors import ConfigError
from piapp.mqtt.topics import Topics, is_topic_name

LEAVES = ("status", "info", "frame", "state", "event", "trigger", "health", "image", "requests")


def test_topics_are_those_of_the_contract():
    """Each name is <base>/<node>/<name>."""
    topics = Topics("home/piapp", "hall")
    assert [getattr(topics, leaf) for leaf in LEAVES[:-1]] == [f"home/piapp/hall/{leaf}" for leaf in LEAVES[:-1]]
    assert topics.request("ping") == "home/piapp/hall/request/ping"
    assert topics.response("ping") == "home/piapp/hall/response/ping"
    assert topics.requests == "home/piapp/hall/request/+"


@given(base=st.text(max_size=40), node=st.text(max_size=40))
def test_topics_are_legal_or_refused(base, node):
    """Whatever the configuration says, no wildcard, NUL or empty level at an end reaches a broker."""
    try:
        topics = Topics(base, node)
    except ConfigError as error:
        assert "mqtt.base_topic" in str(error) or "node.id" in str(error)  # noqa: PT017
        return
    for leaf in LEAVES[:-1]:
        topic = getattr(topics, leaf)
        assert not set(topic) & set("#+\0")
        assert not topic.startswith("/")
        assert not topic.endswith("/")


@pytest.mark.parametrize(
    ("base", "node"), [("piapp/#", "a"), ("", "a"), ("/p", "a"), ("piapp", "Hall"), ("p", "a" * 33)]
)
def test_a_bad_name_says_which_key(base, node):
    """The message names the key to change."""
    with pytest.raises(ConfigError, match=r"mqtt\.base_topic|node\.id"):
        Topics(base, node)


@pytest.mark.parametrize(
    ("text", "legal"),
    [("piapp/hall/event", True), ("Küche/ü", True), ("", False), ("a/#", False), ("a/+/b", False), ("$SYS/x", False),
     ("a\x00", False), ("a\n", False), ("\ud800", False), ("a" * 1024, True), ("a" * 1025, False)],
)  # fmt: skip
def test_what_is_a_topic_name(text, legal):
    """What may be published to, and nothing that a broker refuses or that a terminal obeys."""
    assert is_topic_name(text) is legal
