"""What the Debian packages take out of libraries: nothing that a program loads, and nothing moves."""

from __future__ import annotations

import ctypes
import re
import runpy
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import av
import pytest

PROJECT = Path(__file__).parents[2]
STRIP = runpy.run_path(str(PROJECT / "deploy" / "deb" / "strip.py"))

# Imports what the service, its page and the command line import, and prints the names of the packages that they are in.
IMPORTED = """
import sys, sysconfig
from pathlib import Path
import piapp.cli, piapp.node.app, piapp.preview.server, piapp.landmarker.runtime, piapp.camera.stream, piapp.camera.v4l2
import ai_edge_litert.interpreter, uvicorn.protocols.http.h11_impl, uvicorn.protocols.websockets.websockets_impl
site = Path(sysconfig.get_path("purelib"))
files = [Path(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)]
print(*{file.relative_to(site).parts[0] for file in files if file.suffix == ".py" and file.is_relative_to(site)})
"""


@pytest.fixture(scope="module")
def library() -> Path:
    """One that was edited after it was linked: its dynamic section lies behind debugging information."""
    folder = Path(av.__file__).parent
    return max(folder.glob("*.abi3.so"), key=lambda path: path.stat().st_size)


def test_what_is_loaded_stays_where_it_is(library: Path, tmp_path: Path) -> None:
    """It shrinks on a disk that knows holes, and every function in it is still found."""
    before = library.read_bytes()
    after = STRIP["blank"](before)
    assert len(after) == len(before)
    assert after.count(b"\0") > before.count(b"\0") + 10_000
    same = [after[place.start : place.stop] == before[place.start : place.stop] for place in STRIP["segments"](before)]
    # The first segment holds the file's own head as well, which does not change.
    assert same == [True] * len(same)
    assert list(STRIP["unloaded"](after)) == []
    copy = tmp_path / library.name
    copy.write_bytes(after)
    ctypes.CDLL(str(copy))  # with what it needs, which the import has loaded


def test_a_section_that_lies_in_loaded_bytes_is_refused(library: Path) -> None:
    """Nothing is blanked by mistake in a file whose tables contradict each other."""
    damaged = bytearray(library.read_bytes())
    header, _ = next(STRIP["unloaded"](bytes(damaged)))
    struct.pack_into("<QQ", damaged, header + 24, STRIP["segments"](bytes(damaged))[0].start, 100)
    with pytest.raises(ValueError, match="are loaded"):
        STRIP["blank"](bytes(damaged))


def test_only_libraries_are_touched(tmp_path: Path, library: Path) -> None:
    """Whatever else lies in the folder stays, links too."""
    (tmp_path / "text.so").write_text("no library")
    shutil.copy(library, tmp_path / "real.so")
    (tmp_path / "link.so").symlink_to("real.so")
    subprocess.run([sys.executable, PROJECT / "deploy" / "deb" / "strip.py", tmp_path], check=True)
    assert (tmp_path / "text.so").read_text() == "no library"
    assert (tmp_path / "link.so").is_symlink()
    assert (tmp_path / "real.so").read_bytes() == STRIP["blank"](library.read_bytes())


def test_what_is_imported_gets_bytecode() -> None:
    """The package compiles by name: the service must not begin each start by reading source."""
    script = (PROJECT / "deploy" / "deb" / "postinst.sh").read_text()
    compiled = re.search(r"^compiled=\((.*?)\)", script, re.MULTILINE | re.DOTALL)[1].split()
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    missing = set(done.stdout.split()) - set(compiled) - {"_distutils_hack"}  # of this environment's own
    assert missing == set()
