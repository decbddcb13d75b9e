"""What validators sign, and quorum certificates."""

from __future__ import annotations

from dataclasses import dataclass

from .genesis import Genesis
from .hashing import h, u32, u64, verify


def vote_bytes(chain_id: bytes, view: int, height: int, block_id: bytes) -> bytes:
    return b"cybermesh/vote/v1\0" + chain_id + u64(view) + u64(height) + block_id


def proposal_bytes(chain_id: bytes, block_id: bytes, tc_hash: bytes) -> bytes:
    return b"cybermesh/proposal/v1\0" + chain_id + block_id + tc_hash


def timeout_bytes(chain_id: bytes, view: int, high_qc_view: int) -> bytes:
    return b"cybermesh/timeout/v1\0" + chain_id + u64(view) + u64(high_qc_view)


def heartbeat_bytes(chain_id: bytes, view: int, high_qc_view: int, committed_height: int) -> bytes:
    return b"cybermesh/heartbeat/v1\0" + chain_id + u64(view) + u64(high_qc_view) + u64(committed_height)


@dataclass(frozen=True)
class Signature:
    validator: int
    signature: bytes


@dataclass(frozen=True)
class Qc:
    view: int
    height: int
    block_id: bytes
    signatures: list[Signature]

    def why_bad(self, genesis: Genesis) -> str | None:
        """None if the certificate is a valid quorum, else what is wrong with it."""
        signers = [item.validator for item in self.signatures]
        if any(not 0 <= signer < len(genesis.validators) for signer in signers):
            return "unknown signer"
        if any(a >= b for a, b in zip(signers, signers[1:])):
            return "signers are not sorted and distinct"
        if len(signers) < genesis.quorum:
            return "no quorum"
        message = vote_bytes(genesis.chain_id, self.view, self.height, self.block_id)
        for item in self.signatures:
            if not verify(genesis.validators[item.validator].sign_key, item.signature, message):
                return "bad signature"
        return None


@dataclass(frozen=True)
class TcSignature:
    validator: int
    high_qc_view: int
    signature: bytes


@dataclass(frozen=True)
class Tc:
    view: int
    signatures: list[TcSignature]
    high_qc: Qc

    @property
    def hash(self) -> bytes:
        own = b"".join(u32(item.validator) + u64(item.high_qc_view) + item.signature for item in self.signatures)
        high = b"".join(u32(item.validator) + item.signature for item in self.high_qc.signatures)
        return h(
            u64(self.view)
            + u32(len(self.signatures))
            + own
            + u64(self.high_qc.view)
            + u64(self.high_qc.height)
            + self.high_qc.block_id
            + u32(len(self.high_qc.signatures))
            + high
        )
