"""The live page's server over real sockets."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from piapp import draw
from piapp.config.load import default_config, load_config
from piapp.draw import EDGE_GREY
from piapp.errors import ConfigError, PreviewError
from piapp.node import outlets
from piapp.preview.answers import BURST, RateLimit
from piapp.preview.api import READ_BURST
from piapp.preview.serving import HEADERS, POLICY
from piapp.preview.viewers import EVENTS_KEPT, MAX_VIEWERS
from tests.mosquitto import DEADLINE_S, wait_until
from tests.preview.conftest import TOKEN, result, state

ZONE = {"name": "bed", "polygon": [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]], "ignore": ["fall"]}

PATHS = (
    "/", "/settings", "/page.js", "/page.css", "/favicon.svg", "/texts", "/stream", "/picture", "/consent", "/zones",
    "/api/echo",
    "/api/nothing", "/nothing", "/?token=wrong",
)  # fmt: skip


def test_the_page_and_its_files(serve):
    """Each with its media type; nothing else is read from disk."""
    page = serve()
    types = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/favicon.svg": "image/svg+xml"}
    for path, media_type in types.items():
        answer = page.ask(path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.body
    for path in (
        "/index.html",
        "/settings.html",
        "/_head.html",
        "/_header",
        "/languages/de.json",
        "/../server.py",
        "/%2e%2e/server.py",
        "/__init__.py",
        "/static/page.js",
        "//etc/passwd",
    ):
        assert page.ask(path).status == 404


def test_every_answer_has_the_headers(serve):
    """Errors as well; no answer lets another site read it."""
    page = serve(token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    answers = [page.ask(path) for path in PATHS]
    answers += [page.ask(path, **bearer) for path in ("/", "/page.js", "/picture", "/zones", "/nothing")]
    answers += [page.ask("/api/echo", **bearer), page.post("note", {}, **bearer), page.post("nothing", {}, **bearer)]
    answers += [page.ask("/zones", "DELETE", **bearer), page.ask("/zones", "PUT", b"{", **bearer)]
    answers += [serve().ask("/", Host="evil.example"), page.ask("/stream", "HEAD", **bearer)]
    assert {answer.status for answer in answers} >= {200, 401, 403, 404, 405, 415, 421}
    for answer in answers:
        for name, value in HEADERS:
            assert answer.headers[name.lower()] == value
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


def test_frames_status_and_events_arrive(serve):
    """In the form that the page expects: coordinates to a tenth of a pixel, and an event as MQTT has it."""
    page = serve()
    stream = page.view()
    status = stream.next("status")
    assert (status["node"], status["fps"], status["latency_ms"], status["viewers"]) == ("hall", None, None, 1)
    page.preview.offer(result(1000), state(1000, fallen=True))
    frame = stream.next("frame")
    (person,) = frame.pop("persons")
    assert frame == {"ts_ms": 1000, "size": [1280, 480]}
    assert (person["id"], person["posture"], person["fallen"], person["place"]) == (7, "standing", True, [0.5, 0.9])
    assert len(person["landmarks"]) == 33
    assert person["landmarks"][0] == [0.5, 0.16, 0.99]
    page.preview.event(b'{"id":"a-1","event_type":"fall"}')
    assert stream.next("event") == {"id": "a-1", "event_type": "fall"}
    for number in range(20):
        page.preview.offer(result(2000 + number), state(2000))
        time.sleep(0.002)
    status = stream.next("status")
    assert status["fps"] > 1
    assert status["latency_ms"]["p50"] <= status["latency_ms"]["p95"]


def test_what_the_model_does_not_give_is_null(serve):
    """JSON has no NaN."""
    page = serve()
    stream = page.view()
    page.wait_for_viewers(1)
    shown = result(1)
    shown.poses[0].landmarks[3, 3] = np.nan
    page.preview.offer(shown, state(1))
    landmarks = stream.next("frame")["persons"][0]["landmarks"]
    assert landmarks[3][2] is None
    assert landmarks[4][2] == 0.99


def test_the_last_events_wait_for_who_comes(serve):
    """Oldest first."""
    page = serve()
    for number in range(EVENTS_KEPT + 5):
        page.preview.event(json.dumps({"id": number}).encode())
    stream = page.view()
    assert [stream.next("event")["id"] for _ in range(EVENTS_KEPT)] == list(range(5, EVENTS_KEPT + 5))


def test_no_more_frames_than_configured(serve):
    """However many there are; the newest is shown."""
    page = serve(max_fps=5)
    stream = page.view()
    page.wait_for_viewers(1)
    started = time.monotonic()
    seen = []
    offered = threading.Event()

    def offer():
        for ts_ms in count(1):
            if offered.wait(0.005):
                return
            page.preview.offer(result(ts_ms), state(ts_ms))

    camera = threading.Thread(target=offer)
    camera.start()
    while len(seen) < 6:
        seen.append(stream.next("frame")["ts_ms"])
    elapsed_s = time.monotonic() - started
    offered.set()
    camera.join()
    assert seen == sorted(set(seen))
    assert elapsed_s > 4 / 5 * 0.95  # one at once, and one ahead of its time


def test_nobody_looks_and_nothing_is_made(serve):
    """`offer` looks at one attribute; the next frame after somebody came is theirs."""
    page = serve()
    assert not page.preview.viewers.watched
    page.preview.offer(None, None)  # would raise if anything of it were looked at
    stream = page.view()
    stream.next("status")
    assert page.preview.viewers.watched
    stream.close()
    page.wait_for_viewers(0)
    assert not page.preview.viewers.watched
    page.preview.offer(None, None)


def test_too_many_viewers_are_turned_away(serve):
    """The limit is told; who goes makes room."""
    page = serve()
    streams = [page.view() for _ in range(MAX_VIEWERS)]
    page.wait_for_viewers(MAX_VIEWERS)
    refused = page.ask("/stream")
    assert refused.status == 503
    assert "viewers" in refused.document["error"]
    streams[0].close()
    page.wait_for_viewers(MAX_VIEWERS - 1)
    assert page.view().status == 200


def test_a_stalled_viewer_delays_nobody(serve):
    """What it does not take is dropped; little waits for it, and it sees what is new when it reads again."""
    page = serve(every_frame=True)
    stalled, reader = page.view(receive_buffer=4096), page.view()
    page.wait_for_viewers(2)
    for ts_ms in range(1, 1001):
        page.preview.offer(result(ts_ms), state(ts_ms))
        assert reader.next("frame")["ts_ms"] == ts_ms
    seen = [stalled.next("frame")["ts_ms"]]
    while seen[-1] < 1000:
        seen.append(stalled.next("frame")["ts_ms"])
    assert seen == sorted(seen)
    assert len(seen) < 300


def test_a_picture_is_encoded_once_for_all_who_ask(serve, monkeypatch):
    """And only then; scaled to what a telephone shows."""
    encoded = []
    encode = draw.encode_jpeg
    monkeypatch.setattr(draw, "encode_jpeg", lambda image: encoded.append(1) or encode(image))
    page = serve(pictures=True)
    page.preview.offer(result(1, image=True), state(1))
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(page.ask("/picture?after=1"))) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_until(lambda: page.preview.viewers.asking == 4, "all to ask")
    page.preview.offer(result(2, image=True), state(2))
    for asker in askers:
        asker.join(DEADLINE_S)
    assert [(answer.status, answer.headers["x-ts-ms"]) for answer in answers] == [(200, "2")] * 4
    assert len(encoded) == 1
    assert answers[0].headers["content-type"] == "image/jpeg"
    picture = cv2.imdecode(np.frombuffer(answers[0].body, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture.shape == (360, 960, 3)
    assert np.abs(picture[180, 480].astype(int) - (200, 30, 40)).max() < 6
    assert not page.preview.viewers.watched


def test_pictures_that_may_not_be_shown(serve):
    """The key is named, and no picture is ever looked at."""
    page = serve(pictures=False)
    refused = page.ask("/picture")
    assert refused.status == 403
    assert "publish.image" in refused.document["error"]


def test_edges_have_no_pixel_of_the_picture(serve):
    """Two values, none of which depends on the picture's; nobody needs to agree to them."""
    page = serve(picture="edges")
    answer = page.picture("?kind=edges")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    lines = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)
    assert lines.ndim == 2
    assert set(np.unique(lines).tolist()) <= {0, EDGE_GREY}
    assert page.ask("/picture").status == 403
    assert page.put_consent(True).status == 403


