"""Setting a node up in a real browser: from an empty state folder to the first event at a broker."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.node import NODE, NodeProcess, piapp
from tests.mosquitto import DEADLINE_S, Mosquitto, Subscriber, free_port

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; `apt install chromium`"),
    pytest.mark.timeout(
        400
    ),  # a browser, a broker and two starts of a node, on a board that does something else besides
]

ROOM = (sys.executable, str(Path(__file__).with_name("room.py")), "@0")
USER, PASSWORD = "hall", "correct horse"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
LOOKS: list[tuple[Any, Any]] = [(DESKTOP, "light"), (PHONE, "dark"), (DESKTOP, "dark"), (PHONE, "light")]
STEPS = ("camera", "name", "broker", "walk", "zones", "done")

# A page loads a dozen scripts, one after the other, and a browser shares two cores with all the rest.
PAGE_MS = 90_000

# More stops than any step has.
MOST_TABS = 60


class Install:
    """A node as an installer leaves it: nothing configured but the camera, and an invitation in its state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "state").mkdir()
        self.port = free_port()
        self._settings = ["--set", f"spool.dir={folder / 'state'}", "--set", f"preview.port={self.port}"]
        printed = piapp("setup-page", *self._settings, "--set", f"node.id={NODE}")
        assert printed.returncode == 0, printed.stderr
        self.code = printed.stdout.rpartition("Code: ")[2].split()[0]
        self._nowhere = free_port()
        self.start()

    def start(self) -> None:
        """Start the node, as systemd does after a restart; its configuration names a broker that is not there."""
        self.node = NodeProcess(self._folder, self._nowhere, self._settings, ROOM)

    @property
    def address(self) -> str:
        """Of its page."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def state(self) -> dict[str, Path]:
        """Files of the state folder by name."""
        return {file.name: file for file in (self._folder / "state").iterdir()}

    def status(self, path: str) -> int:
        """What a stranger is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """A fresh install whose node runs."""
    made = Install(tmp_path)
    made.node.wait_for_log("set this node up at")
    yield made
    made.node.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    expect.set_options(timeout=PAGE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new visitor's page, which never complains but of what the test forgives by its status."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url) if "//127.0.0.1:" not in request.url else None)
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that asks for a login."""
    return start_mosquitto(users={USER: PASSWORD})


# Which key goes from what has the focus towards an element; empty when that has it.
WAY = """selector => {
    const [now, there] = [document.activeElement, document.querySelector(selector)];
    if (now === there) return "";
    return now.compareDocumentPosition(there) & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
}"""


def press_on(page: Page, selector: str, key: str = "Enter") -> None:
    """Go there with the keyboard alone, and press a key."""
    for _ in range(MOST_TABS):
        way = page.evaluate(WAY, selector)
        if not way:
            page.keyboard.press(key)
            return
        page.keyboard.press(way)
    raise AssertionError(f"the keyboard does not reach {selector}")


def type_into(page: Page, selector: str, text: str) -> None:
    """The same, and type in place of what is there."""
    press_on(page, selector, "Control+a")
    page.keyboard.press("Delete")
    page.keyboard.type(text)


def go_on(page: Page, step: str) -> None:
    """To the next step; its heading has the focus then."""
    press_on(page, "#next")
    expect(page.locator(f"#title-{step}")).to_be_focused()


def try_broker(page: Page, url: str, username: str, password: str) -> None:
    for field, text in (("#url", url), ("#username", username), ("#password", password)):
        type_into(page, field, text)
    press_on(page, "#keep-broker")


def open_with_code(page: Page, install: Install) -> None:
    page.goto(f"{install.address}/setup#{install.code}")
    expect(page.locator("#code")).to_have_value(install.code)
    assert "#" not in page.url
    page.keyboard.press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")


def set_camera_and_name(page: Page) -> None:
    expect(page.locator("#hint-distance")).to_contain_text("% of the picture's height")
    expect(page.locator("#hint-level")).to_have_text("The picture is level.")
    type_into(page, "#tilt", "12")
    page.keyboard.press("Enter")
    expect(page.locator("#camera-said")).to_contain_text("Saved.")
    go_on(page, "name")
    type_into(page, "#node-name", "Bed sensor")
    type_into(page, "#area", "Bedroom")
    page.keyboard.press("Enter")
    expect(page.locator("#name-said")).to_contain_text("Saved.")


def set_broker(page: Page, install: Install, broker: Mosquitto) -> None:
    """Name it wrongly, log in wrongly, then rightly; the password goes into a file and comes back nowhere."""
    go_on(page, "broker")
    said = page.locator("#broker-said")
    try_broker(page, f"127.0.0.1:{free_port()}", USER, PASSWORD)
    expect(said).to_contain_text("no broker listens at this port")
    try_broker(page, f"127.0.0.1:{broker.port}", USER, "wrong")
    expect(said).to_contain_text("refuses the login")
    assert not any(name.startswith("mqtt_password") for name in install.state)
    try_broker(page, f"127.0.0.1:{broker.port}", USER, PASSWORD)
    expect(said).to_contain_text("The broker is saved. It accepts this node, without encryption.")
    expect(page.locator("#password")).to_have_value("")
    assert PASSWORD not in page.evaluate("async () => (await fetch('/api/setup')).text()")
    secret = install.state[f"mqtt_password-1-{NODE}"]
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)


def draw_zone(page: Page) -> None:
    go_on(page, "zones")
    press_on(page, "#draw")
    for key in ("Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    type_into(page, "#zone-name", "Bed")
    press_on(page, "#save")
    expect(page.locator("#zones-said")).to_have_text("Bed is saved.")


def finish(page: Page) -> str:
    """Make a link for later and end the set-up; the link's token."""
    go_on(page, "done")
    expect(page.locator("#summary")).to_contain_text("after the restart")
    press_on(page, "#make-link")
    link = page.locator("#links a").last
    expect(link).to_be_visible()
    token = str(link.get_attribute("href")).partition("token=")[2]
    press_on(page, "#finish")
    expect(page.locator("#done-said")).to_contain_text("All done. The node restarts")
    return token


def test_from_an_empty_folder_to_the_first_event_with_the_keyboard_alone(
    install: Install, page: Page, broker: Mosquitto
) -> None:
    """Code, camera, name, broker with its mistakes named, zone, link, restart: events come, and the door is shut."""
    open_with_code(page, install)
    set_camera_and_name(page)
    set_broker(page, install, broker)
    go_on(page, "walk")
    draw_zone(page)
    token = finish(page)
    assert install.node.wait() == 0
    assert f"invitation-{NODE}.json" not in install.state

    subscriber = Subscriber(broker.port, "#", username=USER, password=PASSWORD)
    install.start()
    (first, *_) = subscriber.wait_for("event")
    assert json.loads(first.payload)["event_type"] == "person_entered"
    config = json.loads(subscriber.wait_for("info")[-1].payload)["config"]
    assert (config["node"]["name"], config["node"]["area"]) == ("Bed sensor", "Bedroom")
    assert (config["camera"]["tilt_deg"], [zone["name"] for zone in config["zones"]]) == (12, ["Bed"])
    announced = next(message for message in subscriber.messages if message.topic.startswith("homeassistant/device/"))
    assert b"Bed sensor" in announced.payload
    subscriber.close()
    assert PASSWORD not in install.node.log

    install.node.wait_for_log("live page")
    assert install.status("/setup") == 401
    page.goto(f"{install.address}/?token={token}")
    expect(page.locator("#name")).to_have_text("Bed sensor")


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


def serious(page: Page) -> list[str]:
    """What axe-core finds that would keep somebody out."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html']} {node.get('failureSummary')}"
        for found in violations
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


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
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], step
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
