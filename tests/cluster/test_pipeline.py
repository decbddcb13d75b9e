"""Events of a client written from docs/protocol.md alone are committed everywhere, and everything said of them is proved."""

import json
import urllib.parse

import pytest
from client import Client, wait_for
from cybermesh_ref import events
from cybermesh_ref.control import CommitEvent
from cybermesh_ref.proofs import CommitProof, StateProof, TransactionProof


def all_kinds(client):
    batch = []
    for alg in (events.V1, events.V2):
        anomaly = client.anomaly(alg)
        batch += [anomaly, client.evidence(anomaly, alg), client.policy(alg)]
    return batch


def committed(client):
    batch = all_kinds(client)
    client.send(batch)
    client.wait_committed({event.tx_id() for event in batch})
    return batch


def check_proofs(client, event):
    tx_id = event.tx_id()
    status, proof = client.get(f"/api/v1/transactions/{tx_id.hex()}/proof")
    assert status == 200
    TransactionProof.from_json(proof).verify(client.genesis, tx_id)
    key = f"{events.KIND_NAMES[event.KIND]}/{event.id}"
    path = f"/api/v1/state/{urllib.parse.quote(key, safe='')}?proof=true"
    status, proof = client.get(path)
    assert status == 200 and proof["value"] is not None
    StateProof.from_json(proof).verify(client.genesis, key)
    status, transaction = client.get(f"/api/v1/transactions/{tx_id.hex()}")
    assert status == 200
    assert (transaction["event_id"], transaction["kind"]) == (event.id, events.KIND_NAMES[event.KIND])
    return transaction


def check_absence(client):
    key = "anomaly/there-is-no-such-anomaly"
    status, proof = client.get(f"/api/v1/state/{urllib.parse.quote(key, safe='')}?proof=true")
    assert status == 200 and proof["value"] is None
    StateProof.from_json(proof).verify(client.genesis, key)


def check_notices(client, height):
    """Every validator announced the height, signed it, and the notice's proof holds."""
    def notices():
        found = {}
        for message in client.read_all("control.commits.v1"):
            if int.from_bytes(message.key(), "big") == height:
                event = CommitEvent.decode(message.value())
                found[event.pubkey] = event
        return found if len(found) == len(client.validators) else None
    found = wait_for(notices, f"a notice of height {height} from every validator")
    assert set(found) == {validator.control_key for validator in client.genesis.validators}
    for event in found.values():
        assert event.signature_is_good()
        assert event.verify_proof(client.genesis).height == height


def check_story(cluster):
    client = Client(cluster)
    batch = committed(client)
    transactions = [check_proofs(client, event) for event in batch]
    check_absence(client)
    height = transactions[0]["height"]
    status, proof = client.get(f"/api/v1/blocks/{height}/proof")
    assert status == 200
    assert CommitProof.from_json(proof).verify(client.genesis).height == height
    check_notices(client, height)
    client.assert_equal_ledgers()
    client.wait_no_lag()


def test_events_are_committed_and_proved(cluster):
    check_story(cluster)


@pytest.mark.parametrize("path, status, code", [
    ("/api/v1/nothing", 404, "NOT_FOUND"),
    ("/api/v1/blocks/999999999", 404, "NOT_FOUND"),
    ("/api/v1/blocks/abc", 400, "BAD_REQUEST"),
    ("/api/v1/blocks?limit=0", 400, "BAD_REQUEST"),
    ("/api/v1/transactions/12", 400, "BAD_REQUEST"),
    ("/api/v1/transactions/" + "0" * 64, 404, "NOT_FOUND"),
    ("/api/v1/validators/" + "0" * 64, 404, "NOT_FOUND"),
])
def test_what_cannot_be_answered_is_a_problem_document(cluster, path, status, code):
    client = Client(cluster)
    got, problem = client.get(path)
    assert got == status
    assert problem["code"] == code and problem["status"] == status and problem["detail"]


def test_only_reading_is_allowed(cluster):
    status, problem = Client(cluster).get("/api/v1/blocks/latest", method="DELETE")
    assert (status, problem["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_lists_say_what_the_ledger_has(cluster):
    client = Client(cluster)
    committed(client)
    status, answer = client.get("/api/v1/validators")
    assert status == 200 and answer["total"] == len(client.validators)
    assert {row["id"] for row in answer["validators"]} == {v.id.hex() for v in client.genesis.validators}
    status, answer = client.get("/api/v1/blocks?start=0&limit=2")
    assert status == 200 and [block["height"] for block in answer["blocks"]] == [0, 1]
    assert answer["blocks"][1]["parent_hash"] == answer["blocks"][0]["hash"]
    status, answer = client.get("/api/v1/anomalies?limit=1")
    assert status == 200 and answer["count"] == 1
    assert answer["anomalies"][0]["severity_label"] in ("critical", "high", "medium", "low")


def test_the_operators_verify_agrees(cluster):
    import subprocess
    client = Client(cluster)
    batch = committed(client)
    program = cluster.build / "services/cybermeshctl/cybermeshctl"
    common = [program, "verify", "--genesis", client.description["genesis"], "--api", client.validators[1]["api"],
              "-o", "json"]
    for words in (["--tx", batch[0].tx_id().hex()], ["--key", f"anomaly/{batch[0].id}"], ["--height", "1"],
                  ["--key", "anomaly/no such"]):
        result = subprocess.run([*map(str, common), *words], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert json.loads(result.stdout)["proved"] is True


def test_the_same_over_tcp_between_the_stages(cluster_tcp):
    check_story(cluster_tcp)
