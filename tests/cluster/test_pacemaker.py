"""When views end without a certificate: not for what cannot be executed, and with their reason when a leader is dead."""

import time

from client import Client, wait_for
from traffic import Stream, metric

PAIRS = 150
CALM_S = 3  # longer than a waiting transaction waits before it is asked for again
REASONS = ("no_proposal", "no_payload", "refused", "no_certificate", "joined")


def timeouts(cluster, validator, reason):
    value = metric(cluster, validator, "consensusd", f'view_timeouts_total{{reason="{reason}"}}')
    assert value is not None, f"no timeouts for {reason} among the metrics of {validator}"
    return value


def standing(cluster, client):
    """What does not change while there is no work: heights and timeouts of every validator."""
    return [(client.get("/api/v1/state/root", number)[1]["height"], *(timeouts(cluster, name, reason) for reason in REASONS))
            for number, name in enumerate(cluster.validators)]


def wait_calm(cluster, client):
    """Nothing happens for a while. Returns how all stand then."""
    def calm():
        before = standing(cluster, client)
        time.sleep(CALM_S)
        return before if standing(cluster, client) == before else None
    return wait_for(calm, "no block and no timeout without work")


def test_transactions_whose_nonce_is_used_are_no_work(cluster):
    client = Client(cluster)
    pairs = [client.anomaly() for _ in range(PAIRS)]
    pairs += [client.anomaly(nonce=each.nonce) for each in pairs]
    client.send(pairs)  # of each nonce one is executed, whichever
    client.wait_no_lag()
    for validator in client.validators:
        assert len(client.missing(validator, {each.tx_id() for each in pairs})) == PAIRS
    before = wait_calm(cluster, client)
    client.send([client.anomaly(nonce=each.nonce) for each in pairs[:PAIRS]])  # and these wait alone
    client.wait_no_lag()
    assert wait_calm(cluster, client) == before
    client.assert_equal_ledgers()


def test_a_dead_leader_is_the_reason_of_timeouts(cluster):
    victim, others = "v3", [name for name in cluster.validators if name != "v3"]
    before = {name: timeouts(cluster, name, "no_proposal") for name in others}
    assert cluster.kill(victim, "consensusd")
    try:
        stream = Stream(cluster, 20)
        try:
            wait_for(lambda: all(timeouts(cluster, name, "no_proposal") > before[name] for name in others),
                     "timeouts for want of a proposal at all that are alive")
        finally:
            stream.finish()
    finally:
        cluster.start(victim, "consensusd")
    cluster.wait_ready()
    client = Client(cluster)
    client.wait_no_lag()
    client.assert_equal_ledgers()
