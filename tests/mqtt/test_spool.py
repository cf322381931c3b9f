"""Events on disk: order, bounds, numbers that never come twice, and every way in which a disk can fail."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from piapp.config.load import default_config
from piapp.mqtt.journal import EventJournal
from piapp.mqtt.spool import ACKS_PER_WRITE, QUIET_S, RETRY_S, Spool, open_spool
from piapp.mqtt.waiting_events import DOUBT_S, MAX_DOUBTED
from tests.mosquitto import Subscriber, wait_until
from tests.support.full_disk import file_size_limit
from tests.support.publishers import event, ids, make_publisher, make_spool

ROOT = Path(__file__).parents[2]


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def waiting(spool: Spool) -> list[str]:
    """Ids of all events that wait, in the order in which they leave."""
    found, number = [], 0
    while one := spool.peek(number):
        number = one[0]
        found.append(one[1].id)
    return found


def named(*numbers: int) -> list[str]:
    """Ids as `event` makes them."""
    return [f"b-{number}" for number in numbers]


def as_a_crash_leaves(file: Path) -> Path:
    """A copy of the spool's files as they are at this moment: what a process that is killed now leaves behind."""
    left = file.parent.with_name("left")
    shutil.copytree(file.parent, left)
    return left / file.name


@pytest.fixture
def file(tmp_path):
    """Where the spool is; its folder is not there yet."""
    return tmp_path / "state" / "events-hall.db"


@pytest.fixture(params=["disk", "memory"])
def spool(request, file):
    """With a file and without one."""
    made = make_spool(file if request.param == "disk" else None)
    yield made
    made.close()


def test_events_leave_in_order(spool):
    """Numbers rise; what is acknowledged is gone."""
    numbers = [spool.append(event(number)) for number in range(3)]
    assert numbers == [1, 2, 3]
    assert waiting(spool) == named(0, 1, 2)
    assert spool.peek(1) == (2, event(1))
    spool.ack(2)
    spool.ack(2)
    spool.ack(77)
    assert waiting(spool) == named(0, 2)
    assert (spool.depth, spool.last, spool.dropped, spool.problem) == (2, 3, 0, "")


def test_the_oldest_is_dropped_when_there_are_too_many(spool, file, caplog):
    """And counted; the log is told now and then, not each time."""
    spool.close()
    small = make_spool(file, max_events=3)
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            small.append(event(number))
    assert waiting(small) == named(17, 18, 19)
    assert small.dropped == 17
    assert len(caplog.records) == 5
    assert "spool.max_events" in caplog.text
    small.close()
    assert waiting(make_spool(file)) == named(17, 18, 19)


def test_the_oldest_is_dropped_when_they_take_too_much(file):
    """The file keeps to the limit as well; an event larger than all of it is kept as long as it is alone."""
    max_bytes = 400_000
    spool = make_spool(file, max_bytes=max_bytes)
    large = msgspec.structs.replace(event(0), evidence={"reason": "x" * 400})
    for number in range(4_000):
        spool.append(msgspec.structs.replace(large, id=f"b-{number}"))
    assert 300 < spool.depth < max_bytes / 400
    assert waiting(spool) == named(*range(4_000 - spool.depth, 4_000))
    spool.close()
    assert file.stat().st_size < 1.2 * max_bytes
    tiny = make_spool(None, max_bytes=100)
    tiny.append(event(1))
    tiny.append(event(2))
    assert waiting(tiny) == named(2)


def test_a_later_run_goes_on(file):
    """What waits, in order; and numbers, even of events that are long gone."""
    first = make_spool(file, first=100)
    assert [first.append(event(number)) for number in range(4)] == [100, 101, 102, 103]
    for number in (100, 102, 103):
        first.ack(number)
    first.close()
    second = make_spool(file)
    assert waiting(second) == named(1)
    assert second.append(event(4)) == 104
    for number in (101, 104):
        second.ack(number)
    second.close()
    third = make_spool(file)
    assert (third.depth, third.last) == (0, 104)
    third.close()
    assert make_spool(file, first=500).append(event(5)) == 500


def test_nobody_else_may_read_it(file):
    """It says when somebody was at home; its log as well."""
    spool = make_spool(file)
    spool.append(event(1))
    modes = {path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes == {0o600}
    spool.close()


def test_nothing_is_written_between_events(file):
    """An idle node leaves its card alone."""
    clock = Clock()
    spool = make_spool(file, monotonic_s=clock)
    spool.ack(spool.append(event(1)))
    clock.now_s += QUIET_S
    spool.peek(0)

    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in file.parent.iterdir()}

    before = times()
    for _ in range(100):
        clock.now_s += 1
        spool.peek(0)
        spool.ack(1)
        spool.sync()
    assert times() == before
    spool.close()


