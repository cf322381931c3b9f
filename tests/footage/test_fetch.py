import hashlib
import json
import subprocess

from tests.footage.fetch import fetch


def git(folder, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    run = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


def test_clips_come_from_their_repositories_when_their_hash_is_right(tmp_path):
    """By commit and path, or by what the file was before it was replaced; another content does not count."""
    repository = tmp_path / "owner" / "films"
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet")
    (repository / "Fall.MP4").write_bytes(b"a fall")
    (repository / "walk.avi").write_bytes(b"a walk")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "films")
    first = git(repository, "rev-parse", "HEAD:walk.avi")
    (repository / "walk.avi").write_bytes(b"a pointer")
    git(repository, "commit", "--quiet", "-am", "pointers")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(repository, "config", "uploadpack.allowFilter", "true")
    commit = git(repository, "rev-parse", "HEAD")

    def entry(name, path, content, **more):
        return {"name": name, "path": path, "sha256": hashlib.sha256(content).hexdigest(), **more}

    clips = [
        entry("fall", "Fall.MP4", b"a fall"),
        entry("walk", "walk.avi", b"a walk", blob=first),
        entry("other", "Fall.MP4", b"another fall"),
        entry("gone", "gone.mp4", b"gone"),
    ]
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"home": {"repository": "owner/films", "commit": commit, "clips": clips}}))
    assert fetch(manifest, tmp_path / "clips", f"file://{tmp_path}") == ["home/other", "home/gone"]
    home = tmp_path / "clips" / "home"
    assert {path.name: path.read_bytes() for path in home.iterdir()} == {"fall.mp4": b"a fall", "walk.avi": b"a walk"}


def test_what_is_there_is_not_brought_again(tmp_path):
    """Without a repository anything else would fail."""
    clip = {"name": "fall", "path": "fall.mp4", "sha256": "00"}
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"home": {"repository": "nobody/nothing", "commit": "00", "clips": [clip]}}))
    (tmp_path / "clips" / "home").mkdir(parents=True)
    (tmp_path / "clips" / "home" / "fall.mp4").write_bytes(b"a fall")
    assert fetch(manifest, tmp_path / "clips", f"file://{tmp_path}") == []
