"""scripts/bench view: what a block costs each validator in CPU, apart from the transactions in it.

Five validators, three phases of --seconds each: nothing at all; few events, so that almost every one has a block of its
own; many events, so that blocks hold several. In both, an empty block follows each one with events. For each process,
the CPU above the idle phase's is a x blocks + b x transactions in both loaded phases; a and b are printed. So a is the
mean of an empty block and one with events, what comes once per block of the work on events included: above what an empty
block costs. CPU is utime + stime of /proc.
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
FEW, MANY = 20, 300  # events per second
BUDGET_US = 1500  # per validator and empty block


def value(cluster, validator, stage, name):
    wanted = f"cybermesh_{stage}_{name} "
    for line in http_get(cluster.admin(validator, stage) + "/metrics")[1].splitlines():
        if line.startswith(wanted):
            return float(line.removeprefix(wanted))
    raise Failure(f"{stage} of {validator} shows no {name}")


def counters(cluster):
    """Blocks committed by the first validator, signatures verified and messages by all consensusd."""
    return (value(cluster, "v1", "consensusd", "height"),
            sum(value(cluster, each, "consensusd", "signatures_verified_total") for each in cluster.validators))


def phase(cluster, rate, seconds):
    """{"cpu": {process: seconds}, "blocks", "signatures", "txs", "seconds"} of one phase."""
    (height, signatures), (cpu, _), began = counters(cluster), bench.usage(cluster), time.monotonic()
    txs = 0
    if rate:
        txs = bench.produce(cluster, rate, seconds)[0]["committed"]
    else:
        time.sleep(seconds)  # an idle cluster is what is measured
    took, (cpu_after, _), (height_after, signatures_after) = time.monotonic() - began, bench.usage(cluster), counters(cluster)
    return {"cpu": {name: cpu_after[name] - cpu.get(name, 0.0) for name in cpu_after}, "seconds": took, "txs": txs,
            "blocks": height_after - height, "signatures": signatures_after - signatures}


def solve(few, many, idle, name):
    """(a, b): CPU seconds per block and per transaction, of all validators."""
    above = [each["cpu"][name] - idle["cpu"][name] / idle["seconds"] * each["seconds"] for each in (few, many)]
    determinant = few["blocks"] * many["txs"] - many["blocks"] * few["txs"]
    if determinant == 0:
        raise Failure("both phases had the same number of transactions in a block")
    return ((above[0] * many["txs"] - above[1] * few["txs"]) / determinant,
            (few["blocks"] * above[1] - many["blocks"] * above[0]) / determinant)


def main():
    parser = argparse.ArgumentParser(prog="bench view")
    parser.add_argument("--seconds", type=int, default=30, help="how long each phase takes (default 30)")
    parser.add_argument("--run-dir", default=str(ROOT / "run/bench/cluster"))
    options = parser.parse_args()
    console = Console()
    cluster = launch.bring_up(launch.Options(run_dir=Path(options.run_dir), validators=VALIDATORS), console)
    try:
        bench.produce(cluster, FEW, 10)  # caches, the broker's compiler
        idle = phase(cluster, 0, options.seconds)
        few = phase(cluster, FEW, options.seconds)
        many = phase(cluster, MANY, options.seconds)
    finally:
        cluster.stop_all(console)
    rows, cost = [], {}
    for name in STAGES:
        block, tx = solve(few, many, idle, name)
        cost[name] = {"us_per_block": block * 1e6 / VALIDATORS, "us_per_tx": tx * 1e6 / VALIDATORS,
                      "idle_ms_per_s": idle["cpu"][name] * 1e3 / idle["seconds"] / VALIDATORS}
        rows.append([name, *(f"{each:.0f}" if each > 10 else f"{each:.1f}" for each in cost[name].values())])
    for line in table(["process", "CPU us/block", "CPU us/tx", "idle, CPU ms/s"], rows):
        console.text(line)
    total = sum(each["us_per_block"] for each in cost.values())
    check_us = bench.verification_us()
    signatures = few["signatures"] / few["blocks"] / VALIDATORS
    answer = {"us_per_block": total, "signatures_per_block": signatures, "check_us": check_us, "processes": cost, "cores": os.cpu_count(),
              "load": os.getloadavg()[0], "few": few, "many": many, "idle": idle}
    path = ROOT / "run/bench/view.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer, indent=2) + "\n")
    console.text(f"a block costs a validator {total:.0f} us of CPU apart from its transactions, at most {BUDGET_US} wanted, "
                 f"{cost['consensusd']['us_per_block']:.0f} of it in consensusd; {signatures:.1f} signatures verified per "
                 f"block with its heartbeats, {check_us:.0f} us each on an idle machine; {few['blocks'] / few['seconds']:.0f} and "
                 f"{many['blocks'] / many['seconds']:.0f} blocks/s; {path}")
    return 0 if total < BUDGET_US else 1


if __name__ == "__main__":
    run_main(main)
