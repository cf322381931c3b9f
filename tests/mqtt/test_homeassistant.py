"""Announcing to Home Assistant through a real broker: at the start, at its birth, and taking back."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from piapp.config.load import load_config
from piapp.config.sections import HomeAssistantConfig
from piapp.mqtt import discovery
from piapp.mqtt.device import Device
from piapp.mqtt.homeassistant import MAX_DELAY_S, STEP_S, HomeAssistant
from piapp.mqtt.message import Message
from piapp.mqtt.publisher import Publisher
from piapp.mqtt.topics import Topics
from tests.mosquitto import DEADLINE_S, Subscriber, wait_until


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """The time now."""
        return self.now_s


class LongestDelays(random.Random):
    """Chance that always gives the longest delay, and keeps what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        """The end of the range."""
        self.asked.append((a, b))
        return b


class Home:
    """A node that announces itself under a prefix of its own, and somebody who listens there."""

    def __init__(self, broker, prefix: str, form: str, *, pictures: bool = False, zones: tuple[str, ...] = ()) -> None:
        self.prefix = prefix
        self.clock = Clock()
        self.delays = LongestDelays()
        self.steps = 0
        overrides = [("mqtt.url", broker.url), ("homeassistant.prefix", prefix), ("homeassistant.discovery", form)]
        config = load_config(None, overrides=overrides, environ={}).config
        self.device = Device(
            Topics("piapp", prefix), "Hall", "", "0.1.0", "board", sends_pictures=pictures, zones=zones
        )
        self.publisher = Publisher(config.mqtt, config.publish, self.device.topics)
        self.assistant = HomeAssistant(
            config.homeassistant, self.device, self.publisher, on_start=self._count, rng=self.delays, clock=self.clock
        )
        self.births = 0
        self.listener = Subscriber(broker.port, f"{prefix}/#")

    def _count(self) -> None:
        self.births += 1

    def __enter__(self):
        self.assistant.start()
        self.publisher.start()
        assert self.publisher.wait_connected(DEADLINE_S)
        return self

    def __exit__(self, *_):
        self.publisher.stop()
        self.listener.close()

    def announced(self) -> dict[str, bytes]:
        """The newest message of each discovery topic that was heard."""
        return {message.topic: message.payload for message in self.listener.of("config")}

    def moved(self, old: set[str], new: set[str]) -> bool:
        """Let time pass; whether all old topics were emptied by now, and the new ones were not."""
        self.clock.now_s += STEP_S
        self.assistant.tick()
        self.steps += 1
        self.publisher.publish(Message(f"{self.prefix}/step", b"", qos=1))
        self.listener.wait_for("step", self.steps)  # a step's messages have left before the next one
        announced = self.announced()
        return all(announced.get(topic) == b"" for topic in old) and all(announced.get(topic) for topic in new)

    def expected(self) -> set[str]:
        """Topics that should hold something."""
        return {topic for topic, payload in self.announced().items() if payload}


def topics_of(home: Home, form: str) -> set[str]:
    """What a form announces."""
    return set(discovery.messages(HomeAssistantConfig(discovery=form, prefix=home.prefix), home.device))


@pytest.mark.parametrize("form", ["device", "component"])
def test_announces_retained(mosquitto, form):
    """Home Assistant finds the node however late it comes."""
    with Home(mosquitto, f"ha-{form}", form) as home:
        wait_until(lambda: home.expected() == topics_of(home, form), "the announcement")
    late = Subscriber(mosquitto.port, f"{home.prefix}/#")
    wait_until(lambda: len(late.of("config")) == len(topics_of(home, form)), "retained announcements")
    assert all(message.retain for message in late.of("config"))
    late.close()


def test_announces_again_at_home_assistants_birth(mosquitto):
    """After a random delay of at most five seconds, not before its time, and once."""
    with Home(mosquitto, "ha-birth", "device") as home:
        home.listener.wait_for("config")
        home.assistant.tick()
        assert len(home.listener.of("config")) == 1
        home.listener.publish("ha-birth/status", b"online")
        wait_until(lambda: home.delays.asked == [(0.0, MAX_DELAY_S)], "the birth to be heard")
        home.assistant.tick()
        assert home.births == 1, "what it missed comes at once"
        home.clock.now_s += MAX_DELAY_S - 0.1
        home.assistant.tick()
        home.listener.publish("ha-birth/early", b"")
        home.listener.wait_for("early")
        assert len(home.listener.of("config")) == 1
        home.clock.now_s += 0.1
        home.assistant.tick()
        home.listener.wait_for("config", 2)
        home.assistant.tick()
        home.listener.publish("ha-birth/marker", b"")
        home.listener.wait_for("marker")
        assert len(home.listener.of("config")) == 2
        assert home.births == 1


def test_other_words_are_no_birth(mosquitto):
    """`offline`, nonsense, and a retained `online` from before change nothing."""
    early = Subscriber(mosquitto.port, "ha-other/#")
    early.deliver("ha-other/status", b"online")
    with Home(mosquitto, "ha-other", "device") as home:
        for payload in (b"offline", b"\xff" * 1000, b""):
            early.publish("ha-other/status", payload)
        early.publish("ha-other/device/piapp_ha-other/config", b"not retained")  # heard after the others
        home.listener.wait_for("config", payload=b"not retained")
        assert home.delays.asked == []
    early.close()


