"""The live page in a real browser, fed by a real node that plays the demo clip again and again."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.node import NODE, NodeProcess
from tests.mosquitto import DEADLINE_S, Gate, Mosquitto, Subscriber, free_port, wait_until
from tests.support.browsers import DESKTOP, PAGE_MS, PHONE, SMALLEST, needs_chromium, serious, sticks_out

pytestmark = needs_chromium

TOKEN = "a-token-of-the-test"

FALL_RED = [255, 82, 71]  # for nothing else than who has fallen

# How often a colour is in the canvas. Read by way of another one: reading the page's own makes the browser complain.
COUNT_PIXELS = """([red, green, blue]) => {
    const shown = document.getElementById("canvas");
    const copy = new OffscreenCanvas(shown.width, shown.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(shown, 0, 0);
    const { data } = copy.getImageData(0, 0, shown.width, shown.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
        count += data[i] === red && data[i + 1] === green && data[i + 2] === blue && data[i + 3] === 255;
    return count;
}"""
# What share of the canvas is covered by something.
COVERED = """() => {
    const shown = document.getElementById("canvas");
    const copy = new OffscreenCanvas(shown.width, shown.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(shown, 0, 0);
    const { data } = copy.getImageData(0, 0, shown.width, shown.height);
    return data.filter((value, index) => index % 4 === 3 && value > 250).length / (data.length / 4);
}"""
# When each event came into the list, in seconds of this machine's clock.
WATCH_EVENTS = """() => {
    window.came = {};
    const note = (row) => (window.came[row.dataset.id] ??= Date.now() / 1000);
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(note)))
        .observe(document.getElementById("events"), { childList: true });
}"""


class Site:
    """A node with a live page that can be restarted; it keeps its port, token and state."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self._broker_port = broker_port
        self.port = free_port()
        (folder / "token").write_text(f"{TOKEN}\n")
        (folder / "token").chmod(0o600)
        self.address = f"http://127.0.0.1:{self.port}"
        self.node = self._start()

    def restart(self, *options: str) -> None:
        """Stop the node and start it again, with further options of `piapp run`."""
        self.node.stop()
        self.node = self._start(*options)

    def get(self, path: str, token: str | None = TOKEN) -> tuple[int, bytes]:
        """Ask for a path; status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        with connection.getresponse() as answer:
            return answer.status, answer.read()

    def zones(self) -> dict[str, Any]:
        """The node's zones by name."""
        return {zone["name"]: zone for zone in json.loads(self.get("/zones")[1])["zones"]}

    def _start(self, *options: str) -> NodeProcess:
        settings = {
            "camera.source": "demo:?loop=0",
            "node.name": "Living room",
            "spool.dir": self.folder / "state",
            "preview.enabled": "true",
            "preview.port": self.port,
            "preview.token_file": self.folder / "token",
        }
        chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        node = NodeProcess(self.folder, self._broker_port, [*chosen, *options])
        node.wait_for_log("live page")
        return node


class TimedSubscriber(Subscriber):
    """Notes when each event came, by its id, in seconds of this machine's clock."""

    def __init__(self, port: int) -> None:
        self.came: dict[str, float] = {}
        self.falls: list[str] = []
        super().__init__(port, f"piapp/{NODE}/event")

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        event = json.loads(message.payload)
        self.came[event["id"]] = time.time()
        if event["event_type"] == "fall":
            self.falls.append(event["id"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mosquitto: Mosquitto) -> Iterator[Site]:
    """One node for all tests; those that restart it stand last."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "state").mkdir()
    site = Site(folder, mosquitto.port)
    yield site
    site.node.kill()


@pytest.fixture
def complaints() -> list[str]:
    """What browsers said against the pages of the test; a test that provokes a complaint takes it out."""
    return []


@pytest.fixture
def visit(site: Site, browser: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Open the page as a new visitor: `visit(color_scheme="dark", viewport=PHONE)`. None may ever complain."""
    contexts: list[BrowserContext] = []

    def open_page(viewport: Any = DESKTOP, address: str = site.address, path: str = "/", **how: Any) -> Page:
        contexts.append(browser.new_context(viewport=viewport, reduced_motion="reduce", **how))
        page = contexts[-1].new_page()
        page.set_default_timeout(PAGE_MS)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: _judge_host(request.url, address, complaints))
        page.goto(f"{address}/?token={TOKEN}")
        wait_live(page)
        if path != "/":
            page.goto(f"{address}{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _judge_host(url: str, address: str, complaints: list[str]) -> None:
    if not url.startswith(f"{address}/"):
        complaints.append(f"request to another host: {url}")


def forgive(complaints: list[str], *words: str) -> None:
    """Take out what the test has provoked."""
    complaints[:] = [one for one in complaints if not any(word in one for word in words)]


def wait_live(page: Page) -> None:
    expect(page.locator("#connection")).to_have_text("Live")


def on_canvas(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where in the window a place of the camera's picture is, for mouse and finger."""
    box = page.locator("#canvas").bounding_box()
    assert box
    height = min(box["height"], box["width"] * 3 / 4)
    width = height * 4 / 3
    return box["x"] + (box["width"] - width) / 2 + x * width, box["y"] + (box["height"] - height) / 2 + y * height


def draw_with_mouse(page: Page, name: str, *corners: tuple[float, float]) -> None:
    page.click("#draw")
    for corner in corners:
        page.mouse.click(*on_canvas(page, *corner))
    page.fill("#zone-name", name)


def save(page: Page, name: str) -> None:
    page.click("#save")
    expect(page.locator("#zones-said")).to_have_text(f"{name} is saved.")


def published_setting(subscriber: Subscriber, key: str) -> Any:
    """A live key's value in the newest `settings` message."""
    messages = subscriber.of("settings")
    return json.loads(messages[-1].payload)["values"][key] if messages else None


def test_shows_the_person_of_the_clip(visit: Callable[..., Page]) -> None:
    """The skeleton is drawn in the person's colour, and the canvas says in words who is there and how."""
    page = visit()
    standing = re.compile(r"The camera's view\. Person \d+: standing")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", standing)
    expect(page.locator("#people")).to_have_text(re.compile(r"Person \d+: standing"))
    mark = page.locator("#people .mark").first.evaluate("(mark) => getComputedStyle(mark).backgroundColor")
    rgb = [int(part) for part in re.findall(r"\d+", mark)]
    wait_until(lambda: page.evaluate(COUNT_PIXELS, rgb) > 500, "a skeleton in the person's colour")
    expect(page.get_by_role("heading", level=1)).to_have_text("Living room")
    expect(page.locator("#fps")).to_have_text(re.compile(r"^\d+\.\d$"))
    expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+ ms$"))
    expect(page.locator("#aim")).to_have_text(re.compile(r"Fills [3-6]\d % of the picture's height\."))


def test_counts_who_looks(visit: Callable[..., Page]) -> None:
    """Two viewers are told of both; one that looks at something else is not there, until they come back."""
    one, other = visit(), visit()
    for page in (one, other):
        expect(page.locator("#about")).to_contain_text("2 viewers")
    turn_away = "(away) => { Object.defineProperty(document, 'hidden', { value: away, configurable: true });"
    turn_away += "document.dispatchEvent(new Event('visibilitychange')); }"
    other.evaluate(turn_away, True)
    expect(one.locator("#about")).to_contain_text("1 viewer")
    other.evaluate(turn_away, False)
    wait_live(other)
    expect(one.locator("#about")).to_contain_text("2 viewers")


@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/page.js", "/stream", "/zones", "/picture", "/none"])
def test_without_the_token_there_is_nothing(site: Site, path: str, token: str | None) -> None:
    """A missing or wrong token gets 401, and the same few bytes whatever is asked for."""
    status, body = site.get(path, token)
    assert status == 401
    assert body == b"401\n"


def test_the_token_does_not_stay_in_the_address(visit: Callable[..., Page], site: Site) -> None:
    """After the first request no address, script or storage of the page has the token."""
    page = visit()
    assert page.url == f"{site.address}/"
    assert page.evaluate("[location.href, document.referrer, document.cookie, JSON.stringify(localStorage)]") == [
        f"{site.address}/",
        "",
        "",
        "{}",
    ]
    page.reload()
    wait_live(page)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, SMALLEST], ids=["desktop", "phone", "smallest"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_accessible(visit: Callable[..., Page], scheme: str, viewport: dict[str, int]) -> None:
    """Axe-core finds nothing serious, as the page is opened and while a zone is drawn; nothing sticks out sideways."""
    page = visit(color_scheme=scheme, viewport=viewport)
    expect(page.locator("#events li").first).to_be_visible()
    assert serious(page) == []
    draw_with_mouse(page, "", (0.2, 0.3), (0.4, 0.3), (0.3, 0.6))
    page.click("#save")
    expect(page.locator("#editor-error")).to_have_text("Give the zone a name.")
    assert serious(page) == []
    assert not sticks_out(page)


def test_draws_a_zone_with_the_keyboard_alone(visit: Callable[..., Page], site: Site) -> None:
    """Arrow keys and Enter set corners, Enter takes one up again, Tab leads to the name and Enter saves."""
    page = visit()
    press = page.keyboard.press

    def tab_to(id_: str) -> None:
        for _ in range(20):
            press("Tab")
            if page.evaluate("document.activeElement.id") == id_:
                return
        pytest.fail(f"Tab does not lead to {id_}")

    tab_to("draw")
    press("Enter")
    # The first key shows the cursor, in the middle.
    for key in ("ArrowUp", "Shift+ArrowUp", "Shift+ArrowUp", "Shift+ArrowUp", "Enter"):
        press(key)
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter"):
        press(key)
    expect(page.locator("#drawn")).to_have_text("Corner 3 set")
    for key in ("Enter", "ArrowDown", "Enter"):  # the last corner is taken up, moved, put down
        press(key)
    tab_to("zone-name")
    page.keyboard.type("Rug")
    press("Tab")
    press("Space")
    press("Enter")
    expect(page.locator("#zones-said")).to_have_text("Rug is saved.")
    assert site.zones()["Rug"] == {
        "name": "Rug",
        "polygon": [[0.5, 0.2], [0.7, 0.2], [0.7, 0.32]],
        "ignore": ["fall"],
    }
    assert page.evaluate("document.activeElement.id") == "draw"


def test_escape_puts_a_corner_back_or_gives_up(visit: Callable[..., Page], site: Site) -> None:
    """Escape first puts back a corner that is taken up, then ends drawing; nothing is sent."""
    page = visit()
    before = site.zones()
    page.click("#draw")
    for key in ("Enter", "Enter", "Shift+ArrowUp", "Escape"):
        page.keyboard.press(key)
    expect(page.locator("#drawn")).to_have_text("Corner put back")
    for key in ("Shift+ArrowDown", "Enter", "Backspace"):  # at the corner, which is taken up and then away
        page.keyboard.press(key)
    expect(page.locator("#drawn")).to_have_text("Corner taken away, 0 left")
    page.keyboard.press("Escape")
    expect(page.locator("#editor")).to_be_hidden()
    assert site.zones() == before


def test_draws_a_zone_with_a_finger(visit: Callable[..., Page], site: Site) -> None:
    """Taps on a phone's screen set corners."""
    page = visit(viewport=PHONE, has_touch=True)
    page.tap("#draw")
    for corner in ((0.1, 0.7), (0.3, 0.7), (0.3, 0.9), (0.1, 0.9)):
        page.touchscreen.tap(*on_canvas(page, *corner))
    page.fill("#zone-name", "Mat")
    page.tap("#save")
    expect(page.locator("#zones-said")).to_have_text("Mat is saved.")
    assert len(site.zones()["Mat"]["polygon"]) == 4


def test_renames_deletes_and_brings_back_a_zone(visit: Callable[..., Page], site: Site) -> None:
    """A zone of the list can be changed and deleted; deleting can be undone."""
    page = visit()
    draw_with_mouse(page, "Couch", (0.6, 0.1), (0.8, 0.1), (0.7, 0.3))
    save(page, "Couch")
    page.get_by_role("button", name="Edit Couch").click()
    page.fill("#zone-name", "Sofa")
    page.check("#zone-ignore")
    save(page, "Sofa")
    zones = site.zones()
    assert "Couch" not in zones
    assert zones["Sofa"]["ignore"] == ["fall"]
    page.get_by_role("button", name="Delete Sofa").click()
    expect(page.locator("#zones-said")).to_contain_text("Sofa is deleted.")
    assert "Sofa" not in site.zones()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#zones-said")).to_have_text("Sofa is back.")
    assert site.zones() == zones


def test_says_what_the_node_objects_to(visit: Callable[..., Page], site: Site, complaints: list[str]) -> None:
    """What the node finds wrong with a zone is shown, and drawing goes on."""
    page = visit()
    page.locator("#zone-name").evaluate("(input) => input.removeAttribute('maxlength')")
    draw_with_mouse(page, "x" * 65, (0.6, 0.1), (0.8, 0.1), (0.7, 0.3))
    page.click("#save")
    expect(page.locator("#editor-error")).to_have_text(re.compile(r"Not saved: .*name.*at most 64", re.DOTALL))
    expect(page.locator("#editor")).to_be_visible()
    forgive(complaints, "422")


def test_a_name_is_text_whatever_it_holds(visit: Callable[..., Page]) -> None:
    """A zone's name cannot bring an element into the page."""
    page = visit()
    name = "<img src=x onerror=alert(1)><b>bold</b>"
    draw_with_mouse(page, name, (0.85, 0.1), (0.95, 0.1), (0.9, 0.3))
    save(page, name)
    expect(page.locator("#zones li", has_text=name)).to_have_count(1)
    assert page.locator("#zones img, #zones b").count() == 0


def test_tells_a_fall_at_once(visit: Callable[..., Page], site: Site, mosquitto: Mosquitto) -> None:
    """The fall is on the page within 1 s of its MQTT message, read out at once, and not to be overlooked.

    Postures that were passed through stand folded in the fall's own row.
    """
    subscriber = TimedSubscriber(mosquitto.port)
    page = visit()
    page.evaluate(WATCH_EVENTS)
    before = len(subscriber.falls)  # which nobody watched come
    wait_until(lambda: len(subscriber.falls) > before, "a fall", 2 * DEADLINE_S)
    fall = subscriber.falls[before]
    row = page.locator(f"#events [data-id='{fall}']")
    expect(row).to_contain_text("Fall")
    expect(page.locator("#urgent")).to_have_text(re.compile(r"^Fall\. Person \d+, lying$"))
    expect(page.locator("#alarm-text")).to_have_text(re.compile(r"^Person \d+ has fallen at "))
    expect(page.locator("#canvas")).to_have_attribute("aria-label", re.compile("fallen, lying"))
    wait_until(lambda: page.evaluate(COUNT_PIXELS, FALL_RED) > 300, "a skeleton in red")
    row.locator("summary").click()
    expect(row.locator("details li").first).to_be_visible()
    assert serious(page) == []
    delay_s = page.evaluate("(id) => window.came[id]", fall) - subscriber.came[fall]
    subscriber.close()
    assert delay_s < 1.0


def test_a_test_alert_is_shown_as_one(visit: Callable[..., Page], site: Site, mosquitto: Mosquitto) -> None:
    """It stands in the list as a test, and nobody is said to have fallen for it."""
    page = visit()
    subscriber = Subscriber(mosquitto.port)
    subscriber.publish(f"piapp/{NODE}/request/test", b"{}")
    expect(page.locator("#events li .what").filter(has_text="(test)")).to_have_count(3)
    subscriber.close()
    expect(page.locator("#urgent")).not_to_have_text(re.compile("test"))
    expect(page.locator("#alarm")).not_to_have_text(re.compile("Somebody|null"))


def test_changes_a_setting_and_undoes_it(visit: Callable[..., Page], site: Site, mosquitto: Mosquitto) -> None:
    """In force at once and told by MQTT, as with `request/set`; kept; who did it is known; a button takes it back."""
    subscriber = Subscriber(mosquitto.port, f"piapp/{NODE}/settings")
    page = visit(path="/settings")
    row = page.locator("#often [data-key='posture.fall_sensitivity']")
    expect(row).to_contain_text("falls found")
    row.get_by_label("Sensitivity for falls").select_option("high")
    expect(row).to_contain_text("Saved, and in force.")
    wait_until(lambda: published_setting(subscriber, "posture.fall_sensitivity") == "high", "the change over MQTT")
    kept = json.loads((site.folder / "state" / f"settings-{NODE}.json").read_text())
    assert kept["values"]["posture.fall_sensitivity"] == "high"
    change = page.locator("#changes li").first
    expect(change).to_contain_text("posture.fall_sensitivity: normal → high")
    expect(change).to_contain_text("from 127.0.0.1")
    change.get_by_role("button").click()
    wait_until(lambda: published_setting(subscriber, "posture.fall_sensitivity") == "normal", "the change taken back")
    expect(row.get_by_label("Sensitivity for falls")).to_have_value("1")
    subscriber.close()


def test_a_setting_that_is_wrong_is_refused(visit: Callable[..., Page], complaints: list[str]) -> None:
    """In the words of the configuration, beside the field, which is marked; nothing changes."""
    page = visit(path="/settings")
    page.fill("#search", "min_visibility")
    row = page.locator("#sections [data-key='posture.min_visibility']")
    field = row.get_by_label("posture.min_visibility", exact=True)
    for text, words in (("1.5", "at most 1"), ("many", "Expected a number.")):
        field.fill(text)
        field.press("Enter")
        field.blur()
        expect(row.get_by_role("status")).to_contain_text(words)
        expect(field).to_have_attribute("aria-invalid", "true")
    assert serious(page) == []
    forgive(complaints, "422")


def test_a_key_that_needs_a_restart_says_so(visit: Callable[..., Page]) -> None:
    """It waits, the page offers to restart, and keys for the file alone cannot be changed."""
    page = visit(path="/settings")
    row = page.locator("#often [data-key='node.area']")
    row.get_by_label("Room").fill("Hall")
    row.get_by_label("Room").blur()
    expect(row).to_contain_text("Saved for the next start.")
    expect(page.locator("#restart")).to_contain_text("node.area")
    page.fill("#search", "preview.bind")
    expect(page.locator("#sections [data-key='preview.bind'] input")).to_be_disabled()
    assert serious(page) == []
    page.locator("#changes li").first.get_by_role("button").click()
    expect(page.locator("#restart")).to_be_hidden()


def test_settings_are_accessible(visit: Callable[..., Page]) -> None:
    """Axe-core finds nothing serious with a table open; nothing sticks out sideways."""
    page = visit(path="/settings", color_scheme="dark", viewport=SMALLEST)
    page.fill("#search", "camera.")
    expect(page.locator("#sections [data-key='camera.fps']")).to_be_visible()
    assert serious(page) == []
    assert not sticks_out(page)


def test_changes_a_setting_with_the_keyboard_alone(visit: Callable[..., Page]) -> None:
    """Tab leads to the field and to the button that takes it back."""
    page = visit(path="/settings")
    field = page.locator("#often [data-key='posture.repeat_alarm_s'] input")
    expect(field).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if field.evaluate("(input) => input === document.activeElement"):
            break
    page.keyboard.press("Control+A")
    page.keyboard.type("90")
    page.keyboard.press("Tab")
    expect(page.locator("#often [data-key='posture.repeat_alarm_s']")).to_contain_text("Saved, and in force.")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(field).to_have_value("60")


def test_alarm_tools(visit: Callable[..., Page], mosquitto: Mosquitto, complaints: list[str]) -> None:
    """Test alert, pause and resume, and quiet times, each as the request by MQTT does it."""
    subscriber = Subscriber(mosquitto.port)
    page = visit()
    page.click("#test")
    expect(page.locator("#alarm-said")).to_contain_text("test alert is on its way")
    tests = [message for message in subscriber.wait_for("event", 1) if b'"test":true' in message.payload]
    assert len(tests) <= 3
    expect(page.locator("#events li .what").filter(has_text="(test)").first).to_be_visible()
    page.click("#pause")
    expect(page.locator("#connection")).to_have_text("Paused")
    expect(page.locator("#paused-by")).to_have_text(re.compile("until somebody resumes"))
    page.get_by_role("button", name="Resume").click()
    wait_live(page)
    page.get_by_text("Quiet times").click()
    page.fill("#schedule-times", "at night")
    page.click("#schedule button")
    expect(page.locator("#alarm-said")).to_contain_text("expected a time such as")
    page.fill("#schedule-times", "03:00-03:01")
    page.click("#schedule button")
    expect(page.locator("#alarm-said")).to_have_text("Quiet times are saved.")
    assert serious(page) == []
    wait_until(lambda: published_setting(subscriber, "schedule.pause") == "03:00-03:01", "the times over MQTT")
    subscriber.close()
    forgive(complaints, "422")


def test_looks_back_at_an_alarm(visit: Callable[..., Page], site: Site) -> None:
    """The day so far, the alarm with what decided it, its film drawn of landmarks, and what somebody says of it."""
    wait_until(lambda: list((site.folder / "state").glob("cases-*/*.json")), "a kept alarm", 2 * DEADLINE_S)
    page = visit(path="/history", color_scheme="light", viewport=SMALLEST)
    expect(page.locator("#totals")).to_contain_text("standing")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("From midnight"))
    expect(page.locator("#chart .posture").first).to_be_attached()
    case = page.locator("#cases > li").first
    expect(case).to_contain_text(re.compile(r"The detector was at least \d+ % sure|came down by"))
    case.get_by_role("button", name=re.compile("film")).click()
    expect(case.locator("canvas")).to_be_visible()
    place = case.get_by_role("slider")
    before = place.get_attribute("aria-valuetext")
    case.get_by_role("button", name="Play").click()
    wait_until(lambda: place.get_attribute("aria-valuetext") != before, "the film to go on")
    case.get_by_role("button", name="It was no fall").click()
    expect(case.get_by_role("status")).to_have_text("You said: it was no fall.")
    assert serious(page) == []
    assert not sticks_out(page)
    listed = json.loads(site.get("/api/cases")[1])["cases"]
    assert "no fall" in [one["verdict"] for one in listed]


def test_upkeep(visit: Callable[..., Page]) -> None:
    """Version, log by level, check, and a support bundle to keep; axe-core finds nothing serious."""
    page = visit(path="/upkeep", color_scheme="dark", viewport=SMALLEST)
    expect(page.locator("#restart-title")).to_have_text(re.compile(r"piapp \d.* runs"))
    expect(page.locator("#log li").filter(has_text="live page").first).to_be_attached()
    page.select_option("#level", "ERROR")
    expect(page.locator("#log li[data-level='INFO']")).to_have_count(0)
    page.click("#check")
    for part in ("broker", "live page"):
        expect(page.locator("#findings li", has=page.get_by_text(part, exact=True))).to_contain_text("OK")
    with page.expect_download() as download:
        page.click("#support")
    assert re.fullmatch(r"piapp-support-[a-z0-9-]+\.zip", download.value.suggested_filename)
    assert serious(page) == []
    assert not sticks_out(page)


def test_speaks_the_language_of_its_viewer(visit: Callable[..., Page]) -> None:
    """As the browser asks, and as somebody chooses; texts that scripts make, too."""
    page = visit(locale="de-DE")
    expect(page.get_by_role("link", name="Einstellungen")).to_be_visible()
    expect(page.locator("#people")).to_have_text(re.compile(r"Person \d+: (steht|sitzt|liegt|.*gestürzt)"))
    page.select_option("#language", "fr")
    expect(page.locator("#connection")).to_have_text("En direct")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert serious(page) == []
    page.select_option("#language", "en")
    wait_live(page)


def test_no_picture_unless_the_owner_allows_it(visit: Callable[..., Page], site: Site) -> None:
    """Without `publish.image = "photo"` there is no toggle and no picture."""
    page = visit()
    assert page.locator("#picture").count() == 0
    assert page.get_by_role("switch").count() == 0
    assert site.get("/picture")[0] == 403
    assert page.evaluate(COVERED) < 0.3


def test_comes_back_by_itself(visit: Callable[..., Page], site: Site, complaints: list[str]) -> None:
    """With the connection cut the page says so, shows nobody, and is live again once it can be."""
    gate = Gate(site.port).open()
    page = visit(address=f"http://127.0.0.1:{gate.port}")
    expect(page.locator("#people li").first).to_be_visible()
    gate.cut()
    expect(page.locator("#connection")).to_have_text("Connection lost")
    expect(page.locator("#notice")).to_contain_text("does not answer")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "The camera's view. No connection")
    expect(page.locator("#people li")).to_have_count(0)
    assert serious(page) == []
    gate.open()
    wait_live(page)
    expect(page.locator("#people li").first).to_be_visible()
    page.close()
    gate.close()
    forgive(complaints, "net::ERR_")  # the browser itself complains of each attempt


def test_a_restart_keeps_zones(visit: Callable[..., Page], site: Site, complaints: list[str]) -> None:
    """A zone drawn with the mouse is there after a restart; a page that is open comes back, or says it may not."""
    page = visit()
    draw_with_mouse(page, "Bed", (0.1, 0.1), (0.4, 0.1), (0.4, 0.3), (0.1, 0.35))
    page.mouse.move(*on_canvas(page, 0.1, 0.35))
    page.mouse.down()
    page.mouse.move(*on_canvas(page, 0.12, 0.4), steps=3)
    page.mouse.up()
    save(page, "Bed")
    site.restart("--set", 'publish.image="photo"')
    polygon = [share for corner in site.zones()["Bed"]["polygon"] for share in corner]
    assert polygon == pytest.approx([0.1, 0.1, 0.4, 0.1, 0.4, 0.3, 0.12, 0.4], abs=0.01)
    wait_live(page)
    expect(page.locator("#zones")).to_contain_text("Bed")
    page.context.clear_cookies()
    site.restart("--set", 'publish.image="photo"')
    expect(page.locator("#connection")).to_have_text("Signed out")
    expect(page.locator("#notice")).to_have_text(re.compile("link that has the token"))
    forgive(complaints, "net::ERR_", "401")


def test_shows_the_picture_when_allowed(visit: Callable[..., Page], site: Site) -> None:
    """With photos allowed the toggle brings the camera's picture into the canvas, and takes it away again."""
    page = visit()
    page.check("#picture")
    wait_until(lambda: page.evaluate(COVERED) > 0.9, "a picture in the canvas")
    page.uncheck("#picture")
    wait_until(lambda: page.evaluate(COVERED) < 0.3, "an empty canvas")


def test_edges_and_a_picture_by_consent(
    visit: Callable[..., Page], site: Site, mosquitto: Mosquitto, complaints: list[str]
) -> None:
    """Edges without asking; the picture after somebody agrees, which everybody sees; nothing of it goes over MQTT."""
    site.restart("--set", "preview.picture=consent")
    subscriber = Subscriber(mosquitto.port)
    page, other = visit(), visit()
    page.check("#edges")
    wait_until(lambda: page.evaluate(COVERED) > 0.9, "edges in the canvas")
    assert site.get("/picture")[0] == 403
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#consent-button")
    expect(other.locator("#consent")).to_contain_text("shown until")
    expect(page.locator("#picture")).to_be_checked()
    wait_until(lambda: site.get("/picture")[0] == 200, "the picture")
    assert serious(page) == []
    other.get_by_role("button", name="Hide it now").click()
    expect(page.locator("#picture")).to_have_count(0)
    assert site.get("/picture")[0] == 403
    assert subscriber.of("image") == []
    subscriber.close()
    forgive(complaints, "403")  # a picture that was asked for just before it was hidden