def test_an_event_costs_little_disk(file):
    """Appended, acknowledged and deleted: a few pages in the kernel's cache, and no flush."""
    clock = Clock()
    spool = make_spool(file, monotonic_s=clock)
    wal = Path(f"{file}-wal")
    spool.ack(spool.append(event(0)))
    before = wal.stat().st_size
    for number in range(10):
        spool.ack(spool.append(event(number)))
        clock.now_s += DOUBT_S
        spool.peek(0)
    assert (wal.stat().st_size - before) / 10 <= 4 * 1_048
    spool.close()


def test_acknowledgements_of_a_backlog_are_written_together(file):
    """After a crash at most so many are sent again, and those that are in doubt."""
    clock = Clock()
    spool = make_spool(file, monotonic_s=clock)
    count = 3 * ACKS_PER_WRITE + 10
    for number in range(1, count + 1):
        spool.append(event(number))
    for number in range(1, count):
        spool.ack(number)
    clock.now_s += DOUBT_S
    spool.peek(0)
    left = make_spool(as_a_crash_leaves(file))
    assert waiting(left)[-1] == f"b-{count}"
    assert left.depth <= ACKS_PER_WRITE + 1
    left.close()


def test_what_a_crashed_broker_may_have_forgotten_waits_again(file):
    """In order, before what nobody has acknowledged; what is older is beyond doubt, and so is all after a clean end."""
    clock = Clock()
    spool = make_spool(file, monotonic_s=clock)
    for number in range(6):
        spool.append(event(number))
    spool.ack(1)
    clock.now_s += DOUBT_S
    for number in (2, 3, 5):
        spool.ack(number)
    assert (spool.depth, waiting(spool)) == (2, named(3, 5))
    spool.doubt()
    assert (spool.depth, waiting(spool)) == (5, named(1, 2, 3, 4, 5))
    for number in (2, 3):
        spool.ack(number)
    spool.close()
    assert waiting(make_spool(file)) == named(3, 4, 5)


def test_doubted_events_survive_a_crash_and_give_way_to_new_ones(file):
    """The node may die together with the broker; but nobody new is dropped for their sake."""
    spool = make_spool(file, max_events=10)
    for number in range(10):
        spool.ack(spool.append(event(number)))
    after = make_spool(as_a_crash_leaves(file), max_events=10)
    assert waiting(after) == named(*range(10))
    for number in range(1, 11):
        after.ack(number)
    for number in range(10, 18):
        after.append(event(number))
    after.doubt()
    assert waiting(after) == named(*range(8, 18))
    assert after.dropped == 0
    after.close()


def test_few_are_doubted_of_a_long_backlog():
    """A connection that breaks right after a drain does not begin from the start."""
    spool = make_spool(None)
    for number in range(3 * MAX_DOUBTED):
        spool.ack(spool.append(event(number)))
    spool.doubt()
    assert spool.depth == MAX_DOUBTED
    assert waiting(spool)[-1] == f"b-{3 * MAX_DOUBTED - 1}"


