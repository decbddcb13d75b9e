"""One validator of five lies, as a real process with real keys: the other four go on, agree, and none of them ends."""

import json
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from client import WITHIN_S, Client, wait_for
from offender import require_punished
from traffic import Stream, metric, require_everywhere, require_offsets, wait_rise

HONEST = ["v1", "v2", "v3", "v4"]
RATE = 30
LIES = ("vote", "second vote", "two proposals", "withheld", "timeout far", "vote far", "forged certificate",
        "forged timeout certificate", "out of turn", "unsigned", "needless signature", "stale vote", "replay",
        "impersonation", "malformed", "request", "answer", "oversized")


def dropped(cluster, reason):
    """Messages that each honest validator dropped for this reason."""
    return {name: metric(cluster, name, "consensusd", f'dropped_total{{reason="{reason}"}}') for name in HONEST}


def leave_with_the_liar(cluster, victim):
    """Cut a validator off from all but the liar until the others, with the liar's votes, have gone on. It learns of real
    certificates whose blocks only the liar could give it. Then the network heals and it catches up."""
    others = [name for name in HONEST if name != victim]
    for other in others:
        cluster.network.cut(victim, other)
    wait_rise(cluster, others, "commits_total", 5)
    cluster.network.heal()
    goal = max(metric(cluster, name, "consensusd", "height") for name in others)
    wait_for(lambda: metric(cluster, victim, "consensusd", "height") >= goal, f"{victim} has caught up")


def test_a_liar_stops_nobody_and_four_stay_equal(new_cluster):
    cluster = new_cluster(validators=5, linked=True)
    stream = Stream(cluster, RATE)
    wait_rise(cluster, cluster.validators, "commits_total", 10)
    assert cluster.stop("v5", "consensusd")
    seed = secrets.randbelow(1 << 32)
    print(f"seed: {seed}")
    liar = subprocess.Popen([sys.executable, Path(__file__).with_name("liar.py"), cluster.run_dir, "v5", str(seed)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: all(value >= 50 for reason in ("bad", "ahead", "stale", "frame")
                             for value in dropped(cluster, reason).values()), "the honest drop lies of every sort")
        wait_rise(cluster, HONEST, "equivocations_total", 20)
        wait_rise(cluster, HONEST, "commits_total", 60)
        for victim in HONEST:
            leave_with_the_liar(cluster, victim)
        stream.finish()
        # Beside the events there is the one proof that it voted, or proposed, twice.
        require_everywhere(stream, validators=HONEST, others=1)
        assert liar.poll() is None, "the liar ended"
    finally:
        liar.send_signal(signal.SIGTERM)
        told, _ = liar.communicate(timeout=WITHIN_S)
    done = json.loads(told)
    print(done)
    assert not [lie for lie in LIES if lie not in done], done
    for pair in cluster.all_stages():
        if pair != ("v5", "consensusd"):
            cluster.process(*pair).require_alive()
    cluster.start("v5", "consensusd")
    require_everywhere(stream, others=1)
    require_punished(Client(cluster), cluster, "v5", [*HONEST, "v5"])
    Client(cluster).assert_equal_ledgers()
    require_offsets(cluster)
    # Certificates have signatures of v5's key that its own process never made: it follows, says so and votes no more.
    assert metric(cluster, "v5", "consensusd", "silent") == 1
    cluster.wait_ready([pair for pair in cluster.all_stages() if pair != ("v5", "consensusd")])
