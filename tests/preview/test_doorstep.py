"""The door of the set-up page: strangers see a form and nothing of the node, and guessing the code leads nowhere."""

from __future__ import annotations

import http.client
import json
import re
import time

import pytest

from piapp.invitation import INVITATION_S, Invitation
from piapp.preview.doorstep import TRY_BURST, Tries, is_local
from tests.mosquitto import DEADLINE_S
from tests.preview.conftest import TOKEN
from tests.support.page_routes import addresses

JSON = {"Content__Type": "application/json"}

# Whatever the node has, and what it has not.
ADDRESSES = (
    "/page.js", "/setup.js", "/settings", "/history", "/upkeep", "/stream", "/picture", "/zones", "/consent",
    "/api/setup", "/api/settings", "/api/echo", "/api/upkeep", "/none", "/../setup", "/%2e%2e/etc/passwd", "//setup",
)  # fmt: skip
# What those see who have not shown the code.
FORM = {"/", "/setup", "/texts", "/code", *(f"/{name}" for name in ("code.js", "words.js", "api.js"))}
FORM |= {"/page.css", "/setup.css", "/favicon.svg"}


@pytest.fixture
def invited(tmp_path, serve):
    """A page to set up, and the code for it: `invited(token=...)`."""

    def start(**keys):
        file = tmp_path / "invitation.json"
        code = Invitation.issue(file)
        return serve(invitation=Invitation.open(file), bind="0.0.0.0" if "token" in keys else "127.0.0.1", **keys), code

    return start


def show_code(page, code, **headers):
    """Type the code."""
    return page.ask("/code", "POST", json.dumps({"code": code}).encode(), **(JSON | headers))


def cookie_of(answer):
    """What the browser keeps."""
    return answer.headers["set-cookie"].partition(";")[0]


def test_strangers_see_the_form_alone(invited):
    """In their language, with nothing of the node; all else is answered alike, whether it is there or not."""
    page, _ = invited()
    for path in ("/", "/setup"):
        answer = page.ask(path, Accept__Language="de")
        assert answer.status == 200
        assert "Knoten einrichten" in answer.body.decode()
        assert "hall" not in answer.body.decode()
    refused = [page.ask(path) for path in ADDRESSES]
    refused += [page.ask(path, method, b"{}", **JSON) for method, path in addresses() if path not in FORM]
    assert {(answer.status, answer.body or b"401\n") for answer in refused} == {(401, b"401\n")}
    for method in ("POST", "PUT", "DELETE"):
        assert page.ask("/api/note", method, b"{}", **JSON).status == 401
    assert page.owner.done == []


def test_the_form_has_what_it_needs(invited):
    """Whatever the form and its scripts load comes without the code, under the page's policy."""
    page, _ = invited()
    waiting, seen = ["/setup", "/texts"], set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = page.ask(path)
        assert answer.status == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        loaded = re.findall(r'(?:src|href)="(/[^"]+)"|from "\.(/[^"]+)"', answer.body.decode())
        waiting += {"".join(pair) for pair in loaded} - seen
    assert seen == FORM - {"/", "/code"}


def test_the_code_opens_everything_once(invited):
    """Scripts cannot read the cookie, and no other site's page sends it; the code is worth nothing any more."""
    page, code = invited()
    answer = show_code(page, code)
    assert answer.status == 200
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    cookie = cookie_of(answer)
    for path in ("/", "/setup", "/settings", "/api/echo", "/zones"):
        assert page.ask(path, Cookie=cookie).status == 200, path
    assert "steps" in page.ask("/setup", Cookie=cookie).body.decode()
    assert page.post("note", {"a": 1}, Cookie=cookie).document == {"noted": {"a": 1}}
    assert show_code(page, code).status == 403
    assert page.ask("/zones", Cookie=f"{cookie}x").status == 401
    assert page.ask("/zones").status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec__Fetch__Site": "cross-site"}, 403),
        ({"Content__Type": "text/plain"}, 415),
        ({"Content__Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_other_sites_cannot_try(invited, headers, status):
    """Not even with the right code, which stays good."""
    page, code = invited()
    assert show_code(page, code, **headers).status == status
    assert show_code(page, code).status == 200


def test_guessing_is_slow_and_ends_soon(invited, caplog):
    """A few tries, each with a pause; then none for a while, not even the right one. No code is in the log."""
    page, code = invited()
    began_s = time.monotonic()
    answers = [show_code(page, f"WRONG-{number}").status for number in range(TRY_BURST + 1)]
    assert answers == [403] * TRY_BURST + [429]
    assert time.monotonic() - began_s > 0.4 * TRY_BURST
    assert show_code(page, code).status == 429
    assert "wrong code from 127.0.0.1" in caplog.text
    assert "WRONG-" not in caplog.text


def test_one_address_does_not_keep_others_out():
    """Each has its own tries, and thousands of addresses take no more memory than a thousand."""
    tries = Tries()
    for _ in range(TRY_BURST):
        tries.check("192.168.1.66")
    with pytest.raises(Exception, match="too many tries"):
        tries.check("192.168.1.66")
    for number in range(3000):
        tries.check(f"10.0.{number // 250}.{number % 250}")
    assert len(tries) == 1000


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"code":7}', b'{"code":null}', b'{"code":"' + b"x" * 100 + b'"}', b"[" * 5000, b"\xff"]
)
def test_bodies_that_are_no_code(invited, body):
    """They are refused, and count as tries."""
    page, code = invited()
    assert page.ask("/code", "POST", body, **JSON).status == 422
    assert show_code(page, code).status == 200


def test_a_body_without_end(invited):
    """More than the page takes of anybody."""
    page, _ = invited()
    assert page.ask("/code", "POST", b"x" * 100_000, **JSON).status == 413


def test_the_token_opens_it_too(invited):
    """Where one is configured, its owner is not kept out while the node is set up; a wrong one sees the form."""
    page, _ = invited(token=TOKEN)
    assert page.ask("/zones", Authorization=f"Bearer {TOKEN}").status == 200
    assert page.ask(f"/?token={TOKEN}").status == 303
    assert page.ask("/zones", Authorization="Bearer wrong").status == 401
    assert b'id="code"' in page.ask("/?token=wrong").body


def test_when_it_is_over_nobody_is_let_in(tmp_path, serve):
    """Code and cookie end with the hour, on connections that are open, too."""
    file, now_s = tmp_path / "invitation.json", [0.0]
    code = Invitation.issue(file)
    page = serve(invitation=Invitation.open(file, lambda: now_s[0]))
    cookie = cookie_of(show_code(page, code))
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=DEADLINE_S)
    statuses = []
    for time_s in (0.0, INVITATION_S - 1, INVITATION_S):
        now_s[0] = time_s
        connection.request("GET", "/zones", headers={"Cookie": cookie})
        with connection.getresponse() as answer:
            statuses.append(answer.status)
            answer.read()
    connection.close()
    assert statuses == [200, 200, 401]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True), ("192.168.1.20", True), ("10.3.4.5", True), ("172.20.0.9", True), ("169.254.3.4", True),
        ("::1", True), ("fe80::1", True), ("fd00::7", True), ("::ffff:192.168.1.20", True),
        ("8.8.8.8", False), ("100.64.0.1", False), ("172.32.0.1", False), ("2001:4860:4860::8888", False),
        ("::ffff:8.8.8.8", False), ("0.0.0.0", False), ("", False), ("testclient", False),
    ],
)  # fmt: skip
def test_only_the_local_network_may_come(address, local):
    """A node whose port is forwarded from outside shows strangers nothing."""
    assert is_local(address) == local
