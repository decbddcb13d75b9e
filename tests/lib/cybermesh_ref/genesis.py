"""genesis.json: its canonical JSON, the chain id and the validators."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .hashing import h, sha256

INTEGER_MAX = (1 << 53) - 1

_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def _canonical_text(text: str) -> str:
    def escape(character: str) -> str:
        code = ord(character)
        return _ESCAPES.get(code) or (f"\\u{code:04x}" if code < 0x20 else character)

    return '"' + "".join(map(escape, text)) + '"'


def _canonical(value: Any) -> str:
    if value is True or value is False or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return _canonical_text(value)
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise ValueError(f"{value} is beyond 2^53 - 1")
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, dict):
        # RFC 8785 sorts names by their UTF-16 code units.
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical_text(name)}:{_canonical(value[name])}" for name in names) + "}"
    raise ValueError(f"a genesis file holds no {type(value).__name__}")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 for values whose numbers are all integers."""
    return _canonical(value).encode()


def chain_id(value: Any) -> bytes:
    return h(b"cybermesh/genesis/v1\0" + canonical_json(value))


def faults_max(count: int) -> int:
    return (count - 1) // 3


def quorum(count: int) -> int:
    return (count + faults_max(count)) // 2 + 1


@dataclass(frozen=True)
class Validator:
    name: str
    sign_key: bytes
    control_key: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.sign_key)


@dataclass(frozen=True)
class Genesis:
    chain_id: bytes
    validators: list[Validator]
    producers: dict[bytes, set[str]]
    parameters: dict[str, int | str | bool]

    @property
    def quorum(self) -> int:
        return quorum(len(self.validators))

    @classmethod
    def from_value(cls, value: Any) -> Genesis:
        validators = [
            Validator(item["name"], bytes.fromhex(item["sign_key"]), bytes.fromhex(item["control_key"]))
            for item in value["validators"]
        ]
        producers = {bytes.fromhex(item["key"]): set(item["roles"]) for item in value["producers"]}
        return cls(chain_id(value), validators, producers, value["parameters"])

    @classmethod
    def load(cls, path: str | Path) -> Genesis:
        return cls.from_value(json.loads(Path(path).read_text(encoding="utf-8")))
