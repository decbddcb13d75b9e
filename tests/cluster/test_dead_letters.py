"""Bad records reach the dead-letter topic with their reason, from every validator; the good ones around them are committed."""

import dataclasses
import os
import time

from client import Client, wait_for
from cybermesh_ref import events

REASON_SEED = bytes(range(32))


def resealed(event, seed, **changes):
    """The event with other fields, signed again as it then is (content hash not touched)."""
    return events.resign(dataclasses.replace(event, **changes), seed)


def bad_records(client):
    """(kind, record, reason). PRODUCER_QUARANTINED cannot be provoked: nothing quarantines a producer yet."""
    anomaly_seed, evidence_seed = client.seeds["anomaly"], client.seeds["evidence"]
    good = client.anomaly()
    bad = [
        (events.ANOMALY, b"\xff\xff\xff not protobuf", "MALFORMED"),
        (events.POLICY, os.urandom(200), "MALFORMED"),
        (events.ANOMALY, client.anomaly(payload=b'{"note":"' + b"x" * (600 << 10) + b'"}').encode(), "TOO_LARGE"),
        (events.ANOMALY, events.seal(client.anomaly(), REASON_SEED).encode(), "PRODUCER_UNKNOWN"),
        (events.ANOMALY, events.seal(client.anomaly(), evidence_seed).encode(), "PRODUCER_ROLE"),
        (events.ANOMALY, dataclasses.replace(client.anomaly(), severity=1).encode(), "BAD_SIGNATURE"),
        (events.ANOMALY, resealed(good, anomaly_seed, content_hash=os.urandom(32)).encode(), "BAD_CONTENT_HASH"),
        (events.ANOMALY, client.anomaly(payload=b'{"severity": 2}').encode(), "CONTENT_RULE"),
        (events.ANOMALY, client.anomaly(ts=int(time.time()) - 4000).encode(), "TIMESTAMP_SKEW"),
    ]
    evidence = client.evidence(good)
    spoiled = [dataclasses.replace(evidence.coc[0], signature=os.urandom(64))]
    bad.append((events.EVIDENCE, resealed(evidence, evidence_seed, coc=spoiled).encode(), "BAD_CUSTODY"))
    return bad


def conflicting_records(client, committed):
    """Refused by execution: the ledger has the nonce, or the id, already."""
    return [
        (events.ANOMALY, client.anomaly(nonce=committed.nonce).encode(), "NONCE_REUSED"),
        (events.ANOMALY, client.anomaly(id=committed.id).encode(), "ID_CONFLICT"),
    ]


def letters(client):
    """{record: {validator: headers}} of the dead-letter topic."""
    found = {}
    for message in client.read_all("ai.dlq.v1"):
        headers = {name: value.decode() for name, value in message.headers()}
        found.setdefault(message.value(), {})[headers["validator"]] = headers
    return found


def test_bad_records_become_dead_letters_and_good_ones_are_committed(cluster):
    client = Client(cluster)
    first = client.anomaly()
    client.send([first])
    client.wait_committed({first.tx_id()})
    bad = bad_records(client) + conflicting_records(client, first)
    good = []
    for kind, record, _reason in bad:
        good.append(client.anomaly())
        client.send([good[-1]])
        client.send_bytes(kind, record)
    client.send([client.anomaly()])
    client.wait_committed({event.tx_id() for event in good})
    names = {validator["name"] for validator in client.validators}
    found = wait_for(lambda: (lambda got: got if all(set(got.get(record, {})) == names for _k, record, _r in bad)
                              else None)(letters(client)), "every bad record in the dead-letter topic, from everyone")
    for _kind, record, reason in bad:
        for headers in found[record].values():
            assert headers["reason"] == reason, headers
            assert headers["original_topic"].startswith("ai.") and headers["error"] and headers["failed_at"]
            assert headers["original_partition"].isdigit() and headers["original_offset"].isdigit()
    good_records = {event.encode() for event in good}
    assert not good_records & set(found)
    client.wait_no_lag()
    client.assert_equal_ledgers()


def test_a_redelivery_is_neither_refused_nor_committed_twice(cluster):
    client = Client(cluster)
    event = client.anomaly()
    client.send([event, event])
    client.wait_committed({event.tx_id()})
    client.send([event])
    client.wait_no_lag()
    assert event.encode() not in letters(client)
    client.assert_equal_ledgers()
