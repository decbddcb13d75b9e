"""Sends events through a cluster and reads what came out of its databases."""

import json
import subprocess
import threading
import time

import psycopg
from client import WITHIN_S, Client, wait_for
from cluster import http_get
from confluent_kafka import Consumer, TopicPartition

INPUT_TOPICS = ("ai.anomalies.v1", "ai.evidence.v1", "ai.policy.v1")


class Traffic:
    """`cybermeshctl produce` in the background."""

    def __init__(self, cluster, count, rate, wait_s=WITHIN_S):
        self.cluster = cluster
        self.count = count
        self.before = {name: len(tx_ids(dsn)) for name, dsn in readers(cluster).items()}
        self.process = subprocess.Popen(
            [cluster.build / "services/cybermeshctl/cybermeshctl", "produce", "--cluster", cluster.cluster_file, "--count",
             str(count), "--rate", str(rate), "--wait", str(wait_s), "-o", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def finish(self):
        """Wait for its end; every event must have been committed, or with wait_s=0 taken by the broker. Returns its report."""
        output, _ = self.process.communicate(timeout=2 * WITHIN_S)
        assert self.process.returncode == 0, f"produce: exit {self.process.returncode}: {output}"
        return json.loads(output)


class Stream:
    """Single events at an even rate from a thread, until finish(). What require_everywhere() wants of a Traffic, it has."""

    def __init__(self, cluster, rate):
        self.cluster = cluster
        self.count = 0
        self.before = {name: len(tx_ids(dsn)) for name, dsn in readers(cluster).items()}
        self._client = Client(cluster)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(1 / rate,), name="stream", daemon=True)
        self._thread.start()

    def _send(self, every_s):
        while not self._stop.wait(every_s):
            event = self._client.anomaly()
            self._client.send_bytes(event.KIND, event.encode())
            self.count += 1

    def finish(self):
        """Stop sending; the broker has everything afterwards."""
        self._stop.set()
        self._thread.join()
        assert self._client.producer.flush(WITHIN_S) == 0


def readers(cluster):
    """The read-only DSN of each validator's database."""
    return {validator["name"]: validator["db"] for validator in cluster.description()["validators"]}


def query(dsn, sql, *parameters):
    """All rows of a query."""
    with psycopg.connect(dsn, connect_timeout=WITHIN_S) as connection:
        return connection.execute(sql, parameters).fetchall()


def tx_ids(dsn):
    """The ids of all committed transactions, in order."""
    return [bytes(row[0]) for row in query(dsn, "SELECT tx_id FROM transactions ORDER BY height, idx")]


def blocks(dsn):
    """{height: hash} of all blocks but the genesis block."""
    return {row[0]: bytes(row[1]) for row in query(dsn, "SELECT height, hash FROM blocks WHERE height > 0")}


def metric(cluster, validator, stage, name):
    """A value of a stage's /metrics, as cybermesh_<stage>_<name>; the name may have labels. None when it is down."""
    wanted = f"cybermesh_{stage}_{name} "
    for line in http_get(cluster.admin(validator, stage) + "/metrics")[1].splitlines():
        if line.startswith(wanted):
            return float(line.removeprefix(wanted))
    return None


def wait_rise(cluster, validators, name, by):
    """Wait until a metric of consensusd stands higher by so much on each of the validators than it does now."""
    before = {validator: metric(cluster, validator, "consensusd", name) for validator in validators}
    assert None not in before.values(), f"no {name} from {before}"

    def risen():
        now = [metric(cluster, validator, "consensusd", name) for validator in validators]
        return all(value is not None and value >= old + by for value, old in zip(now, before.values()))
    wait_for(risen, f"{name} rises by {by} on {', '.join(validators)}")


def unread(cluster, validator):
    """How many records of the input topics are after the offsets that a validator has committed."""
    group = cluster.setting(validator, "ingestd", "KAFKA_CONSUMER_GROUP_ID")
    consumer = Consumer({"bootstrap.servers": cluster.description()["kafka"], "group.id": group})
    try:
        known = consumer.list_topics(timeout=WITHIN_S).topics
        partitions = [TopicPartition(topic, number) for topic in INPUT_TOPICS for number in known[topic].partitions]
        ends = {(each.topic, each.partition): consumer.get_watermark_offsets(each, timeout=WITHIN_S)[1] for each in partitions}
        return sum(ends[each.topic, each.partition] - max(each.offset, 0)
                   for each in consumer.committed(partitions, timeout=WITHIN_S))
    finally:
        consumer.close()


def require_offsets(cluster):
    """Every validator's committed offsets come to the end of every topic: no record is stuck, none was skipped."""
    wait_for(lambda: all(unread(cluster, validator) == 0 for validator in cluster.validators),
             "the committed offsets are at the end of the input topics")


def require_everywhere(traffic, validators=None, others=0):
    """Every event is in every database exactly once, in the same order, in the same blocks (so with equal roots).
    others: transactions that nobody sent, which are there too: proofs of equivocation."""
    databases = {name: dsn for name, dsn in readers(traffic.cluster).items() if validators is None or name in validators}
    expected = max(traffic.before[name] for name in databases) + traffic.count + others
    wait_for(lambda: all(len(tx_ids(dsn)) >= expected for dsn in databases.values()),
             f"{expected} transactions in each of {', '.join(databases)}")
    ledgers = {name: tx_ids(dsn) for name, dsn in databases.items()}
    first = next(iter(ledgers.values()))
    assert len(set(first)) == len(first) == expected
    assert all(ledger == first for ledger in ledgers.values()), "the ledgers differ"
    chains = [blocks(dsn) for dsn in databases.values()]
    common = min(max(chain) for chain in chains)
    assert all([chain[height] for height in range(1, common + 1)] ==
               [chains[0][height] for height in range(1, common + 1)] for chain in chains), "the chains differ"
