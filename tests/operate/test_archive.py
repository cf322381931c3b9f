"""Archives that somebody made to do harm are refused before anything is written."""

from __future__ import annotations

import stat
import struct
import tracemalloc
import zipfile

import msgspec
import pytest

from piapp.operate.archive import Archive, BackupError, Manifest
from piapp.operate.restore import restore
from tests.support.boards import Board

MANIFEST = msgspec.json.encode(Manifest("0.1.0", "hall", "2026-11-27T20:00:00Z", secrets=False))


def link(name):
    """An entry that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def make(path, *entries, manifest=MANIFEST, compression=zipfile.ZIP_DEFLATED):
    """Write an archive with these entries beside the manifest."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("backup.json", manifest)
        for name, content in entries:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil", "does not belong"),
        ("/etc/passwd", "does not belong"),
        ("cases/../../evil.json", "does not belong"),
        ("cases/.hidden.json", "does not belong"),
        ("files/../evil", "does not belong"),
        ("files/tls/deeper/key", "does not belong"),
        ("files/.ssh/authorized_keys", "does not belong"),
        ("files/a\\..\\b", "does not belong"),
        ("piapp.toml.d/x", "does not belong"),
        (link("piapp.toml"), "is a link or a device"),
        (link("files/ca.crt"), "is a link or a device"),
        ("cases/9f2c61aa-000001.npz", "is compressed"),
    ],
)
def test_entries_that_lead_elsewhere(tmp_path, name, words):
    """No name becomes a path that no backup has, and no entry is anything but a file."""
    bad = make(tmp_path / "bad.zip", (name, b"harm"))
    board = Board(tmp_path / "board")
    with pytest.raises(BackupError, match=words):
        restore(bad, config_file=board.config_file, overrides=board.overrides)
    assert not board.root.exists()


@pytest.mark.parametrize("name", ["piapp.toml", "settings.json", "cases/9f2c61aa-000001.json", "files/ca.crt"])
def test_bombs(tmp_path, name):
    """An entry is read no further than its kind may be long, whatever it claims."""
    bad = make(tmp_path / "bad.zip", (name, bytes(50_000_000)))
    assert bad.stat().st_size < 100_000
    with Archive(bad) as archive, pytest.raises(BackupError, match="is longer than 1000000 bytes"):
        archive.read(name)


def test_too_much_altogether(tmp_path):
    """Many entries are as bad as long ones."""
    bad = make(tmp_path / "bad.zip", *((f"cases/a{number}.json", b"") for number in range(5001)))
    with pytest.raises(BackupError, match="entries, more than"):
        Archive(bad)


ENTRY = struct.Struct("<4s24xH16x1s")  # of a directory, by its mark, the length of its name and the name
END = struct.Struct("<4s8xIIH")


def test_a_directory_without_end(tmp_path):
    """It is not read at all: a million entries would take half a minute, and a board's memory."""
    bad = tmp_path / "bad.zip"
    directory = ENTRY.pack(b"PK\x01\x02", 1, b"a") * 100_000
    bad.write_bytes(directory + END.pack(b"PK\x05\x06", len(directory), 0, 0))
    tracemalloc.start()
    try:
        with pytest.raises(BackupError, match="far more than 5000 entries"):
            Archive(bad)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("end", [b"PK\x06\x07" + bytes(16) + END.pack(b"PK\x05\x06", 0, 0, 0), b"a comment"])
def test_an_end_that_no_backup_has(tmp_path, end):
    """In the longer form the directory's length stands elsewhere."""
    bad = make(tmp_path / "bad.zip")
    bad.write_bytes(bad.read_bytes() + end)
    with pytest.raises(BackupError, match="does not end as a backup does"):
        Archive(bad)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name(tmp_path):
    """Otherwise one would be checked and the other restored."""
    bad = make(tmp_path / "bad.zip", ("piapp.toml", b"a"), ("piapp.toml", b"b"))
    with pytest.raises(BackupError, match="two entries of one name"):
        Archive(bad)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is no backup"), (b"PK\x03\x04 and nothing", "is no backup"), (bytes(1000), "is no backup")],
)
def test_files_that_are_no_archive(tmp_path, content, words):
    """One line says so."""
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content)
    with pytest.raises(BackupError, match=words):
        Archive(bad)
    with pytest.raises(BackupError, match=words):
        Archive(tmp_path / "gone.zip")


def test_a_damaged_entry(tmp_path):
    """The archive's own check sum notices."""
    bad = make(tmp_path / "bad.zip", ("piapp.toml", b"[node]"), compression=zipfile.ZIP_STORED)
    bad.write_bytes(bad.read_bytes().replace(b"[node]", b"[evil]"))
    with Archive(bad) as archive, pytest.raises(BackupError, match=r"piapp\.toml is damaged"):
        archive.read("piapp.toml")


@pytest.mark.parametrize("manifest", [b"{}", b"[[[[", MANIFEST.replace(b'"format":1', b'"format":2')])
def test_a_form_of_another_version(tmp_path, manifest):
    """Rather than to restore half of it."""
    with pytest.raises(BackupError, match="a newer piapp may have written it"):
        Archive(make(tmp_path / "new.zip", manifest=manifest))


def test_a_description_under_another_name(tmp_path):
    """A case's file has its id for a name; one that has not is no case of a backup."""
    board = Board(tmp_path / "board")
    board.fill()
    case = board.cases.all()[0]
    bad = make(tmp_path / "bad.zip", ("cases/other.json", msgspec.json.encode(case)))
    with pytest.raises(BackupError, match="the description of another case"):
        restore(bad, config_file=tmp_path / "piapp.toml", overrides=board.overrides)
