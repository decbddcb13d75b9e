"""kill -9 of any stage while events flow, restarted 5 s later: nothing lost, doubled or reordered."""

import time

import pytest
from cluster import STAGES
from traffic import Traffic, query, readers, require_everywhere, require_offsets, wait_for

RATE = 200
COUNT = 2400
DOWN_S = 5


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_stage_loses_and_doubles_nothing(cluster, stage):
    traffic = Traffic(cluster, COUNT, RATE)
    time.sleep(2)
    assert cluster.kill("v2", stage)
    time.sleep(DOWN_S)
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
    time.sleep(5)
    heights = {name: _height(cluster, name) for name in ("v1", "v2", "v3")}
    time.sleep(5)
    assert heights == {name: _height(cluster, name) for name in heights}, "blocks were committed without a quorum"
    cluster.start_stages(cluster.stages_of("v4"))
    require_everywhere(traffic, validators=["v1", "v2", "v3", "v4"], timeout_s=120)
    cluster.start_stages(cluster.stages_of("v5"))
    require_everywhere(traffic, timeout_s=120)


def test_the_stages_of_a_validator_over_tcp(cluster_tcp):
    traffic = Traffic(cluster_tcp, 500, RATE)
    time.sleep(1)
    assert cluster_tcp.kill("v3", "executord")
    cluster_tcp.start("v3", "executord")
    traffic.finish()
    require_everywhere(traffic)
    wait_for(lambda: all(cluster_tcp.is_ready(*pair) for pair in cluster_tcp.all_stages()), 30, "all stages are ready")


def _height(cluster, validator):
    return query(readers(cluster)[validator], "SELECT max(height) FROM blocks")[0][0]
