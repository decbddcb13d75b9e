"""The network between the validators of a cluster: a TCP proxy per connection, with delay, jitter, limits and cuts.

Each validator opens three connections to each other one: it hears its votes (`pub`), asks it for blocks (`sync`) and
for transactions (`gossip`). A `Link` is one of them; it has a `Lane` per direction. CURVE passes through unchanged, for
a proxy only moves bytes: it never loses, changes or reorders them, as TCP does not.

`Network(cluster)` listens; `insert()` writes its addresses into the environment files, so it must come before the
daemons start. Its threads: one, with all sockets; lanes may be changed from any thread at any time.
"""

import asyncio
import itertools
import random
import threading
from dataclasses import dataclass, field

import ports
from cluster import read_env_file

HOST = "127.0.0.1"
READ_BYTES = 65536
HELD_BYTES_MAX = 4 << 20  # on their way in one lane of one connection; then the sender is not read

PUB, SYNC, GOSSIP = "pub", "sync", "gossip"
KINDS = (PUB, SYNC, GOSSIP)


@dataclass(eq=False)
class Lane:
    """One direction of a link. A blocked lane delivers nothing; what it holds arrives when it is open again, as with
    TCP's repetitions. It ends like every silent connection when the daemons lose patience."""

    source: str
    target: str
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0  # 0: unlimited
    blocked: bool = False


@dataclass(eq=False)
class Link:
    """One connection of a validator to another one's socket."""

    opener: str
    listener: str
    kind: str
    address: tuple  # of the real socket
    port: int  # of the proxy
    forward: Lane = None  # opener -> listener
    backward: Lane = None
    server: object = None  # None: connections are refused
    tasks: set = field(default_factory=set)

    def __post_init__(self):
        self.forward = Lane(self.opener, self.listener)
        self.backward = Lane(self.listener, self.opener)

    def lanes(self):
        """Both directions."""
        return self.forward, self.backward

    def lanes_of_facts(self):
        """The lanes that carry what the other side is to learn. Of a connection to a PUB only the way back does; the way
        there has subscriptions and signs of life, without which the connection would end."""
        return (self.backward,) if self.kind == PUB else (self.forward, self.backward)


class Pump:
    """Moves the bytes of one lane of one connection."""

    def __init__(self, network, lane, reader, writer):
        self.network, self.lane, self.reader, self.writer = network, lane, reader, writer
        self.held = asyncio.Queue()
        self.held_bytes = 0
        self.room = asyncio.Event()
        self.room.set()
        self.free_at = self.due_at = 0.0

    def _due(self, size):
        """When the bytes arrive: after those before them, and no faster than the lane is wide."""
        now = asyncio.get_running_loop().time()
        lane = self.lane
        self.free_at = max(now, self.free_at) + (size / lane.bytes_per_s if lane.bytes_per_s else 0.0)
        late = random.uniform(0.0, lane.jitter_s)  # noqa: S311
        self.due_at = max(self.due_at, self.free_at + lane.delay_s + late)
        return self.due_at

    async def take(self):
        """Read until the sender ends."""
        try:
            while data := await self.reader.read(READ_BYTES):
                self.held_bytes += len(data)
                self.held.put_nowait((self._due(len(data)), data))
                if self.held_bytes >= HELD_BYTES_MAX:
                    self.room.clear()
                    await self.room.wait()
        except ConnectionError:
            pass  # an end too
        self.held.put_nowait((self._due(0), b""))

    async def deliver(self):
        """Write what is due, in order."""
        while True:
            due_at, data = await self.held.get()
            await asyncio.sleep(max(0.0, due_at - asyncio.get_running_loop().time()))
            while self.lane.blocked:
                await self.network.change()
            if not data:
                return
            self.writer.write(data)
            await self.writer.drain()
            self.held_bytes -= len(data)
            self.room.set()


