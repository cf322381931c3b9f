import os
import shutil
import stat
import zipfile

import pytest

from piapp.errors import ModelError
from piapp.landmarker import model as models
from piapp.landmarker.bundle import DETECTOR_ENTRY, LANDMARKS_ENTRY, landmarks_only, read_bundle
from piapp.landmarker.model import (
    Folders,
    default_folders,
    fetch_model,
    find_model,
    list_models,
    load_registry,
    shipped_folder,
    verify_models,
)
from piapp.landmarker.origin import sha256

COMPLETE = "pose_landmarker_lite.task"
LANDMARKS = "pose_landmarker_lite_landmarks.task"


@pytest.fixture
def folders(tmp_path):
    """A user's folder, empty, before a shipped one with the two lite bundles."""
    shipped, user = tmp_path / "shipped", tmp_path / "user"
    shipped.mkdir()
    for name in (COMPLETE, LANDMARKS):
        shutil.copyfile(shipped_folder() / name, shipped / name)
    return Folders((user, shipped), user)


@pytest.fixture
def no_ways(monkeypatch, tmp_path):
    """Neither npm nor the vendor's bucket can be reached."""

    def refuse(url, **_):
        raise ModelError(f"{url}: cannot be downloaded: no route")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(models, "download", refuse)


def vendor_bundle(path):
    """A bundle with the structure of the vendor's: right content, other bytes than ours."""
    detector, landmarks = read_bundle((shipped_folder() / COMPLETE).read_bytes())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(DETECTOR_ENTRY, detector)
        archive.writestr(LANDMARKS_ENTRY, landmarks)
    return path


def test_masks_decide_the_variant():
    """The shipped lite model is found verified: complete with masks, without the head otherwise."""
    for masks, variant, name in ((True, "complete", COMPLETE), (False, "landmarks", LANDMARKS)):
        found = find_model("lite", masks=masks)
        assert (found.name, found.variant, found.path.name) == ("lite", variant, name)
        assert found.sha256 == sha256(found.path.read_bytes())


def test_a_fetched_model_goes_before_the_shipped_one(folders):
    """The first intact file in search order is taken."""
    folders.target.mkdir()
    shutil.copyfile(shipped_folder() / LANDMARKS, folders.target / LANDMARKS)
    assert find_model("lite", masks=False, folders=folders).path == folders.target / LANDMARKS
    (folders.target / LANDMARKS).write_bytes(b"damaged")
    assert find_model("lite", masks=False, folders=folders).path == folders.search[1] / LANDMARKS


def test_a_missing_model_is_exit_69_with_the_way_out(folders):
    """Full is not shipped: the message has file, expected hash, "missing" and the command."""
    with pytest.raises(ModelError) as caught:
        find_model("full", masks=False, folders=folders)
    pin = load_registry().models["full"].variants["landmarks"]
    assert caught.value.exit_code == 69
    message = str(caught.value)
    assert str(folders.target / pin.file) in message
    assert f"expected sha256 {pin.sha256}, found missing" in message
    assert "`piapp model fetch full`" in message


def flipped(data):
    return data[:1_000_000] + bytes([data[1_000_000] ^ 1]) + data[1_000_001:]


@pytest.mark.parametrize(
    ("state", "damage"),
    [
        ("truncated", lambda data: data[:-1]),
        ("truncated", lambda _: b""),
        ("altered", flipped),
        ("altered", lambda data: data + b"\0"),
    ],
)
def test_a_damaged_model_is_exit_69_with_both_hashes(folders, state, damage):
    """Truncated and altered bundles are told apart; file, both hashes and the command are in the message."""
    path = folders.search[1] / LANDMARKS
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError) as caught:
        find_model("lite", masks=False, folders=folders)
    pin = load_registry().models["lite"].variants["landmarks"]
    message = str(caught.value)
    assert caught.value.exit_code == 69
    assert f"{path}: model lite (landmarks) is {state}" in message
    assert f"expected sha256 {pin.sha256}, found {sha256(path.read_bytes())}" in message
    assert "`piapp model fetch lite` mends it" in message


