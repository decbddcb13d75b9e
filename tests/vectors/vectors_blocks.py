"""genesis.json, quorums.json, headers.json, signing.json."""

from __future__ import annotations

from typing import Any

from cybermesh_ref import certificates, genesis
from cybermesh_ref.block import Header
from cybermesh_ref.certificates import Qc, Signature, Tc, TcSignature
from cybermesh_ref.hashing import ZERO, public_key, sha256, sign
from vectors_common import CREATED_MS, GENESIS, NETWORK, VALIDATOR_SEEDS, fixed

U64_MAX = (1 << 64) - 1


def _genesis_case(name: str, value: Any) -> dict[str, Any]:
    return {
        "name": name,
        "genesis": value,
        "canonical": genesis.canonical_json(value).decode(),
        "canonical_hex": genesis.canonical_json(value).hex(),
        "expect": genesis.chain_id(value).hex(),
    }


def _genesis_cases() -> list[dict[str, Any]]:
    return [
        _genesis_case("a network of five", GENESIS),
        _genesis_case("the same with its members in another order", dict(reversed(list(GENESIS.items())))),
        _genesis_case("another created_ms", {**GENESIS, "created_ms": CREATED_MS + 1}),
        _genesis_case("escapes", {"network": 'tab\tquote"back\\slash/\u0001\u001f\u007f\u2028é😀\b\f\n\r'}),
        _genesis_case(
            "names sort by UTF-16 code units",
            {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7, "": 8},
        ),
        _genesis_case("numbers", {"a": [0, -1, 9007199254740991, -9007199254740991], "b": {}, "c": [], "d": True}),
    ]


def _quorum_cases() -> list[dict[str, Any]]:
    return [
        {"name": f"{n} validators", "validators": n, "faults": genesis.faults_max(n), "expect": genesis.quorum(n)}
        for n in range(1, 65)
    ]


def _header_case(name: str, header: Header) -> dict[str, Any]:
    return {
        "name": name,
        "chain_id": header.chain_id.hex(),
        "height": f"{header.height:016x}",
        "view": f"{header.view:016x}",
        "parent_id": header.parent_id.hex(),
        "justify_view": f"{header.justify_view:016x}",
        "justify_signers": f"{header.justify_signers:016x}",
        "tx_count": header.tx_count,
        "tx_root": header.tx_root.hex(),
        "receipt_root": header.receipt_root.hex(),
        "state_root": header.state_root.hex(),
        "proposer": header.proposer.hex(),
        "timestamp_ms": f"{header.timestamp_ms:016x}",
        "header": header.encode().hex(),
        "block_id": header.block_id.hex(),
        "expect": "OK",
    }


def _bad_header_case(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "header": data.hex(), "expect": "BAD"}


def _header_cases() -> list[dict[str, Any]]:
    first = Header(NETWORK.chain_id, 0, state_root=fixed("state root"), timestamp_ms=CREATED_MS)
    second = Header(
        chain_id=NETWORK.chain_id,
        height=1,
        view=1,
        parent_id=first.block_id,
        tx_count=3,
        tx_root=fixed("tx root"),
        receipt_root=fixed("receipt root"),
        state_root=fixed("state root 1"),
        proposer=sha256(public_key(VALIDATOR_SEEDS[1])),
        timestamp_ms=CREATED_MS + 250,
    )
    greatest = Header(
        b"\xff" * 32,
        U64_MAX,
        U64_MAX,
        b"\xfe" * 32,
        U64_MAX - 1,
        U64_MAX,
        (1 << 32) - 1,
        b"\xfd" * 32,
        b"\xfc" * 32,
        b"\xfb" * 32,
        b"\xfa" * 32,
        U64_MAX,
    )
    each = Header(
        bytes(range(32)),
        0x0102030405060708,
        0x1112131415161718,
        bytes(range(32, 64)),
        0x2122232425262728,
        0b11011,
        0x31323334,
        bytes(range(64, 96)),
        bytes(range(96, 128)),
        bytes(range(128, 160)),
        bytes(range(160, 192)),
        0x4142434445464748,
    )
    data = second.encode()
    return [
        _header_case("genesis block", first),
        _header_case("first block", second),
        _header_case("greatest numbers", greatest),
        _header_case("every byte tells its place", each),
        _bad_header_case("one byte short", data[:-1]),
        _bad_header_case("one byte long", data + b"\0"),
        _bad_header_case("another domain", b"cybermesh/block/v2\0" + data[19:]),
        _bad_header_case("empty", b""),
    ]


