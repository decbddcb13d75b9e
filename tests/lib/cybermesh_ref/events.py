"""The three events a producer sends: fields, protobuf, canonical form, body, transaction id and signatures."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar, Union

from . import wire
from .hashing import h, i64, public_key, sha256, sign, u16, u32, u64

V1 = "Ed25519"
V2 = "Ed25519-v2"

ANOMALY, EVIDENCE, POLICY = 1, 2, 3
KIND_NAMES = {ANOMALY: "anomaly", EVIDENCE: "evidence", POLICY: "policy"}


def _part(number: int, value: bytes) -> bytes:
    """One field of a canonical form."""
    return bytes([number]) + u32(len(value)) + value


def _list(items: list[bytes]) -> bytes:
    return u32(len(items)) + b"".join(u32(len(item)) + item for item in items)


def _text(value: str | bytes) -> bytes:
    """Text fields may hold bytes, so that tests can put bad UTF-8 in them."""
    return value if isinstance(value, bytes) else value.encode()


@dataclass(frozen=True)
class CustodyEntry:
    ref_hash: bytes = b""
    actor_id: bytes = b""
    ts: int = 0
    signature: bytes = b""

    def canonical(self) -> bytes:
        return _part(1, self.ref_hash) + _part(2, self.actor_id) + _part(3, i64(self.ts)) + _part(4, self.signature)

    def encode(self) -> bytes:
        return (
            wire.put_bytes(1, self.ref_hash)
            + wire.put_bytes(2, self.actor_id)
            + wire.put_int(3, self.ts)
            + wire.put_bytes(4, self.signature)
        )

    def signing_bytes(self, alg: str) -> bytes:
        domain = b"evidence.custody.v1" if alg == V1 else b"cybermesh/custody/v1\0"
        return domain + self.ref_hash + self.actor_id + i64(self.ts)

    def signed(self, seed: bytes, alg: str) -> CustodyEntry:
        """v1: seed is the event's producer's. v2: the actor's; actor_id becomes its public key."""
        entry = self if alg == V1 else replace(self, actor_id=public_key(seed))
        return replace(entry, signature=sign(seed, entry.signing_bytes(alg)))


@dataclass(frozen=True)
class _Event:
    KIND: ClassVar[int]
    TOPIC: ClassVar[str]
    V1_DOMAIN: ClassVar[bytes]
    V2_DOMAIN: ClassVar[bytes]
    SIGNATURE_FIELD: ClassVar[int]

    id: str | bytes = ""
    ts: int = 0
    content_hash: bytes = b""
    producer_id: bytes = b""
    nonce: bytes = b""
    signature: bytes = b""
    pubkey: bytes = b""
    alg: str | bytes = V2

    @property
    def content(self) -> bytes:
        raise NotImplementedError

    def parts(self) -> list[tuple[int, bytes]]:
        """(number, value of the canonical form) in field order."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The Kafka record's value."""
        raise NotImplementedError

    def canonical(self, *, with_signature: bool = True) -> bytes:
        return b"".join(
            _part(number, value) for number, value in self.parts() if with_signature or number != self.SIGNATURE_FIELD
        )

    def body(self) -> bytes:
        return bytes([self.KIND]) + self.canonical()

    def tx_id(self) -> bytes:
        return tx_id(self.body())

    def signing_bytes(self) -> bytes:
        if self.alg == V2:
            return self.V2_DOMAIN + self.canonical(with_signature=False)
        return (
            self.V1_DOMAIN
            + i64(self.ts)
            + u16(len(self.producer_id))
            + self.producer_id
            + self.nonce
            + self.content_hash
        )


E_ = TypeVar("E_", bound=_Event)


def tx_id(body: bytes) -> bytes:
    return h(b"cybermesh/tx/v1\0" + body)


def seal(event: E_, seed: bytes, alg: str = V2) -> E_:
    """Fill in content hash, keys and algorithm, and sign."""
    key = public_key(seed)
    ready = replace(event, content_hash=sha256(event.content), producer_id=key, pubkey=key, alg=alg)
    return replace(ready, signature=sign(seed, ready.signing_bytes()))


