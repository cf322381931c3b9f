"""Files sent to the page: who may, how long, how slowly, and that nothing of a refused one stays."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

import pytest

from piapp.errors import ConfigError
from piapp.preview import connections, uploads
from piapp.preview.owner import Upload
from tests.mosquitto import wait_until
from tests.preview.conftest import TOKEN

MOST = 200_000


@pytest.fixture
def page(serve, tmp_path):
    """A page that takes files of a type into a folder, and notes them; "bad" ones are refused."""
    page = serve(token=TOKEN)
    folder = tmp_path / "uploads"
    folder.mkdir()

    def take(file, sender):
        page.owner.done.append((threading.current_thread().name, file.read_bytes(), sender))
        if file.read_bytes() == b"bad":
            raise ConfigError("it is no backup")
        return {"bytes": file.stat().st_size}

    page.owner.uploads["backup"] = Upload("application/zip", MOST, folder, take)
    page.owner.uploads["homeless"] = Upload("application/zip", MOST, None, take)
    page.folder = folder
    return page


def send(page, content=b"PK", name="backup", **headers):
    """Send a file as the page does."""
    signed_in = {"Authorization": f"Bearer {TOKEN}", "Content__Type": "application/zip"}
    kept = {name: value for name, value in (signed_in | headers).items() if value is not None}
    return page.ask(f"/api/{name}", "PUT", content, **kept)


def test_takes_a_file(page):
    """On a thread of its own; whoever takes it may keep it, and what is left is deleted."""
    answer = send(page, b"x" * MOST)
    assert (answer.status, answer.document) == (200, {"bytes": MOST})
    ((thread, content, sender),) = page.owner.done
    assert (thread, len(content), sender) == ("preview-read", MOST, "page 127.0.0.1")
    assert list(page.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "name", "headers"),
    [
        (401, "backup", {"Authorization": None}),
        (401, "backup", {"Authorization": "Bearer wrong"}),
        (403, "backup", {"Origin": "http://evil.example"}),
        (403, "backup", {"Sec__Fetch__Site": "cross-site"}),
        (415, "backup", {"Content__Type": "application/json"}),
        (415, "backup", {"Content__Type": "multipart/form-data; boundary=x"}),
        (415, "backup", {"Content__Type": None}),
        (404, "none", {}),
        (404, "..%2Fzones", {}),
        (404, "%2e%2e", {}),
        (422, "homeless", {}),
    ],
)
def test_who_may_not_is_refused(page, status, name, headers):
    """By token, origin, type and name, before a byte is kept."""
    assert send(page, name=name, **headers).status == status
    assert page.owner.done == []
    assert list(page.folder.iterdir()) == []


def test_what_cannot_be_taken_says_why(page):
    """In the words of who takes it."""
    answer = send(page, b"bad")
    assert (answer.status, answer.document) == (422, {"error": "it is no backup"})
    assert list(page.folder.iterdir()) == []


def test_a_file_that_is_too_long_is_refused(page):
    """By what it says of itself, and by what comes when it says nothing."""
    with suppress(BrokenPipeError, ConnectionResetError):  # it is answered before all of it is sent
        assert send(page, b"x" * (MOST + 1)).status == 413
    chunk = b"%x\r\n%b\r\n" % (MOST // 2, b"x" * (MOST // 2))
    client = begin(page, "Transfer-Encoding: chunked")
    with suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(chunk * 3 + b"0\r\n\r\n")
    assert b" 413 " in client.recv(1000)
    client.close()
    assert page.owner.done == []
    wait_until(lambda: list(page.folder.iterdir()) == [], "nothing to stay")


def begin(page, *headers):
    """Begin to send a file by hand."""
    client = socket.create_connection(("127.0.0.1", page.port), timeout=20)
    lines = (
        f"Host: 127.0.0.1:{page.port}",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/zip",
        *headers,
    )
    client.sendall("\r\n".join(("PUT /api/backup HTTP/1.1", *lines, "", "")).encode())
    return client


def test_a_link_that_breaks_leaves_nothing_and_the_next_try_works(page):
    """A telephone that leaves the house in the middle."""
    client = begin(page, "Content-Length: 1000")
    client.sendall(b"x" * 500)
    wait_until(lambda: list(page.folder.iterdir()), "the file to begin")
    assert send(page).document == {"error": "another file is being sent; try again when it is there"}
    client.close()
    wait_until(lambda: list(page.folder.iterdir()) == [], "nothing to stay")
    wait_until(lambda: send(page).status == 200, "the next try")


def test_parts_that_a_power_cut_left_are_deleted(page):
    """Each may be as long as a backup; one that may still come stays."""
    old, new = page.folder / ".upload-old", page.folder / ".upload-new"
    for file in (old, new):
        file.write_bytes(b"PK")
    os.utime(old, (0, 0))
    assert send(page).status == 200
    assert (old.exists(), new.exists()) == (False, True)


def test_a_slow_link_has_more_time_than_a_request(page, monkeypatch):
    """Who may send may take minutes, and no longer."""
    monkeypatch.setattr(connections, "REQUEST_S", 0.3)
    monkeypatch.setattr(connections, "UPLOAD_S", 2.0)
    slow = begin(page, "Content-Length: 1000")
    wait_until(lambda: list(page.folder.iterdir()), "the file to begin")
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as idle:
        assert ended(idle)  # after a request's time
    slow.sendall(b"x" * 1000)
    assert b" 200 " in slow.recv(1000)
    slow.close()
    with begin(page, "Content-Length: 1000") as never:
        assert ended(never)


def test_whoever_has_left_without_a_word_keeps_nobody_from_sending(page, monkeypatch):
    """The connection stays open and silent, as of a telephone out of reach."""
    monkeypatch.setattr(uploads, "SILENCE_S", 0.3)
    with begin(page, "Content-Length: 1000") as gone:
        gone.sendall(b"x")
        wait_until(lambda: send(page).status == 200, "the next to send")
        assert b" 408 " in gone.recv(1000)
    wait_until(lambda: list(page.folder.iterdir()) == [], "nothing to stay")


def ended(client):
    """Whether the server ends a connection."""
    with suppress(ConnectionResetError):
        while client.recv(1000):
            pass
    return True


def test_a_full_disk_is_said(page, monkeypatch):
    """The node goes on; the file is gone."""
    page.owner.uploads["backup"] = Upload("application/zip", MOST, page.folder / "missing", lambda *_: None)
    answer = send(page)
    assert answer.status == 507
    assert "cannot be kept" in answer.document["error"]
