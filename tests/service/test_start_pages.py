"""Pages of files that only the start needed."""

from __future__ import annotations

import mmap
import subprocess
import sys
from pathlib import Path

from piapp.service.start_pages import release_start_pages, unchanged_file_mappings

# A library's text, its data that the dynamic linker has changed and closed, its writable data, the heap, a locked file.
SMAPS = """\
7f0000000000-7f0000010000 r-xp 00000000 fe:00 42   /usr/lib/libm.so.6
Size:                 64 kB
Rss:                  48 kB
Anonymous:             0 kB
Locked:                0 kB
7f0000010000-7f0000012000 r--p 00010000 fe:00 42   /usr/lib/libm.so.6
Rss:                   8 kB
Anonymous:             8 kB
Locked:                0 kB
7f0000012000-7f0000013000 rw-p 00012000 fe:00 42   /usr/lib/libm.so.6
Rss:                   4 kB
Anonymous:             0 kB
Locked:                0 kB
7f0000020000-7f0000030000 r--p 00000000 00:00 0
Rss:                  64 kB
Anonymous:             0 kB
Locked:                0 kB
7f0000040000-7f0000050000 r--s 00000000 fe:00 43   /var/tmp/#43 (deleted)
Rss:                  64 kB
Anonymous:             0 kB
Locked:                0 kB
7f0000060000-7f0000070000 r--p 00000000 fe:00 44   /etc/locked
Rss:                  64 kB
Anonymous:             0 kB
Locked:               64 kB
"""


def test_only_what_is_in_a_file_as_it_is():
    """Nothing that may be written or was, nothing without a file, nothing locked."""
    found = [(mapping.start, mapping.end, mapping.resident_kb) for mapping in unchanged_file_mappings(SMAPS)]
    assert found == [(0x7F0000000000, 0x7F0000010000, 48), (0x7F0000040000, 0x7F0000050000, 64)]


def test_a_file_reads_the_same_afterwards(tmp_path):
    """Its pages leave the process, and come back from the file."""
    path = tmp_path / "file"
    path.write_bytes(b"words" * 200_000)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[:] == b"words" * 200_000
        assert release_start_pages() > 0.9
        resident_kb = [
            mapping.resident_kb
            for mapping in unchanged_file_mappings(Path("/proc/self/smaps").read_text())
            if mapping.end - mapping.start == len(mapped) // mmap.PAGESIZE * mmap.PAGESIZE + mmap.PAGESIZE
        ]
        assert not any(kb > 900 for kb in resident_kb)
        assert mapped[:] == b"words" * 200_000


def test_a_program_with_many_libraries_goes_on():
    """NumPy and OpenCV compute the same before and after."""
    program = (
        "import cv2, numpy as np\n"
        "from piapp.service.start_pages import release_start_pages\n"
        "def work():\n"
        "    picture = np.arange(30000, dtype=np.uint8).reshape(100, 100, 3)\n"
        "    return cv2.resize(picture, (50, 50)).sum() + np.linalg.norm(np.eye(40))\n"
        "before = work(); assert release_start_pages() > 1; assert work() == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
