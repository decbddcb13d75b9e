#!/usr/bin/env python3
"""Write the corpora of base's fuzz targets from tests/vectors. The same vectors give the same files."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors"
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
INPUT_BYTES_MAX = 8192


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((VECTORS / name).read_text(encoding="ascii"))["cases"]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def write(target: str, inputs: list[bytes]) -> None:
    directory = CORPUS / f"fuzz_base_{target}"
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for number, data in enumerate(data for data in inputs if len(data) <= INPUT_BYTES_MAX):
        (directory / f"{number:02}").write_bytes(data)


def tx() -> list[bytes]:
    return [raw(case["body"]) for case in cases("events.json")[:10]] + [
        raw(case["body"]) for case in cases("bodies.json") if case["name"].startswith(("severity", "ref", "custody"))
    ]


def block() -> list[bytes]:
    return [raw(case["header"]) for case in cases("headers.json")]


def equivocation() -> list[bytes]:
    return [raw(case["body"]) for case in cases("equivocations.json")]


def signatures(entries: list[dict[str, Any]]) -> bytes:
    parts = [struct.pack(">I", len(entries))]
    for entry in entries:
        parts.append(struct.pack(">I", entry["validator"]))
        if "high_qc_view" in entry:
            parts.append(struct.pack(">Q", entry["high_qc_view"]))
        parts.append(raw(entry["signature"]))
    return b"".join(parts)


def qc(view: int, height: int, block_id: str, entries: list[dict[str, Any]]) -> bytes:
    return struct.pack(">QQ", view, height) + raw(block_id) + signatures(entries)


def commit_proof(case: dict[str, Any]) -> bytes:
    certificate = case["qc"]
    return (
        b"\0"
        + qc(certificate["view"], certificate["height"], certificate["block_id"], certificate["signatures"])
        + b"".join(raw(header) for header in case["headers"])
    )


def cert() -> list[bytes]:
    wanted = ("two headers", "three headers", "all five signed", "views not consecutive", "duplicate signer", "unsorted")
    proofs = [commit_proof(case) for case in cases("commit_proofs.json") if case["name"] in wanted]
    timeouts = [
        b"\1"
        + struct.pack(">Q", case["view"])
        + signatures(case["signatures"])
        + qc(case["qc_view"], case["qc_height"], case["qc_block_id"], case["qc_signatures"])
        for case in cases("tc_hashes.json")
    ]
    return proofs + timeouts


def merkle() -> list[bytes]:
    return [
        struct.pack(">HH", case["count"], case["index"])
        + raw(case["root"])
        + raw(case["item"])
        + b"".join(raw(item) for item in case["path"])
        for case in cases("merkle_paths.json")[1::7]
        if case["count"] < 65536 and case["index"] < 65536
    ]


def state_proof(case: dict[str, Any]) -> bytes:
    leaf = case["leaf"]
    key = case["key"].encode()
    return (
        raw(case["root"])
        + (b"\1" + raw(leaf["key_hash"]) + raw(leaf["value_hash"]) if leaf else bytes(65))
        + struct.pack(">HB", len(case["siblings"]), len(key))
        + key
        + (b"\0" if case["value"] is None else b"\1")
        + b"".join(raw(sibling) for sibling in case["siblings"])
        + raw(case["value"] or "")
    )


def stateproof() -> list[bytes]:
    return [state_proof(case) for case in cases("state_siblings.json")[::2]]


def peer_record() -> list[bytes]:
    endpoints = [case["endpoint"].encode() for case in cases("peer_endpoints.json")[::4]]
    return [raw(case["record"]) for case in cases("peer_records.json")] + endpoints


def text() -> list[bytes]:
    samples = ["plain", "na\u00efve \u65e5\u672c \U0001f600", "\u00a0\u07ff\u0800\ud7ff\ue000\U00010000\U0010ffff"]
    return [sample.encode() for sample in samples] + [b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"a\x85"]


def voting() -> list[bytes]:
    """Records without their seal, behind a 1; one with it, behind a 0."""
    proof = cases("commit_proofs.json")[0]["qc"]
    certificate = qc(proof["view"], proof["height"], proof["block_id"], proof["signatures"])
    head = b"\2" + bytes([0xC1]) * 32 + bytes([0x11]) * 32 + struct.pack(">QQQ", 9, 2, 0)
    vote = struct.pack(">QBQQ", 7, 1, 7, 6) + bytes([5]) * 32 + bytes([6]) * 64
    none = struct.pack(">QBQQ", 7, 0, 0, 0) + bytes(32 + 64)
    timeout, no_timeout = struct.pack(">BQQ", 1, 8, 6), struct.pack(">BQQ", 0, 0, 0)
    entries = [entry | {"high_qc_view": proof["view"]} for entry in proof["signatures"]]
    timeouts = b"\1" + struct.pack(">Q", proof["view"] + 1) + signatures(entries) + certificate
    records = [head + b"\0", head + b"\1" + vote + no_timeout + certificate + b"\0",
               head + b"\1" + vote + timeout + certificate + timeouts, head + b"\1" + none + timeout + certificate + timeouts]
    sealed = records[1] + hashlib.blake2b(b"cybermesh/voting/v1\0" + records[1], digest_size=32).digest()
    return [b"\1" + record for record in records] + [b"\0" + sealed]


def main() -> None:
    write("tx", tx())
    write("block", block())
    write("cert", cert())
    write("equivocation", equivocation())
    write("merkle", merkle())
    write("stateproof", stateproof())
    write("peer_record", peer_record())
    write("text", text())
    write("voting", voting())
    write("hex", [b"", b"00ff", b"0", b"00FF", b"0123456789abcdef"])
    write("bytes", [bytes([6, 0, 1, 2, 3, 4, 6]) + bytes(range(64)), b"\1\5\0\0\0\3abc"])
    puts = b"".join(bytes([0, number]) for number in range(64))
    removals = b"".join(bytes([200, number]) for number in range(0, 64, 3))
    write("map", [b"\1" + puts + removals, b"\2" + puts + removals + puts])


if __name__ == "__main__":
    main()
