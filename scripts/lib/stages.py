"""scripts/cluster: start, stop, kill and look at stages, one or all six of a validator."""

import argparse
import subprocess

from cluster import STAGES, Cluster, default_run_dir
from console import Failure, run_main, table

ALL = "all"


def _chosen(cluster, options):
    """The (validator, stage) pairs that the command line names."""
    if options.stage == ALL:
        return cluster.stages_of(options.validator)
    cluster.process(options.validator, options.stage)
    return [(options.validator, options.stage)]


def _running(cluster, options):
    """Those of them that run; a Failure when none does."""
    chosen = _chosen(cluster, options)
    running = [pair for pair in chosen if cluster.alive(*pair)]
    if not running:
        raise Failure(f"{cluster.process(*chosen[0]).name} does not run" if len(chosen) == 1
                      else f"no stage of {options.validator} runs")
    return running


def _say(pairs, what):
    for validator, stage in pairs:
        print(f"{validator} {stage}: {what}")


def _start(cluster, options):
    chosen = _chosen(cluster, options)
    down = [pair for pair in chosen if not cluster.alive(*pair)]
    if not down:
        raise Failure(f"{cluster.process(*chosen[0]).name} is running already" if len(chosen) == 1
                      else f"all stages of {options.validator} are running already")
    cluster.start_stages(down)
    cluster.wait_ready(chosen)
    _say(chosen, "ready")


def _stop(cluster, options):
    running = _running(cluster, options)
    killed = cluster.stop_stages(running)
    for pair in running:
        _say([pair], "did not end on SIGTERM: killed" if cluster.process(*pair) in killed else "stopped")


def _kill(cluster, options):
    running = _running(cluster, options)
    for pair in running:
        cluster.kill(*pair)
    _say(running, "killed")


def _restart(cluster, options):
    chosen = _chosen(cluster, options)
    cluster.stop_stages(chosen)
    cluster.start_stages(chosen)
    cluster.wait_ready(chosen)
    _say(chosen, "ready")


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
    "start": (_start, "start what is down, all at once, then wait until all of it is ready"),
    "stop": (_stop, "SIGTERM, then SIGKILL after 10 s"),
    "kill": (_kill, "kill -9"),
    "restart": (_restart, "stop, start, wait until ready"),
    "logs": (_logs, "show the end of a stage's log"),
}


def main():
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--run-dir", default=default_run_dir(), help="run directory of the cluster (default: run)")
    parser = argparse.ArgumentParser(prog="cluster", description="Work on the stages of a cluster, one or all six of a validator.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, (function, text) in VERBS.items():
        verb = verbs.add_parser(name, parents=[common], help=text)
        verb.add_argument("validator", metavar="VALIDATOR", help="v1, v2, ..")
        verb.add_argument("stage", metavar="STAGE", help=", ".join(STAGES) + ("" if name == "logs" else f", or {ALL}"))
        verb.set_defaults(function=function)
        if name == "logs":
            verb.add_argument("-n", "--lines", type=int, default=50)
            verb.add_argument("-f", "--follow", action="store_true")
    verbs.add_parser("status", parents=[common], help="what runs; exit 0 if all is ready").set_defaults(function=_status)
    options = parser.parse_args()
    return options.function(Cluster.open(options.run_dir), options)


if __name__ == "__main__":
    run_main(main)
