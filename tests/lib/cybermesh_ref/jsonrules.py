"""JSON as payload and params must be: one object, bounded depth, no duplicate names, nothing beyond 64-bit numbers."""

from __future__ import annotations

import json
import math
from typing import Any

DEPTH_MAX = 32


class JsonError(ValueError):
    """The bytes are not JSON of the allowed form."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("duplicate name")
    return found


def _integer(text: str) -> int:
    value = int(text) if len(text) <= 20 else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise JsonError("integer does not fit 64 bits")
    return value


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError("number out of range")
    return value


def _constant(text: str) -> float:
    raise JsonError(f"{text} is not JSON")


def _check_text(value: str) -> None:
    if "\0" in value:
        raise JsonError("U+0000 in text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise JsonError("unpaired surrogate")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
        return
    if not isinstance(value, (dict, list)):
        return
    if depth > DEPTH_MAX:
        raise JsonError("too deep")
    if isinstance(value, dict):
        for name in value:
            _check_text(name)
    for item in value.values() if isinstance(value, dict) else value:
        _check(item, depth + 1)


def parse_object(data: bytes) -> dict[str, Any]:
    """The object in data. Raises JsonError."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_pairs,
            parse_int=_integer,
            parse_float=_real,
            parse_constant=_constant,
        )
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError(str(error)) from error
    if not isinstance(value, dict):
        raise JsonError("not an object")
    _check(value, 1)
    return value
