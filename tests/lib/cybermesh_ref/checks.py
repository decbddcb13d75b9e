"""What the system checks about a record, in its order; the first failure is the reason."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from . import events, jsonrules, wire
from .events import AnomalyEvent, Event, EvidenceEvent, PolicyEvent
from .hashing import sha256, verify


class Reason(str, Enum):
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    PRODUCER_UNKNOWN = "PRODUCER_UNKNOWN"
    PRODUCER_ROLE = "PRODUCER_ROLE"
    PRODUCER_QUARANTINED = "PRODUCER_QUARANTINED"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    BAD_CONTENT_HASH = "BAD_CONTENT_HASH"
    CONTENT_RULE = "CONTENT_RULE"
    TIMESTAMP_SKEW = "TIMESTAMP_SKEW"
    BAD_CUSTODY = "BAD_CUSTODY"
    NONCE_REUSED = "NONCE_REUSED"
    ID_CONFLICT = "ID_CONFLICT"


class Rejected(ValueError):
    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(f"{reason.value}: {text}")
        self.reason = reason


RECORD_BYTES_MAX = 1 << 20
CONTENT_BYTES_MAX = {events.ANOMALY: 512 << 10, events.EVIDENCE: 256 << 10, events.POLICY: 512 << 10}
ID_BYTES_MAX = 128
TEXT_BYTES_MAX = 256
REFS_MAX = 1000
CUSTODY_MAX = 64


@dataclass
class Producer:
    roles: set[str]
    quarantined: bool = False


@dataclass
class Context:
    """What the checks look at beside the record. A None switches the checks that need it off."""

    producers: dict[bytes, Producer] | None = None
    reference_s: int | None = None
    skew_s: int = 300
    custody_required: bool = True
    require_v2: bool = False
    nonces: set[tuple[bytes, bytes]] = field(default_factory=set)
    ids: set[tuple[int, str]] = field(default_factory=set)


def _require(condition: bool, reason: Reason, text: str) -> None:
    if not condition:
        raise Rejected(reason, text)


def _length(name: str, value: bytes, size: int) -> None:
    _require(len(value) == size, Reason.MALFORMED, f"{name} has {size} bytes")


def _text(name: str, value: str | bytes, least: int, most: int) -> None:
    _require(isinstance(value, str), Reason.MALFORMED, f"{name} is UTF-8")
    assert isinstance(value, str)
    _require(least <= len(value.encode()) <= most, Reason.MALFORMED, f"{name} has {least} to {most} bytes")
    clean = not any(unicodedata.category(character) == "Cc" for character in value)
    _require(clean, Reason.MALFORMED, f"{name} has no control characters")


def check_form(event: Event) -> None:
    """Lengths, ranges and text; sizes first."""
    _require(len(event.content) <= CONTENT_BYTES_MAX[event.KIND], Reason.TOO_LARGE, "content")
    _text("id", event.id, 1, ID_BYTES_MAX)
    _length("content_hash", event.content_hash, 32)
    _length("producer_id", event.producer_id, 32)
    _length("nonce", event.nonce, 16)
    _length("signature", event.signature, 64)
    _length("pubkey", event.pubkey, 32)
    _require(event.pubkey == event.producer_id, Reason.MALFORMED, "pubkey is producer_id")
    _require(event.alg in (events.V1, events.V2), Reason.MALFORMED, "alg is Ed25519 or Ed25519-v2")
    if isinstance(event, AnomalyEvent):
        _text("type", event.type, 1, TEXT_BYTES_MAX)
        _text("source", event.source, 1, TEXT_BYTES_MAX)
        _text("model_version", event.model_version, 0, TEXT_BYTES_MAX)
        _require(1 <= event.severity <= 10, Reason.MALFORMED, "severity is 1 to 10")
        finite = math.isfinite(event.confidence)
        _require(finite and 0 <= event.confidence <= 1, Reason.MALFORMED, "confidence is 0 to 1")
    elif isinstance(event, EvidenceEvent):
        _text("evidence_type", event.evidence_type, 1, TEXT_BYTES_MAX)
        _require(len(event.refs) <= REFS_MAX, Reason.MALFORMED, f"at most {REFS_MAX} refs")
        _require(len(event.coc) <= CUSTODY_MAX, Reason.MALFORMED, f"at most {CUSTODY_MAX} custody entries")
        for ref in event.refs:
            _length("ref", ref, 32)
        for entry in event.coc:
            _length("ref_hash", entry.ref_hash, 32)
            _length("actor_id", entry.actor_id, 32)
            _length("custody signature", entry.signature, 64)
    else:
        _text("action", event.action, 1, TEXT_BYTES_MAX)
        _text("rule", event.rule, 1, TEXT_BYTES_MAX)


def read_record(kind: int, record: bytes) -> Event:
    _require(len(record) <= RECORD_BYTES_MAX, Reason.TOO_LARGE, "record")
    try:
        event = events.decode(kind, record)
    except wire.WireError as error:
        raise Rejected(Reason.MALFORMED, str(error)) from error
    check_form(event)
    return event


def read_body(body: bytes) -> Event:
    try:
        event = events.parse_body(body)
    except wire.WireError as error:
        raise Rejected(Reason.MALFORMED, str(error)) from error
    check_form(event)
    return event


def _check_producer(event: Event, context: Context) -> None:
    if context.producers is None:
        return
    producer = context.producers.get(event.producer_id)
    _require(producer is not None, Reason.PRODUCER_UNKNOWN, "no such producer")
    assert producer is not None
    _require(events.KIND_NAMES[event.KIND] in producer.roles, Reason.PRODUCER_ROLE, "role")
    _require(not producer.quarantined, Reason.PRODUCER_QUARANTINED, "quarantined")


def _check_signature(event: Event, context: Context) -> None:
    allowed = event.alg == events.V2 or not context.require_v2
    _require(allowed, Reason.BAD_SIGNATURE, "this network requires Ed25519-v2")
    _require(verify(event.pubkey, event.signature, event.signing_bytes()), Reason.BAD_SIGNATURE, "signature")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_content(event: Event) -> None:
    if isinstance(event, EvidenceEvent):
        return
    try:
        content = jsonrules.parse_object(event.content)
    except jsonrules.JsonError as error:
        raise Rejected(Reason.CONTENT_RULE, str(error)) from error
    if isinstance(event, PolicyEvent):
        return
    if "severity" in content:
        severity = content["severity"]
        equal = isinstance(severity, int) and not isinstance(severity, bool) and severity == event.severity
        _require(equal, Reason.CONTENT_RULE, "severity of the payload differs")
    if "confidence" in content:
        confidence = content["confidence"]
        near = _is_number(confidence) and abs(confidence - event.confidence) <= 1e-6
        _require(near, Reason.CONTENT_RULE, "confidence of the payload differs")


def _check_custody(event: Event, context: Context) -> None:
    if not isinstance(event, EvidenceEvent) or not context.custody_required:
        return
    for entry in event.coc:
        key = event.producer_id if event.alg == events.V1 else entry.actor_id
        good = verify(key, entry.signature, entry.signing_bytes(str(event.alg)))
        _require(good, Reason.BAD_CUSTODY, "custody signature")


def check_event(event: Event, context: Context) -> None:
    """Everything after the form. Raises Rejected."""
    _check_producer(event, context)
    _check_signature(event, context)
    _require(event.content_hash == sha256(event.content), Reason.BAD_CONTENT_HASH, "content_hash")
    _check_content(event)
    if context.reference_s is not None:
        near = abs(event.ts - context.reference_s) <= context.skew_s
        _require(near, Reason.TIMESTAMP_SKEW, "ts is too far from the broker's time")
    _check_custody(event, context)
    _require((event.producer_id, event.nonce) not in context.nonces, Reason.NONCE_REUSED, "nonce")
    _require((event.KIND, event.id) not in context.ids, Reason.ID_CONFLICT, "id")


def check_record(kind: int, record: bytes, context: Context) -> Event:
    event = read_record(kind, record)
    check_event(event, context)
    return event


def confidence_ppm(confidence: float) -> int:
    """Parts per million of the exact value of the double, rounded half up."""
    return math.floor(Fraction(confidence) * 1_000_000 + Fraction(1, 2))
