"""Lets a TFLite model be computed in half precision by saying so in its metadata. Pure: bytes in, bytes out.

XNNPACK multiplies and adds in 16 bits only where the model's metadata allow it and the processor can. The landmark
model allows half precision for products but not for sums, which changes nothing, and the detector allows neither.

A FlatBuffer's references only lead forwards. So the new metadata stand in a new head before the old bytes, with a root
that refers to both; nothing in the old bytes changes, and their weights stay at multiples of 16.
"""

from __future__ import annotations

import struct

from piapp.errors import ModelError

# tensorflow/lite/tools/optimize/reduced_precision_metadata.h.
_NAME = b"reduced_precision_support"
_HALF = b"fp16accfp16"

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16
# Fields of the tables Model, Metadata and Buffer by number: tensorflow/lite/schema/schema.fbs.
_MODEL_FIELDS, _VERSION, _BUFFERS, _METADATA = 8, 0, 4, 6
_FIELDS = range(_MODEL_FIELDS)
_METADATA_NAME = 0


def with_half_precision(model: bytes) -> bytes:
    """The same TFLite model, whose metadata allow half precision for products and sums.

    Raises:
        ModelError: This is no TFLite model of the known form.
    """
    if model[4:8] != _IDENTIFIER:
        raise ModelError(f"expected a TFLite model (TFL3 at byte 4), found {model[4:8]!r}")
    try:
        return _with_new_head(model)
    except (struct.error, ValueError) as error:
        raise ModelError(f"expected a whole TFLite model, found {len(model)} bytes: {error}") from error


def _with_new_head(model: bytes) -> bytes:
    old = _Table(model, _u32(model, 0))
    if old.count > _MODEL_FIELDS:
        raise ModelError(f"expected a TFLite model with at most {_MODEL_FIELDS} fields, found {old.count}")
    buffers = _vector(model, old.target(_BUFFERS))
    metadata = [entry for entry in _vector(model, old.target(_METADATA)) if _name(model, entry) != _NAME]
    # Sizes are known beforehand, and so are all places: root with its vtable, two vectors, then what they refer to.
    root = 8 + 4 + 2 * _MODEL_FIELDS
    buffers_at = root + 4 + 4 * _MODEL_FIELDS
    metadata_at = buffers_at + 4 + 4 * (len(buffers) + 1)
    tables_at = metadata_at + 4 + 4 * (len(metadata) + 1)
    tables, entry_at, buffer_at = _half_tables(tables_at, number=len(buffers))
    base = _rounded_up(tables_at + len(tables))

    head = struct.pack("<I4sHH", root, _IDENTIFIER, 4 + 2 * _MODEL_FIELDS, 4 + 4 * _MODEL_FIELDS)
    head += struct.pack(f"<{_MODEL_FIELDS}H", *(4 + 4 * field if _is_set(old, field) else 0 for field in _FIELDS))
    head += struct.pack("<i", root - 8)
    targets = {_BUFFERS: buffers_at, _METADATA: metadata_at}
    for field, place in zip(_FIELDS, range(root + 4, buffers_at, 4), strict=True):
        head += struct.pack("<I", _field(old, field, place, base, targets))
    head += _references(buffers_at, [*(base + target for target in buffers), buffer_at])
    head += _references(metadata_at, [*(base + target for target in metadata), entry_at])
    return b"".join((head, tables, bytes(base - len(head) - len(tables)), model))


class _Table:
    """Where a table of a FlatBuffer has its fields."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self._at = at
        vtable = at - _i32(data, at)
        size = _u16(data, vtable)
        self.count = (size - 4) // 2
        self._offsets = struct.unpack_from(f"<{self.count}H", data, vtable + 4)

    def place(self, field: int) -> int | None:
        """Where a field is, None when it has its default."""
        offset = self._offsets[field] if field < self.count else 0
        return self._at + offset if offset else None

    def target(self, field: int) -> int | None:
        """What a field refers to, None when it refers to nothing."""
        place = self.place(field)
        return None if place is None else place + _u32(self.data, place)


def _is_set(old: _Table, field: int) -> bool:
    return field in (_BUFFERS, _METADATA) or old.place(field) is not None


def _field(old: _Table, field: int, place: int, base: int, targets: dict[int, int]) -> int:
    """A field's four bytes in the new root at `place`: the version, or how far ahead that is to which it refers."""
    old_place = old.place(field)
    if field == _VERSION:
        return 0 if old_place is None else _u32(old.data, old_place)
    if field in targets:
        return targets[field] - place
    target = old.target(field)
    return 0 if target is None else base + target - place


def _half_tables(at: int, *, number: int) -> tuple[bytes, int, int]:
    """The metadata entry with its name, and the buffer of this number with its value: bytes, and where the two are."""
    vtable = struct.pack("<HHHH", 8, 12, 4, 8)  # of two fields, for the entry and, its second field unset, the buffer
    entry_at = at + len(vtable)
    name_at = entry_at + 12
    name = struct.pack("<I", len(_NAME)) + _NAME + b"\0"
    name += bytes(-len(name) % 4)
    buffer_vtable_at = name_at + len(name)
    buffer_at = buffer_vtable_at + 8
    # The value itself stands at a multiple of 16, its length before it.
    value_at = _rounded_up(buffer_at + 8 + 4) - 4
    tables = vtable + struct.pack("<iII", len(vtable), name_at - (entry_at + 4), number) + name
    tables += struct.pack("<HHHH", 6, 8, 4, 0) + struct.pack("<iI", 8, value_at - (buffer_at + 4))
    tables += bytes(value_at - (buffer_at + 8)) + struct.pack("<I", len(_HALF)) + _HALF
    return tables, entry_at, buffer_at


def _references(at: int, targets: list[int]) -> bytes:
    """A vector of references, itself at `at`."""
    ahead = (target - place for target, place in zip(targets, range(at + 4, at + 4 + 4 * len(targets), 4), strict=True))
    return struct.pack(f"<{len(targets) + 1}I", len(targets), *ahead)


def _vector(data: bytes, at: int | None) -> list[int]:
    """What a vector of references refers to."""
    if at is None:
        return []
    places = range(at + 4, at + 4 + 4 * _u32(data, at), 4)
    return [place + _u32(data, place) for place in places]


def _name(model: bytes, entry: int) -> bytes:
    at = _Table(model, entry).target(_METADATA_NAME)
    return b"" if at is None else model[at + 4 : at + 4 + _u32(model, at)]


def _rounded_up(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(_part(data, at, 2), "little")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(_part(data, at, 4), "little")


def _i32(data: bytes, at: int) -> int:
    return int.from_bytes(_part(data, at, 4), "little", signed=True)


def _part(data: bytes, at: int, size: int) -> bytes:
    part = data[at : at + size] if at >= 0 else b""
    if len(part) != size:
        raise ValueError(f"a reference leads to byte {at}")
    return part