def resign(event: E_, seed: bytes) -> E_:
    """Sign the event exactly as it stands, right or wrong."""
    return replace(event, signature=sign(seed, event.signing_bytes()))


@dataclass(frozen=True)
class AnomalyEvent(_Event):
    KIND: ClassVar[int] = ANOMALY
    TOPIC: ClassVar[str] = "ai.anomalies.v1"
    V1_DOMAIN: ClassVar[bytes] = b"ai.anomaly.v1"
    V2_DOMAIN: ClassVar[bytes] = b"cybermesh/ai.anomaly/v2\0"
    SIGNATURE_FIELD: ClassVar[int] = 12

    type: str | bytes = ""
    source: str | bytes = ""
    severity: int = 0
    confidence: float = 0.0
    payload: bytes = b""
    model_version: str | bytes = ""

    @property
    def content(self) -> bytes:
        return self.payload

    def parts(self) -> list[tuple[int, bytes]]:
        return [
            (1, _text(self.id)),
            (2, _text(self.type)),
            (3, _text(self.source)),
            (4, u64(self.severity)),
            (5, struct.pack(">d", self.confidence)),
            (6, i64(self.ts)),
            (7, self.content_hash),
            (8, self.payload),
            (9, _text(self.model_version)),
            (10, self.producer_id),
            (11, self.nonce),
            (12, self.signature),
            (13, self.pubkey),
            (14, _text(self.alg)),
        ]

    def encode(self) -> bytes:
        return (
            wire.put_bytes(1, _text(self.id))
            + wire.put_bytes(2, _text(self.type))
            + wire.put_bytes(3, _text(self.source))
            + wire.put_int(4, self.severity)
            + wire.put_double(5, self.confidence)
            + wire.put_int(6, self.ts)
            + wire.put_bytes(7, self.content_hash)
            + wire.put_bytes(8, self.payload)
            + wire.put_bytes(9, _text(self.model_version))
            + wire.put_bytes(10, self.producer_id)
            + wire.put_bytes(11, self.nonce)
            + wire.put_bytes(12, self.signature)
            + wire.put_bytes(13, self.pubkey)
            + wire.put_bytes(14, _text(self.alg))
        )


@dataclass(frozen=True)
class EvidenceEvent(_Event):
    KIND: ClassVar[int] = EVIDENCE
    TOPIC: ClassVar[str] = "ai.evidence.v1"
    V1_DOMAIN: ClassVar[bytes] = b"ai.evidence.v1"
    V2_DOMAIN: ClassVar[bytes] = b"cybermesh/ai.evidence/v2\0"
    SIGNATURE_FIELD: ClassVar[int] = 10

    evidence_type: str | bytes = ""
    refs: list[bytes] = field(default_factory=list)
    proof_blob: bytes = b""
    coc: list[CustodyEntry] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        return self.proof_blob

    def parts(self) -> list[tuple[int, bytes]]:
        return [
            (1, _text(self.id)),
            (2, _text(self.evidence_type)),
            (3, _list(self.refs)),
            (4, self.proof_blob),
            (5, _list([entry.canonical() for entry in self.coc])),
            (6, i64(self.ts)),
            (7, self.content_hash),
            (8, self.producer_id),
            (9, self.nonce),
            (10, self.signature),
            (11, self.pubkey),
            (12, _text(self.alg)),
        ]

    def encode(self) -> bytes:
        return (
            wire.put_bytes(1, _text(self.id))
            + wire.put_bytes(2, _text(self.evidence_type))
            + b"".join(wire.put_bytes(3, ref, always=True) for ref in self.refs)
            + wire.put_bytes(4, self.proof_blob)
            + b"".join(wire.put_bytes(5, entry.encode(), always=True) for entry in self.coc)
            + wire.put_int(6, self.ts)
            + wire.put_bytes(7, self.content_hash)
            + wire.put_bytes(8, self.producer_id)
            + wire.put_bytes(9, self.nonce)
            + wire.put_bytes(10, self.signature)
            + wire.put_bytes(11, self.pubkey)
            + wire.put_bytes(12, _text(self.alg))
        )


