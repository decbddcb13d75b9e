"""CommitEvent, the notice of a committed and persisted block on the commits topic."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import wire
from .block import Header
from .genesis import Genesis
from .hashing import sign, verify
from .proofs import BadProof, CommitProof

COMMITS_TOPIC = "control.commits.v1"


@dataclass(frozen=True)
class CommitEvent:
    height: int = 0
    block_hash: bytes = b""
    state_root: bytes = b""
    tx_count: int = 0
    anomaly_count: int = 0
    evidence_count: int = 0
    policy_count: int = 0
    timestamp: int = 0
    producer_id: bytes = b""
    signature: bytes = b""
    pubkey: bytes = b""
    alg: str = "Ed25519"
    anomaly_ids: list[str] = field(default_factory=list)
    proof: bytes = b""

    def _before_signature(self) -> bytes:
        return (
            wire.put_int(1, self.height)
            + wire.put_bytes(2, self.block_hash)
            + wire.put_bytes(3, self.state_root)
            + wire.put_int(4, self.tx_count)
            + wire.put_int(5, self.anomaly_count)
            + wire.put_int(6, self.evidence_count)
            + wire.put_int(7, self.policy_count)
            + wire.put_int(8, self.timestamp)
            + wire.put_bytes(9, self.producer_id)
        )

    def _anomaly_ids(self) -> bytes:
        return b"".join(wire.put_bytes(13, item.encode(), always=True) for item in self.anomaly_ids)

    def signing_bytes(self, topic: str = COMMITS_TOPIC) -> bytes:
        return topic.encode() + self._before_signature() + self._anomaly_ids()

    def signed(self, seed: bytes, topic: str = COMMITS_TOPIC) -> CommitEvent:
        return CommitEvent(**{**self.__dict__, "signature": sign(seed, self.signing_bytes(topic))})

    def encode(self) -> bytes:
        return (
            self._before_signature()
            + wire.put_bytes(10, self.signature)
            + wire.put_bytes(11, self.pubkey)
            + wire.put_bytes(12, self.alg.encode())
            + self._anomaly_ids()
            + wire.put_bytes(20, self.proof)
        )

    @classmethod
    def decode(cls, data: bytes) -> CommitEvent:
        """Raises wire.WireError."""
        values: dict = {"alg": "", "anomaly_ids": []}
        for number, wire_type, value in wire.fields(data):
            if number in _INTEGERS:
                values[_INTEGERS[number]] = wire.as_i64(wire_type, value)
            elif number in _BYTES:
                values[_BYTES[number]] = wire.as_bytes(wire_type, value)
            elif number == 12:
                values["alg"] = _text(wire.as_bytes(wire_type, value))
            elif number == 13:
                values["anomaly_ids"].append(_text(wire.as_bytes(wire_type, value)))
        return cls(**values)

    def signature_is_good(self, topic: str = COMMITS_TOPIC) -> bool:
        """Says only that the holder of pubkey signed it; compare pubkey with the genesis file's control keys."""
        known = self.alg == "Ed25519" and self.producer_id == self.pubkey
        return known and verify(self.pubkey, self.signature, self.signing_bytes(topic))

    def verify_proof(self, genesis: Genesis) -> Header:
        """The proved header, which must say what the event says. Raises BadProof."""
        header = CommitProof.from_protobuf(self.proof).verify(genesis)
        said = (self.height, self.block_hash, self.state_root, self.tx_count)
        if said != (header.height, header.block_id, header.state_root, header.tx_count):
            raise BadProof("the event differs from the proved header")
        if self.timestamp != header.timestamp_ms // 1000:
            raise BadProof("the event differs from the proved header")
        return header


_INTEGERS = {
    1: "height",
    4: "tx_count",
    5: "anomaly_count",
    6: "evidence_count",
    7: "policy_count",
    8: "timestamp",
}
_BYTES = {2: "block_hash", 3: "state_root", 9: "producer_id", 10: "signature", 11: "pubkey", 20: "proof"}


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise wire.WireError("text is not UTF-8") from error
