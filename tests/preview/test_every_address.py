"""Every address that the page has, whichever it may be: none answers a stranger, and none is changed from elsewhere."""

from __future__ import annotations

import pytest

from piapp.preview.answers import BURST, RateLimit
from piapp.preview.owner import Upload
from tests.preview.conftest import TOKEN
from tests.support.page_routes import addresses

CHANGES = ("POST", "PUT", "PATCH", "DELETE")
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


def changing():
    """Those that change something, and the type that each wants."""
    wanted = {"/api/upload": "application/zip"}
    return [
        (method, path, wanted.get(path, "application/json") if method == "PUT" else "application/json")
        for method, path in addresses()
        if method in CHANGES
    ]


@pytest.fixture
def page(serve, tmp_path, monkeypatch):
    """A page that asks for a token, and takes a file; what is used up of its limit stays so."""
    monkeypatch.setattr("piapp.preview.pages.RateLimit", lambda: RateLimit(1e-6, BURST))
    page = serve(token=TOKEN)
    page.owner.uploads["upload"] = Upload("application/zip", 1000, tmp_path, lambda *_: {})
    return page


def test_there_are_addresses_to_try():
    """Pages, files, the stream, and what the node can do; a list that is empty would prove nothing."""
    assert {("GET", "/upkeep"), ("GET", "/stream"), ("PUT", "/zones"), ("POST", "/api/note")} <= set(addresses())
    assert len(changing()) > 8


def test_none_answers_a_stranger(page):
    """Without the token, with a wrong one, or with one in the wrong place; all get the same few bytes."""
    told = set()
    for method, path in addresses():
        for how in ({}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": f"piapp_{page.port}={TOKEN}"}):
            answer = page.ask(path, method, b"{}" if method in CHANGES else None, **how)
            told.add((answer.status, answer.body if method != "HEAD" else b"401\n"))
    assert told == {(401, b"401\n")}
    assert page.owner.done == []


FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec__Fetch__Site": "cross-site"},
    {"Sec__Fetch__Site": "same-site"},
)


@pytest.mark.parametrize("elsewhere", FOREIGN, ids=str)
def test_none_is_changed_from_elsewhere(page, elsewhere):
    """Whatever page sends it, with the owner's own cookie."""
    known = {"upload": {"PUT"}, "note": {"POST"}, "file": {"POST"}}
    for method, path, kind in changing():
        answer = page.ask(path, method, b"{}", Content__Type=kind, **SIGNED_IN, **elsewhere)
        name = path.removeprefix("/api/")
        assert answer.status == 403 or (method not in known.get(name, set()) and answer.status == 404), (method, path)
    assert page.owner.done == []


FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "")


@pytest.mark.parametrize("kind", FORMS)
def test_none_takes_what_a_form_can_send(page, kind):
    """Forms of other sites ask nobody before they send these types."""
    for method, path, _kind in changing():
        headers = {"Content__Type": kind} if kind else {}
        assert page.ask(path, method, b"{}", **headers, **SIGNED_IN).status in (404, 415), (method, path)
    assert page.owner.done == []


def test_none_reads_a_body_without_end(page):
    """What says that it is longer than it may be is not read."""
    for method, path, kind in changing():
        headers = {"Content__Type": kind, "Content__Length": str(10**12)}
        assert page.ask(path, method, None, **headers, **SIGNED_IN).status in (404, 413), (method, path)
    assert page.owner.done == []


def test_none_is_changed_faster_than_a_person_does(page):
    """All that changes something shares one limit: whoever has used it up is refused at every address."""
    for _ in range(BURST):
        assert page.post("note", {}, **SIGNED_IN).status == 200
    known = {"/zones": "PUT", "/consent": "PUT", "/api/note": "POST", "/api/file": "POST", "/api/upload": "PUT"}
    for method, path, kind in changing():
        wanted = 429 if known.get(path) == method else 404
        assert page.ask(path, method, b"{}", Content__Type=kind, **SIGNED_IN).status == wanted, (method, path)
    assert len(page.owner.done) == BURST


TRICKS = (
    *("/../etc/passwd", "/static/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//evil.example/x", "/page.js/"),
    *("/api/../zones", "/api/%2e%2e%2fzones", "/api/note/../../x", "/api/", "/page.js%00.css", "/_head.html"),
    *("/languages/en.json", "/api/note%0d%0aX:%20y", "/" + "a" * 5000, "/api/" + "%f0%9f%98%80" * 50),
)


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_anywhere_else(page, path):
    """Files are read once, by their own names; nothing of a path is ever opened."""
    answer = page.ask(path, **SIGNED_IN)
    assert answer.status in (404, 400), answer.body
    assert b"root:" not in answer.body
