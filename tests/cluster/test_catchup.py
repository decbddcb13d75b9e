"""A validator that was away for many blocks catches up while the others go on, from those that have not pruned what it
needs. How fast, and which processes work for it, is printed."""

import os
import time

import pytest
from client import WITHIN_S, Client, wait_for
from traffic import Stream, metric, require_offsets, wait_rise

SHORT, LONG = 400, 10_000  # blocks
RETENTION = 100  # on one of the others: less than either gap
RATE = 100  # events per second, while the victim is away; each is about two blocks, where the machine keeps up
RATE_MEANWHILE = 20  # while it comes back
TICKS = os.sysconf("SC_CLK_TCK")


def small_blocks(cluster):
    """A block as soon as there is an event; v1 keeps few of them."""
    for validator in cluster.validators:
        with open(cluster.env_file(validator, "consensusd"), "a") as file:
            file.write("BLOCK_MIN_INTERVAL_MS=1\n")
            if validator == "v1":
                file.write(f"BLOCK_RETENTION={RETENTION}\n")


def height(cluster, validator):
    return metric(cluster, validator, "consensusd", "height") or 0


def cpu_s(cluster, validator):
    """CPU seconds of each process of a validator."""
    seconds = {}
    for each, stage in cluster.stages_of(validator):
        fields = open(f"/proc/{cluster.process(each, stage).pid()}/stat").read().rpartition(")")[2].split()
        seconds[stage] = (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def catch_up(cluster, away_for, within_s):
    victim, others = "v4", ["v1", "v2", "v3"]
    client = Client(cluster)
    stream = Stream(cluster, RATE)
    wait_rise(cluster, cluster.validators, "commits_total", 10)
    for pair in cluster.stages_of(victim):
        cluster.kill(*pair)
    left_at = min(height(cluster, name) for name in others)
    wait_for(lambda: height(cluster, "v2") >= left_at + away_for, f"{away_for} blocks without {victim}", within_s)
    stream.finish()
    wait_for(lambda: metric(cluster, "v1", "consensusd", "height_lowest") > left_at + RETENTION, "v1 has pruned")
    stream = Stream(cluster, RATE_MEANWHILE)
    goal = height(cluster, "v2")
    cluster.start_stages(cluster.stages_of(victim))
    wait_for(lambda: height(cluster, victim) > 0, f"{victim} has begun")
    begun_at, began_s = height(cluster, victim), time.monotonic()
    wait_for(lambda: height(cluster, victim) >= goal, f"{victim} has caught up", within_s)
    took_s = time.monotonic() - began_s
    rate = (goal - begun_at) / took_s
    assert goal - begun_at > away_for / 2, "the test saw too little of it"
    used = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in cpu_s(cluster, victim).items())
    print(f"caught up {goal - begun_at:.0f} blocks in {took_s:.1f} s: {rate:.0f} blocks/s; CPU seconds of {victim}: {used}")
    meanwhile = height(cluster, "v2") - goal
    wait_rise(cluster, others, "commits_total", 3)
    stream.finish()
    event = client.anomaly()
    client.send([event])
    client.wait_committed({event.tx_id()}, within_s=within_s)
    client.assert_equal_ledgers()
    chains = [client.query(validator, "SELECT max(height) FROM blocks")[0][0] for validator in client.validators]
    assert min(chains) >= goal and meanwhile >= 0
    require_offsets(cluster)
    cluster.wait_ready()
    assert metric(cluster, victim, "consensusd", "sync_pruned") == 0


def test_a_validator_catches_up_from_those_who_kept_the_blocks(new_cluster):
    catch_up(new_cluster(validators=4, before_start=small_blocks), SHORT, within_s=WITHIN_S)


@pytest.mark.skipif(not os.environ.get("CYBERMESH_LONG"), reason="takes minutes: CYBERMESH_LONG=1")
def test_a_validator_that_was_away_for_ten_thousand_blocks_catches_up(new_cluster):
    catch_up(new_cluster(validators=4, before_start=small_blocks), LONG, within_s=900)
