"""Where things are in a run directory."""

import shutil
from pathlib import Path

from console import Failure

ROOT = Path(__file__).resolve().parents[2]

# What a cluster writes, and all that is ever removed from a run directory.
ENTRIES = ("cluster.json", "state.json", "testnet", "kafka", "postgres", "logs", "pids")


class Layout:
    """The paths of one run directory."""

    def __init__(self, run_dir):
        self.root = ROOT
        self.run = Path(run_dir).resolve()
        self.cluster_file = self.run / "cluster.json"
        self.state_file = self.run / "state.json"
        self.testnet = self.run / "testnet"
        self.kafka = self.run / "kafka"
        self.postgres = self.run / "postgres"
        self.logs = self.run / "logs"
        self.pids = self.run / "pids"

    def prepare(self):
        """Make the run directory; refuse one that holds anything but a cluster's files."""
        if self.run.exists() and not self.state_file.exists():
            clash = [name for name in ENTRIES if (self.run / name).exists()]
            if clash:
                raise Failure(f"{self.run} has {', '.join(clash)} but no state.json, so it is no run directory of this "
                              "program and nothing is removed from it: name another one with --run-dir", 2)
        self.run.mkdir(parents=True, exist_ok=True)
        self.run.chmod(0o755)

    def clear(self):
        """Remove what an earlier cluster left here, its state file last: what was half removed is still known as ours."""
        for name in sorted(ENTRIES, key=lambda entry: entry == "state.json"):
            path = self.run / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