@pytest.mark.parametrize(
    ("before", "after"), [("device", "component"), ("component", "device"), ("device", "off"), ("component", "off")]
)
def test_takes_back_what_another_form_announced(mosquitto, before, after):
    """After a change of form nothing of the old one stays at the broker."""
    prefix = f"ha-{before}-{after}"
    with Home(mosquitto, prefix, before) as home:
        wait_until(lambda: home.expected() == topics_of(home, before), "the old form")
    with Home(mosquitto, prefix, after) as home:
        wait_until(lambda: home.moved(topics_of(home, before), topics_of(home, after)), "the old form to go")
        first = next(iter(topics_of(home, before)))
        heard = [message.payload for message in home.listener.of("config") if message.topic == first]
    late = Subscriber(mosquitto.port, f"{prefix}/#")
    late.publish(f"{prefix}/marker", b"")
    late.wait_for("marker")
    assert {message.topic for message in late.of("config")} == topics_of(home, after)
    late.close()
    # Home Assistant is told to let go before the topic is emptied, and keeps the entity.
    assert heard[-1] == b""
    assert (discovery.MIGRATE in heard) == (after != "off")


def test_what_is_no_more_is_not_moved(mosquitto):
    """Pictures that may leave no more: emptied at once, for Home Assistant would keep what it is told to let go."""
    with Home(mosquitto, "ha-pictures", "component", pictures=True) as home:
        before = topics_of(home, "component")
        wait_until(lambda: home.expected() == before, "pictures to be announced")
    with Home(mosquitto, "ha-pictures", "component") as home:
        after = topics_of(home, "component")
        gone = before - after
        assert len(gone) == 2
        wait_until(lambda: home.moved(gone, after), "the pictures to go")
        heard = [message.payload for message in home.listener.of("config")]
    assert discovery.MIGRATE not in heard


def removed(home: Home) -> dict[str, dict]:
    """Components that the newest message of the device form takes out."""
    payload = home.announced().get(f"{home.prefix}/device/{home.device.id}/config", b"{}")
    return {name: part for name, part in json.loads(payload).get("cmps", {}).items() if len(part) == 1}


def test_what_an_earlier_run_announced_is_removed(mosquitto):
    """A zone and pictures of the run before are named with their platform alone, and stay so after a restart."""
    gone = {"picture": {"p": "image"}, "take_picture": {"p": "button"}, "zone_bed": {"p": "binary_sensor"}}
    with Home(mosquitto, "ha-earlier", "device", pictures=True, zones=("Bed", "Sofa")) as home:
        home.listener.wait_for("config")
        assert removed(home) == {}
    for _ in range(2):
        with Home(mosquitto, "ha-earlier", "device", zones=("Sofa",)) as home:

            def took_out(home: Home = home) -> bool:
                home.assistant.tick()
                return removed(home) == gone

            wait_until(took_out, "the removal")


@pytest.mark.parametrize("form", ["device", "component"])
def test_zones_drawn_while_it_runs(mosquitto, form):
    """A new zone is announced, and one that is no more is removed."""
    with Home(mosquitto, f"ha-zones-{form}", form, zones=("Bed",)) as home:
        wait_until(lambda: home.expected() == topics_of(home, form), "the announcement")
        before = home.expected()
        home.device = replace(home.device, zones=("Sofa",))
        home.assistant.update(home.device)
        if form == "device":
            wait_until(lambda: removed(home) == {"zone_bed": {"p": "binary_sensor"}}, "the removal")
            assert home.expected() == before
        else:
            wait_until(lambda: home.expected() == topics_of(home, form) != before, "another zone")


def test_new_form_is_announced_again_between(mosquitto):
    """Home Assistant ignores the new form until it has let go of the old one."""
    with Home(mosquitto, "ha-between", "component") as home:
        wait_until(lambda: home.expected() == topics_of(home, "component"), "the old form")
    with Home(mosquitto, "ha-between", "device") as home:
        (old, *_), (new,) = topics_of(home, "component"), topics_of(home, "device")
        wait_until(lambda: home.moved({old}, {new}), "the old form to go")
        order = [(m.topic == new, m.payload[:2]) for m in home.listener.of("config") if m.topic in (old, new)]
    emptied = order.index((False, b"")) + 1  # what came in late is moved after that, with an announcement of its own
    assert order[emptied - 3 : emptied] == [(False, discovery.MIGRATE[:2]), (True, b'{"'), (False, b"")]


def test_leaves_what_others_announced(mosquitto):
    """A device of another program in the same place stays, and so does what only looks like ours."""
    others = Subscriber(mosquitto.port, "ha-others/#")
    foreign = {
        "ha-others/sensor/piapp_ha-others/x/config": json.dumps({"o": {"name": "esphome"}}).encode(),
        "ha-others/sensor/esp/x/config": json.dumps({"o": {"name": "piapp"}}).encode(),
        "ha-others/device/piapp_other/config": json.dumps({"o": {"name": "piapp"}}).encode(),
    }
    for topic, payload in foreign.items():
        others.deliver(topic, payload)
    outdated = "ha-others/sensor/piapp_ha-others/old/config"
    others.deliver(outdated, b'{"o":{"name":"piapp"}}')
    with Home(mosquitto, "ha-others", "off") as home:
        wait_until(lambda: home.moved({outdated}, set()), "our outdated entity to go")
        assert {topic: home.announced()[topic] for topic in foreign} == foreign
    others.close()
