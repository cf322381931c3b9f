"""Every view of the owner's page in Chromium and in Debian's own Firefox: read by axe-core, and used by keyboard alone.

`make test-page-browsers` runs it: two browsers, and a board with two cameras, take minutes. With PIAPP_SCREENSHOTS=DIR
each view is kept as a picture to look at.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.e2e.first_run import ROOM
from tests.e2e.node import NODE, NodeProcess
from tests.mosquitto import DEADLINE_S, Mosquitto, free_port, wait_until
from tests.support.browsers import (
    CHROMIUM,
    DESKTOP,
    FIREFOX,
    PAGE_MS,
    PHONE,
    SMALLEST,
    launch_chromium,
    launch_firefox,
    serious,
    sticks_out,
)  # fmt: skip

SWITCH = "PIAPP_TEST_BROWSERS"

pytestmark = [
    pytest.mark.skipif(not os.environ.get(SWITCH), reason="slow: `make test-page-browsers` runs it"),
    pytest.mark.skipif(not (CHROMIUM and FIREFOX), reason="`apt install chromium firefox-esr`"),
    pytest.mark.timeout(1200),
]

TOKEN = "a-token-of-the-test"

SIZES = {"phone": PHONE, "small": SMALLEST, "desktop": DESKTOP}
# Nothing restarts a node here that ends because a busy machine kept it waiting.
PATIENCE = "[landmarker]\nmax_result_age_s = 60\n"
PREVIEW = '[preview]\nenabled = true\nport = {port}\ntoken_file = "{folder}/token"\npicture = "edges"\n'


class Camera:
    """One node of the board; it can be restarted."""

    def __init__(self, board: Path, name: str, broker_port: int) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.file = board / name / "piapp.toml"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.state = board / f"state-{name or 'hall'}"
        self.state.mkdir()
        self.file.write_text(
            f'[node]\nname = "{name.title() or "Hall"}"\n[camera]\nframe_timeout_s = 60\n{PATIENCE}'
            f'[spool]\ndir = "{self.state}"\n' + PREVIEW.format(port=self.port, folder=board)
        )
        self._broker_port = broker_port
        self.id = name or NODE
        self.node: NodeProcess | None = None

    def start(self) -> None:
        """Start the node, and wait until its page is there."""
        options = ["--config", str(self.file), "--node", self.id]
        self.node = NodeProcess(self.file.parent, self._broker_port, options, ROOM)
        self.node.wait_for_log("live page")

    def end(self) -> None:
        """End the node, if it was started."""
        if self.node is not None:
            self.node.kill()

    def restart_when_it_ends(self) -> None:
        """What systemd does."""
        assert self.node is not None
        self.node.wait()
        self.start()

    def ask(self, path: str) -> Any:
        """A document of its page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        with connection.getresponse() as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, mosquitto: Mosquitto) -> Iterator[tuple[Camera, Camera]]:
    """A board with two cameras and one token; the first has kept an alarm."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)
    with ExitStack() as running:
        cameras = []
        for name in ("", "bedroom"):
            cameras.append(Camera(folder, name, mosquitto.port))
            running.callback(cameras[-1].end)
            cameras[-1].start()
        wait_until(lambda: list(cameras[0].state.glob("cases-*/*.json")), "a kept alarm", 4 * DEADLINE_S)
        yield cameras[0], cameras[1]


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def launch(request: pytest.FixtureRequest, playwright: Playwright) -> Iterator[Callable[[str], Browser]]:
    """Start a browser for a colour scheme, once for each."""
    started: dict[str, Browser] = {}

    def start(scheme: str) -> Browser:
        if scheme not in started:
            chromium = request.param == "chromium"
            started[scheme] = launch_chromium(playwright) if chromium else launch_firefox(playwright, scheme)
        return started[scheme]

    yield start
    for browser in started.values():
        browser.close()


@pytest.fixture
def visit(launch: Callable[[str], Browser], board: tuple[Camera, Camera]) -> Iterator[Callable[..., Page]]:
    """Open the first camera's page, signed in: `visit("phone", "dark")`."""
    contexts = []
    complaints: list[str] = []

    def open_page(size: str = "desktop", scheme: str = "light") -> Page:
        context = launch(scheme).new_context(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PAGE_MS)
        page.on("pageerror", lambda error: note(complaints, str(error)))
        page.goto(f"{board[0].address}/?token={TOKEN}")
        expect(page.locator("#connection")).to_have_text("Live")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def note(complaints: list[str], error: str) -> None:
    """Note what a page complains of; the style that a screenshot puts in is the test's, and is kept out."""
    if not (os.environ.get("PIAPP_SCREENSHOTS") and "inline style" in error):
        complaints.append(error)


