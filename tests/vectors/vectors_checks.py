"""checks.json, checks_large.json, bodies.json: for each rule what breaks it, and what just does not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from cybermesh_ref import wire
from cybermesh_ref.checks import Context, Producer, Rejected, check_event, check_record, read_body
from cybermesh_ref.events import V1, V2, CustodyEntry, Event, EvidenceEvent, resign
from cybermesh_ref.hashing import sha256, sign
from vectors_common import ACTOR, FORENSICS, SEEDS, SENSOR, SOC, TS, anomaly, custody, evidence, fixed, make, policy

# What a case may set beside the record; the values here change nothing.
DEFAULTS: dict[str, Any] = {
    "producer_known": True,
    "producer_roles": ["anomaly", "evidence", "policy"],
    "producer_quarantined": False,
    "broker_timestamp_s": None,
    "skew_s": 300,
    "custody_verification": "required",
    "require_v2": False,
    "nonce_used": False,
    "id_used": False,
}


def _context(settings: dict[str, Any], event: Event | None) -> Context:
    context = Context(
        reference_s=settings["broker_timestamp_s"],
        skew_s=settings["skew_s"],
        custody_required=settings["custody_verification"] == "required",
        require_v2=settings["require_v2"],
        producers={},
    )
    if event is None:
        return context
    if settings["producer_known"]:
        producer = Producer(set(settings["producer_roles"]), settings["producer_quarantined"])
        context.producers = {event.producer_id: producer}
    if settings["nonce_used"]:
        context.nonces.add((event.producer_id, event.nonce))
    if settings["id_used"]:
        context.ids.add((event.KIND, str(event.id)))
    return context


def _verdict_of_body(body: bytes, settings: dict[str, Any], event: Event) -> str:
    try:
        check_event(read_body(body), _context(settings, event))
    except Rejected as error:
        return error.reason.value
    return "OK"


def _verdict(kind: int, record: bytes, settings: dict[str, Any], event: Event | None) -> str:
    try:
        check_record(kind, record, _context(settings, event))
    except Rejected as error:
        return error.reason.value
    return "OK"


def _case(
    name: str, expect: str, event: Event, *, record: bytes | None = None, stage: str = "static", **changes: Any
) -> dict[str, Any]:
    """record: the bytes to send when no event can stand for them; the case then has no body."""
    settings = {**DEFAULTS, "broker_timestamp_s": event.ts if -(1 << 62) < event.ts < 1 << 62 else TS, **changes}
    data = event.encode() if record is None else record
    body = event.body() if record is None else None
    assert _verdict(event.KIND, data, settings, event) == expect, (name, expect)
    if body is not None:
        assert _verdict_of_body(body, settings, event) == expect, (name, expect)
    return {
        "name": name,
        "kind": event.KIND,
        "record": data.hex(),
        "body": None if body is None else body.hex(),
        **settings,
        "stage": stage,
        "expect": expect,
    }


def _bad(name: str, event: Event, **changes: Any) -> dict[str, Any]:
    """MALFORMED: a good event, changed and then signed as it stands."""
    return _case(name, "MALFORMED", resign(replace(event, **changes), SEEDS[event.KIND]))


def _good(name: str, event: Event, **settings: Any) -> dict[str, Any]:
    return _case(name, "OK", event, **settings)


def _parse_cases() -> list[dict[str, Any]]:
    base, record = anomaly(V1), anomaly(V1).encode()

    def raw(name: str, data: bytes, expect: str = "MALFORMED") -> dict[str, Any]:
        return _case(name, expect, base, record=data)

    return [
        raw("empty record", b""),
        raw("not protobuf", b"\xff\xff\xff\xff"),
        raw("JSON instead of protobuf", b'{"id":"a"}'),
        raw("truncated record", record[:-1]),
        raw("bytes after the record", record + b"\x00"),
        raw("unknown field", record + wire.put_int(15, 1)),
        raw("wrong wire type", record + wire.put_int(1, 1)),
        raw("group", record + b"\x0b\x0c"),
        raw("varint of eleven bytes", record + b"\x20" + b"\x80" * 10 + b"\x01"),
        raw("length beyond the end", record + b"\x0a\xff\x7f"),
        raw("a field twice: the last one counts", wire.put_bytes(1, b"first") + record, "OK"),
        raw("fields in another order", wire.put_bytes(14, b"Ed25519") + record, "OK"),
    ]


def _length_cases() -> list[dict[str, Any]]:
    cases = []
    for kind in (1, 2, 3):
        event = make(kind, V1)
        name = type(event).__name__
        cases += [
            _bad(f"{name}: no id", event, id=""),
            _bad(f"{name}: id of 129 bytes", event, id="x" * 129),
            _good(f"{name}: id of 128 bytes", make(kind, V1, id="x" * 128)),
            _bad(f"{name}: content_hash of 31 bytes", event, content_hash=event.content_hash[:-1]),
            _bad(f"{name}: no content_hash", event, content_hash=b""),
            _bad(f"{name}: nonce of 15 bytes", event, nonce=event.nonce[:-1]),
            _bad(f"{name}: nonce of 17 bytes", event, nonce=event.nonce + b"\x01"),
            _bad(f"{name}: producer_id of 33 bytes", event, producer_id=event.producer_id + b"\x01"),
            _bad(f"{name}: pubkey is not producer_id", event, pubkey=fixed("another key")),
            _bad(f"{name}: no pubkey", event, pubkey=b""),
            _bad(f"{name}: unknown alg", event, alg="Ed448"),
            _bad(f"{name}: no alg", event, alg=""),
            _bad(f"{name}: alg in other letters", event, alg="ed25519"),
            _case(f"{name}: signature of 63 bytes", "MALFORMED", replace(event, signature=event.signature[:-1])),
            _case(f"{name}: no signature", "MALFORMED", replace(event, signature=b"")),
        ]
    return cases


def _text_cases() -> list[dict[str, Any]]:
    texts = {1: ["type", "source"], 2: ["evidence_type"], 3: ["action", "rule"]}
    cases = []
    for kind, names in texts.items():
        for name in names:
            cases += [
                _bad(f"no {name}", make(kind, V2), **{name: ""}),
                _bad(f"{name} of 257 bytes", make(kind, V2), **{name: "x" * 257}),
                _good(f"{name} of 256 bytes", make(kind, V2, **{name: "x" * 256})),
            ]
    base = anomaly(V1)
    cases += [
        _good("no model_version", anomaly(V1, model_version="")),
        _bad("model_version of 257 bytes", base, model_version="x" * 257),
        _good("model_version of 256 bytes", anomaly(V1, model_version="x" * 256)),
        _bad("zero byte in id", base, id="ab\0cd"),
        _bad("zero byte at the end of id", base, id="ab\0"),
        _bad("newline in type", base, type="a\nb"),
        _bad("DEL in source", base, source="a\x7f"),
        _bad("C1 control character in source", base, source="a\x85b"),
        _bad("zero byte in alg", base, alg="Ed25519\0"),
        _bad("bad UTF-8 in id", base, id=b"a\xffb"),
        _bad("truncated UTF-8 in id", base, id=b"a\xe2\x82"),
        _bad("overlong UTF-8 in id", base, id=b"a\xc0\xafb"),
        _bad("surrogate in UTF-8", base, id=b"a\xed\xa0\x80"),
        _bad("UTF-8 beyond U+10FFFF", base, id=b"a\xf4\x90\x80\x80"),
        _good("U+00A0 and U+10FFFF are text", anomaly(V1, id="a\u00a0\U0010ffff")),
    ]
    return cases


def _range_cases() -> list[dict[str, Any]]:
    base, empty = anomaly(V2), {"payload": b"{}"}
    infinite = math.inf
    return [
        _bad("severity 0", base, severity=0),
        _bad("severity 11", base, severity=11),
        _bad("severity of 32 bits", base, severity=(1 << 32) - 1),
        _good("severity 1", anomaly(V2, severity=1, **empty)),
        _good("severity 10", anomaly(V2, severity=10, **empty)),
        _bad("confidence below 0", base, confidence=-0.001),
        _bad("confidence above 1", base, confidence=1.0000001),
        _bad("confidence NaN", base, confidence=math.nan),
        _bad("confidence infinite", base, confidence=infinite),
        _bad("confidence minus infinite", base, confidence=-infinite),
        _good("confidence 0", anomaly(V2, confidence=0.0, **empty)),
        _good("confidence -0", anomaly(V2, confidence=-0.0, **empty)),
        _good("confidence 1", anomaly(V2, confidence=1.0, **empty)),
    ]


def _evidence_cases() -> list[dict[str, Any]]:
    base = evidence(V1)

    def entries(**changes: Any) -> list[CustodyEntry]:
        return [base.coc[0], replace(base.coc[1], **changes)]

    def refs(count: int) -> list[bytes]:
        return [sha256(b"ref %d" % i) for i in range(count)]

    return [
        _bad("ref of 31 bytes", base, refs=[base.refs[0], bytes(31)]),
        _bad("empty ref", base, refs=[b""]),
        _bad("1001 refs", base, refs=refs(1001)),
        _good("1000 refs", evidence(V1, refs=refs(1000))),
        _bad("65 custody entries", base, coc=[base.coc[0]] * 65),
        _good("64 custody entries", evidence(V1, coc=[custody(V1, fixed("ref"), TS - i) for i in range(64)])),
        _bad("custody ref_hash of 31 bytes", base, coc=entries(ref_hash=bytes(31))),
        _bad("custody actor_id of 33 bytes", base, coc=entries(actor_id=bytes(33))),
        _bad("custody signature of 63 bytes", base, coc=entries(signature=bytes(63))),
        _bad("empty custody entry", base, coc=[CustodyEntry()]),
        _case("unknown field in a custody entry", "MALFORMED", base, record=_odd_custody(base)),
    ]


def _odd_custody(event: EvidenceEvent) -> bytes:
    return event.encode() + wire.put_bytes(5, event.coc[0].encode() + wire.put_int(5, 1))


def _producer_cases() -> list[dict[str, Any]]:
    cases = []
    for kind, role in ((1, "anomaly"), (2, "evidence"), (3, "policy")):
        event = make(kind, V2)
        others = [name for name in ("anomaly", "evidence", "policy") if name != role]
        cases += [
            _case(f"unknown {role} producer", "PRODUCER_UNKNOWN", event, stage="admission", producer_known=False),
            _case(f"producer without role {role}", "PRODUCER_ROLE", event, stage="admission", producer_roles=others),
            _good(f"producer with role {role} alone", event, stage="admission", producer_roles=[role]),
        ]
    event = anomaly(V2)
    cases += [
        _case("producer without a role", "PRODUCER_ROLE", event, stage="admission", producer_roles=[]),
        _case("governor alone", "PRODUCER_ROLE", event, stage="admission", producer_roles=["governor"]),
        _case("quarantined", "PRODUCER_QUARANTINED", event, stage="admission", producer_quarantined=True),
        _case(
            "unknown producer with a bad signature: the producer is looked at first",
            "PRODUCER_UNKNOWN",
            replace(event, signature=bytes(64)),
            stage="admission",
            producer_known=False,
        ),
    ]
    return cases


def _signature_cases() -> list[dict[str, Any]]:
    cases = []
    for kind in (1, 2, 3):
        for version, alg in (("v1", V1), ("v2", V2)):
            event = make(kind, alg)
            label = f"{type(event).__name__} {version}"
            flipped = bytes([event.signature[0] ^ 1]) + event.signature[1:]
            cases += [
                _case(f"{label}: one bit of the signature", "BAD_SIGNATURE", replace(event, signature=flipped)),
                _case(f"{label}: zero signature", "BAD_SIGNATURE", replace(event, signature=bytes(64))),
                _case(f"{label}: by another key", "BAD_SIGNATURE", resign(event, ACTOR)),
                _case(f"{label}: ts changed", "BAD_SIGNATURE", replace(event, ts=event.ts + 1)),
                _case(f"{label}: nonce changed", "BAD_SIGNATURE", replace(event, nonce=fixed("other", 16))),
                _case(f"{label}: alg changed", "BAD_SIGNATURE", replace(event, alg=V2 if alg == V1 else V1)),
            ]
        v1, v2 = make(kind, V1), make(kind, V2)
        label = type(v1).__name__
        cases += [
            _case(f"{label} v2: id changed", "BAD_SIGNATURE", replace(v2, id="other")),
            _good(f"{label} v1 does not cover the id", replace(v1, id="other")),
            _case(f"{label} v1 where v2 is required", "BAD_SIGNATURE", v1, stage="admission", require_v2=True),
            _good(f"{label} v2 where v2 is required", v2, stage="admission", require_v2=True),
        ]
    zero_domain = policy(V1).signing_bytes().replace(b"ai.policy.v1\0", b"ai.policy.v1", 1)
    cases.append(
        _case(
            "policy v1 whose domain lacks the zero byte",
            "BAD_SIGNATURE",
            replace(policy(V1), signature=sign(SOC, zero_domain)),
        )
    )
    return cases


def _content_hash_cases() -> list[dict[str, Any]]:
    cases = []
    for kind, name in ((1, "payload"), (2, "proof_blob"), (3, "params")):
        event = make(kind, V1)
        changed = replace(event, **{name: b'{"x":1}'})
        cases.append(_case(f"{name} changed after signing v1", "BAD_CONTENT_HASH", changed))
        wrong = resign(replace(make(kind, V2), content_hash=fixed("wrong")), SEEDS[kind])
        cases.append(_case(f"{name}: wrong hash, signed v2", "BAD_CONTENT_HASH", wrong))
    return cases


def _nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def _nested_array(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


BAD_JSON = {
    "empty": b"",
    "blank": b"  ",
    "not JSON": b"hello",
    "an array": b"[]",
    "text": b'"x"',
    "a number": b"1",
    "null": b"null",
    "unfinished": b'{"a":1',
    "bytes after the object": b"{} x",
    "two objects": b"{}{}",
    "a zero byte after the object": b"{}\0",
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "a comment": b"{/**/}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "a leading zero": b'{"a":01}',
    "a bare fraction": b'{"a":.5}',
    "duplicate names": b'{"a":1,"a":1}',
    "duplicate names below": b'{"x":[{"a":1,"b":2,"a":3}]}',
    "duplicate names, one escaped": b'{"a":1,"\\u0061":2}',
    "depth 33": _nested(33),
    "depth 33 of arrays": _nested_array(33),
    "depth 3000": _nested(3000),
    "a control character in text": b'{"a":"x\ny"}',
    "an escaped U+0000": b'{"a":"\\u0000"}',
    "an unpaired surrogate": b'{"a":"\\ud800"}',
    "bad UTF-8": b'{"a":"\xff"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16-le"),
    "an integer of 65 bits": b'{"a":9223372036854775808}',
    "a number beyond a double": b'{"a":1e999}',
}
GOOD_JSON = {
    "empty object": b"{}",
    "white space around": b" \t\r\n{ } \n",
    "depth 32": _nested(32),
    "depth 32 of arrays": _nested_array(32),
    "the same name at two depths": b'{"a":{"a":1}}',
    "the greatest integer": b'{"a":9223372036854775807}',
    "the least integer": b'{"a":-9223372036854775808}',
    "an unknown member": '{"naïve":"日本","x":[null,true,false,1.5e-7]}'.encode(),
    "a surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "DEL in text": b'{"a":"\x7f"}',
}


def _content_cases() -> list[dict[str, Any]]:
    cases = []
    for name, content in BAD_JSON.items():
        cases.append(_case(f"payload is {name}", "CONTENT_RULE", anomaly(V1, payload=content)))
        cases.append(_case(f"params is {name}", "CONTENT_RULE", policy(V2, params=content)))
    for name, content in GOOD_JSON.items():
        cases.append(_good(f"payload: {name}", anomaly(V2, payload=content)))
        cases.append(_good(f"params: {name}", policy(V1, params=content)))

    def payload(name: str, expect: str, content: bytes) -> dict[str, Any]:
        return _case(f"payload of severity 7, confidence 0.875: {name}", expect, anomaly(V2, payload=content))

    cases += [
        payload("same severity", "OK", b'{"severity":7}'),
        payload("other severity", "CONTENT_RULE", b'{"severity":8}'),
        payload("severity with a fraction", "CONTENT_RULE", b'{"severity":7.0}'),
        payload("severity as text", "CONTENT_RULE", b'{"severity":"7"}'),
        payload("severity null", "CONTENT_RULE", b'{"severity":null}'),
        payload("severity true", "CONTENT_RULE", b'{"severity":true}'),
        payload("severity below the top", "OK", b'{"x":{"severity":8,"confidence":3}}'),
        payload("Severity is another name", "OK", b'{"Severity":8}'),
        payload("same confidence", "OK", b'{"confidence":0.875}'),
        payload("confidence within 1e-6", "OK", b'{"confidence":0.8750009}'),
        payload("confidence just beyond 1e-6", "CONTENT_RULE", b'{"confidence":0.8750011}'),
        payload("other confidence", "CONTENT_RULE", b'{"confidence":0.5}'),
        payload("confidence as text", "CONTENT_RULE", b'{"confidence":"0.875"}'),
        payload("confidence null", "CONTENT_RULE", b'{"confidence":null}'),
        payload("confidence false", "CONTENT_RULE", b'{"confidence":false}'),
        _good("confidence 1 as an integer", anomaly(V2, confidence=1.0, payload=b'{"confidence":1}')),
        _good("proof_blob is no JSON", evidence(V2, proof_blob=b"\xff\x00{")),
    ]
    return cases


def _timestamp_cases() -> list[dict[str, Any]]:
    def at(name: str, expect: str, difference: int, alg: str = V2) -> dict[str, Any]:
        event = anomaly(alg)
        return _case(name, expect, event, stage="admission", broker_timestamp_s=event.ts + difference)

    return [
        at("broker 300 s later", "OK", 300),
        at("broker 301 s later", "TIMESTAMP_SKEW", 301),
        at("broker 300 s earlier", "OK", -300),
        at("broker 301 s earlier", "TIMESTAMP_SKEW", -301),
        _case("ts 0", "TIMESTAMP_SKEW", anomaly(V1, ts=0), stage="admission", broker_timestamp_s=TS),
        _case("ts in ms", "TIMESTAMP_SKEW", policy(V1, ts=TS * 1000), stage="admission", broker_timestamp_s=TS),
        _case("least ts", "TIMESTAMP_SKEW", anomaly(V1, ts=-(1 << 63)), stage="admission", broker_timestamp_s=TS),
        _case(
            "greatest ts", "TIMESTAMP_SKEW", evidence(V2, ts=(1 << 63) - 1), stage="admission", broker_timestamp_s=TS
        ),
    ]


def _custody_cases() -> list[dict[str, Any]]:
    cases = []
    for version, alg, seed in (("v1", V1, FORENSICS), ("v2", V2, ACTOR)):
        base = evidence(alg)

        def second(**changes: Any) -> EvidenceEvent:
            return evidence(alg, coc=[base.coc[0], replace(base.coc[1], **changes)])

        other = replace(base.coc[1], actor_id=fixed("a name")).signed(SENSOR, V1)
        cases += [
            _case(f"custody {version}: zero signature", "BAD_CUSTODY", second(signature=bytes(64))),
            _case(f"custody {version}: ts changed", "BAD_CUSTODY", second(ts=base.coc[1].ts + 1)),
            _case(f"custody {version}: ref changed", "BAD_CUSTODY", second(ref_hash=fixed("x"))),
            _case(f"custody {version}: actor changed", "BAD_CUSTODY", second(actor_id=fixed("y"))),
            _case(f"custody {version}: by another key", "BAD_CUSTODY", evidence(alg, coc=[other])),
            _good(
                f"custody {version}: not verified",
                second(signature=bytes(64)),
                stage="admission",
                custody_verification="off",
            ),
            _good(f"custody {version}: any ts", evidence(alg, coc=[replace(base.coc[0], ts=-9).signed(seed, alg)])),
        ]
    wrong_version = evidence(V2, coc=[custody(V1, fixed("ref"), TS)])
    cases.append(_case("v1 custody entry in a v2 event", "BAD_CUSTODY", wrong_version))
    return cases


def _state_cases() -> list[dict[str, Any]]:
    cases = []
    for kind in (1, 2, 3):
        event = make(kind, V2)
        name = type(event).__name__
        cases += [
            _case(f"{name}: nonce used", "NONCE_REUSED", event, stage="state", nonce_used=True),
            _case(f"{name}: id used", "ID_CONFLICT", event, stage="state", id_used=True),
            _case(f"{name}: nonce and id used", "NONCE_REUSED", event, stage="state", nonce_used=True, id_used=True),
        ]
    return cases


def _order_cases() -> list[dict[str, Any]]:
    """Records with several faults: the first in the order is the reason."""
    bad_payload = anomaly(V1, payload=b"[]")
    late = {"broker_timestamp_s": TS + 1000, "stage": "admission"}
    changed = replace(anomaly(V1), payload=b"[]")
    return [
        _case("malformed before producer", "MALFORMED", replace(bad_payload, pubkey=b""), producer_known=False),
        _case("signature before content hash", "BAD_SIGNATURE", replace(changed, signature=bytes(64))),
        _case("content hash before content rule", "BAD_CONTENT_HASH", changed, **late),
        _case("content rule before timestamp", "CONTENT_RULE", bad_payload, **late),
        _case(
            "timestamp before custody", "TIMESTAMP_SKEW", evidence(V2, coc=[replace(evidence(V2).coc[0], ts=1)]), **late
        ),
        _case("timestamp before nonce", "TIMESTAMP_SKEW", anomaly(V1), nonce_used=True, **late),
    ]


# --- records that reach a size limit: written as prefix, a byte many times, suffix ---


def _split(data: bytes, count: int) -> tuple[str, str]:
    start = data.index(b"x" * count)
    return data[:start].hex(), data[start + count :].hex()


def _large_case(name: str, expect: str, event: Event, count: int, record: bytes | None = None) -> dict[str, Any]:
    data = event.encode() if record is None else record
    settings = {**DEFAULTS, "broker_timestamp_s": event.ts}
    assert _verdict(event.KIND, data, settings, event) == expect, name
    prefix, suffix = _split(data, count)
    case = {"name": name, "kind": event.KIND, "record_prefix": prefix, "fill": "78", "fill_count": count}
    case["record_suffix"] = suffix
    if record is None:
        assert _verdict_of_body(event.body(), settings, event) == expect, name
        case["body_prefix"], case["body_suffix"] = _split(event.body(), count)
    else:
        case["body_prefix"] = case["body_suffix"] = None
    return {**case, "broker_timestamp_s": event.ts, "expect": expect}


def _large_cases() -> list[dict[str, Any]]:
    cases = []
    frame = len(b'{"p":""}')
    for excess, expect in ((0, "OK"), (1, "TOO_LARGE")):
        count = (512 << 10) - frame + excess
        content = b'{"p":"' + b"x" * count + b'"}'
        cases += [
            _large_case(f"payload of 512 KiB + {excess}", expect, anomaly(V2, payload=content), count),
            _large_case(f"params of 512 KiB + {excess}", expect, policy(V1, params=content), count),
        ]
        count = (256 << 10) + excess
        blob = evidence(V1, proof_blob=b"x" * count)
        cases.append(_large_case(f"proof_blob of 256 KiB + {excess}", expect, blob, count))
    # A field given twice makes a record long without making the event long.
    event = anomaly(V1)
    record = event.encode()
    for excess, expect in ((0, "OK"), (1, "TOO_LARGE")):
        count = (1 << 20) - len(record) - len(wire.put_bytes(8, b"x" * (1 << 20))) + (1 << 20) + excess
        padded = wire.put_bytes(8, b"x" * count) + record
        assert len(padded) == (1 << 20) + excess
        cases.append(_large_case(f"record of 1 MiB + {excess}", expect, event, count, record=padded))
    return cases


# --- bodies that no record gives ---


def _body_cases() -> list[dict[str, Any]]:
    good, two, three = anomaly(V2).body(), evidence(V1).body(), policy(V2).body()
    refs_at = two.index(b"\x03" + (4 + 2 * 36).to_bytes(4, "big")) + 5
    custody_at = two.index(b"\x05" + (4 + 2 * 160).to_bytes(4, "big")) + 5
    severity_at = good.index(b"\x04" + (8).to_bytes(4, "big"))

    def replaced(data: bytes, at: int, new: bytes) -> bytes:
        return data[:at] + new + data[at + len(new) :]

    def shorter_severity() -> bytes:
        return good[:severity_at] + b"\x04\x00\x00\x00\x04\x00\x00\x00\x07" + good[severity_at + 13 :]

    bodies = {
        "empty": b"",
        "kind alone": b"\x01",
        "kind 0": b"\x00" + good[1:],
        "kind 4": b"\x04" + good[1:],
        "kind 255": b"\xff" + good[1:],
        "anomaly read as policy": b"\x03" + good[1:],
        "truncated by one byte": good[:-1],
        "one byte more": good + b"\x00",
        "first field missing": good[:1] + good[1 + 5 + 36 :],
        "wrong field number": replaced(good, 1, b"\x02"),
        "length beyond the end": replaced(good, 2, b"\xff\xff\xff\xff"),
        "length of 2^31": replaced(good, 2, b"\x80\x00\x00\x00"),
        "integer of four bytes": shorter_severity(),
        "severity of 2^32 + 7": replaced(good, severity_at + 5, (1 << 32 | 7).to_bytes(8, "big")),
        "ref count too great": replaced(two, refs_at, (3).to_bytes(4, "big")),
        "ref count too small": replaced(two, refs_at, (1).to_bytes(4, "big")),
        "ref count of 2^32 - 1": replaced(two, refs_at, b"\xff" * 4),
        "ref length 31": replaced(two, refs_at + 4, (31).to_bytes(4, "big")),
        "custody count too great": replaced(two, custody_at, (3).to_bytes(4, "big")),
        "custody length 159": replaced(two, custody_at + 4, (159).to_bytes(4, "big")),
        "custody field number": replaced(two, custody_at + 8, b"\x02"),
        "policy without its last field": three[: three.rindex(b"\x0b\x00\x00\x00\x0a")],
    }
    cases = []
    for name, body in bodies.items():
        try:
            read_body(body)
        except Rejected as error:
            cases.append({"name": name, "body": body.hex(), "expect": error.reason.value})
            continue
        raise AssertionError(name)
    return cases


def files() -> dict[str, dict[str, Any]]:
    groups = [
        _parse_cases,
        _length_cases,
        _text_cases,
        _range_cases,
        _evidence_cases,
        _producer_cases,
        _signature_cases,
        _content_hash_cases,
        _content_cases,
        _timestamp_cases,
        _custody_cases,
        _state_cases,
        _order_cases,
    ]
    return {
        "checks.json": {
            "description": "Records, their bodies, and the verdict of the checks: OK or the reason.",
            "cases": [case for group in groups for case in group()],
        },
        "checks_large.json": {
            "description": "Records at a size limit: prefix || fill byte x fill_count || suffix.",
            "cases": _large_cases(),
        },
        "bodies.json": {
            "description": "Bodies that are not the canonical form of anything.",
            "cases": _body_cases(),
        },
    }
