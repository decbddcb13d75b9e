#!/usr/bin/env python3
"""Write the corpora of mempoold's fuzz targets from tests/vectors. The same vectors give the same files."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def frame(field: int, body: bytes) -> bytes:
    return number(1, 1) + data(field, body)


def write(target: str, inputs: list[bytes]) -> None:
    directory = CORPUS / f"fuzz_mempoold_{target}"
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for index, value in enumerate(inputs):
        (directory / f"{index:02}").write_bytes(value)


def main() -> None:
    vectors = json.loads((ROOT / "tests" / "vectors" / "events.json").read_text(encoding="ascii"))["cases"]
    cases = sorted(vectors, key=lambda case: len(case["body"]))[:4]
    bodies = [bytes.fromhex(case["body"]) for case in cases]
    ids = [bytes.fromhex(case["tx_id"]) for case in cases]
    proofs = json.loads((ROOT / "tests" / "vectors" / "equivocations.json").read_text(encoding="ascii"))["cases"]
    proofs = [bytes.fromhex(case["body"]) for case in proofs]
    block = b"B" * 32
    write("admission", [
        frame(2, b""),
        frame(3, number(1, 7) + b"".join(data(2, body) for body in bodies)),
        frame(3, number(1, 8) + data(2, bodies[0])),
        frame(6, number(1, 2)),
    ])
    write("pool", [
        frame(2, b""),
        frame(4, number(1, 1) + number(2, 10) + number(3, 100000) + data(4, block) + number(5, 1)),
        frame(4, number(1, 2) + number(2, 3) + number(3, 100000) + data(4, block)),
        frame(6, number(1, 3) + data(2, block) + b"".join(data(3, tx) for tx in ids) + number(4, 2)),
        frame(6, number(1, 4) + data(2, block) + data(3, ids[0]) + number(5, 1)),
        frame(8, number(1, 9) + data(2, block) + b"".join(data(3, tx) for tx in ids[:2])),
        frame(9, data(1, data(1, ids[3]) + number(2, 11))),
        frame(10, b"".join(data(1, proof) for proof in proofs[:3])),
        frame(10, b"".join(data(1, proof) for proof in proofs[-6:])),
    ])
    write("gossip", [
        frame(2, number(1, 5) + b"".join(data(2, tx) for tx in ids)),
        frame(3, number(1, 5) + b"".join(data(2, body) for body in bodies)),
        frame(3, number(1, 6)),
    ])
    write("query", [frame(4, number(1, 7)), frame(2, number(1, 8) + data(2, b"key"))])


if __name__ == "__main__":
    main()
