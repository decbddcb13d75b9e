"""Who is not allowed gets nothing, and whatever bytes come, no process ends."""

import os
import socket
import stat

from client import Client
from cluster import STAGES

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
    with socket.create_connection(address, timeout=5) as connection:
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


def test_ipc_directories_and_secrets_are_closed_to_others(cluster):
    for validator in cluster.validators:
        directory = cluster.directory(validator)
        assert stat.S_IMODE((directory / "ipc").stat().st_mode) == 0o700
        for secret in (directory / "keys").iterdir():
            assert stat.S_IMODE(secret.stat().st_mode) == 0o600, secret


def test_http_garbage_ends_nothing(cluster):
    for validator in cluster.validators[:2]:
        for url in [cluster.api(validator)] + [cluster.admin(validator, stage) for stage in STAGES]:
            host, _, port = url.removeprefix("http://").rpartition(":")
            for garbage in GARBAGE:
                talk((host, int(port)), garbage)
    assert_all_alive(cluster)
