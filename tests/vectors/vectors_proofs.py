"""commit_proofs.json, tx_proofs.json, state_proofs.json, commit_events.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cybermesh_ref import certificates, merkle, statetree
from cybermesh_ref.block import Header
from cybermesh_ref.certificates import Qc, Signature
from cybermesh_ref.control import CommitEvent
from cybermesh_ref.hashing import ZERO, h, public_key, sha256, sign
from cybermesh_ref.proofs import BadProof, CommitProof, StateProof, TransactionProof
from vectors_common import CONTROL_SEEDS, CREATED_MS, GENESIS, NETWORK, VALIDATOR_SEEDS, fixed, network_fields
from vectors_trees import absent_keys

TX_IDS = [fixed(f"tx {i}") for i in range(7)]
RECEIPTS = [f"receipt {i}".encode() for i in range(7)]
STATE = {f"anomaly/event-{i}": f"value {i}".encode() for i in range(16)}
SIGNERS = [0, 1, 3, 4]


def _block(parent: Header, view: int, timestamp_ms: int, **changes: Any) -> Header:
    header = Header(
        chain_id=NETWORK.chain_id,
        height=parent.height + 1,
        view=view,
        parent_id=parent.block_id,
        justify_view=parent.view,
        justify_signers=0b11011 if parent.height else 0,
        state_root=parent.state_root,
        proposer=sha256(public_key(VALIDATOR_SEEDS[view % 5])),
        timestamp_ms=timestamp_ms,
    )
    return replace(header, **changes)


def _certify(header: Header, signers: list[int] = SIGNERS, chain_id: bytes = NETWORK.chain_id) -> Qc:
    message = certificates.vote_bytes(chain_id, header.view, header.height, header.block_id)
    votes = [Signature(i, sign(VALIDATOR_SEEDS[i], message)) for i in signers]
    return Qc(header.view, header.height, header.block_id, votes)


GENESIS_BLOCK = Header(NETWORK.chain_id, 0, state_root=fixed("genesis state"), timestamp_ms=CREATED_MS)
FULL = {
    "tx_count": len(TX_IDS),
    "tx_root": merkle.root(TX_IDS),
    "receipt_root": merkle.root([h(receipt) for receipt in RECEIPTS]),
    "state_root": statetree.root(STATE),
}
B1 = _block(GENESIS_BLOCK, 1, CREATED_MS + 100, **FULL)
B2 = _block(B1, 2, CREATED_MS + 200, state_root=fixed("state root 2"))
# View 3 timed out, so B2 is committed as an ancestor: by B3 and B4.
B3 = _block(B2, 4, CREATED_MS + 1300)
B4 = _block(B3, 5, CREATED_MS + 1400)


def _proof(headers: list[Header], qc: Qc) -> CommitProof:
    return CommitProof([header.encode() for header in headers], qc)


GOOD = _proof([B1, B2], _certify(B2))


def _outcome(verify: Callable[[], Any]) -> tuple[str, str | None]:
    try:
        verify()
    except BadProof as error:
        return "BAD", str(error)
    return "OK", None


def _commit_case(name: str, expect: str, proof: CommitProof) -> dict[str, Any]:
    outcome, why = _outcome(lambda: proof.verify(NETWORK))
    assert outcome == expect, (name, why)
    assert CommitProof.from_protobuf(proof.to_protobuf()) == proof
    block = Header.decode(proof.headers[0]) if expect == "OK" else None
    return {
        "name": name,
        **proof.to_json(),
        "protobuf": proof.to_protobuf().hex(),
        "height": None if block is None else block.height,
        "block_id": None if block is None else block.block_id.hex(),
        "why": why,
        "expect": expect,
    }


def _good_commit_cases() -> list[dict[str, Any]]:
    return [
        _commit_case("two headers", "OK", GOOD),
        _commit_case("three headers", "OK", _proof([B2, B3, B4], _certify(B4))),
        _commit_case("four headers", "OK", _proof([B1, B2, B3, B4], _certify(B4))),
        _commit_case("all five signed", "OK", _proof([B1, B2], _certify(B2, [0, 1, 2, 3, 4]))),
        _commit_case("another quorum", "OK", _proof([B1, B2], _certify(B2, [1, 2, 3, 4]))),
        _commit_case("the genesis block below it", "OK", _proof([GENESIS_BLOCK, B1], _certify(B1))),
    ]


def _bad_header_cases() -> list[dict[str, Any]]:
    def chain(name: str, headers: list[Header]) -> dict[str, Any]:
        return _commit_case(name, "BAD", _proof(headers, _certify(headers[-1])))

    def second(name: str, **changes: Any) -> dict[str, Any]:
        return chain(name, [B1, replace(B2, **changes)])

    other = replace(B1, chain_id=fixed("other chain"))
    return [
        chain("one header", [B2]),
        _commit_case("no header", "BAD", CommitProof([], GOOD.qc)),
        second("wrong parent", parent_id=fixed("other parent")),
        second("zero parent", parent_id=ZERO),
        second("height skipped", height=3),
        second("height repeated", height=1),
        second("justify_view is not the parent's view", justify_view=0),
        second("views not consecutive", view=3),
        second("same view", view=1),
        chain("three headers, last views not consecutive", [B1, B2, B3]),
        chain("middle header left out", [B1, B3]),
        chain("headers in the wrong order", [B2, B1]),
        chain("same header twice", [B1, B1]),
        chain("first header of another chain", [other, replace(B2, parent_id=other.block_id)]),
        chain("both headers of another chain", [other, replace(B2, chain_id=other.chain_id, parent_id=other.block_id)]),
        _commit_case("first header tampered", "BAD", _proof([replace(B1, tx_count=8), B2], GOOD.qc)),
        _commit_case("state root tampered", "BAD", _proof([replace(B1, state_root=fixed("x")), B2], GOOD.qc)),
        _commit_case("last header tampered", "BAD", _proof([B1, replace(B2, timestamp_ms=1)], GOOD.qc)),
        _commit_case("header one byte short", "BAD", CommitProof([GOOD.headers[0][:-1], GOOD.headers[1]], GOOD.qc)),
        _commit_case("header one byte long", "BAD", CommitProof([GOOD.headers[0], GOOD.headers[1] + b"\0"], GOOD.qc)),
        _commit_case("empty header", "BAD", CommitProof([*GOOD.headers, b""], GOOD.qc)),
        _commit_case(
            "header of another domain", "BAD", CommitProof([GOOD.headers[0], b"X" + GOOD.headers[1][1:]], GOOD.qc)
        ),
    ]


def _bad_qc_cases() -> list[dict[str, Any]]:
    good = GOOD.qc.signatures

    def signed(name: str, signatures: list[Signature]) -> dict[str, Any]:
        return _commit_case(name, "BAD", _proof([B1, B2], replace(GOOD.qc, signatures=signatures)))

    def certified(name: str, qc: Qc) -> dict[str, Any]:
        return _commit_case(name, "BAD", _proof([B1, B2], qc))

    flipped = replace(good[2], signature=bytes([good[2].signature[0] ^ 1]) + good[2].signature[1:])
    return [
        signed("3 of 5 signatures", good[:3]),
        signed("no signature", []),
        signed("duplicate signer", [good[0], good[1], good[2], good[2]]),
        signed("duplicate signer beside a quorum", [good[0], good[0], *good[1:]]),
        signed("unknown signer", [*good[:3], Signature(5, good[3].signature)]),
        signed("signer 2^32 - 1", [*good[:3], Signature((1 << 32) - 1, good[3].signature)]),
        signed("unsorted", [good[1], good[0], good[2], good[3]]),
        signed("one bad signature", [good[0], good[1], flipped, good[3]]),
        signed("zero signature", [*good[:3], Signature(4, bytes(64))]),
        signed("signature of another validator", [good[0], good[1], Signature(2, good[2].signature), good[3]]),
        signed(
            "signatures exchanged",
            [replace(good[0], signature=good[1].signature), replace(good[1], signature=good[0].signature), *good[2:]],
        ),
        certified("certificate of the first header", _certify(B1)),
        certified("certificate of a later block", _certify(B3)),
        certified("certificate's view differs", replace(GOOD.qc, view=3)),
        certified("certificate's height differs", replace(GOOD.qc, height=3)),
        certified("certificate's block differs", replace(GOOD.qc, block_id=B1.block_id)),
        certified("votes of another chain", _certify(B2, chain_id=fixed("other chain"))),
        certified("empty certificate", Qc(0, 0, ZERO, [])),
    ]


def _answer_case(
    name: str, expect: str, inputs: dict[str, Any], proof: Any, verify: Callable[[], Any]
) -> dict[str, Any]:
    outcome, why = _outcome(verify)
    assert outcome == expect, (name, why)
    return {"name": name, **inputs, "proof": proof.to_json(), "why": why, "expect": expect}


def _tx_proof(index: int) -> TransactionProof:
    hashes = [h(receipt) for receipt in RECEIPTS]
    return TransactionProof(
        TX_IDS[index],
        index,
        len(TX_IDS),
        merkle.path(TX_IDS, index),
        RECEIPTS[index],
        merkle.path(hashes, index),
        GOOD,
    )


def _tx_cases() -> list[dict[str, Any]]:
    def case(name: str, expect: str, proof: TransactionProof, asked: bytes) -> dict[str, Any]:
        inputs = {"tx_id": asked.hex()}
        return _answer_case(name, expect, inputs, proof, lambda: proof.verify(NETWORK, asked))

    base, wanted = _tx_proof(2), TX_IDS[2]
    flipped = [bytes([base.path[0][0] ^ 1]) + base.path[0][1:], *base.path[1:]]
    short = replace(GOOD, qc=replace(GOOD.qc, signatures=GOOD.qc.signatures[:3]))

    def bad(name: str, **changes: Any) -> dict[str, Any]:
        return case(name, "BAD", replace(base, **changes), wanted)

    return [
        *[case(f"transaction {i} of 7", "OK", _tx_proof(i), TX_IDS[i]) for i in range(7)],
        case("another transaction was asked for", "BAD", base, TX_IDS[3]),
        bad("tx_id exchanged", tx_id=TX_IDS[3]),
        case("tx_id exchanged as asked", "BAD", replace(base, tx_id=TX_IDS[3]), TX_IDS[3]),
        bad("index differs", index=3),
        bad("index beyond the count", index=7),
        bad("tx_count differs from the header", tx_count=8),
        bad("path: one bit", path=flipped),
        bad("path too short", path=base.path[:-1]),
        bad("path too long", path=[*base.path, ZERO]),
        bad("receipt changed", receipt=b"receipt 3"),
        bad("receipt empty", receipt=b""),
        bad("receipt path is the transaction's", receipt_path=base.path),
        bad("receipt path empty", receipt_path=[]),
        bad("commit proof of another block", commit=_proof([B2, B3, B4], _certify(B4))),
        bad("commit proof without a quorum", commit=short),
    ]


def _state_proof(key: str) -> StateProof:
    return StateProof(key, 1, STATE.get(key), statetree.prove(STATE, key), GOOD)


def _state_cases() -> list[dict[str, Any]]:
    def case(name: str, expect: str, proof: StateProof, asked: str) -> dict[str, Any]:
        return _answer_case(name, expect, {"key": asked}, proof, lambda: proof.verify(NETWORK, asked))

    base, wanted = _state_proof("anomaly/event-4"), "anomaly/event-4"
    empty, other = absent_keys(STATE)
    short = replace(GOOD, qc=replace(GOOD.qc, signatures=GOOD.qc.signatures[:3]))
    absent = _state_proof(other)

    def bad(name: str, **changes: Any) -> dict[str, Any]:
        return case(name, "BAD", replace(base, **changes), wanted)

    return [
        *[case(f"inclusion of {key}", "OK", _state_proof(key), key) for key in STATE],
        case("absence: nothing there", "OK", _state_proof(empty), empty),
        case("absence: another leaf there", "OK", absent, other),
        case("another key was asked for", "BAD", base, "anomaly/event-5"),
        bad("key exchanged", key="anomaly/event-5"),
        bad("height differs", height=2),
        bad("value changed", value=b"other"),
        bad("value left out", value=None),
        bad("leaf left out", proof=replace(base.proof, leaf=None)),
        bad("value and leaf left out", value=None, proof=replace(base.proof, leaf=None)),
        bad("siblings of another key", proof=replace(base.proof, siblings=absent.proof.siblings[:1])),
        case("absent key with a value", "BAD", replace(absent, value=b"x"), other),
        bad("commit proof of another block", commit=_proof([B2, B3, B4], _certify(B4)), height=2),
        bad("commit proof without a quorum", commit=short),
    ]


def _commit_event() -> CommitEvent:
    key = public_key(CONTROL_SEEDS[0])
    event = CommitEvent(
        height=B1.height,
        block_hash=B1.block_id,
        state_root=B1.state_root,
        tx_count=B1.tx_count,
        anomaly_count=4,
        evidence_count=2,
        policy_count=1,
        timestamp=B1.timestamp_ms // 1000,
        producer_id=key,
        pubkey=key,
        anomaly_ids=["6f1d3a52-7f0e-4c7b-9d35-0a4b8f6f2c11", "0b9a7c8e-1111-4222-8333-444455556666"],
        proof=GOOD.to_protobuf(),
    )
    return event.signed(CONTROL_SEEDS[0])


def _event_case(name: str, event: CommitEvent, topic: str = "control.commits.v1") -> dict[str, Any]:
    data = event.encode()
    assert CommitEvent.decode(data) == event
    return {
        "name": name,
        "topic": topic,
        "event": data.hex(),
        "signing_bytes": event.signing_bytes(topic).hex(),
        "signature": event.signature.hex(),
        "key": event.pubkey.hex(),
        "signature_ok": event.signature_is_good(topic),
        "expect": _outcome(lambda: event.verify_proof(NETWORK))[0],
    }


def _event_cases() -> list[dict[str, Any]]:
    event = _commit_event()
    empty = replace(event, anomaly_count=0, evidence_count=0, policy_count=0, anomaly_ids=[])
    return [
        _event_case("a block of seven transactions", event),
        _event_case("without anomaly ids", empty.signed(CONTROL_SEEDS[0])),
        _event_case(
            "topic of another name", event.signed(CONTROL_SEEDS[0], "t1.control.commits"), "t1.control.commits"
        ),
        _event_case("signed for another topic", event, "t1.control.commits"),
        _event_case("anomaly id changed after signing", replace(event, anomaly_ids=event.anomaly_ids[:1])),
        _event_case("the proof is not signed", replace(event, proof=b"")),
        _event_case("signed by another key", event.signed(CONTROL_SEEDS[1])),
        _event_case("says another state root", replace(event, state_root=fixed("x")).signed(CONTROL_SEEDS[0])),
        _event_case("says another height", replace(event, height=2).signed(CONTROL_SEEDS[0])),
    ]


def files() -> dict[str, dict[str, Any]]:
    network = network_fields()
    with_genesis = {"genesis": GENESIS, **network}
    return {
        "commit_proofs.json": {
            "description": "Commit proofs in both encodings, good and bad, for a network of five validators.",
            **with_genesis,
            "cases": [*_good_commit_cases(), *_bad_header_cases(), *_bad_qc_cases()],
        },
        "tx_proofs.json": {
            "description": "Answers of /api/v1/transactions/{id}/proof, good and bad.",
            **with_genesis,
            "cases": _tx_cases(),
        },
        "state_proofs.json": {
            "description": "Answers of /api/v1/state/{key}?proof=true, good and bad.",
            **with_genesis,
            "cases": _state_cases(),
        },
        "commit_events.json": {
            "description": "CommitEvent records: signed bytes, signature, and whether the proof bears them out.",
            **with_genesis,
            "cases": _event_cases(),
        },
    }
