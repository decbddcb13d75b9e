#!/usr/bin/env python3
"""Write the corpora of ingestd's fuzz targets from tests/vectors. The same vectors give the same files."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"
VECTORS = ROOT / "tests" / "vectors"


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
    directory = CORPUS / f"fuzz_ingestd_{target}"
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    for index, value in enumerate(inputs):
        (directory / f"{index:02}").write_bytes(value)


def cases(name: str) -> list[dict]:
    return json.loads((VECTORS / name).read_text())["cases"]


def events() -> list[bytes]:
    found = [bytes([case["kind"] - 1]) + bytes.fromhex(case["record"]) for case in cases("events.json")]
    found += [
        bytes([case["kind"] - 1]) + bytes.fromhex(case["record"]) for case in cases("checks.json") if case["body"] is None
    ]
    return [record for record in found if len(record) < 8192]


def admission() -> list[bytes]:
    ids = [bytes([i]) + bytes(31) for i in range(4)]
    verdicts = [
        number(1, batch) + data(2, bytes(values)) + number(3, 100) + number(4, 1 << 20) + number(5, 7)
        for batch, values in ((0, []), (1, [1, 2, 3, 4]), (2, [5, 5]), (3, [3]))
    ]
    one_by_one = number(1, 1) + number(2, 1) + number(2, 4) + number(5, 8)
    rejected = number(1, 9) + b"".join(data(2, data(1, tx) + number(2, i)) for i, tx in enumerate(ids))
    return [frame(4, body) for body in [*verdicts, one_by_one]] + [frame(5, rejected), frame(5, number(1, 3))]


def block() -> bytes:
    proof = cases("commit_proofs.json")[0]
    header = bytes.fromhex(proof["headers"][0])
    producer = data(1, bytes(32)) + data(2, b"sensor-1") + number(3, 1) + number(4, 1)
    uuids = [b"6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11", b"no uuid"]
    return (
        number(1, int.from_bytes(header[51:59], "big"))
        + data(2, bytes.fromhex(proof["block_id"]))
        + data(3, header)
        + data(4, bytes.fromhex(proof["protobuf"]))
        + data(5, bytes(32))
        + data(5, bytes(31) + b"\x01")
        + number(6, 2)
        + b"".join(data(9, text) for text in uuids)
        + data(10, producer)
    )


def feed() -> list[bytes]:
    producer = data(1, bytes(32)) + data(2, b"sensor-1") + number(3, 7) + number(4, 1)
    return [
        frame(2, block()),
        frame(4, number(1, 5) + data(2, block()) + data(2, block()) + number(3, 9)),
        frame(4, number(1, 5) + number(3, 9)),
        frame(6, number(1, 6) + number(2, 4) + data(3, producer) + data(3, producer)),
        frame(8, number(1, 7) + data(2, bytes(32)) + data(2, bytes(32))),
    ]


def main() -> None:
    write("event", events())
    write("admission", admission())
    write("feed", feed())


if __name__ == "__main__":
    main()