def test_a_picture_that_somebody_agrees_to(serve, caplog):
    """Ten minutes, told to all who look, and noted in the log; then it is refused again."""
    page = serve(picture="consent")
    stream = page.view()
    assert stream.next("status")["consent"] == {"asked": True, "left_s": 0}
    assert page.ask("/picture").status == 403
    agreed = page.put_consent(True)
    assert (agreed.status, agreed.document["consent"]["left_s"]) == (200, 600)
    assert "picture is shown for ten minutes: page 127.0.0.1" in caplog.text
    while stream.next("status")["pictures"] != ["edges", "photo"]:
        pass
    assert page.picture("").headers["content-type"] == "image/jpeg"
    assert page.put_consent(False).document["pictures"] == ["edges"]
    assert page.ask("/picture").status == 403


def test_a_consent_that_ends_while_somebody_waits(serve):
    """Whoever asked before it ended gets no picture after it."""
    page = serve(picture="consent")
    page.put_consent(True)
    answers = []
    asker = threading.Thread(target=lambda: answers.append(page.ask("/picture")))
    asker.start()
    wait_until(lambda: page.preview.viewers.asking, "somebody to ask")
    page.put_consent(False)
    page.preview.offer(result(1, image=True), state(1))
    page.preview.viewers.call(lambda: page.preview.viewers._answer("photo", None))  # noqa: SLF001 - its time is over
    asker.join(DEADLINE_S)
    assert [answer.status for answer in answers] == [403]


