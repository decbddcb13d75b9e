"""Commit, transaction and state proofs: reading both encodings and checking them against the genesis file alone."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from . import merkle, statetree, wire
from .block import Header
from .certificates import Qc, Signature
from .genesis import Genesis
from .hashing import h


class BadProof(ValueError):
    """The proof proves nothing; the text says why."""


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise BadProof(text)


def _hex(value: Any, size: int | None = None) -> bytes:
    _require(isinstance(value, str), "expected hex text")
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise BadProof("expected hex text") from error
    _require(data.hex() == value, "expected lower-case hex")
    _require(size is None or len(data) == size, "wrong length")
    return data


def _int(value: Any) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 53, "expected a number")
    return value


def _base64(value: Any) -> bytes:
    _require(isinstance(value, str), "expected base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise BadProof("expected base64 text") from error


def _parse(reader: Any, value: Any) -> Any:
    try:
        return reader(value)
    except (wire.WireError, KeyError, TypeError) as error:
        raise BadProof(f"malformed proof: {error}") from error


# --- commit proof ---


@dataclass(frozen=True)
class CommitProof:
    headers: list[bytes]
    qc: Qc

    @classmethod
    def from_json(cls, value: Any) -> CommitProof:
        return _parse(cls._from_json, value)

    @classmethod
    def _from_json(cls, value: Any) -> CommitProof:
        qc = value["qc"]
        signatures = [Signature(_int(s["validator"]), _hex(s["signature"], 64)) for s in qc["signatures"]]
        return cls(
            [_hex(header) for header in value["headers"]],
            Qc(_int(qc["view"]), _int(qc["height"]), _hex(qc["block_id"], 32), signatures),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "headers": [header.hex() for header in self.headers],
            "qc": {
                "view": self.qc.view,
                "height": self.qc.height,
                "block_id": self.qc.block_id.hex(),
                "signatures": [{"validator": s.validator, "signature": s.signature.hex()} for s in self.qc.signatures],
            },
        }

    @classmethod
    def from_protobuf(cls, data: bytes) -> CommitProof:
        return _parse(cls._from_protobuf, data)

    @classmethod
    def _from_protobuf(cls, data: bytes) -> CommitProof:
        headers: list[bytes] = []
        qc = Qc(0, 0, b"", [])
        for number, wire_type, value in wire.fields(data):
            if number == 1:
                headers.append(wire.as_bytes(wire_type, value))
            elif number == 2:
                qc = _qc_from_protobuf(wire.as_bytes(wire_type, value))
        return cls(headers, qc)

    def to_protobuf(self) -> bytes:
        qc = (
            wire.put_int(1, self.qc.view)
            + wire.put_int(2, self.qc.height)
            + wire.put_bytes(3, self.qc.block_id)
            + b"".join(
                wire.put_bytes(4, wire.put_int(1, s.validator) + wire.put_bytes(2, s.signature), always=True)
                for s in self.qc.signatures
            )
        )
        headers = b"".join(wire.put_bytes(1, header, always=True) for header in self.headers)
        return headers + wire.put_bytes(2, qc, always=True)

    def verify(self, genesis: Genesis) -> Header:
        """The header of the block that is proved to be committed. Raises BadProof."""
        _require(len(self.headers) >= 2, "fewer than two headers")
        try:
            headers = [Header.decode(data) for data in self.headers]
        except ValueError as error:
            raise BadProof("not a block header") from error
        _require(all(header.chain_id == genesis.chain_id for header in headers), "another chain")
        for parent, child in zip(headers, headers[1:]):
            _require(child.parent_id == parent.block_id, "parent_id is not the id of the header before")
            _require(child.height == parent.height + 1, "heights do not rise by one")
            _require(child.justify_view == parent.view, "justify_view is not the view of the header before")
        last = headers[-1]
        _require(last.view == headers[-2].view + 1, "the last two views are not consecutive")
        certified = (self.qc.view, self.qc.height, self.qc.block_id)
        _require(certified == (last.view, last.height, last.block_id), "the certificate is for another block")
        why = self.qc.why_bad(genesis)
        _require(why is None, why or "")
        return headers[0]


def _qc_from_protobuf(data: bytes) -> Qc:
    view, height, block_id = 0, 0, b""
    signatures: list[Signature] = []
    for number, wire_type, value in wire.fields(data):
        if number == 1:
            view = wire.as_u64(wire_type, value)
        elif number == 2:
            height = wire.as_u64(wire_type, value)
        elif number == 3:
            block_id = wire.as_bytes(wire_type, value)
        elif number == 4:
            signatures.append(_signature_from_protobuf(wire.as_bytes(wire_type, value)))
    return Qc(view, height, block_id, signatures)


def _signature_from_protobuf(data: bytes) -> Signature:
    validator, signature = 0, b""
    for number, wire_type, value in wire.fields(data):
        if number == 1:
            validator = wire.as_u32(wire_type, value)
        elif number == 2:
            signature = wire.as_bytes(wire_type, value)
    return Signature(validator, signature)


# --- transaction proof ---


@dataclass(frozen=True)
class TransactionProof:
    tx_id: bytes
    index: int
    tx_count: int
    path: list[bytes]
    receipt: bytes
    receipt_path: list[bytes]
    commit: CommitProof

    @classmethod
    def from_json(cls, value: Any) -> TransactionProof:
        return _parse(cls._from_json, value)

    @classmethod
    def _from_json(cls, value: Any) -> TransactionProof:
        return cls(
            _hex(value["tx_id"], 32),
            _int(value["index"]),
            _int(value["tx_count"]),
            [_hex(item, 32) for item in value["path"]],
            _base64(value["receipt"]),
            [_hex(item, 32) for item in value["receipt_path"]],
            CommitProof.from_json(value["commit"]),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "tx_id": self.tx_id.hex(),
            "index": self.index,
            "tx_count": self.tx_count,
            "path": [item.hex() for item in self.path],
            "receipt": base64.b64encode(self.receipt).decode(),
            "receipt_path": [item.hex() for item in self.receipt_path],
            "commit": self.commit.to_json(),
        }

    def verify(self, genesis: Genesis, tx_id: bytes) -> Header:
        """The header of the block that holds the transaction. tx_id is the one that was asked for."""
        _require(self.tx_id == tx_id, "another transaction")
        header = self.commit.verify(genesis)
        _require(header.tx_count == self.tx_count, "tx_count is not the header's")
        in_block = merkle.verify(header.tx_root, self.tx_id, self.tx_count, self.index, self.path)
        _require(in_block, "the path does not lead to tx_root")
        receipt_hash = h(self.receipt)
        in_block = merkle.verify(header.receipt_root, receipt_hash, self.tx_count, self.index, self.receipt_path)
        _require(in_block, "the receipt's path does not lead to receipt_root")
        return header


# --- state proof ---


@dataclass(frozen=True)
class StateProof:
    key: str
    height: int
    value: bytes | None
    proof: statetree.Proof
    commit: CommitProof

    @classmethod
    def from_json(cls, value: Any) -> StateProof:
        return _parse(cls._from_json, value)

    @classmethod
    def _from_json(cls, value: Any) -> StateProof:
        leaf = value["leaf"]
        _require(isinstance(value["key"], str), "key is text")
        return cls(
            value["key"],
            _int(value["height"]),
            None if value["value"] is None else _base64(value["value"]),
            statetree.Proof(
                None if leaf is None else statetree.Leaf(_hex(leaf["key_hash"], 32), _hex(leaf["value_hash"], 32)),
                [_hex(item, 32) for item in value["siblings"]],
            ),
            CommitProof.from_json(value["commit"]),
        )

    def to_json(self) -> dict[str, Any]:
        leaf = self.proof.leaf
        return {
            "key": self.key,
            "height": self.height,
            "value": None if self.value is None else base64.b64encode(self.value).decode(),
            "leaf": None if leaf is None else {"key_hash": leaf.key_hash.hex(), "value_hash": leaf.value_hash.hex()},
            "siblings": [item.hex() for item in self.proof.siblings],
            "commit": self.commit.to_json(),
        }

    def verify(self, genesis: Genesis, key: str) -> Header:
        """The header whose state holds (value) or does not hold (value is None) the key that was asked for."""
        _require(self.key == key, "another key")
        header = self.commit.verify(genesis)
        _require(header.height == self.height, "height is not the header's")
        shown = statetree.verify(header.state_root, key, self.value, self.proof)
        _require(shown, "the siblings do not lead to state_root")
        return header
