"""Brings a cluster up: servers, topics, testnet, databases, processes, cluster.json."""

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import kafka_admin
import ports
import postgres
from broker import make_topics
from cluster import STAGES, Cluster
from console import Failure, Silent
from layout import ROOT, Layout

VALIDATOR_COUNTS = (1, 4, 5, 7)
TRANSPORTS = ("ipc", "tcp")
ALREADY_RUNNING = 2


@dataclass
class Options:
    """What the operator may choose."""

    run_dir: Path
    validators: int = 5
    transport: str = "ipc"
    kafka: str = ""  # HOST:PORT of an existing broker; empty: our own
    db: str = ""  # DSN of an existing server; empty: our own
    keep_data: bool = False
    build_dir: Path = ROOT / "build"
    before_start: Callable = None  # called with the cluster when all its files are written and no daemon runs
    start_daemons: bool = True  # False: broker, database and files only


def _check(options):
    if options.validators not in VALIDATOR_COUNTS:
        raise Failure(f"--validators must be one of {', '.join(map(str, VALIDATOR_COUNTS))}", 2)
    if options.transport not in TRANSPORTS:
        raise Failure(f"--transport must be one of {', '.join(TRANSPORTS)}", 2)
    for name in (*STAGES, "cybermeshctl"):
        program = Path(options.build_dir) / "services" / name / name
        if not program.exists():
            raise Failure(f"{program} is missing: build with ninja -C {options.build_dir}")
    if options.kafka and not kafka_admin.answers(kafka_admin.parse_address(options.kafka), 5.0):
        raise Failure(f"no Kafka broker answers at {options.kafka}")
    if options.db:
        postgres.psql(options.db, "SELECT 1;", timeout_s=20)


