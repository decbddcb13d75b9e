"""Who is not allowed gets nothing, and whatever bytes come, no process ends."""

import json
import os
import shutil
import socket
import stat
import subprocess
from contextlib import closing, contextmanager

import zmq
from client import WITHIN_S, Client
from cluster import STAGES
from doors import Guest, peer_doors, stage_doors
from nacl.public import PrivateKey

# ZMTP 3.1 greeting that offers no security: signature, version, mechanism NULL, not a server.
NULL_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
GREETING_BYTES = 64
GARBAGE = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(500), b"\xff" * 300, b"", NULL_GREETING + os.urandom(300),
           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(100)]


def tcp_endpoints(cluster):
    """(host, port) of every ZeroMQ socket that is bound to tcp."""
    found = set()
    for validator in cluster.validators:
        for stage in STAGES:
            for line in cluster.env_file(validator, stage).read_text().splitlines():
                key, _, value = line.partition("=")
                if value.startswith("tcp://") and (key.endswith("_BIND") or key.endswith("_ENDPOINT")):
                    host, _, port = value.removeprefix("tcp://").rpartition(":")
                    found.add((host, int(port)))
    return sorted(found)


def talk(address, data):
    """What the other side says to these bytes until it is silent or closes."""
    with socket.create_connection(address, timeout=WITHIN_S) as connection:
        connection.settimeout(0.3)
        heard = b""
        try:
            connection.sendall(data)
            while len(heard) < 4096:
                part = connection.recv(4096)
                if not part:
                    break
                heard += part
        except (TimeoutError, ConnectionError):
            pass
        return heard


def assert_all_alive(cluster):
    for pair in cluster.all_stages():
        cluster.process(*pair).require_alive()


def check_tcp(cluster):
    client = Client(cluster)
    for address in tcp_endpoints(cluster):
        heard = talk(address, NULL_GREETING + b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER")
        assert len(heard) <= GREETING_BYTES, f"{address} spoke to a stranger"
        for garbage in GARBAGE:
            talk(address, garbage)
    assert_all_alive(cluster)
    event = client.anomaly()
    client.send([event])
    client.wait_committed({event.tx_id()})


def test_tcp_sockets_between_validators_say_nothing_to_strangers(cluster):
    check_tcp(cluster)


def test_tcp_sockets_between_stages_say_nothing_to_strangers(cluster_tcp):
    check_tcp(cluster_tcp)


def check_door(context, door):
    """A good CURVE client with a key that nobody named is refused and hears nothing; one with the right key is let in."""
    with closing(Guest(context, door, PrivateKey.generate())) as stranger, \
            closing(Guest(context, door, door.known)) as known:
        stranger.ask()
        assert not stranger.let_in(), f"{door.name} let a stranger in"
        assert known.let_in(), f"{door.name} refused the key that it should know"
        if door.answers:
            known.ask()
            assert known.hears(), f"{door.name} says nothing to those it knows, so its silence proves nothing"
        assert not stranger.hears(within_ms=0), f"{door.name} spoke to a stranger"


def check_doors(cluster, doors, count):
    assert len(doors) == count * len(cluster.validators)
    with zmq.Context() as context:
        for door in doors:
            check_door(context, door)
    assert_all_alive(cluster)


def test_an_unknown_key_gets_nothing_from_the_sockets_between_validators(cluster):
    check_doors(cluster, peer_doors(cluster), 3)


def test_an_unknown_key_gets_nothing_from_the_sockets_between_stages(cluster_tcp):
    check_doors(cluster_tcp, stage_doors(cluster_tcp), 9)


def test_ipc_directories_and_secrets_are_closed_to_others(cluster):
    for validator in cluster.validators:
        directory = cluster.directory(validator)
        assert stat.S_IMODE((directory / "ipc").stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "keys").stat().st_mode) == 0o700
        for secret in (directory / "keys").iterdir():
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


# Knocks at sockets and reads files, all named relative to its working directory; prints the error of each.
INTRUDER = """
import json, socket, sys
told = {}
for path in sys.argv[1:]:
    try:
        if path.endswith(".sock"):
            socket.socket(socket.AF_UNIX).connect(path)
        else:
            open(path, "rb").read()
        told[path] = "open"
    except OSError as error:
        told[path] = type(error).__name__
print(json.dumps(told))
"""


@contextmanager
def searchable(directory):
    """Let others through this directory, so that what is inside has to keep them out by itself."""
    mode = stat.S_IMODE(directory.stat().st_mode)
    directory.chmod(0o711)
    try:
        yield
    finally:
        directory.chmod(mode)


def intrude(directory, paths, **user):
    """What a program of the system's Python, started in the directory, is told of each path."""
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    result = subprocess.run([python, "-I", "-c", INTRUDER, *paths], cwd=directory, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=True, env={}, **user)
    return json.loads(result.stdout)


def test_another_user_reaches_no_ipc_socket_and_no_key(cluster):
    """Root becomes nobody and tries. Without root there is nobody to become: the modes above are what can be looked at."""
    for validator in cluster.validators:
        directory = cluster.directory(validator)
        paths = [str(path.relative_to(directory)) for name in ("ipc", "keys") for path in (directory / name).iterdir()]
        assert sum(path.endswith(".sock") for path in paths) == 9 and len(paths) > 18
        assert set(intrude(directory, paths).values()) == {"open"}, "the owner is let in"
        if os.geteuid() == 0:
            with searchable(directory):
                told = intrude(directory, paths, user="nobody", group="nogroup", extra_groups=[])
            assert set(told.values()) == {"PermissionError"}, told
        else:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert_all_alive(cluster)


def test_http_garbage_ends_nothing(cluster):
    for validator in cluster.validators[:2]:
        for url in [cluster.api(validator)] + [cluster.admin(validator, stage) for stage in STAGES]:
            host, _, port = url.removeprefix("http://").rpartition(":")
            for garbage in GARBAGE:
                talk((host, int(port)), garbage)
    assert_all_alive(cluster)
