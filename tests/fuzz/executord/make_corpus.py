#!/usr/bin/env python3
"""Writes the corpora of executord's fuzz targets: tests/fuzz/corpus/fuzz_executord_*."""

from __future__ import annotations

import struct
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "corpus"


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def frame(field: int, body: bytes) -> bytes:
    return number(1, 1) + data(field, body)


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / f"fuzz_executord_{target}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


HASH = bytes(range(32))
HEADER = (
    b"cybermesh/block/v1\0" + HASH + struct.pack(">QQ", 3, 4) + HASH + struct.pack(">QQI", 3, 7, 2) + HASH * 4 + struct.pack(">Q", 5)
)
BODIES = data(9, b"first") + data(9, b"") + data(9, b"third")


def canonical(*values: bytes) -> bytes:
    return b"".join(struct.pack(">BI", i + 1, len(value)) + value for i, value in enumerate(values))


def anomaly(name: bytes, nonce: int, ts: int) -> bytes:
    zero = bytes(32)
    return b"\x01" + canonical(
        name, b"scan", b"sensor", struct.pack(">Q", 7), struct.pack(">d", 0.5), struct.pack(">q", ts), zero, b"{}", b"1",
        zero, nonce.to_bytes(16, "big"), bytes(64), zero, b"Ed25519-v2",
    )


def evidence(name: bytes, nonce: int, refs: int) -> bytes:
    zero = bytes(32)
    items = struct.pack(">I", refs) + (struct.pack(">I", 32) + HASH) * refs
    return b"\x02" + canonical(
        name, b"pcap", items, b"blob", struct.pack(">I", 0), struct.pack(">q", 1), zero, zero, nonce.to_bytes(16, "big"),
        bytes(64), zero, b"Ed25519",
    )


def policy(name: bytes, nonce: int) -> bytes:
    zero = bytes(32)
    return b"\x03" + canonical(
        name, b"drop", b"block", b"{}", struct.pack(">q", 1), zero, zero, nonce.to_bytes(16, "big"), bytes(64), zero,
        b"Ed25519-v2",
    )


def block(wait_s: int, *bodies: bytes) -> bytes:
    return struct.pack(">H", wait_s) + b"".join(struct.pack(">H", len(body)) + body for body in bodies)


def main() -> None:
    build = number(1, 9) + data(2, HASH) + number(3, 3) + number(4, 4) + number(5, 3) + number(6, 7) + data(7, HASH)
    write("execution", "height", frame(2, b""))
    write("execution", "build", frame(4, build + number(8, 5) + BODIES))
    write("execution", "check", frame(6, number(1, 9) + data(2, HEADER) + data(3, b"first") + data(3, b"second")))
    write("execution", "recheck", frame(8, number(1, 9) + data(2, HASH) + number(3, 5) + data(4, b"first")))
    signature = number(1, 1) + data(2, bytes(64))
    qc = number(1, 5) + number(2, 4) + data(3, HASH) + data(4, signature) + data(4, number(1, 2) + data(2, bytes(64)))
    proof = data(1, HEADER) * 2 + data(2, qc)
    write("execution", "commit", frame(10, data(1, HEADER) + data(2, proof) + data(3, b"first")))
    write("proof", "two_headers", proof)
    write("proof", "no_header", data(2, qc))
    write("outcome", "ask", frame(2, number(1, 1) + number(2, 3) + number(3, 100)))
    write("outcome", "ack", frame(4, number(1, 300)))
    changes = data(7, data(1, b"anomaly/a") + data(2, b"value")) + data(7, data(1, b"nonce/b") + number(3, 1))
    outcome = number(1, 3) + data(2, HASH) + data(3, HEADER) + data(4, proof) + data(5, b"body") + data(6, b"receipt")
    write("outcome", "stored", outcome + changes)
    write("query", "state", frame(2, number(1, 1) + data(2, b"anomaly/a") + number(3, 1) + number(4, 7)))
    write("query", "status", frame(4, number(1, 1)))
    write("record", "nonce", data(1, HASH) + number(2, 1700086400))
    write("record", "producer", data(1, b"sensor-1") + number(2, 15) + number(3, 1))
    write("params", "usual", b'{"policy_id": "p", "target": {"ips": ["10.1.2.3"], "cidrs": ["10.0.0.0/8"]}, "guardrails": {"ttl_seconds": 60}}')
    write("params", "odd", b'{"policy_id": 1.5, "target": {"ips": [null, "\\u00e9", []]}, "guardrails": {"ttl_seconds": 6e1}}')
    write("executor", "three_kinds", block(0, anomaly(b"a", 1, 1), evidence(b"a", 2, 2), policy(b"a", 3)))
    write("executor", "conflicts", block(1, anomaly(b"a", 1, 1), anomaly(b"a", 1, 1), anomaly(b"a", 2, 1), anomaly(b"b", 1, 1)))
    write("executor", "late", block(65535, anomaly(b"c", 9, 1)))


if __name__ == "__main__":
    main()
