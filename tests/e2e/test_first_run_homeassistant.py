"""Setting a node up in a real browser, until a real Home Assistant shows its first event.

`make test-homeassistant` runs it: Home Assistant must be installed. With PIAPP_SCREENSHOTS=DIR what Home Assistant
shows is kept as a picture to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.e2e.first_run import AREA, NAME, FirstRun, fresh_install, new_page
from tests.e2e.node import NODE, PIAPP
from tests.mosquitto import DEADLINE_S, Mosquitto, wait_until
from tests.support.browsers import CHROMIUM, DESKTOP, FIREFOX, PAGE_MS, launch_chromium, launch_firefox
from tests.support.home_assistant import START_S, Assistant, installed_root

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and FIREFOX), reason="`apt install chromium firefox-esr`"),
    pytest.mark.timeout(1200),
]

HOME, PASSWORD = "home", "correct horse"  # one login for Home Assistant and the node
CONFIGURATION = """
homeassistant: {name: Home}
http: {server_host: 127.0.0.1, server_port: PORT}
api:
config:
frontend:
history:
logbook:
"""
CLIP_S = 30.0  # the clip has one fall, and begins anew
ALARM, FALL, OCCUPANCY = f"sensor.{NODE}_alarm", f"event.{NODE}_fall", f"binary_sensor.{NODE}_occupancy"
GONE = {"missing", "unavailable", "unknown"}


@pytest.fixture(params=["chromium", "firefox"])
def chosen_browser(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Browser]:
    """Each browser in turn."""
    browser = launch_chromium(playwright) if request.param == "chromium" else launch_firefox(playwright, "light")
    yield browser
    browser.close()


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that asks for a login."""
    return start_mosquitto(users={HOME: PASSWORD})


@pytest.fixture
def assistant(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """A Home Assistant that uses the broker, and has never heard of the node."""
    assistant = Assistant(installed_root(), tmp_path_factory.mktemp("hass"), broker.port, login=(HOME, PASSWORD))
    try:
        assistant.start(CONFIGURATION)
        assistant.end_onboarding()
        yield assistant
    finally:
        assistant.stop()


def test_from_an_empty_folder_to_the_first_event_in_home_assistant(
    assistant: Assistant, broker: Mosquitto, chosen_browser: Browser, playwright: Playwright, tmp_path: Path
) -> None:
    """The keyboard alone, no file touched: device with name and room, somebody seen, and the fall of the demo clip."""
    with (
        fresh_install(tmp_path, ["--set", "camera.source=demo:?loop=0"], PIAPP) as install,
        new_page(chosen_browser) as page,
    ):
        first_run = FirstRun(page, install)
        first_run.open_with_code()
        first_run.set_camera_and_name()
        first_run.set_broker(broker, HOME, PASSWORD)
        expect(page.locator("#broker-said")).to_contain_text("Home Assistant listens for new devices there.")
        first_run.go_on("walk")
        first_run.draw_zone()
        first_run.finish()
        assert install.node.wait() == 0
        assert assistant.state(ALARM) == "missing"

        install.start()
        wait_until(lambda: assistant.state(ALARM) not in GONE, "the node in Home Assistant", START_S)
        device = f"{{{{ device_attr('{ALARM}', 'name') }}}} in {{{{ area_name('{ALARM}') }}}}"
        assert assistant.rendered(device) == f"{NAME} in {AREA}"
        assistant.wait_for(OCCUPANCY, "on", CLIP_S + DEADLINE_S)
        wait_until(lambda: assistant.state(FALL) not in GONE, "the fall in Home Assistant", 2 * CLIP_S + DEADLINE_S)
        fall = assistant.entity(FALL)
        assert fall is not None
        assert fall["attributes"]["event_type"] == "fall"
        assert datetime.fromisoformat(fall["state"]).tzinfo is not None
        look_at(assistant, playwright, chosen_browser.browser_type.name)


def look_at(assistant: Assistant, playwright: Playwright, name: str) -> None:
    """Home Assistant's own page of the device has its name and the fall."""
    device = assistant.rendered(f"{{{{ device_id('{ALARM}') }}}}")
    browser = launch_chromium(playwright)
    context = browser.new_context(viewport=DESKTOP)
    assistant.sign_in(context)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{assistant.port}/config/devices/device/{device}", timeout=PAGE_MS)
    expect(page.get_by_text(NAME).first).to_be_visible(timeout=2 * PAGE_MS)
    if folder := os.environ.get("PIAPP_SCREENSHOTS"):
        page.wait_for_timeout(5000)  # lists fill one after the other
        page.screenshot(path=Path(folder) / f"home-assistant-{name}.png")
    browser.close()
