"""The certificate of the genesis ceremony: docs/protocol.md, "Genesis ceremony"."""

from __future__ import annotations

from dataclasses import dataclass

from . import wire
from .genesis import Genesis
from .hashing import h, u32, u64
from .hashing import verify as is_signed

PROTOCOL_VERSION = 1
SCHEMA_VERSION = 1
SPREAD_MS_MAX = 180_000
BYTES_MAX = 16_384
ATTESTATIONS_MAX = 64

CONFLICT, MALFORMED, UNAUTHENTICATED = "CONFLICT", "MALFORMED", "UNAUTHENTICATED"


class Refused(ValueError):
    """It is no certificate of this genesis file. args[0] is CONFLICT, MALFORMED or UNAUTHENTICATED."""


@dataclass(frozen=True)
class Terms:
    """What every validator of a network has in common before it begins."""

    chain_id: bytes
    config_hash: bytes
    peer_hash: bytes

    def encode(self) -> bytes:
        return self.chain_id + self.config_hash + self.peer_hash

    @classmethod
    def of(cls, genesis: Genesis) -> Terms:
        ids = sorted(validator.id for validator in genesis.validators)
        return cls(
            genesis.chain_id,
            h(b"cybermesh/genesis-config/v1\0" + u64(PROTOCOL_VERSION) + u64(SCHEMA_VERSION)),
            h(b"cybermesh/genesis-peers/v1\0" + b"".join(ids)),
        )


def ready_bytes(terms: Terms, nonce: bytes, time_ms: int) -> bytes:
    """What a GenesisReady signs."""
    return b"cybermesh/genesis-ready/v1\0" + terms.encode() + nonce + u64(time_ms)


@dataclass(frozen=True)
class Attestation:
    validator: int
    nonce: bytes
    time_ms: int
    signature: bytes

    def signed(self) -> bytes:
        return u32(self.validator) + self.nonce + u64(self.time_ms) + self.signature

    def encode(self) -> bytes:
        return (wire.put_int(1, self.validator) + wire.put_bytes(2, self.nonce) + wire.put_int(3, self.time_ms) +
                wire.put_bytes(4, self.signature))

    @classmethod
    def decode(cls, data: bytes) -> Attestation:
        found = _fields(data, {1: 0, 3: 0}, {2: 32, 4: 64})
        return cls(_u32(found[1]), found[2], found[3], found[4])


@dataclass(frozen=True)
class GenesisCertificate:
    terms: Terms
    attestations: list[Attestation]
    aggregator: int
    signature: bytes

    @property
    def signers(self) -> list[int]:
        return [each.validator for each in self.attestations]

    def signing_bytes(self) -> bytes:
        """What the aggregator signs."""
        return (b"cybermesh/genesis-certificate/v1\0" + self.terms.encode() + u32(len(self.attestations)) +
                b"".join(each.signed() for each in self.attestations) + u32(self.aggregator))

    def encode(self) -> bytes:
        return (wire.put_bytes(1, self.terms.chain_id) + wire.put_bytes(2, self.terms.config_hash) +
                wire.put_bytes(3, self.terms.peer_hash) +
                b"".join(wire.put_bytes(4, each.encode(), always=True) for each in self.attestations) +
                wire.put_int(5, self.aggregator) + wire.put_bytes(6, self.signature))

    @classmethod
    def decode(cls, data: bytes) -> GenesisCertificate:
        if len(data) > BYTES_MAX:
            raise wire.WireError("more than a certificate may have")
        found = _fields(data, {5: 0}, {1: 32, 2: 32, 3: 32, 6: 64}, repeated=4)
        attestations = [Attestation.decode(each) for each in found[4]]
        if len(attestations) > ATTESTATIONS_MAX:
            raise wire.WireError("more attestations than validators may be")
        return cls(Terms(found[1], found[2], found[3]), attestations, _u32(found[5]), found[6])

    def why_bad(self, genesis: Genesis) -> str | None:
        """None if it is a certificate of this genesis file, else the reason."""
        if self.terms != Terms.of(genesis):
            return CONFLICT
        count = len(genesis.validators)
        rising = all(a < b for a, b in zip(self.signers, self.signers[1:]))
        if not rising or len(self.signers) < genesis.quorum or max([*self.signers, self.aggregator]) >= count:
            return MALFORMED
        times = [each.time_ms for each in self.attestations]
        if max(times) - min(times) > SPREAD_MS_MAX:
            return MALFORMED
        for each in self.attestations:
            key = genesis.validators[each.validator].sign_key
            if not is_signed(key, each.signature, ready_bytes(self.terms, each.nonce, each.time_ms)):
                return UNAUTHENTICATED
        if not is_signed(genesis.validators[self.aggregator].sign_key, self.signature, self.signing_bytes()):
            return UNAUTHENTICATED
        return None


def verify(genesis: Genesis, data: bytes) -> GenesisCertificate:
    """The certificate in these bytes, verified. Raises Refused."""
    try:
        certificate = GenesisCertificate.decode(data)
    except wire.WireError as error:
        raise Refused(MALFORMED) from error
    why = certificate.why_bad(genesis)
    if why is not None:
        raise Refused(why)
    return certificate


def _u32(value: int) -> int:
    if value >= 1 << 32:
        raise wire.WireError("a number is beyond 32 bits")
    return value


def _fields(data: bytes, numbers: dict[int, int], sizes: dict[int, int], repeated: int = 0) -> dict:
    """Fields by number: numbers are 0 when they are not there, bytes of these sizes must be there, others are refused."""
    found: dict = {**numbers, **({repeated: []} if repeated else {})}
    for number, wire_type, value in wire.fields(data):
        if number in numbers:
            found[number] = wire.as_u64(wire_type, value)
        elif number == repeated:
            found[number].append(wire.as_bytes(wire_type, value))
        elif number in sizes and len(wire.as_bytes(wire_type, value)) == sizes[number]:
            found[number] = value
        else:
            raise wire.WireError(f"field {number} does not belong there")
    if any(number not in found for number in sizes):
        raise wire.WireError("a field is missing")
    return found
