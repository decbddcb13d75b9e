"""Every ZeroMQ socket that a cluster binds to tcp: who may knock, and a client that knocks with any key (pyzmq)."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import zmq
from cybermesh_ref import wire
from nacl.public import PrivateKey
from zmq.utils.monitor import recv_monitor_message

VERSION = 1
ANSWER_WITHIN_MS = 20000


def frame(number, body):
    """A frame of any arrow: version 1 and one body."""
    return wire.put_int(1, VERSION) + wire.put_bytes(number, body, always=True)


REQUEST = wire.put_int(1, 4242)
SYNC_REQUEST = frame(2, REQUEST + wire.put_int(2, 1) + wire.put_int(3, 1))
GOSSIP_REQUEST = frame(2, REQUEST + wire.put_bytes(2, bytes(32)))
STATUS_REQUEST = frame(4, REQUEST)

# Between the stages: endpoint, the stage that binds, the stage that may knock, what it could ask, whether the one
# that knocks may really ask it here: a second consensusd or ingestd would take the first one's place.
STAGE_DOORS = (
    ("ADMISSION_ENDPOINT", "mempoold", "ingestd", frame(2, b""), False),
    ("POOL_ENDPOINT", "mempoold", "consensusd", frame(2, b""), False),
    ("EXECUTION_ENDPOINT", "executord", "consensusd", frame(2, b""), False),
    ("OUTCOME_ENDPOINT", "executord", "persistd", frame(2, REQUEST + wire.put_int(3, 1)), False),
    ("FEED_ENDPOINT", "persistd", "ingestd", frame(5, REQUEST), True),
    ("FEED_PUB_ENDPOINT", "persistd", "ingestd", None, False),
    ("QUERY_EXECUTORD_ENDPOINT", "executord", "apid", STATUS_REQUEST, True),
    ("QUERY_CONSENSUSD_ENDPOINT", "consensusd", "apid", STATUS_REQUEST, True),
    ("QUERY_MEMPOOLD_ENDPOINT", "mempoold", "apid", STATUS_REQUEST, True),
)
# Between the validators: the same, with the key pair of both sides.
PEER_DOORS = (
    ("CONSENSUS_PUB_BIND", "consensusd", "consensus", None, True),
    ("CONSENSUS_SYNC_BIND", "consensusd", "consensus", SYNC_REQUEST, True),
    ("GOSSIP_BIND", "mempoold", "mempool", GOSSIP_REQUEST, True),
)


@dataclass
class Door:
    """One bound tcp socket."""

    name: str
    endpoint: str
    server: PrivateKey  # of the socket
    known: PrivateKey  # of somebody who may knock
    request: bytes | None  # well-formed; None: a PUB, one subscribes
    answers: bool  # whether the known one, asking this, is answered whatever else happens


def read_key(path):
    """The CURVE secret key of a key file."""
    return PrivateKey(bytes.fromhex(Path(path).read_text().strip()))


def peer_doors(cluster):
    """The sockets between validators."""
    found = []
    for index, validator in enumerate(cluster.validators):
        other = cluster.validators[index - 1]
        for setting, stage, key, request, answers in PEER_DOORS:
            found.append(Door(f"{setting} of {validator}", cluster.setting(validator, stage, setting),
                              read_key(cluster.directory(validator) / f"keys/{key}-curve.key"),
                              read_key(cluster.directory(other) / f"keys/{key}-curve.key"), request, answers))
    return found


def stage_doors(cluster):
    """The sockets between the stages of each validator; none when they speak over ipc."""
    found = []
    for validator in cluster.validators:
        keys = cluster.directory(validator) / "keys"
        for setting, stage, guest, request, answers in STAGE_DOORS:
            endpoint = cluster.setting(validator, stage, setting)
            if endpoint.startswith("tcp://"):
                found.append(Door(f"{setting} of {validator}", endpoint, read_key(keys / f"{stage}-curve.key"),
                                  read_key(keys / f"{guest}-curve.key"), request, answers))
    return found


class Guest:
    """Connects to a door with a key, asks or subscribes, and tells what became of it."""

    def __init__(self, context, door, key):
        self.door = door
        self.socket = context.socket(zmq.SUB if door.request is None else zmq.DEALER)
        self.socket.linger = 0
        self.socket.curve_serverkey = bytes(door.server.public_key)
        self.socket.curve_publickey = bytes(key.public_key)
        self.socket.curve_secretkey = bytes(key)
        self.monitor = self.socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        self.socket.connect(door.endpoint)
        if door.request is None:
            self.socket.subscribe(b"")

    def ask(self):
        """Send the request; a SUB has asked already. Who was refused before may have no connection left to send on."""
        if self.door.request is not None:
            with contextlib.suppress(zmq.Again):
                self.socket.send(self.door.request, zmq.DONTWAIT)

    def let_in(self):
        """Whether the door opened, once that is known."""
        assert self.monitor.poll(ANSWER_WITHIN_MS), f"{self.door.name} neither lets in nor refuses"
        return recv_monitor_message(self.monitor)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED

    def hears(self, within_ms=ANSWER_WITHIN_MS):
        """Whether anything arrives."""
        return bool(self.socket.poll(within_ms))

    def close(self):
        """End it."""
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close()
