"""A validator signs two things for one view: every other one finds out, keeps the proof through kill -9, and the chain
punishes it.
"""

import json
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from client import WITHIN_S, Client, wait_for
from offender import leaders, require_punished
from traffic import Stream, metric, require_everywhere, require_offsets

HONEST = ["v1", "v2", "v3", "v4"]
EPOCH, LAG = 8, 2


def lie(cluster, until, what):
    """Let v5's key speak through a liar until that is so."""
    seed = secrets.randbelow(1 << 32)
    print(f"seed: {seed}")
    liar = subprocess.Popen([sys.executable, Path(__file__).with_name("liar.py"), cluster.run_dir, "v5", str(seed)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(until, what)
        assert liar.poll() is None, "the liar ended"
    finally:
        liar.send_signal(signal.SIGTERM)
        told, _ = liar.communicate(timeout=WITHIN_S)
    print(json.loads(told))


def have_proof(cluster):
    return all(metric(cluster, name, "consensusd", "proofs_uncommitted") == 1 for name in HONEST)


def require_new_leaders(cluster, client, height):
    """From the first epoch whose standings have the offender as inactive."""
    epoch = -(-height // EPOCH) * EPOCH
    wait_for(lambda: client.get("/api/v1/blocks/latest")[1]["height"] >= epoch, f"height {epoch}")
    offender = [each.name for each in client.genesis.validators].index("v5")
    led = leaders(client, epoch)
    assert sorted(led) == [index for index in range(5) if index != offender], led


def test_an_equivocation_is_punished_though_all_were_killed_between(new_cluster):
    cluster = new_cluster(validators=5, parameters={"schedule_epoch_blocks": EPOCH, "schedule_lag_blocks": LAG})
    client = Client(cluster)
    stream = Stream(cluster, rate=10)
    assert cluster.stop("v5", "consensusd")
    # Without a mempool no block is proposed: the proof has nowhere to go but into the stores.
    for name in HONEST:
        cluster.kill(name, "mempoold")
    lie(cluster, lambda: have_proof(cluster), "the four have the proof")
    for name in HONEST:
        cluster.kill(name, "consensusd")
    assert client.get("/api/v1/consensus/evidence") == (200, {"evidence": [], "count": 0})
    for name in HONEST:
        cluster.start(name, "consensusd")
    wait_for(lambda: have_proof(cluster), "the four have the proof again")
    for name in HONEST:
        cluster.start(name, "mempoold")
    punished = require_punished(client, cluster, "v5", HONEST)
    for name in HONEST:
        assert metric(cluster, name, "executord", "validator_evidence_total") == 1
        assert "validator.punished validator=\"v5\"" in cluster.log(name, "executord").read_text()
    wait_for(lambda: all(metric(cluster, name, "consensusd", "proofs_uncommitted") == 0 for name in HONEST),
             "nobody holds the proof any more")
    require_new_leaders(cluster, client, punished["height"])
    # The process of that key comes back: it leads no more, and follows.
    cluster.start("v5", "consensusd")
    stream.finish()
    require_everywhere(stream, others=1)
    require_punished(client, cluster, "v5", [*HONEST, "v5"])
    client.assert_equal_ledgers()
    require_offsets(cluster)
