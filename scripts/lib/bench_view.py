"""scripts/bench view: what a block costs each validator in CPU, apart from the events in it.

Five validators and the same few events per second in both phases of --seconds each; only how long a leader waits until
it proposes the next block with events differs (BLOCK_MIN_INTERVAL_MS). So what is done for each event, for each second
and for each heartbeat is the same in both, and a block costs the difference in CPU over the difference in blocks. An
empty block follows each one with events, so this is the mean of the two kinds. CPU is utime + stime of /proc.
"""

import argparse
import json
import os
import time
from pathlib import Path

import bench
import launch
from cluster import STAGES, http_get
from console import Console, Failure, run_main, table
from layout import ROOT

VALIDATORS = 5
RATE = 20  # events per second
SELDOM_MS, OFTEN_MS = 500, 20  # between blocks with events; the second is the default
WARM_UP_S = 10
BUDGET_US = 1500  # per validator and empty block


def value(cluster, validator, stage, name):
    wanted = f"cybermesh_{stage}_{name} "
    for line in http_get(cluster.admin(validator, stage) + "/metrics")[1].splitlines():
        if line.startswith(wanted):
            return float(line.removeprefix(wanted))
    raise Failure(f"{stage} of {validator} shows no {name}")


def counters(cluster):
    """Blocks committed by the first validator, and signatures verified by all consensusd."""
    return (value(cluster, "v1", "consensusd", "height"),
            sum(value(cluster, each, "consensusd", "signatures_verified_total") for each in cluster.validators))


def phase(cluster, interval_ms, seconds):
    """{"cpu": {process: seconds}, "blocks", "signatures", "seconds"} with so long between blocks with events."""
    consensusds = [(validator, "consensusd") for validator in cluster.validators]
    cluster.extra_env["BLOCK_MIN_INTERVAL_MS"] = str(interval_ms)
    cluster.stop_stages(consensusds)
    cluster.start_stages(consensusds)
    cluster.wait_ready()
    bench.produce(cluster, RATE, WARM_UP_S)
    (height, signatures), (cpu, _), began = counters(cluster), bench.usage(cluster), time.monotonic()
    bench.produce(cluster, RATE, seconds)
    took, (cpu_after, _), (height_after, signatures_after) = time.monotonic() - began, bench.usage(cluster), counters(cluster)
    return {"cpu": {name: cpu_after[name] - cpu.get(name, 0.0) for name in cpu_after}, "seconds": took,
            "blocks": height_after - height, "signatures": signatures_after - signatures}


def main():
    parser = argparse.ArgumentParser(prog="bench view")
    parser.add_argument("--seconds", type=int, default=30, help="how long each phase takes (default 30)")
    parser.add_argument("--run-dir", default=str(ROOT / "run/bench/cluster"))
    options = parser.parse_args()
    console = Console()
    cluster = launch.bring_up(launch.Options(run_dir=Path(options.run_dir), validators=VALIDATORS), console)
    try:
        seldom, often = phase(cluster, SELDOM_MS, options.seconds), phase(cluster, OFTEN_MS, options.seconds)
    finally:
        cluster.stop_all(console)
    blocks = often["blocks"] - seldom["blocks"]
    if blocks < often["blocks"] / 2:
        raise Failure(f"{often['blocks']:.0f} blocks at {OFTEN_MS} ms and {seldom['blocks']:.0f} at {SELDOM_MS} ms: no difference to measure by")
    cost = {name: (often["cpu"][name] - seldom["cpu"][name]) * 1e6 / blocks / VALIDATORS for name in STAGES}
    for line in table(["process", "CPU us/block"], [[name, f"{each:.0f}"] for name, each in cost.items()]):
        console.text(line)
    total, check_us = sum(cost.values()), bench.verification_us()
    signatures = (often["signatures"] - seldom["signatures"]) / blocks / VALIDATORS
    answer = {"us_per_block": total, "signatures_per_block": signatures, "check_us": check_us, "processes": cost,
              "cores": os.cpu_count(), "load": os.getloadavg()[0], "seldom": seldom, "often": often}
    path = ROOT / "run/bench/view.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer, indent=2) + "\n")
    console.text(f"a block costs a validator {total:.0f} us of CPU apart from its events, at most {BUDGET_US} wanted, "
                 f"{cost['consensusd']:.0f} of it in consensusd; {signatures:.1f} signatures verified per block, "
                 f"{check_us:.0f} us each on an idle machine; {often['blocks'] / often['seconds']:.0f} and "
                 f"{seldom['blocks'] / seldom['seconds']:.0f} blocks/s; {path}")
    return 0 if total < BUDGET_US else 1


if __name__ == "__main__":
    run_main(main)
