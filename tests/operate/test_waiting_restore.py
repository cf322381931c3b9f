"""A restore between two runs: all of it, the way back, and what happens when it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from piapp.config.change_log import ChangeLog
from piapp.config.live import LiveSettings
from piapp.errors import PiappError
from piapp.node.alarm_file import keep_learnt, learnt
from piapp.node.state_folder import changes_file
from piapp.operate.backup import backup
from piapp.operate.page_restore import PageRestore
from piapp.operate.waiting_restore import RestoreFiles, carry_out
from piapp.posture.snapshot import MonitorSnapshot
from tests.support.boards import LEARNT, NODE, Board

OTHER_ROOM = MonitorSnapshot(tilt_samples_deg=(1.0,))


class Node:
    """A node that is restored to, with the other one's backup."""

    def __init__(self, folder):
        old = Board(folder / "old")
        self.backup = folder / "old.zip"
        backup(old.fill("[camera]\nfps = 10\n"), NODE, old.state, self.backup)
        self.board = Board(folder / "new")
        self.loaded = self.board.fill()
        self.board.cases.delete(self.board.cases.all()[0])
        self.files = RestoreFiles(self.board.state, NODE)
        self.files.settings.write_text('{"values":{"posture.fallen_after_s":25,"mqtt.url":"mqtt://mine"}}')
        keep_learnt(self.board.state, NODE, OTHER_ROOM, owner=(0, 0))
        self.page = PageRestore(self.loaded)

    def send(self):
        """Send the backup; the plan."""
        copy = self.board.state / ".upload-1"
        copy.write_bytes(self.backup.read_bytes())
        return self.page.take(copy, "page")

    def confirm(self):
        """Send and confirm it."""
        sha256 = self.send().sha256
        self.page.confirm(json.dumps({"sha256": sha256}).encode(), "page 1")

    def start(self):
        """What a start does; the settings that are in force then."""
        carry_out(self.loaded.config, NODE, self.board.state)
        return LiveSettings(self.loaded.config, self.files.settings).config

    def state(self):
        """Of what the node begins with."""
        cases = [case.id for case in self.board.cases.all()]
        return json.loads(self.files.settings.read_text()), learnt(self.board.state, NODE), cases


@pytest.fixture
def node(tmp_path):
    """A node that has been sent nothing yet."""
    return Node(tmp_path)


def test_the_next_start_restores(node):
    """Settings, zones, what was learnt and cases; what no page may change stays, and the change can be read."""
    node.confirm()
    config = node.start()
    assert (config.posture.fallen_after_s, config.camera.fps) == (7, 10)
    values, place, cases = node.state()
    assert values["values"]["mqtt.url"] == "mqtt://mine"
    assert (place, cases) == (LEARNT, ["9f2c61aa-000001"])
    (change, *_) = ChangeLog(changes_file(node.board.state, NODE)).newest()
    assert change.after["camera.fps"] == 10
    assert "backup of hall" in change.by
    assert node.page.document({})["done"]["cases"] == cases
    assert (node.files.order(), node.files.archive.exists()) == (None, False)


def test_it_can_be_taken_back(node):
    """As it was, to the last setting; the alarms that came with it go."""
    before = node.state()
    node.confirm()
    node.start()
    assert node.state() != before
    node.page.undo(b"{}", "page")
    node.start()
    assert node.state() == before
    assert node.page.document({})["done"] is None
    with pytest.raises(PiappError, match="no restore that could be taken back"):
        node.page.undo(b"{}", "page")


def test_a_start_without_an_order_changes_nothing(node):
    """A backup that was sent and never confirmed waits for nobody."""
    before = node.state()
    node.send()
    node.start()
    assert node.state() == before


