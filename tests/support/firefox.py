#!/usr/bin/env python3
"""Debian's own Firefox for Playwright, which starts this file in the browser's place.

Playwright speaks WebDriver BiDi with a Firefox that it has not built, and begins each context with a command that the
long-term release does not know (`emulation.setMediaFeaturesOverride`). This passes every message on but that one, which
it answers itself. Colour scheme and motion are preferences of the browser then (`PREFERENCES`).
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from contextlib import suppress
from functools import partial

FIREFOX = "firefox-esr"
UNKNOWN = "emulation.setMediaFeaturesOverride"

# By colour scheme.
PREFERENCES = {
    scheme: {
        "layout.css.prefers-color-scheme.content-override": number,
        "ui.prefersReducedMotion": 1,
        "browser.shell.checkDefaultBrowser": False,
        "app.update.enabled": False,
        "browser.download.alwaysOpenPanel": False,  # it takes the focus away from the page
    }
    for number, scheme in enumerate(("dark", "light"))
}

LISTENING = re.compile(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")
TEXT, FINAL, MASKED = 1, 0x80, 0x80


async def read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One frame of a WebSocket (RFC 6455, 5.2) as it came, and its content."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    extended = await reader.readexactly({126: 2, 127: 8}.get(length, 0))
    length = int.from_bytes(extended) if extended else length
    mask = await reader.readexactly(4 if head[1] & MASKED else 0)
    content = await reader.readexactly(length)
    plain = bytes(byte ^ mask[k % 4] for k, byte in enumerate(content)) if mask and length < 10_000 else content
    return head + extended + mask + content, plain


def text_frame(text: str) -> bytes:
    """A short text as a server's frame."""
    content = text.encode()
    return bytes((FINAL | TEXT, len(content))) + content


async def pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join a client with the browser, until one of them ends."""
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
    asked = await reader.readuntil(b"\r\n\r\n")
    up_writer.write(re.sub(rb"(?i)\r\nhost: [^\r]*", b"\r\nHost: 127.0.0.1:%d" % port, asked))
    writer.write(await up_reader.readuntil(b"\r\n\r\n"))

    async def commands() -> None:
        while True:
            frame, content = await read_frame(reader)
            if UNKNOWN.encode() in content:
                number = json.loads(content)["id"]
                writer.write(text_frame(json.dumps({"type": "success", "id": number, "result": {}})))
            else:
                up_writer.write(frame)

    async def answers() -> None:
        while True:
            frame, _ = await read_frame(up_reader)
            writer.write(frame)
            await writer.drain()

    tasks = [asyncio.ensure_future(commands()), asyncio.ensure_future(answers())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            await task
    writer.close()
    up_writer.close()


async def main() -> int:
    """Start the browser, and tell Playwright where to connect."""
    browser = await asyncio.create_subprocess_exec(FIREFOX, *sys.argv[1:], stderr=asyncio.subprocess.PIPE)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, browser.terminate)
    assert browser.stderr
    async for line in browser.stderr:
        said = line
        if found := LISTENING.search(line):
            port = int(found[1])
            server = await asyncio.start_server(partial(pass_on, port), "127.0.0.1", 0)
            said = b"WebDriver BiDi listening on ws://127.0.0.1:%d\n" % server.sockets[0].getsockname()[1]
        sys.stderr.buffer.write(said)
        sys.stderr.flush()
    return await browser.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
