"""The two Kafka requests that start-up needs, spoken directly: a Java tool would take a second for each.

Only plain-text listeners. The versions used (ApiVersions 0, CreateTopics 4) are known to brokers 2.0 to 4.x.
"""

import socket
import struct

from console import Failure

API_CREATE_TOPICS, CREATE_TOPICS_VERSION = 19, 4
API_VERSIONS, API_VERSIONS_VERSION = 18, 0
TOPIC_ALREADY_EXISTS = 36
ANSWER_BYTES_MAX = 1 << 20


def parse_address(text):
    """'host:port' as a pair."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise Failure(f"not HOST:PORT: {text}", 2)
    return host.strip("[]"), int(port)


def _string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _read_exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the broker closed the connection")
        data += part
    return data


def _request(address, key, version, body, timeout_s):
    message = struct.pack(">hhi", key, version, 1) + _string("cybermesh-up") + body
    with socket.create_connection(address, timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(message)) + message)
        size = struct.unpack(">i", _read_exactly(connection, 4))[0]
        if not 4 <= size <= ANSWER_BYTES_MAX:
            raise ConnectionError("the answer is no Kafka message")
        return _read_exactly(connection, size)[4:]


def answers(address, timeout_s=1.0):
    """Whether a broker answers at (host, port)."""
    try:
        _request(address, API_VERSIONS, API_VERSIONS_VERSION, b"", timeout_s)
    except OSError:
        return False
    return True


def _topic(name, partitions, settings):
    configs = b"".join(_string(key) + _string(value) for key, value in settings.items())
    no_assignment = struct.pack(">i", 0)
    replicas = 1
    return (_string(name) + struct.pack(">ih", partitions, replicas) + no_assignment
            + struct.pack(">i", len(settings)) + configs)


class _Answer:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.number(">h")
        if length < 0:
            return ""
        self.at += length
        return self.data[self.at - length : self.at].decode("utf-8", "replace")


def create_topics(address, topics, timeout_s=30.0):
    """Create topics, [(name, partitions, {setting: value})]; one that exists is left as it is.

    Returns the names that existed.
    """
    body = struct.pack(">i", len(topics)) + b"".join(_topic(*topic) for topic in topics)
    body += struct.pack(">i?", int(timeout_s * 1000), False)
    answer = _Answer(_request(address, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, body, timeout_s))
    answer.number(">i")
    existed = []
    for _ in range(answer.number(">i")):
        name, code, text = answer.string(), answer.number(">h"), answer.string()
        if code == TOPIC_ALREADY_EXISTS:
            existed.append(name)
        elif code != 0:
            raise Failure(f"the broker refuses to create topic {name}: {text or 'error'} (code {code})")
    return existed