def test_what_was_appended_survives_sigkill(file):
    """The moment `append` returns."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.support.publishers import event, make_spool\n"
        "spool = make_spool(Path(sys.argv[1]))\n"
        "for number in range(1000):\n"
        "    spool.append(event(number))\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, file], cwd=ROOT, stdout=subprocess.PIPE) as process:
        lines = [process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    told = len([line for line in lines if line.endswith(b"\n")])
    spool = make_spool(file)
    assert waiting(spool)[:told] == named(*range(told))
    assert spool.depth <= told + 1
    spool.close()


def test_two_processes_do_not_share_it(file, caplog):
    """The second one has a file of its own, both say why, and the next run sends what either of them kept."""
    first = make_spool(file)
    first.append(event(1))
    with caplog.at_level(logging.WARNING):
        second = make_spool(file)
    assert "another process uses it" in second.problem
    assert second.problem in caplog.text
    second.append(event(2))
    assert waiting(second) == named(2)
    first.doubt()  # as at every lost connection; the broker throws one of the two out
    assert "another process uses it" in first.problem
    second.close()
    first.append(event(3))
    first.close()
    after = make_spool(file)
    assert (waiting(after), after.problem) == (named(1, 3, 2), "")
    after.close()
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name]
    assert waiting(make_spool(file)) == named(1, 3, 2)


def test_a_killed_second_process_loses_nothing(file):
    """Its file is taken over once nobody holds it."""
    first, second = make_spool(file), make_spool(file)
    second.append(event(2))
    third = make_spool(file)
    third.append(event(3))
    first.append(event(1))
    assert waiting(make_spool(as_a_crash_leaves(file))) == named(1, 2, 3)
    for spool in (first, second, third):
        spool.close()


@pytest.mark.parametrize(
    ("damage", "left"), [("garbage", 0), ("middle", 900), ("first page", 990), ("table", 0), ("version", 1_000)]
)
def test_a_corrupt_file_is_set_aside(file, caplog, damage, left):
    """Renamed and reported; a new one is begun with what can be read, and works."""
    spool = make_spool(file)
    for number in range(1_000):
        spool.append(event(number))
    spool.close()
    if damage == "garbage":
        file.write_bytes(b"no database at all" * 1000)
    elif damage == "middle":
        with file.open("r+b") as raw:
            raw.seek(file.stat().st_size // 4096 // 2 * 4096)
            raw.write(os.urandom(8192))
    elif damage == "first page":
        with file.open("r+b") as raw:
            raw.write(os.urandom(4096))
    elif damage == "table":
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("ALTER TABLE events RENAME TO old")
    else:
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("PRAGMA user_version = 99")
    with caplog.at_level(logging.ERROR):
        after = make_spool(file, first=5_000)
    assert f"{file}.corrupt" in caplog.text
    assert Path(f"{file}.corrupt").is_file()
    assert left <= after.depth <= 1_000
    assert after.problem == ""
    before = waiting(after)
    assert before == [name for name in named(*range(1_000)) if name in set(before)]
    assert after.append(event(1_000)) == 5_000
    after.close()
    assert waiting(make_spool(file)) == [*before, *named(1_000)]


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_cost_the_rows_they_are_in(file, seed):
    """Wherever they are, in the database or in its log: the spool opens, and takes and gives events."""
    chance = random.Random(seed)
    spool = make_spool(file)
    for number in range(300):
        spool.append(event(number))
    if seed % 2:
        file = as_a_crash_leaves(file)
    else:
        spool.close()
    victim = chance.choice([path for path in file.parent.iterdir() if path.stat().st_size])
    content = bytearray(victim.read_bytes())
    for _ in range(3):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    victim.write_bytes(content)
    after = make_spool(file)
    after.append(event(300))
    found = waiting(after)
    assert found[-1] == "b-300"
    if victim == file and seed % 2 == 0:
        assert len(found) > 230  # three of some forty pages at the worst
    after.close()
    again = make_spool(file)
    assert waiting(again) == found
    again.close()


@pytest.mark.parametrize(
    "row", ["(5, 'text')", "(9223372036854775807, x'7b7d')", "(-3, x'7b7d')", "(4, '')", "(6, 12)", "(7, 1.5)"]
)
def test_odd_rows_cost_themselves_alone(file, row):
    """Of other types, or with numbers that none was given: the others are sent, and numbers go on."""
    spool = make_spool(file)
    for number in range(3):
        spool.append(event(number))
    spool.close()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"INSERT INTO events VALUES {row}")
    after = make_spool(file)
    assert waiting(after) == named(0, 1, 2)
    assert after.append(event(3)) == 4
    after.close()


def test_the_highest_number_outlives_its_event(file):
    """Whoever is killed when: the file alone tells which numbers were given, and an empty row is no event."""
    clock = Clock()
    spool = make_spool(file, first=700, monotonic_s=clock)
    for number in range(3):
        spool.ack(spool.append(event(number)))
    clock.now_s += DOUBT_S + QUIET_S
    spool.peek(0)  # all are gone from the disk
    left = as_a_crash_leaves(file)
    again = make_spool(left)
    assert (again.depth, again.last, again.dropped) == (0, 702, 0)
    again.append(event(3))
    again.close()
    last = make_spool(left)
    assert (waiting(last), last.last) == (named(3), 703)
    last.close()
    with closing(sqlite3.connect(left)) as database:
        assert database.execute("SELECT number FROM events").fetchall() == [(703,)]


def test_the_highest_number_outlives_a_new_beginning(file):
    """As when a disk works again: what is put into the file may end below what it held."""
    journal = EventJournal(file := file.parent.with_name("events.db"))
    journal.write([(number, b"{}") for number in (5, 6, 7)], ())
    journal.replace([(5, b"{}")])
    assert (journal.read(), journal.last) == ([(5, b"{}")], 7)
    journal.close()
    again = EventJournal(file)
    assert again.last == 7
    again.replace([])
    assert (again.read(), again.last) == ([], 7)
    again.close()


def test_a_file_that_counted_in_a_table_of_its_own_goes_on(file):
    """Earlier versions made it; what waits in it is sent."""
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL)")
        database.execute("PRAGMA user_version = 1")
        payload = event(4).encoded(historical=False)
        database.executemany("INSERT INTO events VALUES (?, ?)", [(4, payload), (9, payload)])
    spool = make_spool(file)
    assert (waiting(spool), spool.append(event(5)), spool.problem) == (named(4, 4), 10, "")
    spool.close()


@pytest.mark.parametrize(
    "place", ["/dev/null/events.db", "/proc/nowhere/events.db", "/tmp/" + "long" * 100, "/tmp/a\0b"]
)
def test_a_place_that_cannot_exist_is_memory(place):
    """The reason is reported, and events are kept in memory."""
    spool = make_spool(Path(place))
    spool.append(event(1))
    assert "in memory" in spool.problem
    assert waiting(spool) == named(1)
    spool.close()


def test_a_folder_that_is_removed_meanwhile_costs_nothing(file):
    """What waits is in memory; the next run finds an empty place."""
    spool = make_spool(file)
    spool.append(event(1))
    shutil.rmtree(file.parent)
    for number in range(2, 400):
        spool.append(event(number))
    assert spool.depth == 399
    spool.close()


def sqlite_finds_damage(*_arguments: object) -> None:
    """What a write raises in a file with a damaged page."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_a_file_that_breaks_while_in_use_is_replaced(file, caplog, monkeypatch):
    """What waits is in memory, and goes to the new file."""
    spool = make_spool(file)
    for number in range(300):
        spool.append(event(number))
    with file.open("r+b") as raw:
        raw.write(bytes(4096))
    monkeypatch.setattr(EventJournal, "write", sqlite_finds_damage)
    with caplog.at_level(logging.ERROR):
        spool.append(event(300))
    monkeypatch.undo()
    assert "set aside" in caplog.text or ".corrupt" in caplog.text
    assert (spool.depth, spool.problem) == (301, "")
    spool.close()
    assert waiting(make_spool(file)) == named(*range(301))


