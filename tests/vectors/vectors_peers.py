"""Vectors of peer records and of their endpoints, good and bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cybermesh_ref.peer_record import VERSION_MAX, PeerRecord, endpoint_is_good
from vectors_common import CREATED_MS, GENESIS, NETWORK, VALIDATOR_SEEDS, fixed, network_fields

GOOD_ENDPOINTS = [
    "tcp://127.0.0.1:1", "tcp://10.0.0.255:65535", "tcp://1.0.0.0:20001", "tcp://223.255.255.255:9",
    "tcp://[::1]:5", "tcp://[2001:db8::17]:20000", "tcp://[fe80::]:1", "tcp://[1:2:3:4:5:6:7::]:1",
    "tcp://[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:1", "tcp://[::1:2:3:4:5:6:7]:1", "tcp://[0001:00a::]:1",
    "tcp://[fd00:1111:2222:3333:4444:5555:6666:7777]:65535",
]
BAD_ENDPOINTS = [
    "", "tcp://", "tcp://:1", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
    "tcp://127.0.0.1:01", "tcp://127.0.0.1:1 ", " tcp://127.0.0.1:1", "tcp://127.0.0.1:+1", "tcp://127.0.0.1:*",
    "tcp://127.0.0.1:4294967297", "tcp://*:20000", "tcp://0.0.0.0:20000", "tcp://0.1.2.3:1", "tcp://224.0.0.1:1",
    "tcp://255.255.255.255:1", "tcp://256.0.0.1:1", "tcp://1.2.3:1", "tcp://1.2.3.4.5:1", "tcp://01.2.3.4:1",
    "tcp://1.2.3.4;5.6.7.8:1", "tcp://eth0:1", "tcp://v1.example:20000", "tcp://localhost:20000", "ipc://ipc/x.sock",
    "inproc://x", "udp://127.0.0.1:1", "TCP://127.0.0.1:1", "tcp:/127.0.0.1:1", "tcp://[::]:1", "tcp://[0:0:0:0:0:0:0:0]:1",
    "tcp://[ff02::1]:1", "tcp://[FE80::1]:1", "tcp://[::1", "tcp://::1:5", "tcp://[:1]:1", "tcp://[1:]:1", "tcp://[1::2::3]:1",
    "tcp://[1:2:3:4:5:6:7:8:9]:1", "tcp://[1:2:3:4:5:6:7:8::]:1", "tcp://[1:2:3:4:5:6:7]:1", "tcp://[12345::]:1",
    "tcp://[fe80::1%eth0]:1", "tcp://[::ffff:1.2.3.4]:1", "tcp://[]:1", "tcp://[:::]:1", "tcp://[1:2:3:4:5:6:7:8]1",
    "tcp://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:065535",
]
PLACE = PeerRecord(NETWORK.chain_id, NETWORK.validators[1].id, CREATED_MS, b"tcp://192.0.2.7:20032", b"tcp://192.0.2.7:20033",
                   b"tcp://192.0.2.7:20034")


def _signed(**changes: Any) -> PeerRecord:
    return replace(PLACE, **changes).signed(VALIDATOR_SEEDS[1])


def _records() -> list[dict[str, Any]]:
    good = _signed()
    cases = [
        ("a record", good, "OK"),
        ("without gossip", _signed(gossip=b""), "OK"),
        ("IPv6", _signed(pub=b"tcp://[2001:db8::7]:1", sync=b"tcp://[2001:db8::7]:2"), "OK"),
        ("the lowest version", _signed(version=1), "OK"),
        ("the highest version", _signed(version=VERSION_MAX), "OK"),
        ("version 0", _signed(version=0), "MALFORMED"),
        ("a version too high", _signed(version=VERSION_MAX + 1), "MALFORMED"),
        ("another chain", _signed(chain_id=fixed("chain")), "OTHER_CHAIN"),
        ("a stranger", _signed(validator=fixed("stranger")), "UNKNOWN"),
        ("in another's name", _signed(validator=NETWORK.validators[0].id), "BAD_SIGNATURE"),
        ("another version than signed", replace(good, version=CREATED_MS + 1), "BAD_SIGNATURE"),
        ("another endpoint than signed", replace(good, sync=b"tcp://192.0.2.8:20033"), "BAD_SIGNATURE"),
        ("gossip added", replace(_signed(gossip=b""), gossip=b"tcp://192.0.2.7:20034"), "BAD_SIGNATURE"),
        ("endpoints swapped", replace(good, pub=good.sync, sync=good.pub), "BAD_SIGNATURE"),
        ("no pub", _signed(pub=b""), "BAD_ENDPOINT"),
        ("no sync", _signed(sync=b""), "BAD_ENDPOINT"),
        ("a wildcard", _signed(pub=b"tcp://*:20032"), "BAD_ENDPOINT"),
        ("a name", _signed(gossip=b"tcp://v2.example:20034"), "BAD_ENDPOINT"),
        ("a file", _signed(sync=b"ipc://ipc/pool.sock"), "BAD_ENDPOINT"),
        ("a zero byte", _signed(pub=b"tcp://192.0.2.7:2\x000032"), "MALFORMED"),
        ("an endpoint of 54 bytes", _signed(pub=b"tcp://[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:065535"), "MALFORMED"),
    ]
    out = [{"name": name, "record": each.encode().hex(), "expect": why} for name, each, why in cases]
    data = good.encode()
    for name, bytes_ in {"one byte less": data[:-1], "one byte more": data + b"\0", "empty": b"", "another domain":
                         data.replace(b"v1", b"v2", 1), "no signature": data[:-64]}.items():
        out.append({"name": name, "record": bytes_.hex(), "expect": "MALFORMED"})
    return out


def files() -> dict[str, dict[str, Any]]:
    endpoints = [{"name": text or "empty", "endpoint": text, "expect": "OK" if good else "BAD"}
                 for good, texts in ((True, GOOD_ENDPOINTS), (False, BAD_ENDPOINTS)) for text in texts]
    for each in endpoints:
        assert endpoint_is_good(each["endpoint"].encode()) == (each["expect"] == "OK"), each
    return {
        "peer_records.json": {"description": "where a validator says it can be reached", "genesis": GENESIS,
                              **network_fields(), "cases": _records()},
        "peer_endpoints.json": {"description": "endpoints that a peer record may and may not have", "cases": endpoints},
    }
