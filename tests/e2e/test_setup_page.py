"""Setting a node up in a real browser: from an empty state folder to the first event at a broker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.first_run import AREA, NAME, TILT_DEG, ZONE, FirstRun, Install, fresh_install, new_page
from tests.e2e.node import NODE
from tests.mosquitto import Mosquitto, Subscriber
from tests.support.browsers import DESKTOP, PHONE, needs_chromium, serious, sticks_out

# A browser, a broker and two starts of a node, on a board that does something else besides.
pytestmark = [needs_chromium, pytest.mark.timeout(400)]

USER, PASSWORD = "hall", "correct horse"
LOOKS: list[tuple[Any, Any]] = [(DESKTOP, "light"), (PHONE, "dark"), (DESKTOP, "dark"), (PHONE, "light")]
STEPS = ("camera", "name", "broker", "walk", "zones", "done")


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """A fresh install whose node runs."""
    with fresh_install(tmp_path) as install:
        yield install


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new visitor's page."""
    with new_page(browser) as page:
        yield page


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that asks for a login."""
    return start_mosquitto(users={USER: PASSWORD})


def test_from_an_empty_folder_to_the_first_event_with_the_keyboard_alone(
    install: Install, page: Page, broker: Mosquitto
) -> None:
    """Code, camera, name, broker with its mistakes named, zone, link, restart: events come, and the door is shut."""
    first_run = FirstRun(page, install)
    first_run.open_with_code()
    first_run.set_camera_and_name()
    first_run.set_broker(broker, USER, PASSWORD)
    first_run.go_on("walk")
    first_run.draw_zone()
    token = first_run.finish()
    assert install.node.wait() == 0
    assert f"invitation-{NODE}.json" not in install.state

    subscriber = Subscriber(broker.port, "#", username=USER, password=PASSWORD)
    install.start()
    (first, *_) = subscriber.wait_for("event")
    assert json.loads(first.payload)["event_type"] == "person_entered"
    config = json.loads(subscriber.wait_for("info")[-1].payload)["config"]
    assert (config["node"]["name"], config["node"]["area"]) == (NAME, AREA)
    assert (config["camera"]["tilt_deg"], [zone["name"] for zone in config["zones"]]) == (TILT_DEG, [ZONE])
    announced = next(message for message in subscriber.messages if message.topic.startswith("homeassistant/device/"))
    assert NAME.encode() in announced.payload
    subscriber.close()
    assert PASSWORD not in install.node.log

    install.node.wait_for_log("live page")
    assert install.status("/setup") == 401
    page.goto(f"{install.address}/?token={token}")
    expect(page.locator("#name")).to_have_text(NAME)


def test_a_code_that_is_wrong_is_refused_in_words(install: Install, page: Page) -> None:
    """The form says so, and the right one opens; when all is done nobody is invited any more, and the node goes on."""
    page.goto(install.address)
    page.fill("#code", "ABCD-EFGH")
    expect(page.locator("#open")).to_be_enabled()
    page.press("#code", "Enter")
    expect(page.locator("#code-error")).to_contain_text("This is not the code")
    page.fill("#code", install.code.lower())
    page.press("#code", "Enter")
    page.wait_for_url("**/setup#camera")
    page.goto(f"{install.address}/setup#done")
    page.click("#finish")
    expect(page.locator("#done-said")).to_have_text("All done. The node watches.")
    assert f"invitation-{NODE}.json" not in install.state
    assert install.node.running


def test_each_step_is_accessible_and_fits(install: Install, page: Page) -> None:
    """Nothing serious, and nothing to scroll sideways for.

    Steps in turn on a desktop in light and a phone in dark; with PIAPP_ALL_LOOKS each on both, in both.
    """
    page.goto(f"{install.address}/setup#{install.code}")
    expect(page.locator("#code")).to_have_value(install.code)
    found = serious(page)
    page.click("#open")
    expect(page.locator("#connection")).to_have_text("Live")
    for number, step in enumerate(STEPS):
        page.locator("#steps button").nth(number).click()
        expect(page.locator(f"#title-{step}")).to_be_focused()
        for size, scheme in LOOKS if os.environ.get("PIAPP_ALL_LOOKS") else LOOKS[number % 2 :: 4]:
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            found += [f"{step}, {scheme}: {one}" for one in serious(page)]
            assert not sticks_out(page), step
    assert found == []


# Walks through with frames made up, each of a person in a posture for two seconds; long waits never end, short ones at
# once. Gives what was recognised, in order, and the results.
WALK = """async (seen) => {
    const { Walk } = await import("/walk.js");
    const wait = window.setTimeout;
    window.setTimeout = (work, ms) => (ms > 10_000 ? 0 : wait(work, 0));
    const recognised = [];
    let ended = false;
    const walk = new Walk({ changed() {}, recognised: (step) => recognised.push(step), ended: () => (ended = true) });
    walk.start();
    let ts_ms = 0;
    for (const what of seen) {
        if (what === "skip") walk.skip();
        else if (what === "fall") walk.hear({ event_type: "fall" });
        else for (let k = 0; k < 20; k += 1) {
            walk.see({ ts_ms: (ts_ms += 100), size: [4, 3], persons: [{ id: 1, posture: what, landmarks: [] }] });
        }
        await new Promise((resolve) => wait(resolve, 20));
    }
    window.setTimeout = wait;
    return { recognised, ended, falls: Object.keys(walk.results).filter((step) => walk.results[step].false_fall) };
}"""
# The zone around somebody who lies slanting in the picture: how much of the picture it covers, and which of some places
# it holds: their hips, and the floor beside them.
BED = """async () => {
    const { bedAround, hips } = await import("/proposals.js");
    const landmarks = Array.from({ length: 33 }, (_, k) => [0.3 + 0.012 * k, 0.5 + 0.006 * k, 0.9]);
    const polygon = bedAround({ landmarks }, [640, 480]);
    const path = new Path2D();
    polygon.forEach(([x, y], k) => (k ? path.lineTo(1000 * x, 1000 * y) : path.moveTo(1000 * x, 1000 * y)));
    const pen = document.createElement("canvas").getContext("2d");
    const holds = ([x, y]) => pen.isPointInPath(path, 1000 * x, 1000 * y);
    const [x, y] = hips({ landmarks });
    return { corners: polygon.length, hips: holds([x, y]), floor: holds([x, y + 0.3]), far: holds([0.05, 0.05]) };
}"""


def test_the_walk_through_judges_what_the_node_says(install: Install, page: Page) -> None:
    """Each posture must last, the floor comes after getting up, a fall is none, and steps can be skipped."""
    page.goto(install.address)
    page.fill("#code", install.code)
    page.press("#code", "Enter")
    page.wait_for_url("**/setup#camera")

    def walked(*seen: str) -> Any:
        return page.evaluate(WALK, list(seen))

    whole = walked("standing", "bending", "sitting", "lying", "lying", "standing", "lying")
    assert whole == {"recognised": ["stand", "sit", "bed", "floor"], "ended": True, "falls": []}
    assert walked("standing", "sitting", "lying", "lying")["recognised"] == ["stand", "sit", "bed"]
    assert walked("standing", "skip", "fall", "lying")["falls"] == ["bed"]
    assert walked("sitting", "lying")["recognised"] == []
    assert page.evaluate(BED) == {"corners": 4, "hips": True, "floor": False, "far": False}
