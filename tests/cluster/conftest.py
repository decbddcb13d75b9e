"""Whole clusters for tests: a real broker, a real database, every process, in a run directory of their own.

`cluster` (five validators, ipc), `cluster_tcp` (five, tcp between the stages), `cluster_one` (one validator) and
`cluster_linked` (five, with a proxy in each connection between two of them: links.py) are shared: whatever a test stopped or killed is started again before the next one, and data stays, so tests count from what
they find. `new_cluster(...)` makes one for a single test, which may ruin it.
When a test fails, the logs are copied to .cache/test/failed/<test>/.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

import launch  # noqa: E402
import links  # noqa: E402
from console import Console, Failure, Silent  # noqa: E402

CLUSTERS = ROOT / ".cache/test/clusters"
FAILED = ROOT / ".cache/test/failed"
BUILD = Path(os.environ.get("CYBERMESH_BUILD", ROOT / "build"))


def _put_links(cluster):
    """Proxies between the validators, and the consensusd that tells when it proposed and committed which height."""
    cluster.network = links.Network(cluster)  # an attribute of tests' clusters only
    cluster.network.insert()
    for validator in cluster.validators:
        with open(cluster.env_file(validator, "consensusd"), "a") as file:
            file.write("LOG_LEVEL=debug\n")


def _set_parameters(cluster, parameters):
    """Other numbers in the genesis file, before anybody has read it."""
    path = cluster.layout.testnet / "genesis.json"
    genesis = json.loads(path.read_text())
    genesis["parameters"] |= parameters
    path.write_text(json.dumps(genesis))


def _bring_up(linked=False, parameters=None, before_start=None, **choices):
    CLUSTERS.mkdir(parents=True, exist_ok=True)
    run_dir = Path(tempfile.mkdtemp(prefix="run-", dir=CLUSTERS))
    console = Console(sys.__stdout__) if os.environ.get("CYBERMESH_VERBOSE") else Silent()
    try:
        def prepare(cluster):
            if parameters:
                _set_parameters(cluster, parameters)
            if linked:
                _put_links(cluster)
            if before_start:
                before_start(cluster)
        choices["before_start"] = prepare
        return launch.bring_up(launch.Options(run_dir=run_dir, build_dir=BUILD, **choices), console)
    except BaseException:
        _keep_logs(run_dir, "bring-up")
        shutil.rmtree(run_dir, ignore_errors=True)
        raise


def _tear_down(cluster):
    cluster.stop_all()
    if network := getattr(cluster, "network", None):
        network.close()
    shutil.rmtree(cluster.run_dir, ignore_errors=True)


def _keep_logs(run_dir, name):
    target = FAILED / "".join(char if char.isalnum() or char in "-_." else "_" for char in name)[:120]
    shutil.rmtree(target, ignore_errors=True)
    if (run_dir / "logs").is_dir():
        shutil.copytree(run_dir / "logs", target)
        return target
    return None


class Keeper:
    """Holds one shared cluster at a time: two would not fit a small machine. Another kind replaces it."""

    def __init__(self):
        self.cluster = None
        self.choices = None

    def get(self, **choices):
        """A cluster of this kind with everything running."""
        if self.cluster is not None and self.choices == choices:
            try:
                self.cluster.extra_env = {}
                if network := getattr(self.cluster, "network", None):
                    network.set_all(delay_s=0.0, jitter_s=0.0, bytes_per_s=0.0)
                    network.heal()
                self.cluster.heal()
                return self.cluster
            except Failure:
                _keep_logs(self.cluster.run_dir, "heal")
        self.drop()
        self.cluster, self.choices = _bring_up(**choices), choices
        return self.cluster

    def drop(self):
        """Stop the shared cluster and remove its data."""
        if self.cluster is not None:
            cluster, self.cluster = self.cluster, None
            _tear_down(cluster)


@pytest.fixture(scope="session")
def cluster_keeper():
    keeper = Keeper()
    yield keeper
    keeper.drop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


def _failed(request):
    return any(getattr(getattr(request.node, f"report_{when}", None), "failed", False) for when in ("setup", "call"))


def _lend(request, cluster):
    yield cluster
    if _failed(request):
        print(f"logs of {request.node.name}: {_keep_logs(cluster.run_dir, request.node.name)}")


@pytest.fixture
def cluster(request, cluster_keeper):
    """Five validators, ipc between the stages."""
    yield from _lend(request, cluster_keeper.get(validators=5))


@pytest.fixture
def cluster_tcp(request, cluster_keeper):
    """Five validators, tcp with CURVE between the stages."""
    yield from _lend(request, cluster_keeper.get(validators=5, transport="tcp"))


@pytest.fixture
def cluster_one(request, cluster_keeper):
    """One validator."""
    yield from _lend(request, cluster_keeper.get(validators=1))


@pytest.fixture
def cluster_linked(request, cluster_keeper):
    """Five validators, ipc between the stages; cluster.network has the links between the validators."""
    yield from _lend(request, cluster_keeper.get(validators=5, linked=True))


@pytest.fixture
def new_cluster(request, cluster_keeper):
    """new_cluster(validators=4, transport="ipc", kafka="", db="", parameters={..}) makes a cluster that ends with the
    test; parameters are of the genesis file."""
    made = []

    def make(**choices):
        cluster_keeper.drop()
        made.append(_bring_up(**choices))
        return made[-1]

    yield make
    for index, each in reversed(list(enumerate(made))):  # a later one may use the broker of an earlier one
        if _failed(request):
            print(f"logs of {request.node.name}: {_keep_logs(each.run_dir, f'{request.node.name}-{index}')}")
        _tear_down(each)
