"""A stranger's client: what docs/protocol.md says, in Python, against a running cluster."""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))

from cybermesh_ref import events  # noqa: E402
from cybermesh_ref.genesis import Genesis  # noqa: E402
from cybermesh_ref.hashing import sha256  # noqa: E402

TOPICS = {events.ANOMALY: "ai.anomalies.v1", events.EVIDENCE: "ai.evidence.v1", events.POLICY: "ai.policy.v1"}
WITHIN_S = 180  # for what comes by itself: a host can stand still for many seconds, and a test never judges how fast


def wait_for(condition, what, within_s=WITHIN_S):
    """The first true result of condition(); fails with `what` when there is none in time."""
    end = time.monotonic() + within_s
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.1)


class Client:
    """Speaks to a cluster as its cluster.json describes it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.description = cluster.description()
        self.genesis = Genesis.load(self.description["genesis"])
        self.validators = self.description["validators"]
        self.seeds = {role: bytes.fromhex(Path(producer["key_file"]).read_text().strip())
                      for producer in self.description["producers"] for role in producer["roles"]}
        self.producer = Producer({"bootstrap.servers": self.description["kafka"], "enable.idempotence": True,
                                  "linger.ms": 1})

    # Events

    def anomaly(self, alg=events.V2, **changes):
        fields = {"id": str(uuid.uuid4()), "type": "port_scan", "source": "stranger", "severity": 7, "confidence": 0.75,
                  "payload": json.dumps({"severity": 7}).encode(), "model_version": "m1", "ts": int(time.time()),
                  "nonce": os.urandom(16)} | changes
        return events.seal(events.AnomalyEvent(**fields), self.seeds["anomaly"], alg)

    def evidence(self, anomaly, alg=events.V2, **changes):
        blob = os.urandom(64)
        now = int(time.time())
        custody = events.CustodyEntry(ref_hash=sha256(blob), actor_id=os.urandom(32), ts=now).signed(
            self.seeds["evidence"], alg)
        fields = {"id": str(uuid.uuid4()), "evidence_type": "packet_capture", "refs": [sha256(anomaly.id.encode())],
                  "proof_blob": blob, "coc": [custody], "ts": now, "nonce": os.urandom(16)} | changes
        return events.seal(events.EvidenceEvent(**fields), self.seeds["evidence"], alg)

    def policy(self, alg=events.V2, **changes):
        params = {"schema_version": 1, "policy_id": str(uuid.uuid4()), "rule_type": "block", "action": "drop",
                  "target": {"ips": ["192.0.2.7"]}, "guardrails": {"ttl_seconds": 600}}
        fields = {"id": str(uuid.uuid4()), "action": "drop", "rule": "block", "params": json.dumps(params).encode(),
                  "ts": int(time.time()), "nonce": os.urandom(16)} | changes
        return events.seal(events.PolicyEvent(**fields), self.seeds["policy"], alg)

    def send(self, batch):
        """Publish events and wait for the broker."""
        for event in batch:
            self.send_bytes(event.KIND, event.encode())
        assert self.producer.flush(WITHIN_S) == 0

    def send_bytes(self, kind, record):
        while True:
            try:
                self.producer.produce(TOPICS[kind], record)
                return
            except BufferError:
                self.producer.poll(0.1)

    # Databases

    def query(self, validator, sql, *parameters):
        """Rows from a validator's database."""
        with psycopg.connect(validator["db"], connect_timeout=WITHIN_S) as connection:
            return connection.execute(sql, parameters).fetchall()

    def missing(self, validator, ids):
        """Those of the transaction ids that the validator's database does not have."""
        found = self.query(validator, "SELECT tx_id FROM transactions WHERE tx_id = ANY(%s)", list(ids))
        return set(ids) - {bytes(row[0]) for row in found}

    def wait_committed(self, ids, validators=None, within_s=WITHIN_S):
        for validator in validators or self.validators:
            wait_for(lambda: not self.missing(validator, ids),  # noqa: B023
                     f"{len(ids)} transactions in the database of {validator['name']}", within_s)

    def assert_equal_ledgers(self, validators=None):
        """Every block of every validator, up to the lowest height, is the same; each transaction stands once."""
        chains = {validator["name"]: self.query(validator, "SELECT height, hash, state_root FROM blocks ORDER BY height")
                  for validator in validators or self.validators}
        lowest = min(len(chain) for chain in chains.values())
        assert lowest > 0
        assert len({tuple(map(tuple, chain[:lowest])) for chain in chains.values()}) == 1, "the ledgers differ"
        for validator in validators or self.validators:
            total, distinct = self.query(validator, "SELECT count(*), count(DISTINCT tx_id) FROM transactions")[0]
            assert total == distinct

    # HTTP

    def get(self, path, validator=0, method="GET"):
        """(status, JSON) of an answer of an apid."""
        request = urllib.request.Request(self.validators[validator]["api"] + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            assert error.headers["Content-Type"] == "application/problem+json"
            return error.code, json.loads(error.read())

    # Kafka

    def read_all(self, topic):
        """All records of a topic, as confluent messages."""
        consumer = Consumer({"bootstrap.servers": self.description["kafka"], "group.id": f"test-{uuid.uuid4()}",
                             "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        partitions = consumer.list_topics(topic, WITHIN_S).topics[topic].partitions
        ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), WITHIN_S)[1] for p in partitions}
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        messages = []
        while any(end > 0 for end in ends.values()):
            message = consumer.poll(WITHIN_S)
            assert message is not None, f"{topic} ended early"
            if message.error() is None:
                messages.append(message)
                if message.offset() + 1 >= ends[message.partition()]:
                    ends[message.partition()] = 0
        consumer.close()
        return messages

    def lag(self, validator):
        """Records of the input topics behind the offsets that a validator's ingestd committed."""
        group = self.cluster.setting(validator["name"], "ingestd", "KAFKA_CONSUMER_GROUP_ID")
        consumer = Consumer({"bootstrap.servers": self.description["kafka"], "group.id": group, "enable.auto.commit": False})
        lag = 0
        for topic in TOPICS.values():
            partitions = [TopicPartition(topic, p) for p in consumer.list_topics(topic, WITHIN_S).topics[topic].partitions]
            for place in consumer.committed(partitions, WITHIN_S):
                first, end = consumer.get_watermark_offsets(place, WITHIN_S)
                lag += end - max(place.offset, first)
        consumer.close()
        return lag

    def wait_no_lag(self, validators=None):
        for validator in validators or self.validators:
            wait_for(lambda: self.lag(validator) == 0,  # noqa: B023
                     f"the offsets of {validator['name']} reach the ends of the topics")
