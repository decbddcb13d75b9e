"""Validators that know one other each find all: by signed records, wherever they move, whoever is dead, lies or floods."""

import contextlib
import json
import socket
import subprocess
import threading
import time

import zmq
from client import Client, wait_for
from cluster import read_env_file
from cybermesh_ref import wire
from cybermesh_ref.hashing import read_seed
from cybermesh_ref.peer_record import PeerRecord
from liar import read_key
from traffic import Traffic, metric

VALIDATORS = 5
PEERS_REQUEST = 8  # field of SyncFrame


def set_keys(cluster, validator, stage, **changes):
    """Change a stage's environment file; None removes a key."""
    path = cluster.env_file(validator, stage)
    pairs = {key: value for key, value in (read_env_file(path) | changes).items() if value is not None}
    path.write_text("".join(f"{name}={text}\n" for name, text in pairs.items()))


def know_only(cluster, known):
    """Of the addresses that testnet wrote, each validator keeps the one of known[validator], or none."""
    for validator in cluster.validators:
        for stage, key in (("consensusd", "CONSENSUS_PEERS"), ("mempoold", "GOSSIP_PEERS")):
            items = dict(item.split("=", 1) for item in cluster.setting(validator, stage, key).split(","))
            other = known.get(validator)
            set_keys(cluster, validator, stage, **{key: other and f"{other}={items[other]}"})


def a_star(cluster):
    know_only(cluster, {name: "v1" for name in cluster.validators if name != "v1"})


def a_line(cluster):
    names = cluster.validators
    know_only(cluster, dict(zip(names[1:], names, strict=False)))