@pytest.mark.parametrize("shown", [1, "yes", None, []])
def test_a_consent_that_is_none(serve, shown):
    """Only a plain yes is one."""
    page = serve(picture="consent")
    assert page.put_consent(shown).status == 422
    assert page.ask("/picture").status == 403


def test_no_other_site_agrees_for_anybody(serve):
    """As for zones: origin and form are checked."""
    page = serve(picture="consent")
    assert page.put_consent(True, Origin="http://evil.example").status == 403
    assert page.put_consent(True, Content__Type="text/plain").status == 415
    assert page.ask("/consent").status == 405
    assert page.ask("/picture").status == 403


def test_a_picture_that_does_not_come(serve, monkeypatch):
    """204 after a while: the node is paused."""
    monkeypatch.setattr("piapp.preview.pages.PICTURE_WAIT_S", 0.1)
    page = serve(pictures=True)
    assert page.ask("/picture").status == 204
    assert page.ask("/picture?after=-1").status == 422
    assert page.ask("/picture?after=x").status == 422


def test_zones_are_changed(serve):
    """By the node's main loop; the answer says what is in force and whether it is kept."""
    page = serve()
    assert page.ask("/zones").document == {"zones": []}
    answer = page.put_zones([ZONE])
    assert (answer.status, answer.document) == (200, {"zones": [ZONE], "kept": True})
    assert page.ask("/zones").document == {"zones": [ZONE]}


@pytest.mark.parametrize(
    ("zones", "words"),
    [
        ([ZONE | {"name": ""}], "zones[1].name"),
        ([ZONE | {"polygon": [[0, 0], [1, 1]]}], "at least 3 long"),
        ([ZONE | {"polygon": [[0, 0], [1, 1], [2, 0]]}], "at most 1.0"),
        ([ZONE, ZONE], "each needs its own"),
        ([ZONE | {"colour": "red"}], "is not a known key"),
        ([{"name": "bed"}], "polygon (request): is missing"),
        ([ZONE | {"ignore": ["fal"]}], '"fall"'),
        (ZONE, "zones"),
        ("bed", "zones"),
        (None, "zones"),
        ([7], "expected a table"),
    ],
)
def test_zones_that_are_none(serve, zones, words):
    """422 in the configuration's own words; nothing changes."""
    page = serve()
    answer = page.put_zones(zones)
    assert answer.status == 422
    assert words in answer.document["error"]
    assert page.ask("/zones").document == {"zones": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"zones":[],"more":1}', b"\xff", b"[" * 60_000])
def test_bodies_that_are_no_request(serve, body):
    """422, whatever they are."""
    assert serve().ask("/zones", "PUT", body, Content__Type="application/json").status == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content__Type": "text/plain"}, 415),
        ({"Content__Type": ""}, 415),
        ({"Content__Type": "application/json; charset=utf-8"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec__Fetch__Site": "cross-site"}, 403),
        ({"Sec__Fetch__Site": "same-site"}, 403),
        ({"Sec__Fetch__Site": "same-origin"}, 200),
    ],
)
def test_other_sites_change_nothing(serve, headers, status):
    """A form of another site can send neither JSON nor this origin; nothing is done for one that does."""
    page = serve()
    assert page.put_zones([ZONE], **headers).status == status
    assert page.post("note", {"x": 1}, **headers).status == status
    assert (len(page.owner.known["zones"]), len(page.owner.done)) == ((1, 1) if status == 200 else (0, 0))


