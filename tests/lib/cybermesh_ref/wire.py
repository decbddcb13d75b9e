"""The part of protobuf's wire format that the messages use, by hand, so that no generated code is needed."""

from __future__ import annotations

import struct

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are not a message of this form."""


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_int(number: int, value: int) -> bytes:
    """An integer field; proto3 writes no zero."""
    return _varint(number << 3 | VARINT) + _varint(value) if value else b""


def put_bytes(number: int, value: bytes, *, always: bool = False) -> bytes:
    """A bytes, string or message field. proto3 writes no empty one, except as an item of a repeated field (always)."""
    if not value and not always:
        return b""
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def put_double(number: int, value: float) -> bytes:
    raw = struct.pack("<d", value)
    return _varint(number << 3 | FIXED64) + raw if raw != bytes(8) else b""


def _get_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count in range(10):
        if position >= len(data):
            raise WireError("truncated varint")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & (1 << 64) - 1, position
    raise WireError("varint of more than ten bytes")


def _get_raw(data: bytes, position: int, size: int) -> tuple[bytes, int]:
    if size > len(data) - position:
        raise WireError("truncated field")
    return data[position : position + size], position + size


def fields(data: bytes) -> list[tuple[int, int, int | bytes]]:
    """Every field in the order it stands: (number, wire type, value); fixed-width values stay bytes."""
    found: list[tuple[int, int, int | bytes]] = []
    position = 0
    value: int | bytes
    while position < len(data):
        key, position = _get_varint(data, position)
        number, wire_type = key >> 3, key & 7
        if not 1 <= number < 1 << 29:
            raise WireError("field number out of range")
        if wire_type == VARINT:
            value, position = _get_varint(data, position)
        elif wire_type == BYTES:
            size, position = _get_varint(data, position)
            value, position = _get_raw(data, position, size)
        elif wire_type in (FIXED64, FIXED32):
            value, position = _get_raw(data, position, 8 if wire_type == FIXED64 else 4)
        else:
            raise WireError("unknown wire type")
        found.append((number, wire_type, value))
    return found


def as_bytes(wire_type: int, value: int | bytes) -> bytes:
    if wire_type != BYTES or not isinstance(value, bytes):
        raise WireError("expected a length-delimited field")
    return value


def as_u64(wire_type: int, value: int | bytes) -> int:
    if wire_type != VARINT or not isinstance(value, int):
        raise WireError("expected a varint field")
    return value


def as_u32(wire_type: int, value: int | bytes) -> int:
    return as_u64(wire_type, value) & (1 << 32) - 1


def as_i64(wire_type: int, value: int | bytes) -> int:
    number = as_u64(wire_type, value)
    return number - (1 << 64) if number >= 1 << 63 else number


def as_double(wire_type: int, value: int | bytes) -> float:
    if wire_type != FIXED64 or not isinstance(value, bytes):
        raise WireError("expected a double field")
    return struct.unpack("<d", value)[0]
