"""Vectors of the genesis ceremony: attestations, and certificates good and bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cybermesh_ref import genesis_certificate as gc
from cybermesh_ref import wire
from cybermesh_ref.hashing import sign
from vectors_common import CREATED_MS, GENESIS, NETWORK, VALIDATOR_SEEDS, fixed, network_fields

TERMS = gc.Terms.of(NETWORK)
TIME_MS = CREATED_MS + 86_400_000


def _attest(validator: int, time_ms: int = TIME_MS, terms: gc.Terms = TERMS, seed: bytes | None = None) -> gc.Attestation:
    nonce = fixed(f"ceremony nonce {validator}")
    signature = sign(seed or VALIDATOR_SEEDS[validator], gc.ready_bytes(terms, nonce, time_ms))
    return gc.Attestation(validator, nonce, time_ms, signature)


def _seal(attestations: list[gc.Attestation], aggregator: int = 2, terms: gc.Terms = TERMS) -> gc.GenesisCertificate:
    unsigned = gc.GenesisCertificate(terms, attestations, aggregator, bytes(64))
    return replace(unsigned, signature=sign(VALIDATOR_SEEDS[aggregator % 5], unsigned.signing_bytes()))


def _certificates() -> dict[str, tuple[gc.GenesisCertificate, str]]:
    four = [_attest(i, TIME_MS + 7 * i) for i in range(4)]
    good = _seal(four)
    spoiled = replace(four[1], signature=bytes([four[1].signature[0] ^ 1]) + four[1].signature[1:])
    found = {
        "four of five": (good, "OK"),
        "all five": (_seal([*four, _attest(4)], 4), "OK"),
        "the aggregator does not attest": (_seal(four, 4), "OK"),
        "the first validator is not among them": (_seal([_attest(i) for i in range(1, 5)], 1), "OK"),
        "the greatest spread": (_seal([*four[:3], _attest(4, TIME_MS + gc.SPREAD_MS_MAX)]), "OK"),
        "a spread one ms too great": (_seal([*four[:3], _attest(4, TIME_MS + gc.SPREAD_MS_MAX + 1)]), gc.MALFORMED),
        "three of five": (_seal(four[:3]), gc.MALFORMED),
        "nobody": (_seal([]), gc.MALFORMED),
        "one twice": (_seal([*four[:3], four[2]]), gc.MALFORMED),
        "not sorted": (_seal([four[1], four[0], *four[2:]]), gc.MALFORMED),
        "a sixth validator": (_seal([*four[:3], replace(four[3], validator=5)]), gc.MALFORMED),
        "an aggregator that nobody knows": (_seal(four, 5), gc.MALFORMED),
        "an attestation's signature": (_seal([four[0], spoiled, *four[2:]]), gc.UNAUTHENTICATED),
        "an attestation of another's key": (
            _seal([*four[:3], _attest(3, seed=VALIDATOR_SEEDS[4])]), gc.UNAUTHENTICATED),
        "an attestation with another nonce": (
            _seal([*four[:3], replace(four[3], nonce=fixed("other"))]), gc.UNAUTHENTICATED),
        "an attestation at another time": (
            _seal([*four[:3], replace(four[3], time_ms=TIME_MS)]), gc.UNAUTHENTICATED),
        "another aggregator": (replace(good, aggregator=3), gc.UNAUTHENTICATED),
        "an attestation that was added": (replace(good, attestations=[*four, _attest(4)]), gc.UNAUTHENTICATED),
        "no signature of the aggregator": (replace(good, signature=bytes(64)), gc.UNAUTHENTICATED),
    }
    for name in ("chain_id", "config_hash", "peer_hash"):
        terms = replace(TERMS, **{name: fixed("other")})
        found[f"another {name}"] = (_seal([_attest(i, terms=terms) for i in range(4)], terms=terms), gc.CONFLICT)
        found[f"attestations of another {name}"] = (
            _seal([*four[:3], _attest(3, terms=terms)]), gc.UNAUTHENTICATED)
    return found


def _bytes() -> dict[str, tuple[bytes, str]]:
    good = _certificates()["four of five"][0]
    data = good.encode()
    head = data[: 3 * 34]
    return {
        "empty": (b"", gc.MALFORMED),
        "one byte less": (data[:-1], gc.MALFORMED),
        "no signature": (data[:-66], gc.MALFORMED),
        "no chain_id": (data[34:], gc.MALFORMED),
        "an unknown field": (data + wire.put_int(7, 1), gc.MALFORMED),
        "a chain_id of 31 bytes": (wire.put_bytes(1, bytes(31)) + data[34:], gc.MALFORMED),
        "an aggregator beyond 32 bits": (data + wire.put_int(5, 1 << 32 | 2), gc.MALFORMED),
        "an attestation without a nonce": (
            head + wire.put_bytes(4, wire.put_bytes(4, bytes(64))) + data[34 * 3 :], gc.MALFORMED),
        "65 attestations": (
            replace(good, attestations=[replace(good.attestations[0], validator=i) for i in range(65)]).encode(),
            gc.MALFORMED),
        "the signature twice, the last one counts": (
            replace(good, signature=bytes(64)).encode() + wire.put_bytes(6, good.signature), "OK"),
    }


def files() -> dict[str, dict[str, Any]]:
    cases = [{"name": name, "certificate": each.encode().hex(), "canonical": True, "signers": each.signers,
              "aggregator": each.aggregator, "signing_bytes": each.signing_bytes().hex(), "expect": why}
             for name, (each, why) in _certificates().items()]
    cases += [{"name": name, "certificate": data.hex(), "canonical": False, "expect": why}
              for name, (data, why) in _bytes().items()]
    ready = [{"name": f"v{i + 1}", "seed": VALIDATOR_SEEDS[i].hex(), "nonce": each.nonce.hex(),
              "time_ms": f"{each.time_ms:016x}", "message": gc.ready_bytes(TERMS, each.nonce, each.time_ms).hex(),
              "expect": each.signature.hex()}
             for i, each in ((i, _attest(i, TIME_MS + i)) for i in range(5))]
    common = {"genesis": GENESIS, **network_fields(), "config_hash": TERMS.config_hash.hex(),
              "peer_hash": TERMS.peer_hash.hex()}
    return {
        "genesis_readies.json": {"description": "what validators sign before view 1", **common, "cases": ready},
        "genesis_certificates.json": {
            "description": "certificates of the genesis ceremony, good and bad", **common, "cases": cases},
    }
