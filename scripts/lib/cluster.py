"""A cluster in a run directory: its processes, addresses and databases.

`launch.bring_up()` makes one; `Cluster.open(run_dir)` finds one that was made. Tests use both.
"""

import json
import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import ports
from broker import Broker
from console import Console, Failure, Silent
from layout import Layout
from postgres import PrivateServer
from process import Process, stop_all

# In the order of the data's flow.
STAGES = ("ingestd", "mempoold", "consensusd", "executord", "persistd", "apid")

DAEMON_GRACE_S = 10
SERVER_GRACE_S = 30
READY_WITHIN_S = 180
PASSED_ON = ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")


def read_env_file(path):
    """KEY=VALUE lines; blank lines and # comments are skipped."""
    pairs = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise Failure(f"{path}:{number}: not KEY=VALUE")
        pairs[key.strip()] = value
    return pairs


def http_get(url, timeout_s=10.0):
    """(status, body) of a GET; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""


class Cluster:
    """A cluster that was set up in a run directory, running or not."""

    def __init__(self, run_dir, state):
        self.layout = Layout(run_dir)
        self.state = state
        self.build = Path(state["build_dir"])
        self.validators = [f"v{index + 1}" for index in range(state["validators"])]
        self.extra_env = {}
        self._processes = {
            (validator, stage): Process(f"{stage} of {validator}", self.layout.pids / validator / f"{stage}.pid",
                                        self.layout.logs / validator / f"{stage}.log")
            for validator in self.validators for stage in STAGES}
        self.broker = Broker(self.layout, state["service_port"]) if state["own_kafka"] else None
        self.postgres = PrivateServer(self.layout, state["service_port"] + 2) if state["own_db"] else None

    @classmethod
    def open(cls, run_dir):
        """The cluster of a run directory."""
        layout = Layout(run_dir)
        try:
            state = json.loads(layout.state_file.read_text())
        except FileNotFoundError:
            raise Failure(f"no cluster in {layout.run}: ./scripts/up makes one", 2) from None
        except ValueError as error:
            raise Failure(f"{layout.state_file} cannot be read: {error}") from None
        return cls(layout.run, state)

    # What and where

    @property
    def run_dir(self):
        return self.layout.run

    @property
    def cluster_file(self):
        return self.layout.cluster_file

    def description(self):
        """The contents of cluster.json."""
        return json.loads(self.cluster_file.read_text())

    def directory(self, validator):
        """A validator's directory: the working directory of its six daemons."""
        return self.layout.testnet / validator

    def env_file(self, validator, stage):
        return self.directory(validator) / f"{stage}.env"

    def setting(self, validator, stage, key):
        """A value of a stage's environment file."""
        try:
            return read_env_file(self.env_file(validator, stage))[key]
        except KeyError:
            raise Failure(f"{self.env_file(validator, stage)} has no {key}") from None

    def admin(self, validator, stage):
        """URL of a stage's admin listener."""
        return "http://" + self.setting(validator, stage, "ADMIN_LISTEN")

    def api(self, validator):
        """URL of a validator's HTTP API."""
        return "http://" + self.setting(validator, "apid", "API_LISTEN")

    def log(self, validator, stage):
        """Path of a stage's log."""
        return self.process(validator, stage).log_file

    def process(self, validator, stage):
        """The process of a stage; a Failure for names that do not exist."""
        try:
            return self._processes[validator, stage]
        except KeyError:
            raise Failure(f"no stage {stage} of {validator}: validators are {', '.join(self.validators)}; "
                          f"stages are {', '.join(STAGES)}", 2) from None

    def processes(self):
        """All stages' processes, validator by validator."""
        return list(self._processes.values())

    def servers(self):
        """The processes of the broker and the database that are ours."""
        return [server.process for server in (self.postgres, self.broker) if server is not None]

    def running(self):
        """Everything of this cluster that runs now."""
        return [process for process in self.processes() + self.servers() if process.pid() is not None]

    # One stage

    def start(self, validator, stage):
        """Start a stage that does not run. Returns at once: see wait_ready()."""
        process = self.process(validator, stage)
        program = self.build / "services" / stage / stage
        if not program.exists():
            raise Failure(f"{program} is missing: build with ninja -C {self.build}")
        environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        environment |= read_env_file(self.env_file(validator, stage)) | self.extra_env
        process.start([program], cwd=self.directory(validator), env=environment)

    def stop(self, validator, stage):
        """SIGTERM, then SIGKILL after ten seconds. Returns whether it ended by itself."""
        return not stop_all([self.process(validator, stage)], signal.SIGTERM, DAEMON_GRACE_S)

    def kill(self, validator, stage):
        """kill -9. Returns whether it ran."""
        return self.process(validator, stage).kill()

    def restart(self, validator, stage):
        """Stop, start and wait until it is ready."""
        self.stop(validator, stage)
        self.start(validator, stage)
        self.wait_ready([(validator, stage)])

    def alive(self, validator, stage):
        return self.process(validator, stage).pid() is not None

    def is_ready(self, validator, stage):
        """Whether its admin listener says so."""
        return http_get(self.admin(validator, stage) + "/ready")[0] == 200

    def stages_of(self, validator):
        """The (validator, stage) pairs of one validator, for the calls that take a list of them."""
        self.process(validator, STAGES[0])
        return [(validator, stage) for stage in STAGES]

    # Many stages

    def all_stages(self):
        return list(self._processes)

    def start_stages(self, stages):
        for validator, stage in stages:
            self.start(validator, stage)

    def stop_stages(self, stages):
        """Stop several side by side. Returns the processes that had to be killed."""
        return stop_all([self.process(*pair) for pair in stages], signal.SIGTERM, DAEMON_GRACE_S)

    def heal(self, timeout_s=READY_WITHIN_S):
        """Start whatever is down, servers too, and wait until all is ready."""
        self.start_servers()
        self.start_stages(pair for pair in self.all_stages() if not self.alive(*pair))
        self.wait_ready(timeout_s=timeout_s)

    def wait_ready(self, stages=None, timeout_s=READY_WITHIN_S, console=None):
        """Wait until stages (all by default) are ready; a Failure names one that died or is late, and its log."""
        console = console or Silent()
        waiting = list(stages or self.all_stages())
        total, end = len(waiting), time.monotonic() + timeout_s
        while waiting:
            for pair in waiting:
                self.process(*pair).require_alive()
            for server in self.servers():
                server.require_alive()
            waiting = [pair for pair in waiting if not self.is_ready(*pair)]
            names = ", ".join(f"{validator}/{stage}" for validator, stage in waiting[:4])
            more = ", ..." if len(waiting) > 4 else ""
            console.progress(f"{total - len(waiting)} of {total} ready" + (f"; not yet {names}{more}" if waiting else ""))
            if waiting and time.monotonic() > end:
                self._fail_not_ready(waiting, timeout_s)
            if waiting:
                time.sleep(0.1)

    def _fail_not_ready(self, waiting, timeout_s):
        validator, stage = waiting[0]
        process = self.process(validator, stage)
        body = http_get(self.admin(validator, stage) + "/ready")[1].strip()
        others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        raise Failure(f"{process.name}{others} is not ready after {timeout_s:.0f} s: {body or 'no answer'}; its log is "
                      f"{process.log_file}, which ends:\n{process.log_tail()}")

    # The servers

    def start_servers(self):
        """Start the broker and the database, those that are ours and down, and wait until they answer."""
        for server in (self.broker, self.postgres):
            if server is not None and server.process.pid() is None:
                self._require_free(server.port, server.process.name)
                server.start()
        for server in (self.postgres, self.broker):
            if server is not None:
                server.wait_ready()

    def _require_free(self, port, name):
        if not ports.is_free(port):
            raise Failure(f"port {port}, which {name} needs, is in use by another program")

    def stop_all(self, console=None):
        """Stop what runs: daemons, then the database, then the broker. Returns how many processes ran."""
        console = console or Silent()
        count = len(self.running())
        steps = [(self.processes(), signal.SIGTERM, DAEMON_GRACE_S)]
        if self.postgres is not None:
            steps.append(([self.postgres.process], signal.SIGINT, SERVER_GRACE_S))  # SIGINT: disconnect all and stop
        if self.broker is not None:
            steps.append(([self.broker.process], signal.SIGTERM, SERVER_GRACE_S))
        for processes, number, grace_s in steps:
            if any(process.pid() is not None for process in processes):
                console.progress(f"stopping {processes[0].name if len(processes) == 1 else 'the daemons'}")
            for process in stop_all(processes, number, grace_s):
                console.step(f"{process.name} did not end within {grace_s} s and was killed (log: {process.log_file})")
        return count

    def kill_all(self):
        """kill -9 on everything: for tests that throw the cluster away."""
        for process in self.processes() + self.servers():
            process.kill()


def default_run_dir():
    return Layout("run").root / "run"


__all__ = ["Cluster", "Console", "STAGES", "default_run_dir", "http_get", "read_env_file"]