class Network:
    """All links of a cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        routes = [(*pair, kind) for pair in itertools.permutations(cluster.validators, 2) for kind in KINDS]
        self.reserved = ports.Reservation(-(-len(routes) // ports.BLOCK_PORTS))
        self.links = [Link(opener, listener, kind, _address(cluster, listener, kind), self.reserved.base + index)
                      for index, (opener, listener, kind) in enumerate(routes)]
        self.loop = asyncio.new_event_loop()
        self.changed = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, name="links", daemon=True)
        self.thread.start()
        self._call(self._listen())

    # Into the cluster

    def insert(self):
        """Make every validator reach every other one through its links."""
        for opener in self.cluster.validators:
            at = {(link.listener, link.kind): f"tcp://{HOST}:{link.port}" for link in self.links if link.opener == opener}
            others = [name for name in self.cluster.validators if name != opener]
            self._remove(opener, "consensusd", "CONSENSUS_ADVERTISE")  # else they would learn of ways without proxies
            self._set(opener, "consensusd", "CONSENSUS_PEERS",
                      ",".join(f"{name}={at[name, PUB]}|{at[name, SYNC]}" for name in others))
            self._set(opener, "mempoold", "GOSSIP_PEERS", ",".join(f"{name}={at[name, GOSSIP]}" for name in others))

    def _remove(self, validator, stage, key):
        path = self.cluster.env_file(validator, stage)
        path.write_text("".join(f"{name}={text}\n" for name, text in read_env_file(path).items() if name != key))

    def _set(self, validator, stage, key, value):
        path = self.cluster.env_file(validator, stage)
        pairs = read_env_file(path)
        assert key in pairs, f"{path} has no {key}"
        path.write_text("".join(f"{name}={text}\n" for name, text in (pairs | {key: value}).items()))

    # Changes

    def set_all(self, **values):
        """Set properties of every lane: set_all(delay_s=0.05, jitter_s=0.005)."""
        for link in self.links:
            for lane in link.lanes():
                vars(lane).update(values)
        self._wake()

    def deafen(self, name):
        """This validator hears nobody, and everybody hears it."""
        self._block(lambda link, lane: lane.target == name and lane in link.lanes_of_facts())

    def silence(self, name):
        """Nobody hears this validator, and it hears everybody."""
        self._block(lambda link, lane: lane.source == name and lane in link.lanes_of_facts())

    def isolate(self, name):
        """Nothing passes to or from this validator."""
        self._block(lambda _link, lane: name in (lane.source, lane.target))

    def _block(self, chosen):
        for link in self.links:
            for lane in link.lanes():
                lane.blocked = lane.blocked or chosen(link, lane)

    def cut(self, one, other):
        """Reset the connections between two validators and refuse new ones."""
        self._call(self._refuse([link for link in self.links if {link.opener, link.listener} == {one, other}]))

    def heal(self):
        """Whatever was blocked or cut passes again; delays stay."""
        for link in self.links:
            for lane in link.lanes():
                lane.blocked = False
        self._call(self._listen())
        self._wake()

    def close(self):
        """End all connections and the thread."""
        self._call(self._refuse(self.links))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.reserved.close()

    # In the thread

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def _wake(self):
        def wake():
            self.changed.set()
            self.changed = asyncio.Event()
        self.loop.call_soon_threadsafe(wake)

    async def change(self):
        """Until lanes change."""
        await self.changed.wait()

    async def _listen(self):
        for link in self.links:
            if link.server is None:
                link.server = await asyncio.start_server(self._accepter(link), HOST, link.port)

    async def _refuse(self, links):
        for link in links:
            if link.server is not None:
                link.server.close()
                link.server = None
        tasks = [task for link in links for task in link.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accepter(self, link):
        async def accept(reader, writer):
            task = asyncio.current_task()
            link.tasks.add(task)
            try:
                await self._carry(link, reader, writer)
            except (OSError, asyncio.CancelledError):
                pass  # the listener is down, or the link is cut
            finally:
                link.tasks.discard(task)
                writer.transport.abort()
        return accept

    async def _carry(self, link, reader, writer):
        there, back = await asyncio.open_connection(*link.address)
        pumps = [Pump(self, link.forward, reader, back), Pump(self, link.backward, there, writer)]
        taking = asyncio.gather(*(pump.take() for pump in pumps))  # ends when both sides are gone
        delivering = [asyncio.create_task(pump.deliver()) for pump in pumps]
        try:
            await asyncio.wait([taking, *delivering], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (taking, *delivering):
                task.cancel()
            await asyncio.gather(taking, *delivering, return_exceptions=True)
            back.transport.abort()


def _address(cluster, validator, kind):
    stage, key = {PUB: ("consensusd", "CONSENSUS_PUB_BIND"), SYNC: ("consensusd", "CONSENSUS_SYNC_BIND"),
                  GOSSIP: ("mempoold", "GOSSIP_BIND")}[kind]
    host, _, port = cluster.setting(validator, stage, key).removeprefix("tcp://").rpartition(":")
    return host, int(port)