@dataclass(frozen=True)
class PolicyEvent(_Event):
    KIND: ClassVar[int] = POLICY
    TOPIC: ClassVar[str] = "ai.policy.v1"
    V1_DOMAIN: ClassVar[bytes] = b"ai.policy.v1\0"
    V2_DOMAIN: ClassVar[bytes] = b"cybermesh/ai.policy/v2\0"
    SIGNATURE_FIELD: ClassVar[int] = 9

    action: str | bytes = ""
    rule: str | bytes = ""
    params: bytes = b""

    @property
    def content(self) -> bytes:
        return self.params

    def parts(self) -> list[tuple[int, bytes]]:
        return [
            (1, _text(self.id)),
            (2, _text(self.action)),
            (3, _text(self.rule)),
            (4, self.params),
            (5, i64(self.ts)),
            (6, self.content_hash),
            (7, self.producer_id),
            (8, self.nonce),
            (9, self.signature),
            (10, self.pubkey),
            (11, _text(self.alg)),
        ]

    def encode(self) -> bytes:
        return (
            wire.put_bytes(1, _text(self.id))
            + wire.put_bytes(2, _text(self.action))
            + wire.put_bytes(3, _text(self.rule))
            + wire.put_bytes(4, self.params)
            + wire.put_int(5, self.ts)
            + wire.put_bytes(6, self.content_hash)
            + wire.put_bytes(7, self.producer_id)
            + wire.put_bytes(8, self.nonce)
            + wire.put_bytes(9, self.signature)
            + wire.put_bytes(10, self.pubkey)
            + wire.put_bytes(11, _text(self.alg))
        )


Event = Union[AnomalyEvent, EvidenceEvent, PolicyEvent]

EVENT_TYPES: dict[int, type[AnomalyEvent] | type[EvidenceEvent] | type[PolicyEvent]] = {
    ANOMALY: AnomalyEvent,
    EVIDENCE: EvidenceEvent,
    POLICY: PolicyEvent,
}

# --- reading ---

_Reader = Callable[[int, "int | bytes"], Any]

_RECORD_FIELDS: dict[int, dict[int, tuple[str, _Reader]]] = {
    ANOMALY: {
        1: ("id", wire.as_bytes),
        2: ("type", wire.as_bytes),
        3: ("source", wire.as_bytes),
        4: ("severity", wire.as_u32),
        5: ("confidence", wire.as_double),
        6: ("ts", wire.as_i64),
        7: ("content_hash", wire.as_bytes),
        8: ("payload", wire.as_bytes),
        9: ("model_version", wire.as_bytes),
        10: ("producer_id", wire.as_bytes),
        11: ("nonce", wire.as_bytes),
        12: ("signature", wire.as_bytes),
        13: ("pubkey", wire.as_bytes),
        14: ("alg", wire.as_bytes),
    },
    EVIDENCE: {
        1: ("id", wire.as_bytes),
        2: ("evidence_type", wire.as_bytes),
        3: ("refs", wire.as_bytes),
        4: ("proof_blob", wire.as_bytes),
        5: ("coc", wire.as_bytes),
        6: ("ts", wire.as_i64),
        7: ("content_hash", wire.as_bytes),
        8: ("producer_id", wire.as_bytes),
        9: ("nonce", wire.as_bytes),
        10: ("signature", wire.as_bytes),
        11: ("pubkey", wire.as_bytes),
        12: ("alg", wire.as_bytes),
    },
    POLICY: {
        1: ("id", wire.as_bytes),
        2: ("action", wire.as_bytes),
        3: ("rule", wire.as_bytes),
        4: ("params", wire.as_bytes),
        5: ("ts", wire.as_i64),
        6: ("content_hash", wire.as_bytes),
        7: ("producer_id", wire.as_bytes),
        8: ("nonce", wire.as_bytes),
        9: ("signature", wire.as_bytes),
        10: ("pubkey", wire.as_bytes),
        11: ("alg", wire.as_bytes),
    },
}
_CUSTODY_FIELDS: dict[int, tuple[str, _Reader]] = {
    1: ("ref_hash", wire.as_bytes),
    2: ("actor_id", wire.as_bytes),
    3: ("ts", wire.as_i64),
    4: ("signature", wire.as_bytes),
}
_TEXT_FIELDS = ("id", "type", "source", "model_version", "evidence_type", "action", "rule", "alg")


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _read_message(data: bytes, table: dict[int, tuple[str, _Reader]]) -> dict:
    values: dict = {}
    for number, wire_type, raw in wire.fields(data):
        if number not in table:
            raise wire.WireError(f"unknown field {number}")
        name, reader = table[number]
        value = reader(wire_type, raw)
        if name == "refs":
            values.setdefault("refs", []).append(value)
        elif name == "coc":
            values.setdefault("coc", []).append(CustodyEntry(**_read_message(value, _CUSTODY_FIELDS)))
        else:
            values[name] = _text_or_bytes(value) if name in _TEXT_FIELDS else value
    return values


