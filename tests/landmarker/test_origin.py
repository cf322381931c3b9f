import io
import os
import tarfile
from pathlib import Path

import pytest

from piapp.errors import ModelError
from piapp.landmarker import origin
from piapp.landmarker.origin import Pinned, download, npm_files, sha256

CONTENT = {"a.bin": b"first" * 1000, "b.bin": b"second" * 1000}
PINS = {name: Pinned(len(data), sha256(data)) for name, data in CONTENT.items()}


def archive(path, files=CONTENT):
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def fake_npm(tmp_path, monkeypatch):
    """Put an `npm` first on PATH that runs the given shell lines with the destination folder as $5."""

    def install(*lines):
        folder = tmp_path / "bin"
        folder.mkdir()
        script = folder / "npm"
        script.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


def test_reads_an_archive_and_an_unpacked_folder(tmp_path):
    """Both forms of the package give the same files."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    assert npm_files("p@1", PINS, source=folder) == CONTENT
    assert npm_files("p@1", PINS, source=archive(tmp_path / "p.tgz")) == CONTENT


def test_gets_the_package_with_npm(tmp_path, fake_npm):
    """Without a source, what `npm pack` puts into the destination is read, and progress is told."""
    fake_npm(f'cp "{archive(tmp_path / "p.tgz")}" "$5/p.tgz"')
    told = []
    assert npm_files("p@1", PINS, progress=lambda *step: told.append(step)) == CONTENT
    assert told == [("npm pack p@1", 0, 0)]


def test_npm_missing_says_how_to_get_it(monkeypatch, tmp_path):
    """No npm on PATH is an error with the way out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="npm is not on PATH; install it"):
        npm_files("p@1", PINS)


def test_npm_failing_passes_its_reason_on(fake_npm):
    """The last line that npm wrote is in the message."""
    fake_npm("echo first >&2", "echo getaddrinfo EAI_AGAIN >&2", "exit 1")
    with pytest.raises(ModelError, match="npm pack p@1 failed: getaddrinfo EAI_AGAIN"):
        npm_files("p@1", PINS)


def test_npm_leaving_nothing_is_an_error(fake_npm):
    """An npm that succeeds without an archive is noticed."""
    fake_npm("exit 0")
    with pytest.raises(ModelError, match="left 0 archives"):
        npm_files("p@1", PINS)


@pytest.mark.parametrize("data", [b"", b"first", b"first" * 1000 + b"!", b"FIRST" * 1000])
def test_an_altered_input_is_refused_with_both_hashes(tmp_path, data):
    """Empty, truncated, longer and altered inputs name file, expected and found hash."""
    path = archive(tmp_path / "p.tgz", CONTENT | {"a.bin": data})
    with pytest.raises(ModelError) as caught:
        npm_files("p@1", PINS, source=path)
    assert "a.bin" in str(caught.value)
    assert PINS["a.bin"].sha256 in str(caught.value)
    assert sha256(data[:5001]) in str(caught.value)


def test_a_package_without_the_file_is_refused(tmp_path):
    """A missing file is named."""
    with pytest.raises(ModelError, match=r"b\.bin"):
        npm_files("p@1", PINS, source=archive(tmp_path / "p.tgz", {"a.bin": CONTENT["a.bin"]}))
    with pytest.raises(ModelError, match=r"a\.bin"):
        npm_files("p@1", PINS, source=tmp_path)


def test_what_is_no_package_is_refused(tmp_path):
    """A missing, empty, truncated or other file is an error with the path."""
    whole = archive(tmp_path / "p.tgz").read_bytes()
    for number, data in enumerate([b"", b"rubbish" * 100, whole[: len(whole) // 2]]):
        path = tmp_path / f"{number}.tgz"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=str(path)):
            npm_files("p@1", PINS, source=path)
    with pytest.raises(ModelError, match="absent"):
        npm_files("p@1", PINS, source=Path("/absent.tgz"))


def test_download_takes_https_only():
    """Neither a local file nor plain http is fetched."""
    for url in ("file:///etc/hostname", "http://localhost/x"):
        with pytest.raises(ModelError, match="expected an https address"):
            download(url)


def test_download_from_nowhere_names_the_address():
    """A refused connection is an error with the address."""
    with pytest.raises(ModelError, match=r"https://127\.0\.0\.1:1/x: cannot be downloaded"):
        download("https://127.0.0.1:1/x")


def test_an_archive_that_unpacks_for_ever(tmp_path, monkeypatch):
    """It is given up once it holds more than any package."""
    monkeypatch.setattr(origin, "DOWNLOAD_LIMIT", 4 << 20)
    path = tmp_path / "bomb.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        filler = tarfile.TarInfo("package/filler")
        filler.size = 64 << 20
        tar.addfile(filler, Zeros())
        for name, data in CONTENT.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    with pytest.raises(ModelError, match="unpacks to more than"):
        npm_files("p@1", PINS, source=path)


def test_a_folder_with_a_file_that_has_no_end(tmp_path):
    """Nothing beyond the pinned size is read."""
    for name in CONTENT:
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="larger than"):
        npm_files("p@1", PINS, source=tmp_path)


class Zeros(io.RawIOBase):
    """A file of nothing but zeros."""

    def read(self, size=-1):
        """As many as are asked for."""
        return bytes(size)
