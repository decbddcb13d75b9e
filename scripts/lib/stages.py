"""scripts/cluster: start, stop, kill and look at single stages."""

import argparse
import subprocess

from cluster import STAGES, Cluster, default_run_dir
from console import Failure, run_main, table


def _start(cluster, options):
    cluster.start(options.validator, options.stage)
    cluster.wait_ready([(options.validator, options.stage)])
    print(f"{options.validator} {options.stage}: ready")


def _stop(cluster, options):
    process = cluster.process(options.validator, options.stage)
    if process.pid() is None:
        raise Failure(f"{process.name} does not run")
    ended = cluster.stop(options.validator, options.stage)
    print(f"{options.validator} {options.stage}: " + ("stopped" if ended else "did not end on SIGTERM: killed"))


def _kill(cluster, options):
    if not cluster.kill(options.validator, options.stage):
        raise Failure(f"{cluster.process(options.validator, options.stage).name} does not run")
    print(f"{options.validator} {options.stage}: killed")


def _restart(cluster, options):
    cluster.restart(options.validator, options.stage)
    print(f"{options.validator} {options.stage}: ready")


def _logs(cluster, options):
    path = cluster.log(options.validator, options.stage)
    if not path.exists():
        raise Failure(f"{path} does not exist yet")
    return subprocess.call(["tail", "-n", str(options.lines), *(["-F"] if options.follow else []), path])


def _status(cluster, _options):
    if not cluster.cluster_file.exists():
        raise Failure(f"no cluster came up in {cluster.run_dir}", 2)
    rows, healthy = [], True
    for validator, stage in cluster.all_stages():
        pid = cluster.process(validator, stage).pid()
        ready = pid is not None and cluster.is_ready(validator, stage)
        healthy = healthy and ready
        rows.append([validator, stage, pid or "-", "ready" if ready else "running, not ready" if pid else "down",
                     cluster.admin(validator, stage)])
    for process in cluster.servers():
        healthy = healthy and process.pid() is not None
        rows.append(["-", process.name, process.pid() or "-", "running" if process.pid() else "down", ""])
    print("\n".join(table(["validator", "stage", "pid", "state", "admin"], rows)))
    return 0 if healthy else 1


VERBS = {
    "start": (_start, "start a stage and wait until it is ready"),
    "stop": (_stop, "SIGTERM, then SIGKILL after 10 s"),
    "kill": (_kill, "kill -9"),
    "restart": (_restart, "stop, start, wait until it is ready"),
    "logs": (_logs, "show the end of a stage's log"),
}


def main():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--run-dir", default=default_run_dir(), help="run directory of the cluster (default: run)")
    parser = argparse.ArgumentParser(prog="cluster", description="Work on single stages of a cluster.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, (function, text) in VERBS.items():
        verb = verbs.add_parser(name, parents=[common], help=text)
        verb.add_argument("validator", metavar="VALIDATOR", help="v1, v2, ..")
        verb.add_argument("stage", metavar="STAGE", help=", ".join(STAGES))
        verb.set_defaults(function=function)
        if name == "logs":
            verb.add_argument("-n", "--lines", type=int, default=50)
            verb.add_argument("-f", "--follow", action="store_true")
    verbs.add_parser("status", parents=[common], help="what runs; exit 0 if all is ready").set_defaults(function=_status)
    options = parser.parse_args()
    return options.function(Cluster.open(options.run_dir), options)


if __name__ == "__main__":
    run_main(main)
