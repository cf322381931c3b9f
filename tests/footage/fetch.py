"""Brings the clips of the manifest from their public repositories: `python -m tests.footage.fetch DIR`.

Each comes to `DIR/SET/NAME.SUFFIX` and is checked against its hash. The clips are other people's; see the manifest for
their licences, and do not pass them on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).parent / "manifest.json"


def fetch(manifest: Path, folder: Path, base: str) -> list[str]:
    """Bring what is not there yet; return the names of clips that could not be had.

    Args:
        manifest: What there is.
        folder: Where to.
        base: The address that a repository's `owner/name` is appended to.
    """
    absent = []
    for repository, clips in _by_repository(manifest).items():
        wanted = [(footage, clip) for footage, clip in clips if not _target(folder, footage, clip).exists()]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory() as clone:
            git = ["git", "-C", clone]
            command = ["git", "clone", "--quiet", "--bare", "--filter=blob:none", f"{base}/{repository}", clone]
            subprocess.run(command, check=False)
            for footage, clip in wanted:
                content = _content(git, clip)
                if content is None:
                    absent.append(f"{footage}/{clip['name']}")
                    continue
                target = _target(folder, footage, clip)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    return absent


def _by_repository(manifest: Path) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Each repository's clips with their set; what a set says holds for its clips."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for footage, entry in json.loads(manifest.read_text(encoding="utf-8")).items():
        common = {key: entry.get(key, "") for key in ("repository", "commit")}
        for clip in entry["clips"]:
            whole = common | clip
            found[whole["repository"]].append((footage, whole))
    return found


def _target(folder: Path, footage: str, clip: dict[str, Any]) -> Path:
    return folder / footage / (clip["name"] + Path(clip["path"]).suffix.lower())


def _content(git: list[str], clip: dict[str, Any]) -> bytes | None:
    """The clip's bytes, from the place where its hash is right."""
    for name in _names(clip):
        run = subprocess.run([*git, "cat-file", "blob", name], capture_output=True, check=False)
        if run.returncode == 0 and hashlib.sha256(run.stdout).hexdigest() == clip["sha256"]:
            return run.stdout
    return None


def _names(clip: dict[str, Any]) -> Iterator[str]:
    yield f"{clip['commit'] or 'HEAD'}:{clip['path']}"
    if "blob" in clip:  # the file was moved or put elsewhere later
        yield clip["blob"]


def main() -> int:
    """Bring all clips; the status is 1 when some could not be had."""
    parser = argparse.ArgumentParser(description="Bring the clips of tests/footage/manifest.json.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="base", default="https://github.com", help="where owner/name is found")
    arguments = parser.parse_args()
    absent = fetch(MANIFEST, arguments.folder, arguments.base)
    sys.stdout.writelines(f"could not be had: {name}\n" for name in absent)
    return bool(absent)


if __name__ == "__main__":
    sys.exit(main())