def _signing_case(name: str, kind: str, inputs: dict[str, str], message: bytes, signer: int) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "chain_id": NETWORK.chain_id.hex(),
        **inputs,
        "message": message.hex(),
        "seed": VALIDATOR_SEEDS[signer].hex(),
        "key": public_key(VALIDATOR_SEEDS[signer]).hex(),
        "expect": sign(VALIDATOR_SEEDS[signer], message).hex(),
    }


def _number(value: int) -> str:
    return f"{value:016x}"


def _signing_cases() -> list[dict[str, Any]]:
    chain, block = NETWORK.chain_id, fixed("block id")
    cases = []
    for view, height, signer in ((1, 1, 0), (1 << 40, 77, 4), (U64_MAX, U64_MAX, 2)):
        inputs = {"view": _number(view), "height": _number(height), "block_id": block.hex()}
        message = certificates.vote_bytes(chain, view, height, block)
        cases.append(_signing_case(f"vote in view {view}", "vote", inputs, message, signer))
    for name, tc_hash in (("without a timeout certificate", ZERO), ("with one", fixed("tc hash"))):
        inputs = {"block_id": block.hex(), "tc_hash": tc_hash.hex()}
        message = certificates.proposal_bytes(chain, block, tc_hash)
        cases.append(_signing_case(f"proposal {name}", "proposal", inputs, message, 1))
    for view, high in ((1, 0), (9, 7), (U64_MAX, U64_MAX - 1)):
        inputs = {"view": _number(view), "high_qc_view": _number(high)}
        message = certificates.timeout_bytes(chain, view, high)
        cases.append(_signing_case(f"timeout of view {view}", "timeout", inputs, message, 3))
    inputs = {"view": _number(12), "high_qc_view": _number(11), "committed_height": _number(10)}
    message = certificates.heartbeat_bytes(chain, 12, 11, 10)
    cases.append(_signing_case("heartbeat", "heartbeat", inputs, message, 2))
    return cases


def _tc(view: int, high_view: int, signers: list[int]) -> Tc:
    block = fixed(f"block of {high_view}")
    vote = certificates.vote_bytes(NETWORK.chain_id, high_view, 5, block)
    high = Qc(high_view, 5, block, [Signature(i, sign(VALIDATOR_SEEDS[i], vote)) for i in (0, 1, 3, 4)])
    own = []
    for i in signers:
        seen = high_view if i == signers[0] else high_view - 1
        message = certificates.timeout_bytes(NETWORK.chain_id, view, seen)
        own.append(TcSignature(i, seen, sign(VALIDATOR_SEEDS[i], message)))
    return Tc(view, own, high)


def _tc_case(name: str, tc: Tc) -> dict[str, Any]:
    return {
        "name": name,
        "view": tc.view,
        "signatures": [
            {"validator": s.validator, "high_qc_view": s.high_qc_view, "signature": s.signature.hex()}
            for s in tc.signatures
        ],
        "qc_view": tc.high_qc.view,
        "qc_height": tc.high_qc.height,
        "qc_block_id": tc.high_qc.block_id.hex(),
        "qc_signatures": [{"validator": s.validator, "signature": s.signature.hex()} for s in tc.high_qc.signatures],
        "expect": tc.hash.hex(),
    }


def _tc_cases() -> list[dict[str, Any]]:
    return [
        _tc_case("timeouts of 0, 1, 2 and 4", _tc(9, 7, [0, 1, 2, 4])),
        _tc_case("on the genesis certificate", Tc(1, _tc(1, 1, [1, 2, 3, 4]).signatures, Qc(0, 0, ZERO, []))),
    ]


def files() -> dict[str, dict[str, Any]]:
    return {
        "genesis.json": {
            "description": "Genesis values, their canonical JSON (RFC 8785) and the chain id.",
            "cases": _genesis_cases(),
        },
        "quorums.json": {
            "description": "Faults and quorum for each number of validators.",
            "cases": _quorum_cases(),
        },
        "headers.json": {
            "description": "Block headers: fields, the 255 bytes, the block id. u64 values are 16 hex digits.",
            "cases": _header_cases(),
        },
        "signing.json": {
            "description": "What validators sign, and the signature. u64 values are 16 hex digits.",
            "cases": _signing_cases(),
        },
        "tc_hashes.json": {
            "description": "The hash of a timeout certificate, which a proposal's signature covers.",
            "cases": _tc_cases(),
        },
    }
