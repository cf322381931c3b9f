"""Blanks in the shared libraries below a folder what only debuggers and linkers read.

usage: strip.py FOLDER

The usual strippers close the gaps, which breaks libraries that were edited after they were linked, as the makers of
wheels edit theirs. Here everything stays where it is, so that any processor's libraries load as before: symbol tables
and debugging information become zeros, which take no room in a package, and none on a file system that knows holes.
"""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian
# Types of a section: none, and without bytes in the file; the flag of one that is mapped into memory.
UNUSED, WITHOUT_BYTES = 0, 8
IN_MEMORY = 2
LOADED = 1  # the type of a segment that is mapped into memory


def segments(library: bytes) -> list[range]:
    """Where in the file the bytes are that a program loads."""
    (table,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    headers = [struct.unpack_from("<IIQQQQ", library, table + number * size) for number in range(count)]
    return [range(header[2], header[2] + header[5]) for header in headers if header[0] == LOADED]


def unloaded(library: bytes) -> Iterator[tuple[int, range]]:
    """Place of the header, and of the bytes, of each section that no program loads, but for the sections' names."""
    (table,) = struct.unpack_from("<Q", library, 40)
    size, count, names = struct.unpack_from("<HHH", library, 58)
    for number in range(count):
        header = table + number * size
        kind, flags, _, start, length = struct.unpack_from("<IQQQQ", library, header + 4)
        if number != names and kind not in (UNUSED, WITHOUT_BYTES) and not flags & IN_MEMORY:
            yield header, range(start, start + length)


def blank(library: bytes) -> bytes:
    """The same library without the sections that no program loads.

    Raises:
        ValueError: Such a section overlaps with bytes that are loaded.
    """
    blanked = bytearray(library)
    for header, place in unloaded(library):
        if any(place.start < segment.stop and segment.start < place.stop for segment in segments(library)):
            raise ValueError(
                f"bytes {place.start} to {place.stop} belong to a section that is not loaded, and are loaded"
            )
        blanked[place.start : place.stop] = bytes(len(place))
        struct.pack_into("<I", blanked, header + 4, UNUSED)
    return bytes(blanked)


if __name__ == "__main__":
    for path in sorted(Path(sys.argv[1]).rglob("*")):
        if path.is_file() and not path.is_symlink() and (content := path.read_bytes()).startswith(MAGIC):
            path.write_bytes(blank(content))