def test_rows_that_are_no_events_are_left_out(file, caplog):
    """Such as those of a version to come; the others are sent."""
    spool = make_spool(file)
    for number in range(3):
        spool.append(event(number))
    spool.close()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE events SET payload = x'7b7d' WHERE number = 2")
    with caplog.at_level(logging.WARNING):
        after = make_spool(file)
    assert waiting(after) == named(0, 2)
    assert after.dropped == 1
    assert "1 events cannot be read" in caplog.text
    after.close()
    assert make_spool(file).dropped == 0


def test_a_full_disk_is_survived_and_healed(file, caplog):
    """Events wait in memory, it is said, and all of them reach the disk when there is room again."""
    clock = Clock()
    spool = make_spool(file, monotonic_s=clock)
    spool.append(event(0))
    full = file_size_limit(64 * 1024)
    with caplog.at_level(logging.INFO), full:
        for number in range(1, 500):
            spool.append(event(number))
        assert spool.problem
        clock.now_s += RETRY_S
        spool.append(event(500))
        assert spool.problem
    for number in range(1, 101):
        spool.ack(number)
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) <= 2
    clock.now_s += RETRY_S - 1
    spool.append(event(501))
    assert spool.problem
    clock.now_s += 1
    spool.append(event(502))
    assert spool.problem == ""
    after = make_spool(as_a_crash_leaves(file))
    assert waiting(after) == named(*range(100, 503))
    after.close()


def test_a_disk_that_is_full_at_the_start_keeps_what_it_has(file):
    """What an earlier run left is sent; what is new joins it when there is room."""
    earlier = make_spool(file)
    for number in range(300):
        earlier.append(event(number))
    process_death = file.parent.with_name("dead")
    shutil.copytree(file.parent, process_death)  # with the log that a crash leaves
    earlier.close()
    clock = Clock()
    with file_size_limit(4096):
        spool = make_spool(process_death / file.name, monotonic_s=clock)
        assert waiting(spool) == named(*range(300))
        spool.append(event(300))
        assert spool.problem
    clock.now_s += RETRY_S
    spool.append(event(301))
    assert spool.problem == ""
    spool.close()
    assert waiting(make_spool(process_death / file.name)) == named(*range(302))


def test_a_file_that_could_not_be_read_is_left_alone(file, monkeypatch):
    """A disk that fails at the start and heals later has what an earlier run left for the next one."""
    earlier = make_spool(file)
    earlier.append(event(1))
    earlier.close()
    clock = Clock()
    broken = EventJournal.read

    def fail(_journal: EventJournal) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(EventJournal, "read", fail)
    spool = make_spool(file, monotonic_s=clock)
    clock.now_s += 10 * RETRY_S
    spool.append(event(3))
    assert waiting(spool) == named(3)
    assert "disk I/O error" in spool.problem
    monkeypatch.setattr(EventJournal, "read", broken)
    assert waiting(make_spool(file)) == named(1)