def test_a_folder_in_the_files_place_is_unreadable(folders):
    """What cannot be read is an error of its own, not a crash."""
    (folders.search[1] / LANDMARKS).unlink()
    (folders.search[1] / LANDMARKS).mkdir()
    with pytest.raises(ModelError, match="is unreadable"):
        find_model("lite", masks=False, folders=folders)


def test_an_unknown_name_gets_a_suggestion():
    """A typing mistake is answered with the known names."""
    with pytest.raises(ModelError, match=r"lite, full, heavy.*did you mean \"heavy\""):
        find_model("heavi", masks=False)


def test_a_file_of_the_users_own_is_taken_by_path(tmp_path):
    """Any Pose Landmarker bundle runs; its hash is computed, and one of ours is recognised."""
    own = find_model(str(vendor_bundle(tmp_path / "own.task")), masks=False)
    assert (own.name, own.variant, own.sha256) == ("own", "complete", sha256((tmp_path / "own.task").read_bytes()))
    ours = find_model(str(shipped_folder() / LANDMARKS), masks=False)
    assert (ours.name, ours.variant) == ("lite", "landmarks")


def test_masks_from_a_bundle_without_the_head_are_refused():
    """A path to the landmarks variant with masks on would give empty masks: refused."""
    with pytest.raises(ModelError, match="makes no masks"):
        find_model(str(shipped_folder() / LANDMARKS), masks=True)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04rubbish", b"<html>not found</html>"])
def test_a_custom_path_that_is_no_bundle_is_refused(tmp_path, content):
    """Missing, empty and other files name the path and what was expected."""
    path = tmp_path / "own.task"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{path}: expected a") as caught:
        find_model(str(path), masks=False)
    assert caught.value.exit_code == 69


def test_list_tells_what_is_there(folders):
    """All six bundles are listed: lite in order, the others missing with the place where they would go."""
    rows = {(row.name, row.variant): row for row in list_models(folders)}
    assert len(rows) == 6
    assert rows["lite", "complete"].state == rows["lite", "landmarks"].state == "ok"
    heavy = rows["heavy", "complete"]
    assert (heavy.state, heavy.path.parent, heavy.found) == ("missing", folders.target, "")


def test_verify_looks_at_what_must_be_there(folders):
    """Models never fetched are no failure; a missing shipped one is."""
    assert [row.state for row in verify_models(folders)] == ["ok", "ok"]
    (folders.search[1] / COMPLETE).unlink()
    assert [(row.variant, row.state) for row in verify_models(folders)] == [
        ("complete", "missing"),
        ("landmarks", "ok"),
    ]


def test_fetch_leaves_an_intact_model_alone(folders, no_ways):
    """Nothing is written or asked for when all is in order."""
    found = fetch_model("lite", folders=folders)
    assert [file.path.parent for file in found] == [folders.search[1]] * 2
    assert not folders.target.exists()


def test_fetch_mends_the_landmarks_variant_offline(folders, no_ways):
    """It is made again from the complete bundle, in bytes that the registry pins."""
    (folders.search[1] / LANDMARKS).write_bytes(b"damaged")
    fetch_model("lite", folders=folders)
    assert find_model("lite", masks=False, folders=folders).path == folders.target / LANDMARKS
    assert sorted(path.name for path in folders.target.iterdir()) == [COMPLETE, LANDMARKS]
    assert stat.S_IMODE((folders.target / LANDMARKS).stat().st_mode) == 0o644


def test_fetch_mends_from_a_local_bundle(folders, no_ways):
    """A .task file given by path is the source; the other variant is derived."""
    for name in (COMPLETE, LANDMARKS):
        (folders.search[1] / name).unlink()
    fetch_model("lite", source=shipped_folder() / COMPLETE, folders=folders)
    assert [row.state for row in verify_models(folders)] == ["ok", "ok"]


def test_fetch_refuses_the_landmarks_variant_as_source(folders):
    """The complete bundle cannot be made from the one without the head."""
    with pytest.raises(ModelError, match="has no segmentation head"):
        fetch_model("lite", source=shipped_folder() / LANDMARKS, folders=folders)


