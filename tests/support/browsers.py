"""Real browsers for tests of the owner's page: how each is started, and what both are asked about a page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright

from tests.support import firefox

CHROMIUM, FIREFOX = shutil.which("chromium"), shutil.which(firefox.FIREFOX)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed; `apt install chromium`")

PHONE: Any = {"width": 390, "height": 844}
SMALLEST: Any = {"width": 320, "height": 568}
DESKTOP: Any = {"width": 1280, "height": 800}

# A page loads a dozen scripts, one after the other, and a browser shares two cores with all the rest.
PAGE_MS = 90_000

# A browser that starts beside several nodes, on a machine that does something else besides.
LAUNCH_MS = 400_000


def launch_chromium(playwright: Playwright) -> Browser:
    """Start Debian's Chromium."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LAUNCH_MS)


def launch_firefox(playwright: Playwright, scheme: str) -> Browser:
    """Start Debian's Firefox, which keeps one colour scheme."""
    return playwright.firefox.launch(
        channel="moz-firefox",
        executable_path=Path(firefox.__file__),
        firefox_user_prefs=firefox.PREFERENCES[scheme],
        timeout=LAUNCH_MS,
    )


def serious(page: Page) -> list[str]:
    """What axe-core finds that would keep somebody out."""
    return [
        f"{found['id']}: {node['html']} {node.get('failureSummary')}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


def sticks_out(page: Page) -> bool:
    """Whether somebody would have to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
