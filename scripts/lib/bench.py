"""scripts/bench pipeline: throughput, latency and CPU of a five-validator cluster, against the signature limit.

The limit is what the machine's cores can verify: cores / (validators x one verification), the verification being the
fastest of several measurements before and after the cluster ran. The latency at LATENCY_RATE is measured first, on the
quiet cluster. The sustained rate is found by halving and steps of RATE_STEP_S, then held for --seconds. A rate is held when all of it was sent in time and everything is stored on the first validator
within SETTLE_S of the last event. CPU is counted from the first event until all validators have stored the last.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

import launch
from cluster import STAGES
from console import Console, Failure, run_main, table
from layout import ROOT
from up import ctl

PAYLOAD_BYTES = 512
SETTLE_S = 5
RATE_STEP_S = 5
LATENCY_RATE, LATENCY_SECONDS = 100, 20
VERIFY_RUNS = 5
TICKS = os.sysconf("SC_CLK_TCK")


def verification_us():
    """One signature check, from the microbenchmark: the fastest of VERIFY_RUNS, for other work only adds to it."""
    times = []
    for _ in range(VERIFY_RUNS):
        output = subprocess.run([ROOT / "build/tests/bench/bench_base", "tx_check_signature"], capture_output=True, text=True,
                                check=True).stdout
        times += [float(row["us_per_op"]) for row in map(json.loads, output.splitlines()) if row["op"] == "tx_check_signature"]
    if not times:
        raise Failure("bench_base printed no line about tx_check_signature")
    return min(times)


def usage(cluster):
    """CPU seconds and resident bytes by process name, the broker's and the database's children included."""
    groups = {process.pid(): process.name.split(" of ")[0] for process in cluster.processes()}
    for process in cluster.servers():
        groups[process.pid()] = "kafka" if "broker" in process.name.lower() or "kafka" in process.name.lower() else "postgres"
    stats = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            pages = int((entry / "statm").read_text().split()[1])
        except OSError:
            continue
        stats[int(entry.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, pages * 4096)
    cpu, memory = {}, {}
    for pid, (parent, seconds, size) in stats.items():
        name = groups.get(pid) or groups.get(parent)
        if name:
            cpu[name] = cpu.get(name, 0.0) + seconds
            memory[name] = memory.get(name, 0) + size
    return cpu, memory


def produce(cluster, rate, seconds):
    """(the report, is everything stored soon after the last event?)"""
    code, report = ctl(cluster, "produce", "--count", int(rate * seconds), "--rate", int(rate), "--payload", PAYLOAD_BYTES,
                       "--wait", 120)
    if report is None or code != 0:
        raise Failure(f"cybermeshctl produce at {rate}/s failed (exit {code})")
    held = report["sending_s"] < seconds * 1.1 and report["duration_s"] - report["sending_s"] < SETTLE_S
    return report, held


def find_rate(cluster, limit, console):
    """A rate that the cluster holds for a step, one a fiftieth of the limit above it being too much."""
    def held(rate):
        answer = produce(cluster, rate, RATE_STEP_S)[1]
        console.step(f"{rate:.0f}/s for {RATE_STEP_S} s: {'held' if answer else 'too much'}")
        return answer

    best = limit * 0.2
    while not held(best):
        best /= 2
        if best < limit * 0.02:
            raise Failure("no rate was held")
    step = best / 2
    while step >= limit * 0.02:
        if held(best + step):
            best += step
        else:
            step /= 2
    return best


def measure(cluster, rate, seconds):
    before, memory_before = usage(cluster)
    report, held = produce(cluster, rate, seconds)
    after, memory_after = usage(cluster)
    cpu = {name: (after[name] - before.get(name, 0.0)) * 1e6 / report["committed"] for name in sorted(after)}
    return report, held, cpu, memory_before, memory_after


def main():
    parser = argparse.ArgumentParser(prog="bench pipeline")
    parser.add_argument("--seconds", type=int, default=30, help="how long the sustained rate is held (default 30)")
    parser.add_argument("--rate", type=float, default=0, help="hold this rate instead of looking for one")
    parser.add_argument("--run-dir", default=str(ROOT / "run/bench/cluster"))
    options = parser.parse_args()
    console = Console()
    verify_us = verification_us()
    cores = os.cpu_count()
    validators = 5
    limit = cores * 1e6 / (validators * verify_us)
    console.step(f"one signature check takes {verify_us:.1f} us: {cores} cores and {validators} validators verify "
                 f"{limit:.0f}/s at most")
    cluster = launch.bring_up(launch.Options(run_dir=Path(options.run_dir), validators=validators), console)
    try:
        produce(cluster, LATENCY_RATE, 10)  # caches, the broker's compiler
        latency, latency_held = produce(cluster, LATENCY_RATE, LATENCY_SECONDS)
        times = latency["latency_ms"]
        console.step(f"{LATENCY_RATE}/s for {LATENCY_SECONDS} s: p50 {times['p50']:.0f} ms, p99 {times['p99']:.0f} ms")
        rate = options.rate or find_rate(cluster, limit, console)
        report, held, cpu, memory_before, memory_after = measure(cluster, rate, options.seconds)
        while not held and not options.rate and rate > limit * 0.05:
            console.step(f"{rate:.0f}/s for {options.seconds} s: too much")
            rate *= 0.9
            report, held, cpu, memory_before, memory_after = measure(cluster, rate, options.seconds)
        console.step(f"{rate:.0f}/s for {options.seconds} s: {'held' if held else 'NOT held'}")
    finally:
        cluster.stop_all(console)
    verify_us = min(verify_us, verification_us())
    limit = cores * 1e6 / (validators * verify_us)
    answer = {"tx_per_s": report["tx_per_s"], "held": held, "held_at_100": latency_held, "limit_tx_per_s": limit,
              "ratio": report["tx_per_s"] / limit,
              "verify_us": verify_us, "cores": cores, "validators": validators, "payload_bytes": PAYLOAD_BYTES,
              "latency_ms": report["latency_ms"], "latency_ms_at_100": times, "cpu_us_per_tx": cpu,
              "memory_bytes_before": memory_before, "memory_bytes_after": memory_after}
    path = ROOT / "run/bench/pipeline.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(answer, indent=2) + "\n")
    rows = [[name, f"{cpu[name]:.0f}", f"{memory_before.get(name, 0) >> 20}", f"{memory_after.get(name, 0) >> 20}"]
            for name in (*STAGES, "kafka", "postgres") if name in cpu]
    for line in table(["process (all validators)", "CPU us/tx", "MiB before", "MiB after"], rows):
        console.text(line)
    console.text(f"throughput {answer['tx_per_s']:.0f}/s, {100 * answer['ratio']:.0f} % of the signature limit; at "
                 f"{LATENCY_RATE}/s p50 {times['p50']:.0f} ms, p99 {times['p99']:.0f} ms; {path}")
    return 0 if held and latency_held else 1


if __name__ == "__main__":
    run_main(main)
