"""kill -9 of any stage while events flow, restarted 5 s later: nothing lost, doubled or reordered."""

import time

import pytest
from cluster import STAGES
from client import wait_for
from traffic import Traffic, metric, require_everywhere, require_offsets, wait_rise

RATE = 200
COUNT = 2400
DOWN_S = 5
BLOCKS_FIRST = 10  # committed under load before something is killed


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_loses_and_doubles_nothing(cluster, stage):
    traffic = Traffic(cluster, COUNT, RATE)
    wait_rise(cluster, ["v2"], "commits_total", BLOCKS_FIRST)
    assert cluster.kill("v2", stage)
    time.sleep(DOWN_S)  # how long it is down is what the test is about
    cluster.start("v2", stage)
    traffic.finish()
    require_everywhere(traffic)
    require_offsets(cluster)
    cluster.wait_ready()


def test_four_of_five_go_on_without_one_and_it_catches_up(cluster):
    for pair in cluster.stages_of("v4"):
        cluster.kill(*pair)
    traffic = Traffic(cluster, 600, RATE, wait_s=0)
    traffic.finish()
    require_everywhere(traffic, validators=["v1", "v2", "v3", "v5"])
    cluster.start_stages(cluster.stages_of("v4"))
    require_everywhere(traffic)
    require_offsets(cluster)


def test_three_of_five_stop_safely_and_go_on_when_one_is_back(cluster):
    for validator in ("v4", "v5"):
        for pair in cluster.stages_of(validator):
            cluster.kill(*pair)
    traffic = Traffic(cluster, 300, RATE, wait_s=0)
    traffic.finish()
    alive = ["v1", "v2", "v3"]
    wait_rise(cluster, alive, "timeouts_total", 2)  # what was under way is settled: each has told its highest certificate
    heights = _heights(cluster, alive)
    wait_rise(cluster, alive, "timeouts_total", 3)
    assert heights == _heights(cluster, alive), "blocks were committed without a quorum"
    cluster.start_stages(cluster.stages_of("v4"))
    require_everywhere(traffic, validators=["v1", "v2", "v3", "v4"])
    cluster.start_stages(cluster.stages_of("v5"))
    require_everywhere(traffic)


def test_the_stages_of_a_validator_over_tcp(cluster_tcp):
    traffic = Traffic(cluster_tcp, 500, RATE)
    wait_rise(cluster_tcp, ["v3"], "commits_total", BLOCKS_FIRST)
    assert cluster_tcp.kill("v3", "executord")
    cluster_tcp.start("v3", "executord")
    traffic.finish()
    require_everywhere(traffic)
    wait_for(lambda: all(cluster_tcp.is_ready(*pair) for pair in cluster_tcp.all_stages()), "all stages are ready")


def _heights(cluster, validators):
    return {validator: metric(cluster, validator, "consensusd", "height") for validator in validators}