def peers(cluster):
    """(exit code, {validator: {peer: what it knows}}) of `cybermeshctl peers`."""
    done = subprocess.run([cluster.build / "services/cybermeshctl/cybermeshctl", "peers", "--cluster", cluster.cluster_file,
                           "-o", "json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)["validators"]
    return done.returncode, {each["name"]: {peer["name"]: peer for peer in each["peers"] or []} for each in told}


def wait_all_connected(cluster, validators=None):
    """Everybody hears everybody and can ask them."""
    names = validators or cluster.validators
    wait_for(lambda: all((metric(cluster, name, "consensusd", "peers_connected") or 0) >= len(names) - 1 for name in names),
             f"{names} are connected to each other")


def require_commits(cluster, count=20):
    traffic = Traffic(cluster, count, 50)
    traffic.finish()


def records(cluster, name, result):
    return metric(cluster, name, "consensusd", f'peer_records_total{{result="{result}"}}')


def move(cluster, validator):
    """The validator listens elsewhere from its next start on, and says so."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        pub, sync, gossip = (f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    set_keys(cluster, validator, "consensusd", CONSENSUS_PUB_BIND=pub, CONSENSUS_SYNC_BIND=sync,
             CONSENSUS_ADVERTISE=f"{pub}|{sync}|{gossip}")
    set_keys(cluster, validator, "mempoold", GOSSIP_BIND=gossip)
    return pub, sync


class Guest:
    """A validator's keys in other hands: it asks another validator's sync socket, or its mempool, as that validator."""

    def __init__(self, cluster, name, target, mempool=False):
        key, stage, bind = (("mempool-curve.key", "mempoold", "GOSSIP_BIND") if mempool
                            else ("consensus-curve.key", "consensusd", "CONSENSUS_SYNC_BIND"))
        self.genesis = Client(cluster).genesis
        self.names = [each.name for each in self.genesis.validators]
        directory = cluster.directory(name)
        self.seed = read_seed(directory / "keys/sign.key")
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        curve = read_key(directory / "keys" / key)
        self.socket.curve_serverkey = bytes(read_key(cluster.directory(target) / "keys" / key).public_key)
        self.socket.curve_publickey, self.socket.curve_secretkey = bytes(curve.public_key), bytes(curve)
        self.socket.connect(cluster.setting(target, stage, bind))

    def record(self, validator, version, seed=None, pub="tcp://127.0.0.1:9"):
        owner = self.genesis.validators[self.names.index(validator)]
        return PeerRecord(self.genesis.chain_id, owner.id, version, pub.encode(), b"tcp://127.0.0.1:10").signed(
            seed or self.seed).encode()

    def show(self, record):
        body = wire.put_int(1, 1) + wire.put_bytes(3, record)
        self.socket.send(wire.put_int(1, 1) + wire.put_bytes(PEERS_REQUEST, body))

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self.socket.close()
        self.context.term()


def test_five_in_a_line_find_each_other_and_commit(new_cluster):
    cluster = new_cluster(validators=VALIDATORS, before_start=a_line)
    wait_all_connected(cluster)
    require_commits(cluster)
    code, told = peers(cluster)
    assert code == 0, told
    assert all(set(told[name]) == set(cluster.validators) - {name} for name in cluster.validators)
    assert told["v3"]["v2"]["source"] == "config"
    assert told["v5"]["v1"]["source"] == "peer"
    assert told["v5"]["v1"]["pub"] == cluster.setting("v1", "consensusd", "CONSENSUS_PUB_BIND")
    for name in cluster.validators:  # mempoold too
        told_of = {word for line in cluster.log(name, "mempoold").read_text().splitlines() if "event=gossip.address" in line
                   for word in line.split() if word.startswith("peer=")}
        assert len(told_of) == VALIDATORS - 1, told_of
    Client(cluster).assert_equal_ledgers()


def test_who_moves_or_restarts_without_the_one_it_knew_is_found(new_cluster):
    cluster = new_cluster(validators=VALIDATORS, before_start=a_star)
    wait_all_connected(cluster)
    # v3 listens elsewhere.
    cluster.stop("v3", "consensusd")
    cluster.stop("v3", "mempoold")
    pub, _ = move(cluster, "v3")
    cluster.start("v3", "mempoold")
    cluster.start("v3", "consensusd")
    wait_all_connected(cluster)
    _, told = peers(cluster)
    assert {told[name]["v3"]["pub"] for name in cluster.validators if name != "v3"} == {pub}
    require_commits(cluster)
    # v1, the one that all know, is dead while v5 starts again.
    for pair in cluster.stages_of("v1"):
        cluster.stop(*pair)
    cluster.kill("v5", "consensusd")
    cluster.start("v5", "consensusd")
    wait_all_connected(cluster, ["v2", "v3", "v4", "v5"])
    _, told = peers(cluster)
    assert told["v5"]["v3"]["pub"] == pub
    assert told["v5"]["v2"]["source"] == "store"
    cluster.heal()
    wait_all_connected(cluster)
    require_commits(cluster)
    Client(cluster).assert_equal_ledgers()


def test_a_forged_or_an_old_record_moves_nobody(new_cluster):
    cluster = new_cluster(validators=VALIDATORS, before_start=a_star)
    wait_all_connected(cluster)
    _, told = peers(cluster)
    version = told["v1"]["v2"]["version"]
    with Guest(cluster, "v5", "v1") as guest:
        lies = {"bad_signature": guest.record("v2", version + 1),
                "older": guest.record("v2", version - 1, seed=read_seed(cluster.directory("v2") / "keys/sign.key")),
                "endpoint": guest.record("v5", version + 10**6, pub="tcp://*:9"),
                "malformed": guest.record("v5", version + 10**6)[:-1]}
        before = {result: records(cluster, "v1", result) for result in lies}

        def counted(result):
            guest.show(lies[result])
            return records(cluster, "v1", result) > before[result]

        for result in lies:  # again and again: for 2 s after v2's own record another is too soon, whoever signed it
            wait_for(lambda: counted(result), f"the {result} record is counted")  # noqa: B023
    code, after = peers(cluster)
    assert code == 0
    assert after["v1"]["v2"]["pub"] == told["v1"]["v2"]["pub"]
    assert after["v1"]["v2"]["version"] == version


def test_a_flood_from_one_validator_stops_no_commits_and_is_counted(new_cluster):
    cluster = new_cluster(validators=VALIDATORS, before_start=a_star)
    wait_all_connected(cluster)
    require_commits(cluster)
    client = Client(cluster)
    stored = [row[0] for row in client.query(client.validators[1], "SELECT tx_id FROM transactions")]
    ended = threading.Event()

    def flood(mempool):
        with Guest(cluster, "v5", "v2", mempool) as guest:
            first = wire.put_int(1, 1)
            asking = (first + b"".join(wire.put_bytes(2, tx_id) for tx_id in stored) if mempool
                      else first + wire.put_int(2, 1) + wire.put_int(3, 128))
            frames = [first + wire.put_bytes(2, asking), guest.record("v3", int(time.time() * 1000) + 10**9), b"\xff" * 4000]
            while not ended.is_set():
                for frame in frames:
                    with contextlib.suppress(zmq.Again):
                        guest.socket.send(frame, zmq.NOBLOCK)
                while guest.socket.poll(0):
                    guest.socket.recv()

    threads = [threading.Thread(target=flood, args=(mempool,), daemon=True) for mempool in (False, True)]
    for thread in threads:
        thread.start()
    try:
        for stage in ("consensusd", "mempoold"):
            wait_for(lambda: metric(cluster, "v2", stage, 'peer_frames_limited_total{validator="v5"}') > 1000,  # noqa: B023
                     f"frames of the flood are dropped by {stage}")
        require_commits(cluster, 100)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    for stage in ("consensusd", "mempoold"):
        assert metric(cluster, "v2", stage, 'peer_frames_limited_total{validator="v3"}') == 0
    for value in ("frames_bad_total", "bytes_answered_total"):  # what passed was read, and its questions answered
        assert metric(cluster, "v2", "mempoold", f'peer_{value}{{validator="v5"}}') > 0
    client.assert_equal_ledgers()


def test_strangers_on_a_lan_find_each_other_by_beacon(new_cluster):
    def nobody_knows_anybody(cluster):
        know_only(cluster, {})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for name in cluster.validators:
            set_keys(cluster, name, "consensusd", CONSENSUS_BEACON=f"udp://127.255.255.255:{port}")
        cluster.beacon = ("127.255.255.255", port)

    cluster = new_cluster(validators=4, before_start=nobody_knows_anybody)
    wait_all_connected(cluster)
    _, told = peers(cluster)
    assert "beacon" in {each["source"] for name in told for each in told[name].values()}, told
    # What is called out by somebody else is not believed.
    before = records(cluster, "v2", "bad_signature"), records(cluster, "v2", "malformed")
    with Guest(cluster, "v4", "v1") as guest:
        forged = guest.record("v3", int(time.time() * 1000) + 10**9)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

        def counted():
            for datagram in (forged, forged[:-1], b"\0" * 9000):
                stranger.sendto(datagram, cluster.beacon)
            return (records(cluster, "v2", "bad_signature") > before[0] and
                    records(cluster, "v2", "malformed") > before[1])

        wait_for(counted, "forged datagrams are counted")
    assert metric(cluster, "v2", "consensusd", "beacons_dropped_total") >= 1
    require_commits(cluster)
    Client(cluster).assert_equal_ledgers()
