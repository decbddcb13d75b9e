"""Fixed keys, events and the network that the vectors are made with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cybermesh_ref import genesis
from cybermesh_ref.events import V1, AnomalyEvent, CustodyEntry, Event, EvidenceEvent, PolicyEvent, seal
from cybermesh_ref.hashing import public_key, sha256

TS = 1_760_000_000
CREATED_MS = 1_759_999_000_123


def fixed(name: str, size: int = 32) -> bytes:
    """Bytes that look random and never change."""
    out = b""
    while len(out) < size:
        out += sha256(f"cybermesh vectors {name} {len(out)}".encode())
    return out[:size]


SENSOR, FORENSICS, SOC, ACTOR = (fixed(f"seed {name}") for name in ("sensor", "forensics", "soc", "actor"))
SEEDS = {1: SENSOR, 2: FORENSICS, 3: SOC}

VALIDATOR_SEEDS = [fixed(f"validator {i}") for i in range(5)]
CONTROL_SEEDS = [fixed(f"control {i}") for i in range(5)]

GENESIS: dict[str, Any] = {
    "network": "vectors",
    "created_ms": CREATED_MS,
    "validators": [
        {
            "name": f"v{i + 1}",
            "sign_key": public_key(VALIDATOR_SEEDS[i]).hex(),
            "control_key": public_key(CONTROL_SEEDS[i]).hex(),
            "consensus_curve_key": fixed(f"consensus curve {i}").hex(),
            "mempool_curve_key": fixed(f"mempool curve {i}").hex(),
        }
        for i in range(5)
    ],
    "producers": [
        {"name": "sensor-1", "key": public_key(SENSOR).hex(), "roles": ["anomaly"]},
        {"name": "forensics-1", "key": public_key(FORENSICS).hex(), "roles": ["evidence"]},
        {"name": "soc-1", "key": public_key(SOC).hex(), "roles": ["policy"]},
    ],
    "parameters": {"tx_max_age_s": 86400, "custody_verification": "required", "require_v2": False},
}
NETWORK = genesis.Genesis.from_value(GENESIS)


def network_fields() -> dict[str, Any]:
    """What a reader of proofs needs to know about the network, at the top of a vector file."""
    return {
        "chain_id": NETWORK.chain_id.hex(),
        "validators": [validator.sign_key.hex() for validator in NETWORK.validators],
        "quorum": NETWORK.quorum,
    }


def anomaly(alg: str, **changes: Any) -> AnomalyEvent:
    event = AnomalyEvent(
        id="6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11",
        type="port_scan",
        source="sensor-1.dmz",
        severity=7,
        confidence=0.875,
        ts=TS,
        payload=b'{"severity":7,"confidence":0.875,"src":"10.1.2.3","ports":[22,80,443]}',
        model_version="ddos-v3.1",
        nonce=fixed("nonce anomaly", 16),
    )
    return seal(replace(event, **changes), SENSOR, alg)


def custody(alg: str, ref_hash: bytes, ts: int) -> CustodyEntry:
    entry = CustodyEntry(ref_hash=ref_hash, actor_id=sha256(b"node-7"), ts=ts)
    return entry.signed(FORENSICS if alg == V1 else ACTOR, alg)


def evidence(alg: str, **changes: Any) -> EvidenceEvent:
    ref = sha256(b"6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11")
    event = EvidenceEvent(
        id="evidence-0001",
        evidence_type="pcap",
        refs=[ref, fixed("another ref")],
        proof_blob=b"\x00\x01\xfe\xff not JSON",
        coc=[custody(alg, ref, TS - 60), custody(alg, fixed("another ref"), TS - 30)],
        ts=TS + 1,
        nonce=fixed("nonce evidence", 16),
    )
    return seal(replace(event, **changes), FORENSICS, alg)


def policy(alg: str, **changes: Any) -> PolicyEvent:
    event = PolicyEvent(
        id="policy-block-10.1.2.3",
        action="drop",
        rule="block",
        params=b'{"schema_version":1,"policy_id":"policy-block-10.1.2.3","rule_type":"block","action":"drop",'
        b'"target":{"ips":["10.1.2.3"],"cidrs":[],"direction":"ingress","scope":"cluster"},'
        b'"guardrails":{"ttl_seconds":3600}}',
        ts=TS + 2,
        nonce=fixed("nonce policy", 16),
    )
    return seal(replace(event, **changes), SOC, alg)


MAKERS = {1: anomaly, 2: evidence, 3: policy}


def make(kind: int, alg: str, **changes: Any) -> Event:
    return MAKERS[kind](alg, **changes)
