"""events.json, custody.json, confidence.json."""

from __future__ import annotations

import struct
from typing import Any

from cybermesh_ref.checks import Context, check_record, confidence_ppm, read_body
from cybermesh_ref.events import KIND_NAMES, V1, V2, AnomalyEvent, Event, EvidenceEvent, PolicyEvent
from cybermesh_ref.hashing import public_key, verify
from vectors_common import ACTOR, FORENSICS, SEEDS, TS, anomaly, custody, evidence, fixed, make, policy


def _own_fields(event: Event) -> dict[str, Any]:
    if isinstance(event, AnomalyEvent):
        return {
            "type": event.type,
            "source": event.source,
            "model_version": event.model_version,
            "severity": event.severity,
            "confidence": event.confidence,
            "confidence_bits": struct.pack(">d", event.confidence).hex(),
            "confidence_ppm": confidence_ppm(event.confidence),
        }
    if isinstance(event, EvidenceEvent):
        return {
            "type": event.evidence_type,
            "refs": [ref.hex() for ref in event.refs],
            "custody": [
                {
                    "ref_hash": entry.ref_hash.hex(),
                    "actor_id": entry.actor_id.hex(),
                    "ts": entry.ts,
                    "signature": entry.signature.hex(),
                }
                for entry in event.coc
            ],
        }
    assert isinstance(event, PolicyEvent)
    return {"type": event.rule, "action": event.action}


def event_case(name: str, event: Event) -> dict[str, Any]:
    check_record(event.KIND, event.encode(), Context())
    assert read_body(event.body()) == event
    return {
        "name": name,
        "kind": event.KIND,
        "seed": SEEDS[event.KIND].hex(),
        "id": event.id,
        "ts": event.ts,
        "content": event.content.hex(),
        **_own_fields(event),
        "content_hash": event.content_hash.hex(),
        "producer_id": event.producer_id.hex(),
        "nonce": event.nonce.hex(),
        "alg": event.alg,
        "signing_bytes": event.signing_bytes().hex(),
        "signature": event.signature.hex(),
        "record": event.encode().hex(),
        "body": event.body().hex(),
        "tx_id": event.tx_id().hex(),
        "expect": "OK",
    }


def _event_cases() -> list[dict[str, Any]]:
    cases = [
        event_case(f"{KIND_NAMES[kind]} {version}", make(kind, alg))
        for kind in (1, 2, 3)
        for version, alg in (("v1", V1), ("v2", V2))
    ]
    for version, alg in (("v1", V1), ("v2", V2)):
        cases += [
            event_case(f"anomaly {version} without model version", anomaly(alg, model_version="")),
            event_case(f"anomaly {version} of confidence 0", anomaly(alg, confidence=0.0, payload=b"{}")),
            event_case(f"anomaly {version} of ts 0", anomaly(alg, ts=0)),
            event_case(f"anomaly {version} before 1970", anomaly(alg, ts=-1)),
            event_case(f"anomaly {version} with text beyond ASCII", anomaly(alg, id="Zürich-日本-😀", type="é")),
            event_case(f"evidence {version} without refs and custody", evidence(alg, refs=[], coc=[])),
            event_case(f"evidence {version} with an empty proof blob", evidence(alg, proof_blob=b"")),
            event_case(f"policy {version} with empty params object", policy(alg, params=b" {} ")),
        ]
    return cases


def _custody_case(name: str, alg: str, key: bytes, entry: Any) -> dict[str, Any]:
    message = entry.signing_bytes(alg)
    return {
        "name": name,
        "alg": alg,
        "ref_hash": entry.ref_hash.hex(),
        "actor_id": entry.actor_id.hex(),
        "ts": entry.ts,
        "canonical": entry.canonical().hex(),
        "signing_bytes": message.hex(),
        "key": key.hex(),
        "signature": entry.signature.hex(),
        "expect": "OK" if verify(key, entry.signature, message) else "BAD_CUSTODY",
    }


def _custody_cases() -> list[dict[str, Any]]:
    producer, actor = public_key(FORENSICS), public_key(ACTOR)
    v1, v2 = custody(V1, fixed("custody ref"), TS), custody(V2, fixed("custody ref"), TS)
    return [
        _custody_case("v1, signed by the producer", V1, producer, v1),
        _custody_case("v2, signed by the actor", V2, actor, v2),
        _custody_case("v1, before 1970", V1, producer, custody(V1, fixed("custody ref"), -5)),
        _custody_case("v1 entry read as v2", V2, producer, v1),
        _custody_case("v2 entry read as v1", V1, actor, v2),
        _custody_case("v1, checked with another key", V1, actor, v1),
    ]


def _confidence_cases() -> list[dict[str, Any]]:
    values = [0.0, 1.0, 0.5, 0.1, 0.2, 0.3, 0.7, 0.999, 0.9999999, 0.875, 1e-6, 1e-7, 4e-7, 6e-7, 1.4e-6, 1.6e-6]
    values += [0.123456, 0.1234564, 0.1234566, 5e-324, 0.333333333333, 2 / 3, -0.0, 0.5 - 2**-54, 1 - 2**-53, 5e-7]
    values += [2**-20, 3 * 2**-7, 0.0000005000001, 1.5e-6, 2.5e-6, 0.1234565, 0.9999995, 0.99999949]
    return [
        {
            "name": repr(value),
            "confidence_bits": struct.pack(">d", value).hex(),
            "expect": confidence_ppm(value),
        }
        for value in values
    ]


def files() -> dict[str, dict[str, Any]]:
    return {
        "events.json": {
            "description": "Good events of each kind and signature version: fields, Kafka record, body, tx id.",
            "cases": _event_cases(),
        },
        "custody.json": {
            "description": "Chain of custody entries: canonical form, signed bytes, signature.",
            "cases": _custody_cases(),
        },
        "confidence.json": {
            "description": "The double of an anomaly and its parts per million.",
            "cases": _confidence_cases(),
        },
    }
