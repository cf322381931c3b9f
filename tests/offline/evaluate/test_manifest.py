import hashlib
import json

import pytest

from piapp.errors import MediaError
from piapp.offline.evaluate.manifest import check_content, locate, read_manifest
from tests.support.clips import clip, write_manifest


def test_what_a_set_says_holds_for_its_clips(tmp_path):
    """View of the set unless the clip has its own; a clip alone is its own group."""
    write_manifest(tmp_path / "m.json", {"name": "a"}, {"name": "b", "view": "low", "group": "a"})
    first, second = read_manifest(tmp_path / "m.json")
    assert (first.view, first.group, first.title) == ("level", "a", "home/a")
    assert (second.view, second.group) == ("low", "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", r"m\.json: is not a manifest of clips"),
        ('{"home": {"about": "x", "clips": [{"name": "a"}]}}', "missing required field `path`"),
        (json.dumps({"home": {"about": "x", "clips": [], "vew": "low"}}), "unknown field `vew`"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_named(tmp_path, content, message):
    """The message says what is wrong, and in which file."""
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(MediaError, match=message):
        read_manifest(tmp_path / "m.json")


def test_a_manifest_that_is_not_there(tmp_path):
    """It is named."""
    with pytest.raises(MediaError, match=r"m\.json: there is no such manifest"):
        read_manifest(tmp_path / "m.json")


def test_recordings_come_before_videos_and_absent_clips_are_left_out(tmp_path):
    """A folder may hold both forms, and some clips only."""
    (tmp_path / "home").mkdir()
    for name in ("a.npz", "a.mp4", "b.avi"):
        (tmp_path / "home" / name).touch()
    found = locate([clip("a"), clip("b"), clip("c")], tmp_path)
    assert [path.name for _, path in found] == ["a.npz", "b.avi"]


def test_a_folder_without_the_clips_says_what_is_expected(tmp_path):
    """With an example of a path."""
    with pytest.raises(MediaError, match=r"holds none of the manifest's clips.*home/a\.npz"):
        locate([clip("a")], tmp_path)


def test_another_files_content_is_refused(tmp_path):
    """A video under a known name must be the known one."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"pictures")
    check_content(clip("a", sha256=hashlib.sha256(b"pictures").hexdigest()), path)
    with pytest.raises(MediaError, match="is not the manifest's clip home/a: expected sha256 00"):
        check_content(clip("a", sha256="00"), path)
