"""What the operator's scripts promise: exit codes, messages that name the culprit, and that down ends it all."""

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import launch
import pytest
from broker import Broker
from client import Client, wait_for
from cluster import STAGES
from console import Failure
from cybermesh_ref.control import CommitEvent
from layout import Layout
from process import Process
from traffic import Traffic, require_everywhere

ROOT = Path(__file__).resolve().parents[2]


def _script(name, *words):
    return subprocess.run([ROOT / "scripts" / name, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=120)


def test_one_validator_commits_alone(cluster_one):
    traffic = Traffic(cluster_one, 50, 100)
    traffic.finish()
    require_everywhere(traffic)


def test_cluster_json_has_what_the_pages_say_and_is_private(cluster_one):
    path = cluster_one.cluster_file
    assert path.stat().st_mode & 0o777 == 0o600
    description = json.loads(path.read_text())
    assert {role for producer in description["producers"] for role in producer["roles"]} >= {"anomaly", "evidence", "policy"}
    for producer in description["producers"]:
        key_file = Path(producer["key_file"])
        assert len(bytes.fromhex(key_file.read_text().strip())) == 32
        assert key_file.stat().st_mode & 0o777 == 0o600
    for validator in description["validators"]:
        assert set(validator["stages"]) == set(STAGES)
        assert all(Path(stage["log"]).exists() for stage in validator["stages"].values())


def test_a_brokers_id_may_begin_with_a_dash(tmp_path, monkeypatch):
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" * 16))  # "-" in base64, as one id in 64
    server = Broker(Layout(tmp_path), 9092)
    server.prepare()
    assert "cluster.id=-" in (server.directory / "data/meta.properties").read_text()


def test_a_process_is_gone_with_its_last_thread(tmp_path):
    """A killed daemon can keep its ports for a while after its first thread, which then is a zombie."""
    exit_thread = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
    program = ("import ctypes, threading, time; threading.Thread(target=time.sleep, args=(600,)).start();"
               f"ctypes.CDLL(None).syscall({exit_thread}, 0)")
    process = Process("two threads", tmp_path / "pid", tmp_path / "log")
    process.start([sys.executable, "-c", program], cwd=tmp_path, env={})
    state = Path(f"/proc/{process.pid()}/stat")
    wait_for(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z", "its first thread has ended")
    assert process.pid() is not None
    assert process.kill()
    assert process.pid() is None


def test_a_second_up_in_the_same_directory_is_refused(cluster_one):
    with pytest.raises(Failure, match="runs in .* already") as refused:
        launch.bring_up(launch.Options(run_dir=cluster_one.run_dir, validators=1, build_dir=cluster_one.build))
    assert refused.value.code == 2


def test_a_stage_that_dies_is_named_with_its_log(cluster_one):
    os.kill(cluster_one.process("v1", "mempoold").pid(), signal.SIGKILL)
    with pytest.raises(Failure, match=r"mempoold of v1 is dead; its log is .*/logs/v1/mempoold\.log"):
        cluster_one.wait_ready()


def test_the_cluster_script_kills_starts_and_tells(cluster_one):
    run_dir = ["--run-dir", cluster_one.run_dir]
    assert _script("cluster", "status", *run_dir).returncode == 0
    assert _script("cluster", "kill", "v1", "apid", *run_dir).returncode == 0
    told = _script("cluster", "status", *run_dir)
    assert told.returncode == 1 and "down" in told.stdout
    assert _script("cluster", "start", "v1", "apid", *run_dir).returncode == 0
    assert _script("cluster", "status", *run_dir).returncode == 0
    assert _script("cluster", "stop", "v1", "persist", *run_dir).returncode == 2


def test_the_cluster_script_works_on_all_stages_of_a_validator(cluster_one):
    run_dir = ["--run-dir", cluster_one.run_dir]
    killed = _script("cluster", "kill", "v1", "all", *run_dir)
    assert killed.returncode == 0 and killed.stdout.count("killed") == len(STAGES)
    assert not [pair for pair in cluster_one.all_stages() if cluster_one.alive(*pair)]
    nothing = _script("cluster", "stop", "v1", "all", *run_dir)
    assert nothing.returncode == 1 and "no stage of v1 runs" in nothing.stderr
    assert _script("cluster", "start", "v1", "all", *run_dir).returncode == 0
    assert _script("cluster", "status", *run_dir).returncode == 0
    before = [cluster_one.process(*pair).pid() for pair in cluster_one.all_stages()]
    again = _script("cluster", "start", "v1", "all", *run_dir)
    assert again.returncode == 1 and "running already" in again.stderr
    cluster_one.kill("v1", "persistd")
    assert _script("cluster", "start", "v1", "all", *run_dir).returncode == 0, "what ran stays, what was down is started"
    assert _script("cluster", "restart", "v1", "all", *run_dir).returncode == 0
    after = [cluster_one.process(*pair).pid() for pair in cluster_one.all_stages()]
    assert not set(before) & set(after) and _script("cluster", "status", *run_dir).returncode == 0
    assert _script("cluster", "start", "v9", "all", *run_dir).returncode == 2
    assert _script("cluster", "logs", "v1", "all", *run_dir).returncode == 2


def test_a_new_network_on_an_old_broker_begins_at_its_own_first_block(new_cluster):
    old = new_cluster(validators=1)
    traffic = Traffic(old, 60, 100)
    traffic.finish()
    old.stop_stages(old.all_stages())
    new = new_cluster(validators=1, kafka=old.description()["kafka"])
    traffic = Traffic(new, 60, 100)
    traffic.finish()
    require_everywhere(traffic)
    client = Client(new)
    key = client.genesis.validators[0].control_key
    tip = client.query(client.validators[0], "SELECT max(height) FROM blocks")[0][0]

    def announced():
        notices = [CommitEvent.decode(message.value()) for message in client.read_all("control.commits.v1")]
        return set(range(1, tip + 1)) <= {notice.height for notice in notices if notice.pubkey == key}
    wait_for(announced, f"notices of all {tip} blocks of the new network")


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(cluster_one):
    process = cluster_one.process("v1", "apid")
    cluster_one.kill("v1", "apid")
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        process.pid_file.write_text(f"{stranger.pid} 1\n")
        assert process.pid() is None
        assert not cluster_one.kill("v1", "apid")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_down_ends_everything_and_the_data_starts_again(new_cluster):
    cluster = new_cluster(validators=1)
    traffic = Traffic(cluster, 40, 100)
    traffic.finish()
    pids = [process.pid() for process in cluster.running()]
    assert _script("down", "--run-dir", cluster.run_dir).returncode == 0
    assert not [pid for pid in pids if _runs(pid)]
    again = launch.bring_up(launch.Options(run_dir=cluster.run_dir, validators=1, build_dir=cluster.build, keep_data=True))
    second = Traffic(again, 40, 100)
    second.finish()
    require_everywhere(second)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