def test_the_own_origin_may(serve):
    """As browsers name it."""
    page = serve()
    assert page.put_zones([ZONE], Origin=page.preview.url.rstrip("/")).status == 200


def test_documents_and_actions(serve):
    """Documents are made of the query; actions are done on the main loop, which learns who asks."""
    page = serve()
    assert page.ask("/api/echo?a=1&b=%C3%A4").document == {"a": "1", "b": "ä"}
    assert page.post("note", {"x": 1}).document == {"noted": {"x": 1}}
    assert page.ask("/api/note", "POST", b"", Content__Type="application/json").document == {"noted": {}}
    assert page.owner.done == [("main-loop", b'{"x": 1}', "page 127.0.0.1"), ("main-loop", b"{}", "page 127.0.0.1")]


def test_a_file_to_keep(serve):
    """A job makes it on a thread of its own; the browser is told to keep it, and nothing sniffs what it is."""
    page = serve()
    answer = page.ask("/api/file", "POST", b"content", Content__Type="application/json")
    assert (answer.status, answer.body) == (200, b"content")
    assert answer.headers["content-disposition"] == 'attachment; filename="x.zip"'
    assert answer.headers["content-type"] == "application/zip"
    assert page.ask("/api/file").status == 404
    assert page.post("file", {}, Origin="http://evil.example").status == 403


def test_what_cannot_be_read_or_done(serve):
    """404 for what there is not, 422 in the node's own words, 405 for other ways of asking."""
    page = serve()
    assert [page.ask(path).status for path in ("/api/nothing", "/api/missing", "/api/note", "/api/")] == [404] * 4
    assert page.ask("/api/missing").document == {"error": "there is no such case"}
    assert page.post("nothing", {}).status == 404
    refused = page.post("refused", {})
    assert (refused.status, refused.document) == (422, {"error": "camera.fps: is not to be"})
    assert page.ask("/api/note", "POST", b"{", Content__Type="application/json").status == 422
    assert [page.ask("/api/echo", method).status for method in ("DELETE", "PATCH")] == [405] * 2
    assert page.ask("/api/echo", "PUT").status == 404  # no file is taken under this name


def test_changes_come_at_a_person_s_pace(serve, monkeypatch):
    """Beyond a burst they are refused, and nothing of them is done; reading has a limit of its own."""
    monkeypatch.setattr("piapp.preview.pages.RateLimit", lambda: RateLimit(1e-6, BURST))
    monkeypatch.setattr("piapp.preview.api.READ_RATE_HZ", 1e-6)
    page = serve()
    answers = [page.post("note", {}).status for _ in range(BURST + 15)]
    assert answers == [200] * BURST + [429] * 15
    assert len(page.owner.done) == BURST
    assert page.put_zones([ZONE]).status == 429
    assert page.ask("/api/echo").status == 200
    reads = [page.ask("/api/echo").status for _ in range(READ_BURST)]
    assert reads == [200] * (READ_BURST - 1) + [429]


def test_large_bodies_are_not_read(serve):
    """Told or not told beforehand."""
    page = serve()
    assert page.ask("/api/note", "POST", b" " * 70_000, Content__Type="application/json").status == 413
    assert page.ask("/zones", "PUT", b" " * 70_000, Content__Type="application/json").status == 413
    with socket.create_connection(("127.0.0.1", page.port), timeout=DEADLINE_S) as sender:
        head = b"PUT /zones HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        sender.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        sender.sendall(3 * chunk)
        assert sender.recv(100).startswith(b"HTTP/1.1 413")


