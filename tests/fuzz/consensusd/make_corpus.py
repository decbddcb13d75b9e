#!/usr/bin/env python3
"""Writes the corpora of consensusd's fuzz targets: tests/fuzz/corpus/fuzz_consensusd_*."""

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


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / f"fuzz_consensusd_{target}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


HASH = bytes(range(32))
SIGNATURE = bytes(64)


def header(height: int, tx_count: int) -> bytes:
    return (
        b"cybermesh/block/v1\0" + HASH + struct.pack(">QQ", height, height + 1) + HASH
        + struct.pack(">QQI", height, 7, tx_count) + HASH * 4 + struct.pack(">Q", 5)
    )


def qc(view: int) -> bytes:
    signatures = b"".join(data(4, number(1, i) + data(2, SIGNATURE)) for i in range(3))
    return number(1, view) + number(2, view - 1) + data(3, HASH) + signatures


def tc(view: int) -> bytes:
    signatures = b"".join(data(2, number(1, i) + number(2, view - 2) + data(3, SIGNATURE)) for i in range(3))
    return number(1, view) + signatures + data(3, qc(view - 2))


def stored_qc(view: int, signers: int) -> bytes:
    """As consensusd's store writes it."""
    entries = b"".join(struct.pack(">I", i) + SIGNATURE for i in range(signers))
    return struct.pack(">QQ", view, view - 1) + HASH + struct.pack(">I", signers) + entries


def attestation(validator: int, time_ms: int) -> bytes:
    return data(4, number(1, validator) + data(2, HASH) + number(3, time_ms) + data(4, SIGNATURE))


def terms() -> bytes:
    return data(1, HASH) + data(2, HASH) + data(3, HASH)


def certificate(validators: list[int], aggregator: int) -> bytes:
    attestations = b"".join(attestation(each, 1700000000000 + each) for each in validators)
    return terms() + attestations + number(5, aggregator) + data(6, SIGNATURE)


def frame(field: int, body: bytes) -> bytes:
    return number(1, 1) + number(2, 1) + number(3, 4) + number(4, 3) + data(field, body)


def peer_record(validator: bytes) -> bytes:
    texts = [b"tcp://192.0.2.1:20000", b"tcp://[2001:db8::1]:20001", b""]
    return (b"cybermesh/peer-record/v1\0" + bytes(32) + validator + struct.pack(">Q", 1000)
            + b"".join(struct.pack(">I", len(text)) + text for text in texts) + SIGNATURE)


def peers() -> None:
    def sync(field: int, body: bytes) -> bytes:
        return number(1, 1) + data(field, body)

    versions = data(2, number(1, 1) + number(2, 1000)) + data(2, number(1, 3) + number(2, 2**53 - 1))
    write("peers", "request", sync(8, number(1, 5) + versions + data(3, peer_record(HASH))))
    write("peers", "request-bare", sync(8, b""))
    write("peers", "response", sync(9, number(1, 5) + data(2, peer_record(HASH)) * 3))
    write("peers", "response-bare", sync(9, number(1, 5)))


def main() -> None:
    peers()
    proposal = data(1, header(4, 2)) + data(2, HASH) + data(2, bytes(32)) + data(3, qc(3))
    write("consensus", "proposal", frame(10, proposal + data(6, SIGNATURE)))
    write("consensus", "proposal_tc", frame(10, proposal + data(4, tc(5)) + data(5, SIGNATURE) + data(6, SIGNATURE)))
    write("consensus", "vote", frame(11, number(1, 5) + number(2, 4) + data(3, HASH) + data(4, SIGNATURE)))
    write("consensus", "timeout", frame(12, number(1, 5) + data(2, qc(4)) + data(3, SIGNATURE)))
    write("consensus", "new_view", frame(13, data(1, tc(5))))
    beat = number(1, 6) + data(2, qc(4)) + data(3, tc(5)) + number(4, 3) + data(5, SIGNATURE)
    write("consensus", "heartbeat", frame(14, beat))
    ready = terms() + data(4, HASH) + number(5, 1700000000000) + data(6, SIGNATURE)
    write("consensus", "genesis_ready", frame(16, ready))
    write("consensus", "genesis", frame(17, data(1, certificate([0, 1, 3], 2))))
    write("genesis", "quorum", certificate([0, 1, 3], 2))
    write("genesis", "all", certificate([0, 1, 2, 3], 0))
    write("genesis", "twice", certificate([1, 1, 2], 1))
    write("genesis", "unknown", certificate([1, 2, 64], 4))
    write("genesis", "many", certificate(list(range(64)), 63))
    write("genesis", "nobody", certificate([], 1))
    write("sync", "request", number(1, 1) + data(2, number(1, 7) + number(2, 100) + number(3, 128)))
    blocks = b"".join(
        data(2, data(1, header(4 + i, 2)) + data(2, b"first") + data(2, b"") + data(3, qc(5 + i))) for i in range(3)
    )
    write("sync", "response", number(1, 1) + data(3, number(1, 7) + blocks + number(3, 9)))
    write("sync", "nothing", number(1, 1) + data(3, number(1, 7)))
    bodies = b"".join(struct.pack(">I", len(body)) + body for body in (b"first", b""))
    write("safety", "bodies", b"\1" + header(4, 2) + stored_qc(4, 3) + struct.pack(">I", 2) + bodies)
    write("safety", "empty", b"\1" + header(4, 0) + stored_qc(4, 0) + struct.pack(">I", 0))
    proof = struct.pack(">I", 2) + header(4, 2) + header(5, 0) + stored_qc(6, 3)
    write("safety", "commit", b"\2" + HASH + header(4, 2) + stored_qc(5, 3) + proof + b"\4\0\1\2\3")
    write("safety", "no_schedule", b"\2" + HASH + header(4, 2) + stored_qc(5, 0) + proof + b"\0")


if __name__ == "__main__":
    main()