def judge(page: Page, name: str) -> list[str]:
    """What keeps somebody out of a view, or sticks out of it; and its picture, where somebody wants it."""
    if folder := os.environ.get("PIAPP_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    found = [f"{name}: {one}" for one in serious(page)]
    if sticks_out(page):
        found.append(f"{name}: sticks out sideways")
    return found


@pytest.mark.parametrize("look", [(scheme, size) for scheme in ("light", "dark") for size in SIZES], ids="-".join)
def test_every_view_is_accessible(
    visit: Callable[..., Page], board: tuple[Camera, Camera], request: pytest.FixtureRequest, look: tuple[str, str]
) -> None:
    """Axe-core finds nothing serious in any view, with what opens in it opened; nothing sticks out sideways."""
    scheme, size = look
    page = visit(size, scheme)
    assert page.evaluate("(dark) => matchMedia('(prefers-color-scheme: dark)').matches === dark", scheme == "dark")
    name = request.node.callspec.id
    expect(page.locator("#events li").first).to_be_visible()
    expect(page.locator(".board li")).to_have_count(2)
    expect(page.locator(".board li").nth(1)).to_contain_text(re.compile(r"Bedroom(\d people|\d person|alarm|paused)"))
    found = judge(page, f"{name}-live")
    page.get_by_text("Quiet times").click()
    page.click("#draw")
    page.click("#save")
    found += judge(page, f"{name}-zone")
    page.goto(f"{board[0].address}/history")
    case = page.locator("#cases > li").first
    case.get_by_role("button", name=re.compile("film")).click()
    expect(case.locator("canvas")).to_be_visible()
    page.locator("#day-events summary").click()
    found += judge(page, f"{name}-history")
    page.goto(f"{board[0].address}/settings")
    page.fill("#search", "camera.")
    expect(page.locator("#sections [data-key='camera.fps']")).to_be_visible()
    found += judge(page, f"{name}-settings")
    page.goto(f"{board[0].address}/upkeep")
    expect(page.locator("#log li").first).to_be_visible()
    page.click("#check")
    expect(page.locator("#findings li").first).to_be_visible()
    send_backup(page, board[0])
    found += judge(page, f"{name}-upkeep")
    page.click("#restore-cancel")
    assert found == []


def send_backup(page: Page, camera: Camera) -> None:
    """Make a backup, and send it."""
    file = camera.file.parent / "backup.zip"
    connection = http.client.HTTPConnection("127.0.0.1", camera.port, timeout=2 * DEADLINE_S)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", "/api/backup", b"{}", headers)
    with connection.getresponse() as answer:
        file.write_bytes(answer.read())
    page.set_input_files("#restore-file", file)
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#restore-plan")).to_be_visible()


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until the target has the focus; it must be seen that it has.

    Not around the end of the page: there a browser without a window keeps the focus to itself.
    """
    for _ in range(80):
        page.keyboard.press(key)
        if target.evaluate("(node) => node === document.activeElement"):
            assert target.evaluate("(node) => getComputedStyle(node).outlineStyle !== 'none'"), "the focus is not shown"
            return
    pytest.fail(f"Tab does not lead to {target}")


def test_alarm_tools_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    """Pause, resume and quiet times."""
    page = visit()
    press = page.keyboard.press
    tab_to(page, page.locator("#pause"))
    press("Enter")
    expect(page.locator("#connection")).to_have_text("Paused")
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    press("Enter")
    expect(page.locator("#connection")).to_have_text("Live")
    tab_to(page, page.locator("summary", has_text="Quiet times"))
    press("Enter")
    tab_to(page, page.locator("#schedule-times"))
    page.keyboard.type("03:00-03:01")
    tab_to(page, page.locator("#schedule button"))
    press("Enter")
    expect(page.locator("#alarm-said")).to_have_text("Quiet times are saved.")


def test_looking_back_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    """The film, a place in it, and what somebody says of the alarm."""
    page = visit()
    press = page.keyboard.press
    tab_to(page, page.get_by_role("link", name="Looking back"))
    press("Enter")
    case = page.locator("#cases > li").first
    film = case.get_by_role("button", name=re.compile("film"))
    expect(film).to_be_visible()
    tab_to(page, film)
    press("Enter")
    place = case.get_by_role("slider")
    expect(place).to_be_visible()
    before = place.get_attribute("aria-valuetext")
    tab_to(page, place)
    press("ArrowRight")
    expect(place).not_to_have_attribute("aria-valuetext", before or "")
    tab_to(page, case.get_by_role("button", name="It was no fall"), "Shift+Tab")
    press("Enter")
    expect(case.get_by_role("status")).to_have_text("You said: it was no fall.")


def test_settings_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    """A change, and its way back."""
    page = visit()
    press = page.keyboard.press
    tab_to(page, page.get_by_role("link", name="Settings"))
    press("Enter")
    row = page.locator("#often [data-key='posture.repeat_alarm_s']")
    expect(row).to_be_visible()
    tab_to(page, row.locator("input"))
    press("Control+A")
    page.keyboard.type("90")
    press("Tab")
    expect(row).to_contain_text("Saved, and in force.")
    tab_to(page, page.locator("#changes li").first.get_by_role("button"))
    press("Enter")
    expect(row.locator("input")).to_have_value("60")


def test_upkeep_and_the_other_camera_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    """Check, backup, log by level, and over to the other camera, which asks for no token again."""
    page = visit()
    press = page.keyboard.press
    tab_to(page, page.get_by_role("link", name="Upkeep"))
    press("Enter")
    expect(page.locator("#log li").first).to_be_visible()
    tab_to(page, page.locator("#check"))
    press("Enter")
    expect(page.locator("#findings li").first).to_be_visible()
    tab_to(page, page.locator("#backup button"))
    press("Enter")
    expect(page.locator("#backup-said")).to_have_text("The backup is ready.")
    tab_to(page, page.locator("#restore-file"))
    tab_to(page, page.locator("#level"))
    press("ArrowUp")
    expect(page.locator("#log li[data-level='INFO']")).to_have_count(0)
    link = page.locator(".board a").nth(1)
    tab_to(page, link, "Shift+Tab")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bedroom")
    expect(page.locator("#connection")).to_have_text("Live")


def test_zones_by_keyboard_alone(visit: Callable[..., Page], board: tuple[Camera, Camera]) -> None:
    """Arrow keys and Enter set, take up and move corners; the name follows."""
    page = visit()
    press = page.keyboard.press
    tab_to(page, page.locator("#draw"))
    press("Enter")
    for key in ("ArrowUp", "Shift+ArrowUp", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter"):
        press(key)
    for key in ("Enter", "ArrowDown", "Enter"):
        press(key)
    tab_to(page, page.locator("#zone-name"))
    page.keyboard.type("Rug")
    press("Enter")
    expect(page.locator("#zones-said")).to_have_text("Rug is saved.")
    zones = {zone["name"]: zone["polygon"] for zone in board[0].ask("/zones")["zones"]}
    assert zones["Rug"] == [[0.5, 0.4], [0.6, 0.4], [0.6, 0.52]]
    tab_to(page, page.get_by_role("button", name="Delete Rug"))
    press("Enter")
    expect(page.locator("#zones-said")).to_contain_text("Rug")


def test_restores_a_backup_and_takes_it_back(visit: Callable[..., Page], board: tuple[Camera, Camera]) -> None:
    """What it will change is shown, the next start does it, and the same page takes it back."""
    page, camera = visit("phone", "dark"), board[0]
    page.on("dialog", lambda dialog: dialog.accept())
    area = "[data-key='node.area'] input"
    page.goto(f"{camera.address}/upkeep")
    expect(page.locator("#restore")).to_be_visible()
    before, attic = value(camera, "node.area"), f"Attic {page.context.browser.browser_type.name}"
    send_backup(page, camera)
    page.click("#restore-cancel")
    page.goto(f"{camera.address}/settings")
    page.locator(f"#often {area}").press("Control+A")
    page.keyboard.type(attic)  # as a person does: Firefox does not notice that a field was filled by a script
    page.keyboard.press("Tab")
    expect(page.locator("#restart")).to_contain_text("node.area")
    page.goto(f"{camera.address}/upkeep")
    page.set_input_files("#restore-file", camera.file.parent / "backup.zip")
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#restore-changes")).to_contain_text(f'node.area "{attic}" → "{before}"')
    expect(page.locator("#restore-plan-title")).to_be_focused()
    agree(page, page.locator("#restore-now"))
    camera.restart_when_it_ends()
    expect(page.locator("#restore-done-text")).to_contain_text("was restored")
    assert value(camera, "node.area") == before
    agree(page, page.locator("#restore-undo"))
    camera.restart_when_it_ends()
    expect(page.locator("#restore-done")).to_be_hidden()
    wait_until(lambda: value(camera, "node.area") == attic, "the setting from before")


def agree(page: Page, button: Locator) -> None:
    """Press a button that restarts the node, again after an alarm of the clip that keeps it from doing so."""
    tab_to(page, button)
    said = page.locator("#restore-said")
    for _ in range(20):
        page.keyboard.press("Enter")
        expect(said).to_have_text(re.compile("restarts|an alarm is open"))
        if "restarts" in said.inner_text():
            return
        button.focus()
        page.wait_for_timeout(2000)  # the clip goes on
    pytest.fail("an alarm is open all the time")


def value(camera: Camera, key: str) -> Any:
    """What is in force."""
    return next(one["value"] for one in camera.ask("/api/settings")["keys"] if one["key"] == key)