@contextlib.contextmanager
def _locked(layout):
    """One program at a time may bring a run directory up."""
    with open(layout.run / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Failure(f"another ./scripts/up works in {layout.run}", ALREADY_RUNNING) from None
        yield


def _refuse_running(layout):
    if not layout.state_file.exists():
        return
    running = Cluster.open(layout.run).running()
    if running:
        raise Failure(f"a cluster runs in {layout.run} already ({len(running)} processes): "
                      "stop it with ./scripts/down, or use another --run-dir", ALREADY_RUNNING)


def _write_state(layout, options, base_port):
    layout.state_file.write_text(json.dumps({
        "validators": options.validators,
        "transport": options.transport,
        "base_port": base_port,
        "service_port": base_port + options.validators * ports.BLOCK_PORTS,
        "own_kafka": not options.kafka,
        "own_db": not options.db,
        "kafka": options.kafka,
        "build_dir": str(Path(options.build_dir).resolve()),
    }, indent=2) + "\n")


def bring_up(options, console=None):
    """Start a cluster and return it when every process is ready. On failure everything that was started is stopped."""
    console = console or Silent()
    layout = Layout(options.run_dir)
    _check(options)
    layout.prepare()
    with _locked(layout):
        _refuse_running(layout)
        if options.keep_data and layout.cluster_file.exists():
            return _bring_up_again(layout, options, console)
        layout.clear()
        with ports.Reservation(options.validators + 1) as reservation:
            _write_state(layout, options, reservation.base)
            cluster = Cluster.open(layout.run)
            return _or_stop(cluster, console, lambda: _bring_up_new(cluster, options, console))


def _or_stop(cluster, console, work):
    """Do the work; when it fails or is interrupted, stop what was started and pass the failure on."""
    try:
        work()
        return cluster
    except BaseException:
        console.step("failed: stopping what was started")
        cluster.stop_all(console)
        raise


def _bring_up_new(cluster, options, console):
    layout, state = cluster.layout, cluster.state
    kafka = options.kafka or f"127.0.0.1:{state['service_port']}"
    kafka_address = kafka_admin.parse_address(kafka)
    console.step(f"starting {_servers_text(cluster)}")
    with ThreadPoolExecutor(2) as pool:
        prepared = [pool.submit(server.prepare) for server in (cluster.broker, cluster.postgres) if server is not None]
        for future in prepared:
            future.result()
    for server in (cluster.broker, cluster.postgres):
        if server is not None:
            server.start()
    if cluster.postgres is not None:
        cluster.postgres.wait_ready()
        server, db_host, db_port = cluster.postgres.server(), "127.0.0.1", cluster.postgres.port
    else:
        server = postgres.Server(options.db)
        db_host, db_port = postgres.server_address(server)
    _make_testnet(cluster, kafka, db_host, db_port)
    databases = [postgres.Database.of_validator(name, cluster.directory(name)) for name in cluster.validators]
    postgres.create_databases(server, databases, f"made by scripts/up in {layout.run}")
    if cluster.broker is not None:
        cluster.broker.wait_ready()
    existed = make_topics(kafka_address)
    console.step(f"broker at {kafka}, {'topics created' if not existed else 'topics ' + ', '.join(existed) + ' existed'}; "
                 f"database at {db_host}:{db_port}; genesis and keys in {layout.testnet}")
    _write_cluster_file(cluster, kafka, databases, db_host, db_port)
    if options.before_start is not None:
        options.before_start(cluster)
    if options.start_daemons:
        _start_daemons(cluster, console)


def _servers_text(cluster):
    names = [name for name, server in (("the broker", cluster.broker), ("PostgreSQL", cluster.postgres)) if server]
    return " and ".join(names) or "with the broker and the database given"


def _bring_up_again(layout, options, console):
    """Start a cluster on the data and the addresses that it had."""
    cluster = Cluster.open(layout.run)
    state = cluster.state
    if (options.validators, options.transport) != (state["validators"], state["transport"]):
        raise Failure(f"--keep-data: the cluster in {layout.run} has {state['validators']} validators and transport "
                      f"{state['transport']}; these cannot change", 2)
    if bool(options.kafka) == state["own_kafka"] or bool(options.db) == state["own_db"]:
        raise Failure(f"--keep-data: give the same --kafka and --db as when {layout.run} was made", 2)

    def work():
        console.step(f"starting on the data in {layout.run}: {_servers_text(cluster)}")
        _require_ports(cluster)
        cluster.start_servers()
        _start_daemons(cluster, console)

    return _or_stop(cluster, console, work)


def _require_ports(cluster):
    """The addresses are in the data already, so a port in use cannot be stepped around."""
    for validator in cluster.validators:
        wanted = [(stage, cluster.setting(validator, stage, "ADMIN_LISTEN")) for stage in STAGES]
        wanted.append(("apid", cluster.setting(validator, "apid", "API_LISTEN")))
        for stage, address in wanted:
            port = int(address.rpartition(":")[2])
            if not ports.is_free(port):
                raise Failure(f"port {port}, which {stage} of {validator} needs, is in use by another program "
                              f"(from {cluster.env_file(validator, stage)})")


def _start_daemons(cluster, console):
    console.step(f"starting {len(cluster.all_stages())} processes, logs in {cluster.layout.logs}")
    cluster.start_stages(cluster.all_stages())
    cluster.wait_ready(console=console)
    console.step(f"all {len(cluster.all_stages())} processes are ready")


def _make_testnet(cluster, kafka, db_host, db_port):
    state = cluster.state
    command = [cluster.build / "services/cybermeshctl/cybermeshctl", "testnet", "--dir", cluster.layout.testnet,
               "--validators", state["validators"], "--kafka", kafka, "--transport", state["transport"],
               "--base-port", state["base_port"], "--db-host", db_host, "--db-port", db_port]
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False)
    if result.returncode != 0:
        raise Failure(f"cybermeshctl testnet failed (exit {result.returncode}):\n{result.stdout}{result.stderr}".rstrip())


def _producers(cluster):
    """Name, key file and roles of each producer of the genesis file whose key testnet wrote."""
    genesis = json.loads((cluster.layout.testnet / "genesis.json").read_text())
    return [{"name": producer["name"], "key_file": str(cluster.layout.testnet / "producers" / f"{producer['name']}.key"),
             "roles": producer["roles"]} for producer in genesis["producers"]]


def _validator(cluster, database, validator, db_host, db_port):
    stages = {stage: {"admin": cluster.admin(validator, stage), "log": str(cluster.log(validator, stage))}
              for stage in STAGES}
    return {"name": validator, "api": cluster.api(validator), "db": database.reader_dsn(db_host, db_port), "stages": stages}


def _write_cluster_file(cluster, kafka, databases, db_host, db_port):
    description = {
        "kafka": kafka,
        "genesis": str(cluster.layout.testnet / "genesis.json"),
        "producers": _producers(cluster),
        "validators": [_validator(cluster, database, validator, db_host, db_port)
                       for validator, database in zip(cluster.validators, databases)],
    }
    path = cluster.cluster_file
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(description, indent=2) + "\n")
    new.replace(path)
