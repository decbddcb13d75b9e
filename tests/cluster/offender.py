"""What must be true of a validator whose equivocation was proved, by the rules of docs/protocol.md alone."""

import json
import subprocess
import urllib.parse

from client import wait_for
from cybermesh_ref import wire
from cybermesh_ref.equivocation import PROPOSAL, VOTE, Equivocation
from cybermesh_ref.proofs import StateProof, TransactionProof
from traffic import query, readers

KINDS = {"vote": VOTE, "proposal": PROPOSAL}


def state(client, key, validator=0):
    """(height, value) of a key, proved."""
    status, proof = client.get(f"/api/v1/state/{urllib.parse.quote(key, safe='')}?proof=true", validator)
    assert status == 200, proof
    proof = StateProof.from_json(proof)
    proof.verify(client.genesis, key)
    return proof.height, proof.value


def _index(client, name):
    return [validator["name"] for validator in client.validators].index(name)


def require_punished(client, cluster, name, validators):
    """Each of these validators shows the one proof against `name`, the same and in the same block, and it holds."""
    offender = next(each for each in client.genesis.validators if each.name == name)
    listed = {}
    for validator in validators:
        def evidence():
            status, answer = client.get("/api/v1/consensus/evidence", _index(client, validator))  # noqa: B023
            return status == 200 and answer["count"] == 1 and answer["evidence"]
        listed[validator] = wait_for(evidence, f"{validator} lists evidence")[0]
    first = listed[validators[0]]
    assert all(each == first for each in listed.values()), listed
    assert (first["offender"], first["name"]) == (offender.id.hex(), name)
    for validator in validators:
        status, shown = client.get(f"/api/v1/validators/{offender.id.hex()}", _index(client, validator))
        assert (status, shown["status"], shown["reputation_ppm"]) == (200, "inactive", 0), shown
    _check_transaction(client, cluster, first, validators)
    return first


def _check_transaction(client, cluster, listed, validators):
    tx_id, height = bytes.fromhex(listed["tx_id"]), listed["height"]
    bodies = {bytes(query(dsn, "SELECT body FROM transactions WHERE tx_id = %s", tx_id)[0][0])
              for validator, dsn in readers(cluster).items() if validator in validators}
    assert len(bodies) == 1
    proof = Equivocation.decode(bodies.pop())
    assert proof.why_bad(client.genesis) is None
    assert (proof.tx_id, proof.offender.hex()) == (tx_id, listed["offender"])
    assert (proof.kind, proof.view) == (KINDS[listed["kind"]], listed["view"])
    asked = _index(client, validators[0])
    status, transaction = client.get(f"/api/v1/transactions/{listed['tx_id']}", asked)
    assert status == 200
    assert (transaction["kind"], transaction["event_id"], transaction["producer"], transaction["height"],
            transaction["timestamp"], transaction["status"]) == (
        "validator_evidence", listed["offender"], None, height, listed["timestamp"], "proved")
    status, shown = client.get(f"/api/v1/transactions/{listed['tx_id']}/proof", asked)
    assert status == 200
    in_block = TransactionProof.from_json(shown)
    assert in_block.verify(client.genesis, tx_id).height == height
    assert in_block.receipt == proof.receipt(height)
    assert state(client, proof.state_key, asked)[1] == proof.record(height)
    program = cluster.build / "services/cybermeshctl/cybermeshctl"
    done = subprocess.run([program, "verify", "--genesis", client.description["genesis"], "--api",
                           client.validators[asked]["api"], "--tx", listed["tx_id"], "-o", "json"],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["proved"] is True
    status, block = client.get(f"/api/v1/blocks/{height}", asked)
    assert status == 200
    assert block["transaction_count"] == 1 + sum(block[f"{kind}_count"] for kind in ("anomaly", "evidence", "policy"))


def leaders(client, epoch, validator=0):
    """Validator indices of an epoch's schedule, proved from the state."""
    fields = {number: value for number, _type, value in wire.fields(state(client, f"schedule/{epoch}", validator)[1])}
    return list(fields[1])