def decode(kind: int, record: bytes) -> Event:
    """Read a Kafka record's value. Form only: no limit is checked here. Raises wire.WireError."""
    return EVENT_TYPES[kind](**{"alg": "", **_read_message(record, _RECORD_FIELDS[kind])})


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.position:
            raise wire.WireError("truncated")
        self.position += size
        return self.data[self.position - size : self.position]

    def sized(self) -> bytes:
        return self.take(int.from_bytes(self.take(4), "big"))

    def field(self, number: int) -> bytes:
        if self.take(1)[0] != number:
            raise wire.WireError(f"expected field {number}")
        return self.sized()

    def end(self) -> None:
        if self.position != len(self.data):
            raise wire.WireError("bytes after the end")


def _integer(value: bytes, signed: bool) -> int:
    if len(value) != 8:
        raise wire.WireError("an integer has 8 bytes")
    return int.from_bytes(value, "big", signed=signed)


def _double(value: bytes) -> float:
    if len(value) != 8:
        raise wire.WireError("a double has 8 bytes")
    return struct.unpack(">d", value)[0]


def _items(value: bytes) -> list[bytes]:
    cursor = _Cursor(value)
    count = int.from_bytes(cursor.take(4), "big")
    if count > len(value) // 4:
        raise wire.WireError("truncated")
    items = [cursor.sized() for _ in range(count)]
    cursor.end()
    return items


def _parse_custody(data: bytes) -> CustodyEntry:
    cursor = _Cursor(data)
    entry = CustodyEntry(cursor.field(1), cursor.field(2), _integer(cursor.field(3), signed=True), cursor.field(4))
    cursor.end()
    return entry


def parse_body(body: bytes) -> Event:
    """The opposite of Event.body(). Form only. Raises wire.WireError."""
    cursor = _Cursor(body)
    kind = cursor.take(1)[0]
    if kind not in _RECORD_FIELDS:
        raise wire.WireError(f"unknown kind {kind}")
    values: dict = {}
    for number, (name, reader) in _RECORD_FIELDS[kind].items():
        raw = cursor.field(number)
        if reader in (wire.as_i64, wire.as_u32):
            values[name] = _integer(raw, signed=reader is wire.as_i64)
        elif reader is wire.as_double:
            values[name] = _double(raw)
        elif name == "refs":
            values[name] = _items(raw)
        elif name == "coc":
            values[name] = [_parse_custody(item) for item in _items(raw)]
        else:
            values[name] = _text_or_bytes(raw) if name in _TEXT_FIELDS else raw
    cursor.end()
    return EVENT_TYPES[kind](**values)
