"""The invitation to set a node up: one browser, one hour of running, one code."""

from __future__ import annotations

import json

import pytest

from piapp.invitation import FAREWELL_S, INVITATION_S, Invitation


class Clock:
    """A clock that tests move."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        """Seconds."""
        return self.now_s


@pytest.fixture
def file(tmp_path):
    """Where the invitation is."""
    return tmp_path / "invitation.json"


@pytest.fixture
def clock():
    """The node's."""
    return Clock()


def opened(file, clock):
    """The invitation as the node's next start finds it."""
    invitation = Invitation.open(file, clock)
    assert invitation is not None
    return invitation


def test_nobody_is_invited_by_itself(file):
    """A node without the file, or without a folder, opens nothing."""
    assert Invitation.open(file) is None
    assert Invitation.open(None) is None


def test_the_code_lets_one_browser_in(file, clock):
    """Once, however it is typed; what the browser shows then lasts beyond a restart, and is not in the file."""
    code = Invitation.issue(file)
    invitation = opened(file, clock)
    assert invitation.code == code
    session = invitation.redeem(f" {code.lower().replace('-', ' ')} ")
    assert session
    assert invitation.redeem(code) is None
    assert invitation.is_session(session)
    assert session not in file.read_text()
    later = opened(file, clock)
    assert later.is_session(session)
    assert (later.code, later.redeem(code)) == ("", None)


@pytest.mark.parametrize("typed", ["", "-", " ", "AAAA-AAAA", "é" * 8, "x" * 64])
def test_what_is_no_code(file, clock, typed):
    """Also when the code was used up: nothing equals an empty one."""
    code = Invitation.issue(file)
    invitation = opened(file, clock)
    assert invitation.redeem(typed) is None
    assert invitation.redeem(code)
    assert invitation.redeem(typed) is None
    assert not invitation.is_session("")


def test_codes_differ_and_only_the_owner_reads_them(file):
    """Eight of 31 signs that nobody confuses, from the system's randomness."""
    codes = {Invitation.issue(file) for _ in range(200)}
    assert len(codes) == 200
    assert set("".join(codes)) <= set("23456789ABCDEFGHJKMNPQRSTUVWXYZ-")
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_hour_of_running(file, clock):
    """Time runs while the node does, so a restart gives nothing back; after it neither code nor browser counts."""
    code = Invitation.issue(file)
    first = opened(file, clock)
    session = first.redeem(code)
    clock.now_s += 1500
    first.keep()
    second = opened(file, clock)
    assert second.left_s == pytest.approx(INVITATION_S - 1500)
    clock.now_s += INVITATION_S - 1500
    assert second.over
    assert not second.is_session(session)
    second.keep()
    assert Invitation.open(file, clock) is None


@pytest.mark.parametrize("end", [Invitation.keep, Invitation.finish])
def test_what_was_taken_back_stays_so(file, clock, end):
    """A node that ends its run writes nothing in place of a file that was taken away."""
    invitation = opened_with_code(file, clock)
    file.unlink()
    end(invitation)
    assert Invitation.open(file, clock) is None


@pytest.mark.parametrize("end", [Invitation.keep, Invitation.finish])
def test_a_newer_invitation_is_left_alone(file, clock, end):
    """The node that still runs with the older one keeps nothing of it, and the newer code lets somebody in."""
    older = opened_with_code(file, clock)
    code = Invitation.issue(file)
    clock.now_s += 10
    end(older)
    newer = opened(file, clock)
    assert newer.code == code
    assert newer.redeem(code)


def test_a_power_cut_gives_back_minutes(file, clock):
    """What is left is kept now and then, not at each tick: each write wears the card."""
    Invitation.issue(file)
    invitation = opened(file, clock)
    written = file.stat().st_mtime_ns
    for _ in range(299):
        clock.now_s += 1
        invitation.tick()
    assert file.stat().st_mtime_ns == written
    clock.now_s += 1
    invitation.tick()
    assert opened(file, clock).left_s == pytest.approx(INVITATION_S - 300)


def test_done_is_for_good(file, clock):
    """The next start opens nothing; who is in may read to the end."""
    session = (invitation := opened_with_code(file, clock)).redeem(invitation.code)
    invitation.finish()
    assert not file.exists()
    assert invitation.is_session(session)
    clock.now_s += FAREWELL_S
    assert invitation.over
    invitation.keep()
    assert not file.exists()


def opened_with_code(file, clock):
    """A new invitation."""
    Invitation.issue(file)
    return opened(file, clock)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"code":"X","left_s":1e9}', '{"code":"X","sessions":[]}', "\0" * 99]
)
def test_a_file_that_is_none_opens_nothing(file, content, caplog):
    """Damaged or forged: the page stays closed, and the log says how to open it."""
    file.write_text(content)
    assert Invitation.open(file) is None
    assert "setup-page" in caplog.text


def test_a_disk_that_takes_nothing(file, clock, caplog, monkeypatch):
    """The browser is let in all the same, and the log says what a restart does."""
    invitation = opened_with_code(file, clock)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("piapp.invitation.write_whole", full)
    assert invitation.redeem(invitation.code)
    assert "No space left" in caplog.text
    assert json.loads(file.read_text())["code"]
