"""Gives back the pages of files that only the start needed: of libraries, and of models that LiteRT has taken in.

They stay in the kernel's cache of files, from which a page comes back when it is needed. The kernel could take them
away by itself, but does so only once memory is short, and does not know that they were needed once.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SMAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ (\d+)")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One stretch of a process's memory.

    Attributes:
        start: Address; end likewise.
        resident_kb: How much of it is in memory.
    """

    start: int
    end: int
    resident_kb: int


def unchanged_file_mappings(smaps: str) -> Iterator[Mapping]:
    """The mappings of files that nobody may write and in which nothing differs from the file.

    Not those that the dynamic linker has changed before it took away the right to write: their pages are nowhere else.

    Args:
        smaps: `/proc/PID/smaps`.
    """
    for block in re.split(r"\n(?=[0-9a-f]+-)", smaps):
        found = _MAPPING.match(block)
        if found is None or "w" in found[3] or found[4] == "0":
            continue
        kb = dict(re.findall(r"^(Rss|Anonymous|Locked): +(\d+) kB", block, re.MULTILINE))
        if kb.get("Anonymous") == "0" and kb.get("Locked", "0") == "0" and kb.get("Rss", "0") != "0":
            yield Mapping(int(found[1], 16), int(found[2], 16), int(kb["Rss"]))


def release_start_pages() -> float:
    """Give them back; some milliseconds. Returns how many megabytes that were, 0 where the system has no such call."""
    released_kb = 0
    try:
        madvise = ctypes.CDLL(None).madvise
        mappings = list(unchanged_file_mappings(_SMAPS.read_text(encoding="utf-8", errors="replace")))
    except (OSError, AttributeError) as error:
        _log.debug("pages of the start are kept: %s", error)
        return 0.0
    for mapping in mappings:
        length = mapping.end - mapping.start
        if madvise(ctypes.c_void_p(mapping.start), ctypes.c_size_t(length), mmap.MADV_DONTNEED) == 0:
            released_kb += mapping.resident_kb
    _log.debug("gave back %d kB of files that the start has read", released_kb)
    return released_kb / 1024