def test_a_folder_that_cannot_be_made_is_said(tmp_path, caplog):
    """Events are kept in memory."""
    (tmp_path / "state").write_text("a file in its place")
    with caplog.at_level(logging.WARNING):
        spool = make_spool(tmp_path / "state" / "events.db")
    assert spool.append(event(1)) == 1
    assert waiting(spool) == named(1)
    assert str(tmp_path) in spool.problem
    assert "kept in memory" in caplog.text
    spool.close()


def test_nothing_reaches_a_closed_spool(file):
    """What happens after the end is kept in memory, without a word."""
    spool = make_spool(file)
    spool.append(event(1))
    spool.close()
    spool.close()
    spool.append(event(2))
    spool.ack(1)
    spool.sync()
    assert waiting(spool) == named(2)
    assert waiting(make_spool(file)) == named(1)


def test_the_configured_bounds_hold(tmp_path):
    """One file a node."""
    config = msgspec.structs.replace(default_config().spool, max_events=2)
    spool = open_spool(config, tmp_path, "hall", first=7)
    assert [spool.append(event(number)) for number in range(3)] == [7, 8, 9]
    assert spool.depth == 2
    assert (tmp_path / "events-hall.db").is_file()
    spool.close()
    assert open_spool(config, None, "hall", first=1).problem == ""


@pytest.fixture
def roomy_broker(start_mosquitto):
    """A broker that drops nothing for a subscriber slower than the drain."""
    return start_mosquitto(lines=["max_queued_messages 0"])


@pytest.fixture
def subscriber(roomy_broker):
    """Listens to the node "drain", but not to its frames."""
    made = Subscriber(roomy_broker.port, "piapp/drain/event")
    yield made
    made.close()


DRAIN = """
import sys, time
from pathlib import Path
from tests.support.publishers import make_publisher, make_spool
publisher = make_publisher(sys.argv[1], node="drain", events=make_spool(Path(sys.argv[2])))
wall_s, cpu_s, frames = time.monotonic(), time.process_time(), 0
with publisher:
    while publisher.event_depth:
        frames += publisher.publish_frame(lambda: b"frame")
        time.sleep(0.002)
    print(publisher.counts().events_sent, frames, time.monotonic() - wall_s, time.process_time() - cpu_s)
"""


def test_ten_thousand_events_drain_in_order_beside_frames(roomy_broker, subscriber, file):
    """At a thousand a second or more: by the processor's time, for this machine may do something else besides."""
    count = 10_000
    spool = make_spool(file)
    for number in range(count):
        spool.append(event(number))
    spool.close()
    command = [sys.executable, "-c", DRAIN, roomy_broker.url, file]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    sent, frames, wall_s, cpu_s = (float(word) for word in output.split())
    print(f"{count / wall_s:.0f} events a second, {cpu_s / count * 1e6:.0f} us each, beside {frames:.0f} frames")  # noqa: T201
    wait_until(lambda: len(subscriber.messages) >= count, "all events")
    assert ids(subscriber.of("event")) == [(f"b-{number}", True) for number in range(count)]
    assert sent == count
    assert frames > 0
    assert count / cpu_s >= 1_000
    assert make_spool(file).depth == 0


def test_events_are_flushed_while_the_broker_is_away(file, monkeypatch):
    """Each one soon after it happened, on the publisher's thread; none while the broker is there."""
    flushed: list[float] = []
    monkeypatch.setattr(os, "fdatasync", lambda _fd: flushed.append(time.monotonic()))
    slow = (("mqtt.reconnect_min_s", "60"), ("mqtt.reconnect_max_s", "60"))
    publisher = make_publisher("mqtt://broker.invalid", *slow, events=make_spool(file))
    with publisher:
        wait_until(lambda: publisher.state.last_error, "a failed attempt")
        for number in range(3):
            publisher.publish_event(event(number))
            wait_until(lambda number=number: len(flushed) == number + 1, "the flush")


def test_a_disk_that_cannot_be_flushed_is_said(file, monkeypatch, caplog):
    """The events are in the kernel's hands all the same."""
    spool = make_spool(file)
    spool.append(event(1))

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with caplog.at_level(logging.WARNING):
        spool.sync()
    assert "Input/output error" in spool.problem
    assert spool.problem in caplog.text
    assert waiting(spool) == named(1)
    spool.close()
