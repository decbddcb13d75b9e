#!/usr/bin/env python3
"""Writes the seeds of apid's fuzz targets, from tests/vectors: python3 tests/fuzz/apid/make_corpus.py"""

import json
from base64 import b64decode
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "tests/fuzz/corpus"
HEX = "00112233445566778899aabbccddeeff" * 2

URIS = ["/api/v1/health", "/api/v1/blocks/latest", "/api/v1/blocks?start=5&limit=100", "/api/v1/blocks/7",
        "/api/v1/blocks/7/proof", f"/api/v1/transactions/{HEX}", f"/api/v1/transactions/{HEX}/proof",
        "/api/v1/state/root", "/api/v1/state/anomaly%2Fa%20b?proof=true&height=9", f"/api/v1/validators/{HEX}",
        "/api/v1/anomalies?limit=3", "http://host:80/api/v1/ready", 'W/"x", "0123456789abcdef"']


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def commit(proof):
    qc = proof["qc"]
    signatures = b"".join(data(4, number(1, each["validator"]) + data(2, bytes.fromhex(each["signature"])))
                          for each in qc["signatures"])
    body = number(1, qc["view"]) + number(2, qc["height"]) + data(3, bytes.fromhex(qc["block_id"])) + signatures
    return b"".join(data(1, bytes.fromhex(header)) for header in proof["headers"]) + data(2, body)


def state(proof):
    body = number(1, 9) + number(2, 1) + number(3, proof["height"])
    if proof["value"] is not None:
        body += number(4, 1) + data(5, b64decode(proof["value"]))
    if proof["leaf"] is not None:
        body += number(6, 1) + data(7, bytes.fromhex(proof["leaf"]["key_hash"]))
        body += data(8, bytes.fromhex(proof["leaf"]["value_hash"]))
    body += b"".join(data(9, bytes.fromhex(each)) for each in proof["siblings"])
    return number(1, 1) + data(3, body + data(11, commit(proof["commit"])))


def good(name):
    cases = json.loads((ROOT / f"tests/vectors/{name}.json").read_text())["cases"]
    return [case for case in cases if case["expect"] == "OK"]


def write(target, seeds):
    folder = CORPUS / f"fuzz_apid_{target}"
    folder.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(seeds):
        (folder / f"seed-{index:02}").write_bytes(seed)


states = good("state_proofs")
receipt = data(3, b"anomaly/a") + data(4, bytes(32)) + data(5, b"reported")
status = number(1, 1) + data(5, number(1, 5) + data(2, data(1, b"height") + data(2, b"7")))
write("route", [uri.encode() for uri in URIS])
write("query", [state(states[0]["proof"]), state(states[-1]["proof"]), status, number(1, 1) + data(3, number(2, 3))])
write("proof", [bytes.fromhex(case["protobuf"]) for case in good("commit_proofs")][:3] + [receipt])