@pytest.mark.parametrize("harm", ["other", "cut", "gone"])
def test_a_backup_that_is_not_the_confirmed_one_is_not_restored(node, harm, caplog):
    """Replaced, damaged or deleted between confirmation and start: the node starts with what is there, and says so."""
    before = node.state()
    node.confirm()
    content = node.files.archive.read_bytes()
    if harm == "gone":
        node.files.archive.unlink()
    elif harm == "cut":
        node.files.archive.write_bytes(content[: len(content) // 2])
    else:
        backup(node.loaded, NODE, node.board.state, node.files.archive)
    node.start()
    assert node.state() == before
    assert "nothing was restored" in caplog.text or "failed" in caplog.text
    assert node.files.order() is None


def test_known_cases_stay_as_they_are(node):
    """A verdict that was given since the backup is not lost; undo deletes only what the restore has added."""
    node.confirm()
    node.start()
    case = node.board.cases.all()[0]
    node.board.cases.judge(case.id, "no fall")
    made = node.send()
    assert (made.cases, made.known) == (0, 1)
    node.confirm()
    node.start()
    assert node.board.cases.get(case.id).verdict == "no fall"
    node.page.undo(b"{}", "page")
    node.start()
    assert [kept.id for kept in node.board.cases.all()] == [case.id]


PASSWORD = "correct horse"
LOGIN = '[node]\nid = "hall"\n[mqtt]\nurl = "mqtt://there.lan"\nusername = "hall"\npassword_file = "{file}"\n'


def sealed(node, folder, secret="open sesame\n"):
    """Send the backup of a node with a login, made with a password."""
    other = Board(folder / "other")
    file = other.config_file.parent / "mqtt_password"
    other.config_file.parent.mkdir(parents=True)
    other.state.mkdir()
    file.write_text(secret)
    other.config_file.write_text(LOGIN.format(file=file if secret else ""))
    backup(other.load(), NODE, other.state, node.backup, password=PASSWORD)
    return node.send()


def confirm(node, made, password):
    """Confirm with a password."""
    node.page.confirm(json.dumps({"sha256": made.sha256, "password": password}).encode(), "page")


def test_a_password_restores_the_brokers_login(node, tmp_path):
    """Address, user and password together, the password in a file that the node alone may read."""
    made = sealed(node, tmp_path)
    assert (made.secrets, made.broker) == (True, "mqtt://there.lan")
    confirm(node, made, PASSWORD)
    mqtt = node.start().mqtt
    assert (mqtt.url, mqtt.username) == ("mqtt://there.lan", "hall")
    assert Path(mqtt.password_file).read_text() == "open sesame\n"
    assert Path(mqtt.password_file).stat().st_mode & 0o777 == 0o600
    confirm(node, node.send(), PASSWORD)  # the same once more
    assert node.start().mqtt == mqtt
    node.page.undo(b"{}", "page")
    assert node.start().mqtt == mqtt
    assert Path(mqtt.password_file).read_text() == "open sesame\n"


def test_taking_it_back_takes_the_password_away(node, tmp_path):
    """As it was before, and no copy of a secret stays."""
    confirm(node, sealed(node, tmp_path), PASSWORD)
    mqtt = node.start().mqtt
    node.page.undo(b"{}", "page")
    assert node.start().mqtt.url != "mqtt://there.lan"
    assert not Path(mqtt.password_file).exists()


def test_without_the_password_the_login_stays(node, tmp_path):
    """And with a wrong one nothing is restored."""
    made = sealed(node, tmp_path)
    with pytest.raises(PiappError, match="the password is wrong"):
        confirm(node, made, "battery staple")
    assert node.files.order() is None
    confirm(node, made, "")
    assert node.start().mqtt.url != "mqtt://there.lan"


def test_a_broker_from_a_backup_is_not_sent_the_nodes_own_password(node, tmp_path):
    """A backup that names a broker and no password leaves the node without one there."""
    made = sealed(node, tmp_path, secret="")
    confirm(node, made, PASSWORD)
    mqtt = node.start().mqtt
    assert (mqtt.url, mqtt.password_file) == ("mqtt://there.lan", "")
