"""Proof that a validator signed two things for one view: docs/protocol.md, "Equivocation"."""

from __future__ import annotations

from dataclasses import dataclass

from . import wire
from .block import HEADER_BYTES, Header
from .certificates import proposal_bytes, vote_bytes
from .events import tx_id
from .genesis import Genesis
from .hashing import h, u32, u64, verify

TX_KIND = 4
VOTE, PROPOSAL = 1, 2


@dataclass(frozen=True)
class Vote:
    height: int
    block_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        return u64(self.height) + self.block_id + self.signature


@dataclass(frozen=True)
class Proposal:
    header: bytes
    tc_hash: bytes
    signature: bytes

    @property
    def block_id(self) -> bytes:
        return h(self.header)

    def encode(self) -> bytes:
        return self.header + self.tc_hash + self.signature


def _field(number: int, value: bytes) -> bytes:
    return bytes([number]) + u32(len(value)) + value


@dataclass(frozen=True)
class Equivocation:
    offender: bytes
    kind: int
    view: int
    first: Vote | Proposal
    second: Vote | Proposal

    def body(self) -> bytes:
        values = [self.offender, u64(self.kind), u64(self.view), self.first.encode(), self.second.encode()]
        return bytes([TX_KIND]) + b"".join(_field(i + 1, value) for i, value in enumerate(values))

    @property
    def tx_id(self) -> bytes:
        return tx_id(self.body())

    @property
    def state_key(self) -> str:
        """The offender's one record of it in the state."""
        return f"validator_evidence/{self.offender.hex()}"

    def record(self, height: int) -> bytes:
        """The value of that record, once a block at this height has the proof."""
        return (wire.put_int(1, self.kind) + wire.put_int(2, self.view) + wire.put_bytes(3, self.tx_id) +
                wire.put_int(4, height) + wire.put_bytes(5, b"proved"))

    def receipt(self, height: int) -> bytes:
        """The transaction's receipt in that block: what receipt_root has."""
        return (wire.put_bytes(1, self.tx_id) + wire.put_int(2, TX_KIND) + wire.put_bytes(3, self.state_key.encode()) +
                wire.put_bytes(4, h(self.record(height))) + wire.put_bytes(5, b"proved"))

    @classmethod
    def decode(cls, body: bytes) -> Equivocation:
        if not body or body[0] != TX_KIND:
            raise ValueError("another kind")
        values, at = [], 1
        for number in range(1, 6):
            size = int.from_bytes(body[at + 1 : at + 5], "big")
            if body[at : at + 1] != bytes([number]) or at + 5 + size > len(body):
                raise ValueError(f"field {number} is not there")
            values.append(body[at + 5 : at + 5 + size])
            at += 5 + size
        if at != len(body) or [len(value) for value in values[:3]] != [32, 8, 8]:
            raise ValueError("a length is wrong")
        kind = int.from_bytes(values[1], "big")
        statements = [_statement(kind, value) for value in values[3:]]
        if statements[0].block_id >= statements[1].block_id:
            raise ValueError("the statements are not in the order of their blocks")
        return cls(values[0], kind, int.from_bytes(values[2], "big"), *statements)

    def why_bad(self, genesis: Genesis) -> str | None:
        """None if it is proof, else the reason."""
        offender = next((each for each in genesis.validators if each.id == self.offender), None)
        if offender is None:
            return "PRODUCER_UNKNOWN"
        for each in (self.first, self.second):
            if isinstance(each, Proposal):
                header = Header.decode(each.header)
                if (header.chain_id, header.view, header.proposer) != (genesis.chain_id, self.view, self.offender):
                    return "CONTENT_RULE"
        for each in (self.first, self.second):
            if isinstance(each, Vote):
                message = vote_bytes(genesis.chain_id, self.view, each.height, each.block_id)
            else:
                message = proposal_bytes(genesis.chain_id, each.block_id, each.tc_hash)
            if not verify(offender.sign_key, each.signature, message):
                return "BAD_SIGNATURE"
        return None


def _statement(kind: int, value: bytes) -> Vote | Proposal:
    if kind == VOTE and len(value) == 8 + 32 + 64:
        return Vote(int.from_bytes(value[:8], "big"), value[8:40], value[40:])
    if kind == PROPOSAL and len(value) == HEADER_BYTES + 32 + 64:
        Header.decode(value[:HEADER_BYTES])
        return Proposal(value[:HEADER_BYTES], value[HEADER_BYTES:-64], value[-64:])
    raise ValueError("a statement of another form")
