"""Reads rows straight from the pages of an SQLite file, for when the tree above them is gone. Pure.

The format is that of https://www.sqlite.org/fileformat.html, sections 1.6 and 2.1: table leaf pages, cells, overflow
pages, records of an INTEGER PRIMARY KEY and one BLOB. Whatever does not fit it is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

_TABLE_LEAF = 0x0D
_FILE_HEADER = 100
_PAGE_HEADER = 8
_LEAST_BLOB_TYPE = 12


def rows_in_leaf_pages(content: bytes, page_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (number, blob) of every row that a leaf page holds, also of pages that were given back.

    Args:
        content: The whole file.
        page_bytes: Its page size.
    """
    for start in range(0, len(content), page_bytes):
        page = content[start : start + page_bytes]
        header = _FILE_HEADER if start == 0 else 0
        if len(page) < page_bytes or page[header] != _TABLE_LEAF:
            continue
        cells = min(_number(page, header + 3, 2), page_bytes // 4)
        for cell in range(cells):
            place = _number(page, header + _PAGE_HEADER + 2 * cell, 2)
            try:
                yield _row(content, page, place, page_bytes)
            except (IndexError, ValueError):
                continue


def _row(content: bytes, page: bytes, place: int, page_bytes: int) -> tuple[int, bytes]:
    size, place = _varint(page, place)
    number, place = _varint(page, place)
    record = _payload(content, page, place, size, page_bytes)
    header_bytes, at = _varint(record, 0)
    key_type, at = _varint(record, at)
    blob_type, _ = _varint(record, at)
    blob = record[header_bytes:]
    if (
        key_type != 0
        or blob_type < _LEAST_BLOB_TYPE
        or blob_type % 2
        or len(blob) != (blob_type - _LEAST_BLOB_TYPE) // 2
    ):
        raise ValueError("is no row of a number and a blob")
    return number, blob


def _payload(content: bytes, page: bytes, place: int, size: int, page_bytes: int) -> bytes:
    """A cell's payload, put together with what is on overflow pages."""
    most = page_bytes - 35
    if size <= most:
        return page[place : place + size]
    if size > len(content):
        raise ValueError("is longer than the file")
    least = (page_bytes - 12) * 32 // 255 - 23
    local = least + (size - least) % (page_bytes - 4)
    local = local if local <= most else least
    payload = page[place : place + local]
    following = _number(page, place + local, 4)
    while len(payload) < size:
        start = (following - 1) * page_bytes
        if following == 0 or start + page_bytes > len(content):
            raise ValueError("breaks off")
        following = _number(content, start, 4)
        payload += content[start + 4 : start + 4 + min(page_bytes - 4, size - len(payload))]
    return payload


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A variable-length integer and the place behind it."""
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the flag that another byte follows
            return value, place
    return value << 8 | data[place], place + 1


def _number(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size])
