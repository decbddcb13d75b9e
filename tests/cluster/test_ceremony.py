"""The genesis ceremony: nobody begins before a quorum is there with the same genesis file; then it is certified for good."""

import hashlib
import json
import shutil
import subprocess

from client import Client, wait_for
from cluster import http_get, read_env_file
from cybermesh_ref import genesis_certificate
from cybermesh_ref.genesis import Genesis
from traffic import metric, query, readers


def by_turn(cluster):
    """The validators' names in the order of their turns: the leader of view 1 first."""
    validators = json.loads(cluster.layout.testnet.joinpath("genesis.json").read_text())["validators"]
    in_order = sorted(validators, key=lambda each: hashlib.sha256(bytes.fromhex(each["sign_key"])).digest())
    names = [each["name"] for each in in_order]
    return names[1:] + names[:1]


def shown(cluster, validator):
    """(phase, set of the missing) as consensusd's status shows them."""
    status = json.loads(http_get(cluster.admin(validator, "consensusd") + "/status")[1] or "{}")
    missing = status.get("genesis_missing", "")
    return status.get("genesis"), set(filter(None, missing.split(", ")))


def stages(cluster, validators):
    return [pair for validator in validators for pair in cluster.stages_of(validator)]


def certificate(cluster, validator):
    """What the validator's database has; None: nothing yet."""
    rows = query(readers(cluster)[validator], "SELECT certificate FROM genesis_certificates")
    return bytes(rows[0][0]) if rows else None


def verify(cluster, encoded):
    """Judge a certificate with the reference client and the genesis file alone. (aggregator, signers), by name."""
    genesis = Genesis.load(cluster.layout.testnet / "genesis.json")
    found = genesis_certificate.verify(genesis, encoded)
    names = [each.name for each in genesis.validators]
    return names[found.aggregator], {names[index] for index in found.signers}


def test_a_quorum_begins_and_the_others_join_late(new_cluster):
    cluster = new_cluster(validators=5, start_daemons=False)
    first, *others = by_turn(cluster)
    three, fourth = others[:3], others[3]

    cluster.start_stages(stages(cluster, three))
    for name in three:
        wait_for(lambda name=name: shown(cluster, name) == ("collecting 3/4", {first, fourth}),
                 f"{name} shows whom it waits for")
    result = subprocess.run([cluster.build / "services/cybermeshctl/cybermeshctl", "status", "--cluster",
                             cluster.cluster_file, "-o", "json"], capture_output=True, text=True, check=False)
    report = json.loads(result.stdout)
    assert result.returncode == 1
    assert {row["name"]: row["genesis"] for row in report["validators"]} == (
        dict.fromkeys(three, "collecting 3/4") | dict.fromkeys((first, fourth)))
    waiting = [line for line in report["problems"] if line.startswith(f"{three[0]} consensusd is not ready")]
    assert len(waiting) == 1 and "genesis: collecting 3/4, waiting for " in waiting[0] and first in waiting[0]
    client = Client(cluster)
    events = [client.anomaly() for _ in range(20)]
    ids = [each.tx_id() for each in events]
    client.send(events)
    wait_for(lambda: all(metric(cluster, name, "mempoold", "pool_txs") == len(events) for name in three),
             "the pools hold all events")
    assert [query(readers(cluster)[name], "SELECT max(height) FROM blocks") for name in three] == [[(0,)]] * 3
    assert [certificate(cluster, name) for name in three] == [None] * 3

    cluster.start_stages(stages(cluster, [fourth]))
    cluster.wait_ready(stages(cluster, three + [fourth]))
    client.wait_committed(ids, validators=[each for each in client.validators if each["name"] != first])
    for name in three + [fourth]:
        wait_for(lambda name=name: certificate(cluster, name), f"{name}'s database has the certificate")
        aggregator, signers = verify(cluster, certificate(cluster, name))
        assert signers == {*three, fourth}
        assert aggregator != first, "the leader of view 1 was not there"

    cluster.start_stages(stages(cluster, [first]))
    cluster.wait_ready(stages(cluster, [first]))
    client.wait_committed(ids)
    client.assert_equal_ledgers()
    wait_for(lambda: certificate(cluster, first), "the late one's database has the certificate")
    assert verify(cluster, certificate(cluster, first))[1] == {*three, fourth}

    # Alone, and without its stores: the database gives it back.
    known = certificate(cluster, first)
    cluster.stop_stages(cluster.all_stages())
    for stage in ("consensusd", "executord"):
        shutil.rmtree(cluster.directory(first) / "data" / stage)
    key = cluster.directory(first) / cluster.setting(first, "consensusd", "SIGN_KEY_FILE")
    key.with_name(key.name + ".voted").unlink()
    cluster.start_stages(cluster.stages_of(first))
    wait_for(lambda: shown(cluster, first)[0] == "done", "the certificate is here again")
    assert 'event=genesis.restored where=executord' in cluster.log(first, "consensusd").read_text()
    assert certificate(cluster, first) == known


def test_a_validator_with_another_genesis_file_is_refused_by_name(new_cluster):
    def give_another_file(cluster):
        genesis = json.loads(cluster.layout.testnet.joinpath("genesis.json").read_text())
        genesis["parameters"]["block_max_txs"] = 4000
        cluster.layout.testnet.joinpath("other.json").write_text(json.dumps(genesis))
        for _, stage in cluster.stages_of("v5"):
            path = cluster.env_file("v5", stage)
            path.write_text(path.read_text().replace("GENESIS_FILE=../genesis.json", "GENESIS_FILE=../other.json"))
            assert read_env_file(path)["GENESIS_FILE"] == "../other.json"

    cluster = new_cluster(validators=5, start_daemons=False, before_start=give_another_file)
    four = [name for name in cluster.validators if name != "v5"]
    cluster.start_stages(cluster.all_stages())
    cluster.wait_ready(stages(cluster, four))
    client = Client(cluster)
    event = client.anomaly()
    client.send([event])
    client.wait_committed([event.tx_id()], validators=[each for each in client.validators if each["name"] != "v5"])
    for name in four:
        wait_for(lambda name=name: 'event=genesis.refused validator="v5" why="another genesis file" ours='
                 in cluster.log(name, "consensusd").read_text(), f"{name} names v5")
    wait_for(lambda: all(f'event=genesis.refused validator="{name}" why="another genesis file" ours='
                         in cluster.log("v5", "consensusd").read_text() for name in four), "v5 names the four")
    assert shown(cluster, "v5") == ("collecting 1/4", {f"{name} (refused)" for name in four})
    assert metric(cluster, "v5", "consensusd", "genesis_refusals_total") >= 4
    assert not cluster.is_ready("v5", "consensusd")