def test_a_node_that_does_not_answer(serve, monkeypatch):
    """A change that nobody carries out in time is not carried out later."""
    monkeypatch.setattr("piapp.preview.api.CHANGE_WAIT_S", 0.1)
    page = serve()
    tick = page.preview.tick
    monkeypatch.setattr(page.preview, "tick", lambda: None)
    assert page.put_zones([ZONE]).status == 503
    tick()
    assert page.ask("/zones").document == {"zones": []}
    answers = []
    askers = [threading.Thread(target=lambda: answers.append(page.put_zones([ZONE]).status)) for _ in range(12)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(DEADLINE_S)
    assert answers == [503] * 12


def test_without_the_token_there_is_nothing(serve):
    """One answer for everything, whatever is asked for and however."""
    page = serve(token=TOKEN)
    answers = [page.ask(path) for path in PATHS]
    answers += [page.ask("/zones", method) for method in ("PUT", "POST", "OPTIONS", "DELETE")]
    answers += [page.ask("/api/note", method) for method in ("PUT", "POST", "OPTIONS", "DELETE")]
    answers += [page.post("note", {}), page.post("nothing", {}), page.put_consent(True)]
    wrong = ({"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": f"piapp_{page.port}=0"})
    answers += [page.ask("/", **headers) for headers in wrong]
    answers += [page.ask(f"/page.js?token={TOKEN}"), page.ask("/?token="), page.ask("/", "POST")]
    told = {(answer.status, answer.body, answer.headers["content-type"]) for answer in answers}
    assert told == {(401, b"401\n", "text/plain; charset=utf-8")}
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert page.ask("/", "HEAD").status == 401
    assert page.owner.done == []


def test_the_token_is_shown_once(serve):
    """Then a cookie does, which is not the token, and the address holds none."""
    page = serve(token=TOKEN)
    answer = page.ask(f"/?token={TOKEN}")
    assert (answer.status, answer.headers["location"], answer.body) == (303, "/", b"")
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} == set(attributes)
    assert TOKEN not in cookie
    for path in ("/", "/page.js", "/zones"):
        assert page.ask(path, Cookie=cookie).status == 200
    assert page.ask("/zones", Authorization=f"Bearer {TOKEN}").status == 200
    assert page.ask("/", Cookie=cookie[:-1]).status == 401


def test_cameras_of_one_board_sign_in_together(serve):
    """Pages with one token take each other's cookie; one with another token does not."""
    first, second = serve(token=TOKEN), serve(token=TOKEN)
    cookie = first.ask(f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0]
    assert second.ask("/", Cookie=cookie).status == 200
    third = serve(token=f"another-{TOKEN}")
    assert third.ask("/", Cookie=cookie).status == 401
    assert second.ask("/", Cookie=cookie.replace("piapp_", "other_")).status == 401


def test_a_cookie_outlasts_a_restart_but_not_its_token(serve):
    """A tablet on the wall comes back by itself; who changes the token signs it out."""
    first, again, other = serve(token=TOKEN), serve(token=TOKEN), serve(token=TOKEN[::-1])
    value = first.ask(f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0].partition("=")[2]
    assert again.ask("/", Cookie=f"piapp_{again.port}={value}").status == 200
    assert other.ask("/", Cookie=f"piapp_{other.port}={value}").status == 401


def test_wrong_tokens_are_slow_and_told_without_their_value(serve, caplog):
    """Others are answered meanwhile."""
    page = serve(token=TOKEN)
    with caplog.at_level(logging.DEBUG):
        started = time.monotonic()
        assert page.ask("/?token=guess-guess-guess").status == 401
        assert page.ask("/zones", Authorization="Bearer guess-guess-guess").status == 401
        assert time.monotonic() - started >= 1.0
        page.ask(f"/?token={TOKEN}")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["live page: wrong token from 127.0.0.1"] * 2
    assert "guess" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_foreign_names_of_this_machine(serve, host):
    """421, for the page of another site that had its name pointed here."""
    page = serve()
    answer = page.ask("/", Host=host)
    assert answer.status == 421
    assert b"<" not in answer.body
    assert page.ask("/", Host="localhost:1").status == 200


def test_a_port_that_is_taken(serve):
    """The keys and the way out are named; a service tries again (exit code 69)."""
    page = serve()
    with pytest.raises(PreviewError, match=rf"preview\.port = {page.port}.*in use.*another address or port") as error:
        serve(port=page.port)
    assert error.value.exit_code == 69


def test_an_address_of_another_machine(serve):
    """The same."""
    with pytest.raises(PreviewError, match=r"preview\.bind = '192\.0\.2\.1'"):
        serve(bind='"192.0.2.1"', token=TOKEN)


def test_a_token_file_that_goes_before_the_start(serve, tmp_path):
    """An error of the configuration, which names the key."""
    page = serve(token=TOKEN)
    (tmp_path / "token").unlink()
    with pytest.raises(ConfigError, match=r"preview\.token_file"):
        type(page.preview)(page.config, page.owner, pictures=False)


