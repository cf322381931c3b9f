"""Renders the pictures of the README from real runs: `make pictures`."""

from __future__ import annotations

import io
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import expect, sync_playwright
from rich.console import Console

from piapp.camera.source import demo_clip
from piapp.mqtt.subscriber import Subscriber
from piapp.testing.broker import EmbeddedBroker
from piapp.watch.keys import Choice
from piapp.watch.layout import screen
from piapp.watch.model import Overview
from piapp.watch.page import Page

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PIAPP = Path(sys.executable).with_name("piapp")

# Seconds into the clip: standing, right hand up, sitting, on the floor.
MOMENTS_S = (5.5, 8.0, 13.0, 19.0)
CLIP_FPS = 15

# Set-up and clip take less on any machine.
PAGE_DEADLINE_S = 60

PAGE_CONFIG = """
[node]
id = "living-room"
name = "Living room"
[camera]
source = "demo:?loop=0"
[mqtt]
url = "{broker}"
protocol = "3.1.1"
[spool]
dir = "off"
[preview]
enabled = true
port = 0
[[zones]]
name = "Bed"
polygon = [[0.05, 0.5], [0.3, 0.45], [0.38, 0.7], [0.1, 0.8]]
ignore = ["fall"]
"""


# Seconds after a hand is raised: it is up, and the frame rate is known.
WATCH_AFTER_S = 1.0

# rich's own frame asks a font server for its font; a reader's machine has one.
WATCH_SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Render all of them."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _demo_strip(scratch)
        _timeline(scratch)
        _recording(scratch)
        _page(scratch)
    _watch()


def _demo_strip(scratch: Path) -> None:
    """Four moments of the demo clip with what piapp saw drawn in."""
    clip = demo_clip()
    _piapp("detect", clip, "--annotate", scratch)
    video = cv2.VideoCapture(str(scratch / clip.name))
    frames = []
    for at_s in MOMENTS_S:
        video.set(cv2.CAP_PROP_POS_FRAMES, round(at_s * CLIP_FPS))
        _, frame = video.read()
        frames.append(cv2.resize(frame, (400, 300), interpolation=cv2.INTER_AREA))
    strip = np.hstack(frames)
    cv2.imwrite(str(HERE / "demo.jpg"), strip, [cv2.IMWRITE_JPEG_QUALITY, 85])


def _timeline(scratch: Path) -> None:
    """Labels and findings of three synthetic clips over time."""
    recordings = ROOT / "tests" / "recordings"
    for name in ("room_demo", "fall_back_corner", "sit_fast_front", "pick_up_front"):
        for suffix in (".npz", ".json"):
            shutil.copy(recordings / f"{name}{suffix}", scratch)
    _piapp("evaluate", scratch, "--picture", HERE / "timeline.png")


def _recording(scratch: Path) -> None:
    """The demo clip, recorded and drawn over time."""
    recording = scratch / "room_demo.npz"
    _piapp("record", recording, "--force", "--source", "demo:")
    _piapp("plot", recording, "-o", HERE / "recording.png")


def _page(scratch: Path) -> None:
    """The live page of a node that plays the demo clip, after the fall."""
    config = scratch / "page.toml"
    with EmbeddedBroker() as broker:
        config.write_text(PAGE_CONFIG.format(broker=broker.url))
        command = [PIAPP, "run", "--config", config]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as node:  # noqa: S603
            try:
                _photograph(_address(node))
            finally:
                node.terminate()


def _address(node: subprocess.Popen[str]) -> str:
    """Where the node says that its page is."""
    assert node.stderr
    for line in node.stderr:
        if found := re.search(r"live page: (\S+)", line):
            return found[1]
    sys.exit("the node ended before its page was there; run it by hand to see why")


def _photograph(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light", locale="en-GB")
        page.goto(address)
        expect(page.locator("#alarm")).to_be_visible(timeout=PAGE_DEADLINE_S * 1000)
        page.wait_for_timeout(1000)  # the list's movement, and a settled pose
        page.screenshot(path=HERE / "page.png")
        browser.close()


def _watch() -> None:
    """The terminal view of a node that plays the demo clip, while a hand is up."""
    watched = Overview("piapp")
    watched.look_at("hall")
    came: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with EmbeddedBroker() as broker:
        topics = [*watched.topic_filters, watched.frame_topic("hall")]
        source = "demo:"
        settings = ("--config", os.devnull, "--set", "mqtt.protocol='3.1.1'", "--set", "spool.dir=off")
        command = [PIAPP, "run", "--node", "hall", "--broker", broker.url, "--source", source, *settings]
        with (
            Subscriber(broker.url, topics, lambda *message: came.put(message)),
            subprocess.Popen(command, stderr=subprocess.DEVNULL) as node,  # noqa: S603
        ):
            try:
                _watch_until_hand_raised(watched, came)
            finally:
                node.terminate()
    page = Page("mqtt://broker.lan", 80, 24, time.time())
    console = Console(file=io.StringIO(), width=page.width, record=True, force_terminal=True, color_system="truecolor")
    for line in screen(watched, Choice("hall", is_open=True), page):
        console.print(line, soft_wrap=True)
    console.save_svg(str(HERE / "watch.svg"), title="piapp watch", code_format=WATCH_SVG, unique_id="watch")


def _watch_until_hand_raised(watched: Overview, came: queue.SimpleQueue[tuple[str, bytes]]) -> None:
    until_s = float("inf")
    while time.monotonic() < until_s:
        happening = watched.message(*came.get(timeout=PAGE_DEADLINE_S), time.time())
        if happening and happening.text.startswith("hand_raised"):
            until_s = time.monotonic() + WATCH_AFTER_S


def _piapp(*arguments: str | Path) -> None:
    subprocess.run([PIAPP, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    main()
