"""scripts/bench view: what an empty block costs each validator in CPU.

Blocks follow events, so a chain of empty blocks needs a consensusd of its own: one whose leader goes on with an empty
block every BLOCK_MIN_INTERVAL_MS for ever. It is made of a copy of the sources with the changes of RESTLESS; the other
five processes are those of build/. Two phases of --seconds each differ in how often a block comes, so what is done for
each second is the same in both, and a block costs the difference in CPU over the difference in blocks. CPU is what the
scheduler counted for the threads of the six processes.
"""

import argparse
import json
import os
import time
from pathlib import Path

import bench
import launch
import mutants
from cluster import STAGES, http_get
from console import Console, Failure, run_main, table
from layout import ROOT

VALIDATORS = 5
SELDOM_MS, OFTEN_MS = 500, 25  # between empty blocks
SETTLE_S = 5
BUDGET_US = 1500  # per validator and empty block
STOLEN_MAX = 0.10  # of the processors, by the host of a virtual machine, while it is measured
HOME = ROOT / "build-bench"
PROPOSE, VOTE = "services/consensusd/propose.c", "services/consensusd/vote.c"
RESTLESS = (
    (PROPOSE, """    if (inflight > 0 || propose_chain_is_open(self))
        return CHOICE_EMPTY;
    return waiting > 0 ? CHOICE_WAIT : CHOICE_IDLE;""", "    return old_enough ? CHOICE_EMPTY : CHOICE_WAIT;"),
    (PROPOSE, "bool useless = header->tx_count == 0 &&", "bool useless = false && header->tx_count == 0 &&"),
    (VOTE, "    if (header->tx_count > 0)\n        self->tx_block_ms", "    self->tx_block_ms"),
)


def restless_build():
    """A build directory as launch wants it: everything of build/, but for consensusd."""
    tree = mutants.Tree(HOME, mutants.Programs(), ("--buildtype", "release"))
    tree.refresh()
    tree.change(mutants.changed(RESTLESS, tree.source))
    tree.configure()
    problem = tree.compile(["services/consensusd/consensusd"], "build", os.cpu_count() or 1)
    if problem:
        raise Failure(f"the restless consensusd does not compile:\n{problem}")
    programs = HOME / "programs"
    for name in (*STAGES, "cybermeshctl"):
        link = programs / "services" / name / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to((tree.build if name == "consensusd" else ROOT / "build") / "services" / name / name)
    return programs


def value(cluster, validator, stage, name):
    wanted = f"cybermesh_{stage}_{name} "
    for line in http_get(cluster.admin(validator, stage) + "/metrics")[1].splitlines():
        if line.startswith(wanted):
            return float(line.removeprefix(wanted))
    raise Failure(f"{stage} of {validator} shows no {name}")


def cpu_us(pid):
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1000


def stolen_s():
    """Seconds that a virtual machine's host gave to others, all processors together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def counters(cluster):
    """Blocks committed by the first validator, signatures verified by all, and CPU by the stage's name."""
    cpu = dict.fromkeys(STAGES, 0.0)
    for process in cluster.processes():
        stage = process.name.split(" of ")[0]
        if stage in cpu:
            cpu[stage] += cpu_us(process.pid())
    return {"blocks": value(cluster, "v1", "consensusd", "height"), "cpu_us": cpu, "at": time.monotonic(), "stolen_s": stolen_s(),
            "signatures": sum(value(cluster, each, "consensusd", "signatures_verified_total")
                              for each in cluster.validators)}


def phase(cluster, interval_ms, seconds):
    """What changed in so many seconds with an empty block every interval_ms."""
    consensusds = [(validator, "consensusd") for validator in cluster.validators]
    cluster.extra_env["BLOCK_MIN_INTERVAL_MS"] = str(interval_ms)
    cluster.stop_stages(consensusds)
    cluster.start_stages(consensusds)
    cluster.wait_ready()
    bench.produce(cluster, 1, SETTLE_S)  # the first block is made for an event
    time.sleep(SETTLE_S)
    before = counters(cluster)
    time.sleep(seconds)
    after = counters(cluster)
    seconds = after["at"] - before["at"]
    return {"blocks": after["blocks"] - before["blocks"], "seconds": seconds,
            "stolen": (after["stolen_s"] - before["stolen_s"]) / seconds / (os.cpu_count() or 1),
            "signatures": after["signatures"] - before["signatures"],
            "cpu_us": {stage: after["cpu_us"][stage] - before["cpu_us"][stage] for stage in STAGES}}


def main():
    parser = argparse.ArgumentParser(prog="bench view")
    parser.add_argument("--seconds", type=int, default=20, help="how long each phase takes (default 20)")
    parser.add_argument("--run-dir", default=str(ROOT / "run/bench/cluster"))
    options = parser.parse_args()
    console = Console()
    console.step("building a consensusd that goes on with empty blocks (the first time takes some minutes)")
    programs = restless_build()
    cluster = launch.bring_up(launch.Options(run_dir=Path(options.run_dir), validators=VALIDATORS, build_dir=programs),
                              console)
    try:
        seldom, often = phase(cluster, SELDOM_MS, options.seconds), phase(cluster, OFTEN_MS, options.seconds)
    finally:
        cluster.stop_all(console)
    blocks = often["blocks"] - seldom["blocks"]
    if blocks < often["blocks"] / 2:
        raise Failure(f"{often['blocks']:.0f} blocks at {OFTEN_MS} ms and {seldom['blocks']:.0f} at {SELDOM_MS} ms: no difference to measure by")
    cost = {stage: (often["cpu_us"][stage] - seldom["cpu_us"][stage]) / blocks / VALIDATORS for stage in STAGES}
    for line in table(["process", "CPU us/block"], [[name, f"{each:.0f}"] for name, each in cost.items()]):
        console.text(line)
    total, check_us = sum(cost.values()), bench.verification_us()
    signatures = (often["signatures"] - seldom["signatures"]) / blocks / VALIDATORS
    answer = {"us_per_block": total, "signatures_per_block": signatures, "check_us": check_us, "processes": cost,
              "cores": os.cpu_count(), "load": os.getloadavg()[0], "seldom": seldom, "often": often}
    path = ROOT / "run/bench/view.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer, indent=2) + "\n")
    console.text(f"an empty block costs a validator {total:.0f} us of CPU, at most {BUDGET_US} wanted, "
                 f"{cost['consensusd']:.0f} of it in consensusd; {signatures:.1f} signatures verified per block, "
                 f"{check_us:.0f} us each on an idle machine; {often['blocks'] / often['seconds']:.0f} and "
                 f"{seldom['blocks'] / seldom['seconds']:.0f} blocks/s; {path}")
    stolen = max(seldom["stolen"], often["stolen"])
    if stolen > STOLEN_MAX:
        raise Failure(f"the host of this machine took {stolen:.0%} of its processors meanwhile, so the figures mean nothing: try again later")
    return 0 if total < BUDGET_US else 1


if __name__ == "__main__":
    run_main(main)