def test_fetch_takes_the_vendors_bundle_and_notices_later_damage(folders, monkeypatch, tmp_path):
    """Without npm the vendor's file is stored, its hash recorded, its landmarks variant derived."""
    vendor = vendor_bundle(tmp_path / "vendor.task").read_bytes()
    asked = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(models, "download", lambda url, **_: asked.append(url) or vendor)
    complete, landmarks = fetch_model("full", folders=folders)
    assert asked == [load_registry().models["full"].vendor_url]
    assert complete.sha256 == sha256(vendor)
    assert landmarks.path.read_bytes() == landmarks_only(vendor)
    assert find_model("full", masks=True, folders=folders) == complete
    complete.path.write_bytes(vendor[:-1])
    with pytest.raises(ModelError, match=f"is truncated: expected sha256 {sha256(vendor)}"):
        find_model("full", masks=True, folders=folders)


def test_a_vendors_bundle_that_cannot_be_pruned_serves_both(folders, tmp_path):
    """A graph that pruning does not know runs with its head, whether masks are on or off."""
    detector, _ = read_bundle((shipped_folder() / COMPLETE).read_bytes())
    source = tmp_path / "strange.task"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(DETECTOR_ENTRY, detector)
        archive.writestr(LANDMARKS_ENTRY, detector)
    complete, landmarks = fetch_model("heavy", source=source, folders=folders)
    assert complete.path.read_bytes() == landmarks.path.read_bytes() == source.read_bytes()


def test_fetch_replaces_a_recorded_file_by_the_pinned_one(folders, tmp_path):
    """The record of an earlier vendor's file goes when the pinned bundle takes its place."""
    fetch_model("lite", source=vendor_bundle(tmp_path / "vendor.task"), folders=folders)
    assert find_model("lite", masks=True, folders=folders).path.parent == folders.target
    fetch_model("lite", source=shipped_folder() / COMPLETE, folders=folders)
    assert sorted(path.name for path in folders.target.iterdir()) == [COMPLETE, LANDMARKS]


def test_fetch_without_a_way_says_all_reasons(folders, no_ways):
    """No npm, no internet: both reasons and the offline way are in the message, and nothing is left behind."""
    with pytest.raises(ModelError) as caught:
        fetch_model("full", folders=folders)
    for part in ("npm is not on PATH", "storage.googleapis.com", "npm pack @mediapipe/pose@", "--from FILE"):
        assert part in str(caught.value)
    assert not folders.target.exists()


def test_fetch_refuses_a_vendors_page_that_is_no_bundle(folders, no_ways, monkeypatch):
    """What a captive portal answers does not become a model."""
    monkeypatch.setattr(models, "download", lambda _url, **_: b"<html>log in</html>")
    with pytest.raises(ModelError, match="cannot be fetched"):
        fetch_model("full", folders=folders)


def test_fetch_into_a_place_that_cannot_be_written_says_so(folders, tmp_path):
    """A file where the folder should be is an error with path and way out; nothing half-written stays."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        fetch_model(
            "lite", source=shipped_folder() / COMPLETE, folders=Folders((blocked / "models",), blocked / "models")
        )


def test_an_interrupted_write_leaves_the_old_file(folders, monkeypatch):
    """A fault before the rename keeps what was there and removes the temporary file."""
    folders.target.mkdir()
    (folders.target / COMPLETE).write_bytes(b"old")

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelError, match="No space left on device"):
        fetch_model("lite", source=shipped_folder() / COMPLETE, folders=folders)
    assert [path.name for path in folders.target.iterdir()] == [COMPLETE]
    assert (folders.target / COMPLETE).read_bytes() == b"old"


def test_default_folders_follow_the_users_data_folder(monkeypatch, tmp_path):
    """$XDG_DATA_HOME first, then the device's folder, then the shipped one."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folders = default_folders()
    assert folders.search == (tmp_path / "piapp" / "models", models.SYSTEM_FOLDER, shipped_folder())
    assert folders.target in folders.search[:2]


def test_the_devices_folder_is_the_target_where_it_may_be_written(monkeypatch, tmp_path):
    """On an installed device, `fetch` as root serves the daemon's user too."""
    monkeypatch.setattr(models, "SYSTEM_FOLDER", tmp_path / "absent" / "models")
    assert default_folders().target == default_folders().search[0]
    monkeypatch.setattr(models, "SYSTEM_FOLDER", tmp_path / "models")
    assert default_folders().target == tmp_path / "models"