def test_it_ends_in_time_with_viewers_of_all_kinds(serve):
    """A stalled one, one that waits for a picture, one for zones, and a reader, who is told by the stream's end."""
    threads = set(threading.enumerate())
    page = serve(pictures=True, every_frame=True)
    page.preview.tick = lambda: None
    page.view(receive_buffer=4096)
    reader = page.view()
    page.wait_for_viewers(2)

    def ask():
        with suppress(OSError):  # cut off, or told that there is none
            page.ask("/picture")

    def draw():
        with suppress(OSError):
            assert page.put_zones([ZONE]).status == 503

    askers = [threading.Thread(target=ask), threading.Thread(target=draw)]
    for asker in askers:
        asker.start()
    wait_until(lambda: page.preview.waiting_changes, "a change that waits")
    wait_until(lambda: page.preview.viewers.asking, "somebody to ask")
    for ts_ms in range(1, 500):
        page.preview.offer(result(ts_ms), state(ts_ms))
        reader.next("frame")
    started = time.monotonic()
    assert page.preview.stop(DEADLINE_S)
    assert time.monotonic() - started < 2.0
    assert reader.ends()
    for asker in askers:
        asker.join(DEADLINE_S)
    assert page.preview.waiting_changes == 0
    page.preview.offer(result(1000), state(1000))
    page.preview.event(b"{}")
    own = {thread for thread in threading.enumerate() if thread.name == "preview"} - threads
    assert not own


def test_a_failure_of_the_thread_is_surfaced(serve, monkeypatch):
    """The node ends with it, as with any other part's."""

    async def fail(*_args, **_more):
        raise ZeroDivisionError

    monkeypatch.setattr("uvicorn.Server.serve", fail)
    page = serve()
    visitor = socket.create_connection(("127.0.0.1", page.port))
    page.expected = (ZeroDivisionError,)

    def failed() -> bool:
        try:
            page.preview.raise_if_failed()
        except ZeroDivisionError:
            return True
        return False

    wait_until(failed, "the failure")
    visitor.close()


def test_without_the_libraries(monkeypatch):
    """The way out is named, and nobody needs them who does not want the page."""
    for name in [name for name in sys.modules if name.startswith("piapp.preview.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    config = default_config()
    assert outlets.live_page(config, None) is None
    wanted = msgspec.structs.replace(config, preview=msgspec.structs.replace(config.preview, enabled=True))
    with pytest.raises(ConfigError, match=r"install piapp-node\[preview\]"):
        outlets.live_page(wanted, None)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"bind": "pi.local"}, "preview.bind"),
        ({"bind": "0.0.0.0"}, "a token is needed"),
        ({"bind": "::"}, "a token is needed"),
        ({"bind": "192.168.1.5"}, "a token is needed"),
        ({"token_file": "/gone"}, "cannot be read"),
        ({"port": "65536"}, "preview.port"),
        ({"max_fps": "0"}, "preview.max_fps"),
    ],
)
def test_configurations_that_cannot_be(keys, words):
    """Told before anything starts."""
    overrides = [("preview.enabled", "true"), *((f"preview.{key}", value) for key, value in keys.items())]
    with pytest.raises(ConfigError, match=words):
        load_config(Path("/dev/null"), overrides=overrides, environ={})


@pytest.mark.parametrize("bind", ["127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_needs_no_token(bind):
    """It is this machine alone; and an address that is not used needs none either."""
    overrides = [("preview.enabled", "true"), ("preview.bind", bind)]
    assert load_config(Path("/dev/null"), overrides=overrides, environ={}).config.preview.token_file == ""
    assert not load_config(Path("/dev/null"), overrides=[("preview.bind", "::")], environ={}).config.preview.enabled


@pytest.mark.parametrize("content", ["", "short", "with spaces in between", "0123456789abcde", "ünïcödé-ünïcödé-ü"])
def test_files_that_hold_no_token(tmp_path, content):
    """The message does not repeat it."""
    file = tmp_path / "token"
    file.write_text(f"{content}\nsecond line is long enough\n")
    with pytest.raises(ConfigError, match=r"preview\.token_file") as error:
        load_config(Path("/dev/null"), overrides=[("preview.token_file", str(file))], environ={})
    assert "second line" not in str(error.value)
    assert "in between" not in str(error.value)
