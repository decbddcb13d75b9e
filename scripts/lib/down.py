"""scripts/down: stop a cluster."""

import argparse

from cluster import Cluster, default_run_dir
from console import Console, run_main


def main():
    parser = argparse.ArgumentParser(prog="down", description="Stop exactly what ./scripts/up started. Data stays.")
    parser.add_argument("--run-dir", default=default_run_dir(), help="run directory of the cluster (default: run)")
    options = parser.parse_args()
    cluster = Cluster.open(options.run_dir)
    console = Console()
    count = cluster.stop_all(console)
    console.step(f"stopped {count} processes" if count else f"nothing runs in {cluster.run_dir}")


if __name__ == "__main__":
    run_main(main)
