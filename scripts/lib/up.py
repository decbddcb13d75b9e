"""scripts/up: bring a cluster up, send sample events, wait until all validators have them, show what there is."""

import argparse
import json
import subprocess
import time
from pathlib import Path

import launch
from cluster import STAGES, default_run_dir, http_get
from console import Console, Failure, run_main, table

COMMIT_WITHIN_S = 120
AGREE_WITHIN_S = 30


def _parse():
    parser = argparse.ArgumentParser(
        prog="up", description="Install what is missing, build, and bring up a local cluster: a broker, a database and "
        "six processes per validator. Then send signed sample events and wait until every validator has stored them. "
        "Exit 0 only if all events are committed on all validators with equal state roots.")
    parser.add_argument("--validators", type=int, default=5, metavar="N", help="1, 4, 5 or 7 (default 5)")
    parser.add_argument("--events", type=int, default=1000, metavar="N", help="sample events to send (default 1000)")
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="use this broker instead of a private one")
    parser.add_argument("--db", default="", metavar="DSN",
                        help="use this PostgreSQL server (a superuser's DSN) instead of a private one")
    parser.add_argument("--transport", choices=launch.TRANSPORTS, default="ipc",
                        help="between the stages of a validator (default ipc); between validators it is always tcp")
    parser.add_argument("--run-dir", default=default_run_dir(), metavar="DIR", help="where everything goes (default run)")
    parser.add_argument("--keep-data", action="store_true", help="start again on the data of the run directory")
    return parser.parse_args()


def ctl(cluster, *words):
    """Run cybermeshctl and return (exit code, its JSON answer or None)."""
    program = cluster.build / "services/cybermeshctl/cybermeshctl"
    result = subprocess.run([str(program), *map(str, words), "--cluster", str(cluster.cluster_file), "-o", "json"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    try:
        return result.returncode, json.loads(result.stdout)
    except ValueError:
        return result.returncode, None


def _send(cluster, count, console):
    console.step(f"sending {count} signed events (anomalies, evidence that refers to them, policies) through Kafka")
    code, answer = ctl(cluster, "produce", "--count", count, "--wait", COMMIT_WITHIN_S)
    if answer is None:
        raise Failure(f"cybermeshctl produce failed (exit {code})")
    if code != 0:
        missing = ", ".join(f"{row['name']} {row['committed']}" for row in answer["validators"])
        raise Failure(f"not all of {answer['sent']} events were stored within {COMMIT_WITHIN_S} s: {missing}; "
                      f"logs are in {cluster.layout.logs}")
    latency = answer["latency_ms"]
    console.step(f"all {answer['sent']} are stored on all validators; the first had them after "
                 f"{answer['duration_s']:.1f} s ({answer['tx_per_s']:.0f}/s, p50 {latency['p50']:.0f} ms)")


def agreed_status(cluster):
    """`cybermeshctl status` once all stages of all validators stand at one height with one root, or after a while."""
    end = time.monotonic() + AGREE_WITHIN_S
    while True:
        code, status = ctl(cluster, "status")
        if status is None:
            raise Failure(f"cybermeshctl status failed (exit {code})")
        rows = status["validators"]
        heights = {row[stage] for row in rows for stage in ("height", "state_height", "db_height")}
        level = len(heights) == 1 and len({row["state_root"] for row in rows}) == 1
        if (code == 0 and level) or time.monotonic() > end:
            return code == 0 and level, status
        time.sleep(0.2)


def show(cluster, status, console):
    """The table at the end."""
    rows = [[row["name"], row["height"], row["view"], row["pool_txs"], row["state_height"], row["db_height"],
             (row["state_root"] or "-")[:16], row["api"]] for row in status["validators"]]
    console.text()
    for line in table(["validator", "consensusd height", "view", "mempoold pool", "executord height", "persistd height",
                       "state root", "HTTP"], rows):
        console.text(line)
    for problem in status["problems"]:
        console.text(f"problem: {problem}")


def _require_alive(cluster):
    for validator, stage in cluster.all_stages():
        cluster.process(validator, stage).require_alive()


def main():
    options = _parse()
    console = Console()
    cluster = launch.bring_up(launch.Options(run_dir=Path(options.run_dir), validators=options.validators,
                                             transport=options.transport, kafka=options.kafka, db=options.db,
                                             keep_data=options.keep_data), console)
    if options.events > 0:
        _send(cluster, options.events, console)
    _require_alive(cluster)
    agreed, status = agreed_status(cluster)
    show(cluster, status, console)
    if not agreed:
        raise Failure(f"the validators are not at one height with one state root; logs are in {cluster.layout.logs}")
    console.text(f"\neverything agrees. Try: curl {status['validators'][0]['api']}/api/v1/blocks/latest")
    console.text("stop everything with ./scripts/down")
    return 0


__all__ = ["STAGES", "agreed_status", "ctl", "http_get", "show"]

if __name__ == "__main__":
    run_main(main)
