"""The reference implementation against the vector files, read as a stranger's client would read them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import generate  # puts tests/lib on the path
import pytest
from cybermesh_ref import block, certificates, checks, equivocation, events, genesis, genesis_certificate, merkle
from cybermesh_ref import peer_record, proofs, schedule, statetree
from cybermesh_ref.control import CommitEvent
from cybermesh_ref.hashing import sha256, sign, verify

HERE = Path(__file__).resolve().parent


def load(name: str) -> dict[str, Any]:
    return json.loads((HERE / name).read_text(encoding="ascii"))


def cases(name: str) -> Any:
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in load(name)["cases"]])


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_regenerating_gives_the_same_files() -> None:
    made = generate.files()
    assert {path.name for path in HERE.glob("*.json")} == set(made)
    for name, content in made.items():
        assert (HERE / name).read_text(encoding="ascii") == generate.render(content), name


@cases("events.json")
def test_event_is_read_signed_and_written_as_the_vector_says(case: dict[str, Any]) -> None:
    event = events.decode(case["kind"], raw(case["record"]))
    assert event == events.parse_body(raw(case["body"]))
    assert event.encode() == raw(case["record"])
    assert event.body() == raw(case["body"])
    assert event.tx_id() == raw(case["tx_id"])
    assert event.signing_bytes() == raw(case["signing_bytes"])
    assert sign(raw(case["seed"]), event.signing_bytes()) == event.signature == raw(case["signature"])
    assert (event.id, event.ts, event.content) == (case["id"], case["ts"], raw(case["content"]))
    assert sha256(event.content) == raw(case["content_hash"])
    if isinstance(event, events.AnomalyEvent):
        assert struct.pack(">d", event.confidence) == raw(case["confidence_bits"])


@cases("custody.json")
def test_custody_signature(case: dict[str, Any]) -> None:
    entry = events.CustodyEntry(raw(case["ref_hash"]), raw(case["actor_id"]), case["ts"], raw(case["signature"]))
    assert entry.canonical() == raw(case["canonical"])
    assert entry.signing_bytes(case["alg"]) == raw(case["signing_bytes"])
    good = verify(raw(case["key"]), entry.signature, entry.signing_bytes(case["alg"]))
    assert good == (case["expect"] == "OK")


@cases("confidence.json")
def test_confidence(case: dict[str, Any]) -> None:
    assert checks.confidence_ppm(struct.unpack(">d", raw(case["confidence_bits"]))[0]) == case["expect"]


def context_of(case: dict[str, Any], producer_id: bytes, event: events.Event | None) -> checks.Context:
    producer = checks.Producer(set(case["producer_roles"]), case["producer_quarantined"])
    context = checks.Context(
        producers={producer_id: producer} if case["producer_known"] else {},
        reference_s=case["broker_timestamp_s"],
        skew_s=case["skew_s"],
        custody_required=case["custody_verification"] == "required",
        require_v2=case["require_v2"],
    )
    if event is not None and case["nonce_used"]:
        context.nonces.add((event.producer_id, event.nonce))
    if event is not None and case["id_used"]:
        context.ids.add((event.KIND, str(event.id)))
    return context


def verdict(case: dict[str, Any]) -> str:
    try:
        event = checks.read_record(case["kind"], raw(case["record"]))
        checks.check_event(event, context_of(case, event.producer_id, event))
    except checks.Rejected as error:
        return error.reason.value
    return "OK"


@cases("checks.json")
def test_check_gives_the_reason(case: dict[str, Any]) -> None:
    assert verdict(case) == case["expect"]


@cases("checks.json")
def test_check_of_the_body_gives_the_same_reason(case: dict[str, Any]) -> None:
    if case["body"] is None or case["stage"] != "static":
        return
    try:
        checks.check_event(checks.read_body(raw(case["body"])), checks.Context())
        got = "OK"
    except checks.Rejected as error:
        got = error.reason.value
    assert got == case["expect"]


def test_every_reason_has_a_bad_example() -> None:
    seen = {case["expect"] for name in ("checks.json", "checks_large.json") for case in load(name)["cases"]}
    assert seen == {reason.value for reason in checks.Reason} | {"OK"}


@cases("checks_large.json")
def test_size_limit(case: dict[str, Any]) -> None:
    for part in ("record", "body"):
        if case[f"{part}_prefix"] is None:
            continue
        data = raw(case[f"{part}_prefix"]) + raw(case["fill"]) * case["fill_count"] + raw(case[f"{part}_suffix"])
        try:
            event = checks.read_record(case["kind"], data) if part == "record" else checks.read_body(data)
            checks.check_event(event, checks.Context())
            got = "OK"
        except checks.Rejected as error:
            got = error.reason.value
        assert got == case["expect"], part


@cases("bodies.json")
def test_body_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(checks.Rejected) as error:
        checks.read_body(raw(case["body"]))
    assert error.value.reason.value == case["expect"]


@cases("genesis.json")
def test_chain_id(case: dict[str, Any]) -> None:
    assert genesis.canonical_json(case["genesis"]) == raw(case["canonical_hex"]) == case["canonical"].encode()
    assert genesis.chain_id(case["genesis"]).hex() == case["expect"]
    assert json.loads(case["canonical"]) == case["genesis"]


@cases("quorums.json")
def test_quorum(case: dict[str, Any]) -> None:
    n, faults, quorum = case["validators"], case["faults"], case["expect"]
    assert (genesis.faults_max(n), genesis.quorum(n)) == (faults, quorum)
    assert 2 * quorum - n > faults, "two quorums share an honest validator"
    assert quorum <= n - faults, "the honest validators are a quorum"


@cases("headers.json")
def test_header(case: dict[str, Any]) -> None:
    if case["expect"] == "BAD":
        with pytest.raises(ValueError):
            block.Header.decode(raw(case["header"]))
        return
    header = block.Header.decode(raw(case["header"]))
    assert header.encode() == raw(case["header"])
    assert header.block_id.hex() == case["block_id"]
    for name in ("chain_id", "parent_id", "tx_root", "receipt_root", "state_root", "proposer"):
        assert getattr(header, name).hex() == case[name]
    for name in ("height", "view", "justify_view", "justify_signers", "timestamp_ms"):
        assert f"{getattr(header, name):016x}" == case[name]
    assert header.tx_count == case["tx_count"]


def signed_message(case: dict[str, Any]) -> bytes:
    chain_id = raw(case["chain_id"])
    number = {
        name: int(case[name], 16) for name in ("view", "height", "high_qc_view", "committed_height") if name in case
    }
    if case["kind"] == "vote":
        return certificates.vote_bytes(chain_id, number["view"], number["height"], raw(case["block_id"]))
    if case["kind"] == "proposal":
        return certificates.proposal_bytes(chain_id, raw(case["block_id"]), raw(case["tc_hash"]))
    if case["kind"] == "timeout":
        return certificates.timeout_bytes(chain_id, number["view"], number["high_qc_view"])
    return certificates.heartbeat_bytes(chain_id, number["view"], number["high_qc_view"], number["committed_height"])


@cases("signing.json")
def test_validator_signature(case: dict[str, Any]) -> None:
    assert signed_message(case) == raw(case["message"])
    assert sign(raw(case["seed"]), raw(case["message"])).hex() == case["expect"]
    assert verify(raw(case["key"]), raw(case["expect"]), raw(case["message"]))


@cases("tc_hashes.json")
def test_timeout_certificate_hash(case: dict[str, Any]) -> None:
    own = [
        certificates.TcSignature(item["validator"], item["high_qc_view"], raw(item["signature"]))
        for item in case["signatures"]
    ]
    votes = [certificates.Signature(item["validator"], raw(item["signature"])) for item in case["qc_signatures"]]
    high = certificates.Qc(case["qc_view"], case["qc_height"], raw(case["qc_block_id"]), votes)
    assert certificates.Tc(case["view"], own, high).hash.hex() == case["expect"]


@cases("merkle.json")
def test_merkle_root(case: dict[str, Any]) -> None:
    assert merkle.root([raw(item) for item in case["items"]]).hex() == case["expect"]


@cases("merkle_paths.json")
def test_merkle_path(case: dict[str, Any]) -> None:
    path = [raw(item) for item in case["path"]]
    good = merkle.verify(raw(case["root"]), raw(case["item"]), case["count"], case["index"], path)
    assert good == (case["expect"] == "OK")


@cases("state_roots.json")
def test_state_root(case: dict[str, Any]) -> None:
    state = {entry["key"]: raw(entry["value"]) for entry in case["entries"]}
    assert statetree.root(state).hex() == case["expect"]
    for key in state:
        assert statetree.verify(statetree.root(state), key, state[key], statetree.prove(state, key))


@cases("state_siblings.json")
def test_state_siblings(case: dict[str, Any]) -> None:
    leaf = case["leaf"]
    proof = statetree.Proof(
        None if leaf is None else statetree.Leaf(raw(leaf["key_hash"]), raw(leaf["value_hash"])),
        [raw(item) for item in case["siblings"]],
    )
    value = None if case["value"] is None else raw(case["value"])
    assert statetree.key_hash(case["key"]).hex() == case["key_hash"]
    assert statetree.verify(raw(case["root"]), case["key"], value, proof) == (case["expect"] == "OK")


def network(name: str) -> genesis.Genesis:
    content = load(name)
    found = genesis.Genesis.from_value(content["genesis"])
    assert found.chain_id.hex() == content["chain_id"]
    assert [validator.sign_key.hex() for validator in found.validators] == content["validators"]
    assert found.quorum == content["quorum"]
    return found


def outcome(verify_it: Any) -> str:
    try:
        verify_it()
    except proofs.BadProof:
        return "BAD"
    return "OK"


@cases("commit_proofs.json")
def test_commit_proof(case: dict[str, Any]) -> None:
    known = network("commit_proofs.json")
    from_json = proofs.CommitProof.from_json(case)
    assert proofs.CommitProof.from_protobuf(raw(case["protobuf"])) == from_json
    assert outcome(lambda: from_json.verify(known)) == case["expect"]
    if case["expect"] == "OK":
        header = from_json.verify(known)
        assert (header.height, header.block_id.hex()) == (case["height"], case["block_id"])


@cases("tx_proofs.json")
def test_transaction_proof(case: dict[str, Any]) -> None:
    known = network("tx_proofs.json")
    proof = proofs.TransactionProof.from_json(case["proof"])
    assert proof.to_json() == case["proof"]
    assert outcome(lambda: proof.verify(known, raw(case["tx_id"]))) == case["expect"]


@cases("state_proofs.json")
def test_state_proof(case: dict[str, Any]) -> None:
    known = network("state_proofs.json")
    proof = proofs.StateProof.from_json(case["proof"])
    assert proof.to_json() == case["proof"]
    assert outcome(lambda: proof.verify(known, case["key"])) == case["expect"]


@cases("commit_events.json")
def test_commit_event(case: dict[str, Any]) -> None:
    event = CommitEvent.decode(raw(case["event"]))
    assert event.signing_bytes(case["topic"]) == raw(case["signing_bytes"])
    assert event.signature_is_good(case["topic"]) == case["signature_ok"]
    assert outcome(lambda: event.verify_proof(network("commit_events.json"))) == case["expect"]


MALFORMED_PROOFS: list[Any] = [
    None,
    [],
    {},
    {"headers": []},
    {"headers": "", "qc": {"view": 1, "height": 1, "block_id": "00" * 32, "signatures": []}},
    {"headers": [1], "qc": {"view": 1, "height": 1, "block_id": "00" * 32, "signatures": []}},
    {"headers": [], "qc": {"view": "1", "height": 1, "block_id": "00" * 32, "signatures": []}},
    {"headers": [], "qc": {"view": 1, "height": -1, "block_id": "00" * 32, "signatures": []}},
    {"headers": [], "qc": {"view": 1, "height": 1, "block_id": "AA" * 32, "signatures": []}},
    {"headers": [], "qc": {"view": 1, "height": 1, "block_id": "00" * 32, "signatures": [{"validator": 0}]}},
]


@pytest.mark.parametrize("value", MALFORMED_PROOFS)
def test_malformed_json_is_a_bad_proof(value: Any) -> None:
    network_ = network("commit_proofs.json")
    assert outcome(lambda: proofs.CommitProof.from_json(value).verify(network_)) == "BAD"


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x0a\x05ab", b"\x08\x01", b"\x12\x02\x0a\x01", b"\x12\x04\x22\x02\x12\x05"]
)
def test_malformed_protobuf_is_a_bad_proof(data: bytes) -> None:
    network_ = network("commit_proofs.json")
    assert outcome(lambda: proofs.CommitProof.from_protobuf(data).verify(network_)) == "BAD"


@cases("epochs.json")
def test_epoch_of_a_height(case: dict[str, Any]) -> None:
    assert schedule.epoch(case["parameters"], case["height"]) == case["expect"]


@cases("schedules.json")
def test_leaders_and_the_standings_after_a_block(case: dict[str, Any]) -> None:
    before = [schedule.Standing(**each) for each in case["standings"]]
    turns = schedule.leaders(case["parameters"], [raw(each) for each in case["ids"]], before)
    assert turns == case["expect"]
    assert schedule.leader(turns, case["view"]) == case["leader"]
    missed = schedule.skipped(turns, case["justify_view"], case["view"])
    assert sum(1 << each for each in missed) == int(case["skipped"], 16)
    signers = int(case["signers"], 16)
    after = schedule.apply(case["parameters"], before, case["height"], case["proposer"], signers, missed)
    assert after == [schedule.Standing(**each) for each in case["after"]]


@cases("equivocations.json")
def test_equivocation_is_proof_or_not(case: dict[str, Any]) -> None:
    network = genesis.Genesis.from_value(load("equivocations.json")["genesis"])
    try:
        proof = equivocation.Equivocation.decode(raw(case["body"]))
    except ValueError:
        assert case["expect"] == "MALFORMED"
        return
    assert proof.body() == raw(case["body"])
    assert (proof.why_bad(network) or "OK") == case["expect"]
    if case["expect"] == "OK":
        assert (proof.tx_id.hex(), proof.state_key) == (case["tx_id"], case["state_key"])
        assert (proof.record(1).hex(), proof.receipt(1).hex()) == (case["record"], case["receipt"])


def ceremony_terms(name: str) -> genesis_certificate.Terms:
    content = load(name)
    terms = genesis_certificate.Terms.of(network(name))
    assert (terms.config_hash.hex(), terms.peer_hash.hex()) == (content["config_hash"], content["peer_hash"])
    return terms


@cases("genesis_readies.json")
def test_genesis_ready(case: dict[str, Any]) -> None:
    terms = ceremony_terms("genesis_readies.json")
    message = genesis_certificate.ready_bytes(terms, raw(case["nonce"]), int(case["time_ms"], 16))
    assert message == raw(case["message"])
    assert sign(raw(case["seed"]), message).hex() == case["expect"]


@cases("genesis_certificates.json")
def test_genesis_certificate(case: dict[str, Any]) -> None:
    data = raw(case["certificate"])
    if case["canonical"]:
        certificate = genesis_certificate.GenesisCertificate.decode(data)
        assert (certificate.encode(), certificate.signing_bytes()) == (data, raw(case["signing_bytes"]))
        assert (certificate.signers, certificate.aggregator) == (case["signers"], case["aggregator"])
    try:
        genesis_certificate.verify(network("genesis_certificates.json"), data)
        got = "OK"
    except genesis_certificate.Refused as error:
        got = error.args[0]
    assert got == case["expect"]


@cases("peer_endpoints.json")
def test_peer_endpoint(case: dict[str, Any]) -> None:
    assert peer_record.endpoint_is_good(case["endpoint"].encode()) == (case["expect"] == "OK")


@cases("peer_records.json")
def test_peer_record_is_the_validators_or_not(case: dict[str, Any]) -> None:
    network = genesis.Genesis.from_value(load("peer_records.json")["genesis"])
    try:
        record = peer_record.PeerRecord.decode(raw(case["record"]))
    except ValueError:
        assert case["expect"] == "MALFORMED"
        return
    assert record.encode() == raw(case["record"])
    assert (record.why_bad(network) or "OK") == case["expect"]
