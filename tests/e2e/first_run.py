"""A node as an installer leaves it, and its first run in a browser with the keyboard alone, step by step."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e.node import NODE, NodeProcess, piapp
from tests.mosquitto import DEADLINE_S, Mosquitto, free_port
from tests.support.browsers import DESKTOP, PAGE_MS

ROOM = (sys.executable, str(Path(__file__).with_name("room.py")), "@0")
NAME, AREA, ZONE, TILT_DEG = "Bed sensor", "Bedroom", "Bed", 12

# More stops than any step has.
MOST_TABS = 60


class Install:
    """A node as an installer leaves it: nothing configured but the camera, and an invitation in its state folder.

    Args:
        folder: For its state and its log.
        options: Further arguments of `piapp run`.
        program: What to run; a recorded room without one.
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), program: Sequence[str] = ROOM) -> None:
        self._folder, self._program = folder, program
        (folder / "state").mkdir()
        self.port = free_port()
        settings = ["--set", f"spool.dir={folder / 'state'}", "--set", f"preview.port={self.port}"]
        self._options = [*settings, *options]
        printed = piapp("setup-page", *settings, "--set", f"node.id={NODE}")
        assert printed.returncode == 0, printed.stderr
        self.code = printed.stdout.rpartition("Code: ")[2].split()[0]
        self._nowhere = free_port()
        self.start()

    def start(self) -> None:
        """Start the node, as systemd does after a restart; its configuration names a broker that is not there."""
        self.node = NodeProcess(self._folder, self._nowhere, self._options, self._program)

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


@contextmanager
def fresh_install(folder: Path, options: Sequence[str] = (), program: Sequence[str] = ROOM) -> Iterator[Install]:
    """A fresh install whose node runs."""
    made = Install(folder, options, program)
    try:
        made.node.wait_for_log("set this node up at")
        yield made
    finally:
        made.node.kill()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """A new visitor's page, which never complains and asks no other host."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: errors.append(request.url) if "//127.0.0.1:" not in request.url else None)
    page.on("dialog", lambda dialog: dialog.accept())
    try:
        yield page
    finally:
        context.close()
    assert not errors, errors


# Which key goes from what has the focus towards an element; empty when that has it.
WAY = """selector => {
    const [now, there] = [document.activeElement, document.querySelector(selector)];
    if (now === there) return "";
    return now.compareDocumentPosition(there) & Node.DOCUMENT_POSITION_PRECEDING ? "Shift+Tab" : "Tab";
}"""


@dataclass(frozen=True, slots=True)
class FirstRun:
    """Somebody who sets a node up, and never touches the mouse."""

    page: Page
    install: Install

    def press_on(self, selector: str, key: str = "Enter") -> None:
        """Go there, and press a key."""
        for _ in range(MOST_TABS):
            way = self.page.evaluate(WAY, selector)
            if not way:
                self.page.keyboard.press(key)
                return
            self.page.keyboard.press(way)
        raise AssertionError(f"the keyboard does not reach {selector}")

    def type_into(self, selector: str, text: str) -> None:
        """Go there, and type in place of what is there."""
        self.press_on(selector, "Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)

    def go_on(self, step: str) -> None:
        """Go to the next step; its heading has the focus then."""
        self.press_on("#next")
        expect(self.page.locator(f"#title-{step}")).to_be_focused()

    def open_with_code(self) -> None:
        """Open the link that the installer prints; the code does not stay in the address."""
        self.page.goto(f"{self.install.address}/setup#{self.install.code}")
        expect(self.page.locator("#code")).to_have_value(self.install.code)
        assert "#" not in self.page.url
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#connection")).to_have_text("Live")

    def set_camera_and_name(self) -> None:
        """The hints say how the camera stands; tilt, name and room are kept."""
        page = self.page
        expect(page.locator("#hint-distance")).to_contain_text("% of the picture's height")
        expect(page.locator("#hint-level")).to_have_text("The picture is level.")
        self.type_into("#tilt", str(TILT_DEG))
        page.keyboard.press("Enter")
        expect(page.locator("#camera-said")).to_contain_text("Saved.")
        self.go_on("name")
        self.type_into("#node-name", NAME)
        self.type_into("#area", AREA)
        page.keyboard.press("Enter")
        expect(page.locator("#name-said")).to_contain_text("Saved.")

    def try_broker(self, port: int, username: str, password: str) -> None:
        """Type a broker's address and login, and have them tried and kept."""
        for field, text in (("#url", f"127.0.0.1:{port}"), ("#username", username), ("#password", password)):
            self.type_into(field, text)
        self.press_on("#keep-broker")

    def set_broker(self, broker: Mosquitto, user: str, password: str) -> None:
        """Name it wrongly, log in wrongly, then rightly; the password goes into a file and comes back nowhere."""
        self.go_on("broker")
        page, said = self.page, self.page.locator("#broker-said")
        self.try_broker(free_port(), user, password)
        expect(said).to_contain_text("no broker listens at this port")
        self.try_broker(broker.port, user, "wrong")
        expect(said).to_contain_text("refuses the login")
        assert not any(name.startswith("mqtt_password") for name in self.install.state)
        self.try_broker(broker.port, user, password)
        expect(said).to_contain_text("The broker is saved. It accepts this node, without encryption.")
        expect(page.locator("#password")).to_have_value("")
        assert password not in page.evaluate("async () => (await fetch('/api/setup')).text()")
        secret = self.install.state[f"mqtt_password-1-{NODE}"]
        assert (secret.read_text(), secret.stat().st_mode & 0o777) == (f"{password}\n", 0o600)

    def draw_zone(self) -> None:
        """Three corners and a name."""
        self.go_on("zones")
        self.press_on("#draw")
        for key in ("Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter"):
            self.page.keyboard.press(key)
        self.type_into("#zone-name", ZONE)
        self.press_on("#save")
        expect(self.page.locator("#zones-said")).to_have_text(f"{ZONE} is saved.")

    def finish(self) -> str:
        """Make a link for later and end the set-up; the link's token."""
        page = self.page
        self.go_on("done")
        expect(page.locator("#summary")).to_contain_text("after the restart")
        self.press_on("#make-link")
        link = page.locator("#links a").last
        expect(link).to_be_visible()
        token = str(link.get_attribute("href")).partition("token=")[2]
        self.press_on("#finish")
        expect(page.locator("#done-said")).to_contain_text("All done. The node restarts")
        return token
