"""A validator that lies, as a process: it has the keys of one validator whose consensusd does not run, hears the others,
and tells them whatever could hurt. It votes for every proposal and joins every timeout, so that the rest needs it when one
more is away. Ends on SIGTERM and prints how often it did what, as JSON.

    liar.py RUN_DIR VALIDATOR SEED

It knows the protocol only from docs/protocol.md and proto/consensus.proto. What it must do well, so that its lies come
as far as they can: sign, hold real certificates, and know its turn to lead.
"""

import itertools
import json
import random
import signal
import sys
import time
from collections import Counter, deque
from pathlib import Path

import zmq

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "scripts/lib")]

from cluster import Cluster  # noqa: E402
from cybermesh_ref import certificates, merkle, wire  # noqa: E402
from cybermesh_ref.block import Header  # noqa: E402
from cybermesh_ref.certificates import Qc, Signature, Tc, TcSignature  # noqa: E402
from cybermesh_ref.genesis import Genesis  # noqa: E402
from cybermesh_ref.hashing import ZERO, read_seed, sign  # noqa: E402
from doors import read_key  # noqa: E402

PROPOSAL, VOTE, TIMEOUT, NEW_VIEW, HEARTBEAT = 10, 11, 12, 13, 14
TOPICS = {PROPOSAL: b"consensus/proposal", VOTE: b"consensus/vote", TIMEOUT: b"consensus/viewchange",
          NEW_VIEW: b"consensus/newview", HEARTBEAT: b"consensus/heartbeat"}
SYNC_REQUEST, SYNC_RESPONSE = 2, 3
U64_MAX = (1 << 64) - 1
LIE_EVERY_S = 0.02
OVERSIZED_EVERY_S = 4.0  # it ends the connections, so not more often
OVERSIZED_BYTES = 5 << 20
REMEMBERED = 500


# Encodings

def put_qc(qc):
    return (wire.put_int(1, qc.view) + wire.put_int(2, qc.height) + wire.put_bytes(3, qc.block_id) + b"".join(
        wire.put_bytes(4, wire.put_int(1, item.validator) + wire.put_bytes(2, item.signature), always=True)
        for item in qc.signatures))


def put_tc(tc):
    return wire.put_int(1, tc.view) + b"".join(
        wire.put_bytes(2, wire.put_int(1, item.validator) + wire.put_int(2, item.high_qc_view) +
                       wire.put_bytes(3, item.signature), always=True) for item in tc.signatures
    ) + wire.put_bytes(3, put_qc(tc.high_qc), always=True)


def single(data):
    """{number: last value} of a message."""
    return {number: value for number, _type, value in wire.fields(data)}


def get_qc(data):
    found = single(data)
    items = [single(value) for number, _type, value in wire.fields(data) if number == 4]
    return Qc(found.get(1, 0), found.get(2, 0), found.get(3, ZERO),
              [Signature(item.get(1, 0), item.get(2, b"")) for item in items])


class Liar:
    """The sockets, what was heard, and the lies."""

    def __init__(self, run_dir, name, seed):
        self.cluster, self.name = Cluster.open(run_dir), name
        self.genesis = Genesis.load(self.cluster.layout.testnet / "genesis.json")
        self.index = next(i for i, each in enumerate(self.genesis.validators) if each.name == name)
        directory = self.cluster.directory(name)
        self.seed = read_seed(directory / "keys/sign.key")
        self.curve = read_key(directory / "keys/consensus-curve.key")
        self.chance = random.Random(seed)
        self.done = Counter()
        self.view, self.height, self.qc = 1, 0, Qc(0, 0, ZERO, [])
        self.headers = {}
        self.votes = {}
        self.proposed = set()
        self.heard, self.said = deque(maxlen=REMEMBERED), deque(maxlen=REMEMBERED)
        self.numbers, self.turns = itertools.count(), itertools.count()
        self._open()

    # Sockets

    def _open(self):
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.pub = self._bind(zmq.PUB, "CONSENSUS_PUB_BIND")
        self.answers = self._bind(zmq.ROUTER, "CONSENSUS_SYNC_BIND")
        self.poller.register(self.answers, zmq.POLLIN)
        self.subs, self.asks = [], []
        peers = self.cluster.setting(self.name, "consensusd", "CONSENSUS_PEERS")
        for peer, endpoints in (item.split("=") for item in peers.split(",")):
            pub, sync = endpoints.split("|")
            sub = self._connect(zmq.SUB, peer, pub)
            sub.subscribe(b"consensus/")
            self.poller.register(sub, zmq.POLLIN)
            self.subs.append(sub)
            self.asks.append(self._connect(zmq.DEALER, peer, sync))

    def _bind(self, kind, setting):
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.curve_server = True
        socket.curve_secretkey = bytes(self.curve)
        socket.bind(self.cluster.setting(self.name, "consensusd", setting))
        return socket

    def _connect(self, kind, peer, endpoint):
        socket = self.context.socket(kind)
        socket.linger = 0
        key = read_key(self.cluster.directory(peer) / "keys/consensus-curve.key")
        socket.curve_serverkey = bytes(key.public_key)
        socket.curve_publickey, socket.curve_secretkey = bytes(self.curve.public_key), bytes(self.curve)
        socket.connect(endpoint)
        return socket

    # Saying

    def frame(self, number, body, sender=None, version=1):
        """A frame; now and then it claims to be far ahead, so that others ask this one for blocks."""
        claims = self.chance.random() < 0.3
        return (wire.put_int(1, version) + wire.put_int(2, self.index if sender is None else sender) +
                wire.put_int(3, self.qc.view + (50 if claims else 0)) +
                wire.put_int(4, self.height + (1000 if claims else 0)) + wire.put_bytes(number, body, always=True))

    def say(self, what, number, body, **changes):
        data = self.frame(number, body, **changes)
        self.said.append((TOPICS[number], data))
        self.raw(what, TOPICS[number], data)

    def raw(self, what, topic, data):
        self.pub.send_multipart([topic, data])
        self.done[what] += 1

    def vote_for(self, view, height, block_id):
        signature = sign(self.seed, certificates.vote_bytes(self.genesis.chain_id, view, height, block_id))
        return (wire.put_int(1, view) + wire.put_int(2, height) + wire.put_bytes(3, block_id) +
                wire.put_bytes(4, signature))

    def timeout_of(self, view, qc):
        signature = sign(self.seed, certificates.timeout_bytes(self.genesis.chain_id, view, qc.view))
        return wire.put_int(1, view) + wire.put_bytes(2, put_qc(qc), always=True) + wire.put_bytes(3, signature)

    def heartbeat_of(self, qc):
        signature = sign(self.seed, certificates.heartbeat_bytes(self.genesis.chain_id, self.view, qc.view, self.height))
        return (wire.put_int(1, self.view) + wire.put_bytes(2, put_qc(qc), always=True) + wire.put_int(4, self.height) +
                wire.put_bytes(5, signature))

    # Hearing

    def hear(self, topic, data):
        self.heard.append((topic, data))
        frame = single(data)
        if body := frame.get(PROPOSAL):
            self._hear_proposal(single(body))
        elif body := frame.get(VOTE):
            found = single(body)
            self._count(frame.get(2, 0), found.get(1, 0), found.get(2, 0), found[3], found[4])
        elif body := frame.get(TIMEOUT) or frame.get(HEARTBEAT):
            found = single(body)
            self._certified(get_qc(found[2]))
            self.view = max(self.view, found.get(1, 0))
            if TIMEOUT in frame:
                self.say("timeout", TIMEOUT, self.timeout_of(found.get(1, 0), self.qc))

    def _hear_proposal(self, proposal):
        header = Header.decode(proposal[1])
        self.headers[header.block_id] = header
        self._certified(get_qc(proposal[3]))
        proposer = [each.id for each in self.genesis.validators].index(header.proposer)
        self._count(proposer, header.view, header.height, header.block_id, proposal[6])
        self.say("vote", VOTE, self.vote_for(header.view, header.height, header.block_id))
        self.say("second vote", VOTE, self.vote_for(header.view, header.height, self.chance.randbytes(32)))
        own = single(self.vote_for(header.view, header.height, header.block_id))[4]
        self._count(self.index, header.view, header.height, header.block_id, own)

    def _count(self, validator, view, height, block_id, signature):
        known = self.votes.setdefault((view, height, block_id), {})
        known[validator] = signature
        if len(known) >= self.genesis.quorum:
            self._certified(Qc(view, height, block_id, [Signature(each, known[each]) for each in sorted(known)]))

    def _certified(self, qc):
        if qc.view <= self.qc.view or qc.why_bad(self.genesis):
            return
        self.qc, self.height = qc, qc.height
        self.view = max(self.view, qc.view + 1)
        self.votes = {key: value for key, value in self.votes.items() if key[0] >= qc.view}
        if self._leads(qc.view + 1) and qc.view + 1 not in self.proposed and qc.block_id in self.headers:
            self.proposed.add(qc.view + 1)
            self._propose_badly(qc)

    def _leads(self, view):
        return sorted(each.id for each in self.genesis.validators)[view % len(self.genesis.validators)] == \
            self.genesis.validators[self.index].id

    # Lies of a leader

    def _header(self, qc, later_ms, tx_ids=()):
        parent = self.headers[qc.block_id]
        return Header(chain_id=self.genesis.chain_id, height=qc.height + 1, view=qc.view + 1, parent_id=qc.block_id,
                      justify_view=qc.view, justify_signers=sum(1 << item.validator for item in qc.signatures),
                      tx_count=len(tx_ids), tx_root=merkle.root(list(tx_ids)), state_root=parent.state_root,
                      proposer=self.genesis.validators[self.index].id, timestamp_ms=parent.timestamp_ms + later_ms)

    def _proposal(self, header, qc, tx_ids=()):
        """Without a timeout certificate the vote is all that signs it."""
        vote = single(self.vote_for(header.view, header.height, header.block_id))[4]
        return (wire.put_bytes(1, header.encode()) + b"".join(wire.put_bytes(2, tx_id) for tx_id in tx_ids) +
                wire.put_bytes(3, put_qc(qc), always=True) + wire.put_bytes(6, vote))

    def _propose_badly(self, qc):
        """Two blocks for one view, or one block with transactions that nobody has or with a vote that is none."""
        turn = next(self.turns) % 3
        if turn == 0:
            unsigned = self._proposal(self._header(qc, 1), qc) + wire.put_bytes(6, self.chance.randbytes(64))
            self.say("unsigned", PROPOSAL, unsigned)
            return
        if turn == 1:
            tx_ids = [self.chance.randbytes(32) for _ in range(3)]
            self.say("withheld", PROPOSAL, self._proposal(self._header(qc, 1, tx_ids), qc, tx_ids))
            return
        for later_ms in (1, 2):
            self.say("two proposals", PROPOSAL, self._proposal(self._header(qc, later_ms), qc))

    # Lies at any time

    def forged(self, view):
        """A certificate of the right form that nobody but the liar signed."""
        return Qc(view, self.height + 1, self.chance.randbytes(32),
                  [Signature(each, self.chance.randbytes(64)) for each in range(self.genesis.quorum)])

    def own_four_times(self, view):
        """A quorum of one: the same good signature over and over."""
        block_id = self.chance.randbytes(32)
        good = single(self.vote_for(view, self.height + 1, block_id))[4]
        return Qc(view, self.height + 1, block_id, [Signature(self.index, good)] * self.genesis.quorum)

    def lie_timeout_far(self):
        for ahead in (1, 50, 99, 101, 10**6, U64_MAX - self.view):
            self.say("timeout far", TIMEOUT, self.timeout_of(self.view + ahead, self.qc))

    def lie_vote_far(self):
        for view in (self.view + 90, self.view + 10**9, U64_MAX, 0):
            self.say("vote far", VOTE, self.vote_for(view, self.height + 1, self.chance.randbytes(32)))

    def lie_certificate(self):
        for qc in (self.forged(self.view + 1), self.own_four_times(self.view + 1), self.forged(U64_MAX)):
            self.say("forged certificate", HEARTBEAT, self.heartbeat_of(qc))
            self.say("forged certificate", TIMEOUT, self.timeout_of(self.view + 2, qc))

    def lie_timeout_certificate(self):
        own = single(self.timeout_of(self.view + 5, self.qc))[3]
        random_ones = [TcSignature(each, self.qc.view, self.chance.randbytes(64)) for each in range(self.genesis.quorum)]
        for items in (random_ones, [TcSignature(self.index, self.qc.view, own)] * self.genesis.quorum, []):
            self.say("forged timeout certificate", NEW_VIEW,
                     wire.put_bytes(1, put_tc(Tc(self.view + 5, items, self.qc)), always=True))

    def lie_out_of_turn(self):
        if self.qc.block_id in self.headers and not self._leads(self.qc.view + 1):
            self.say("out of turn", PROPOSAL, self._proposal(self._header(self.qc, 1), self.qc))

    def lie_needless_signature(self):
        """A proposal without a timeout certificate has no signature but its vote."""
        if self.qc.block_id in self.headers:
            header = self._header(self.qc, 1)
            signature = sign(self.seed, certificates.proposal_bytes(self.genesis.chain_id, header.block_id, ZERO))
            self.say("needless signature", PROPOSAL, self._proposal(header, self.qc) + wire.put_bytes(5, signature))

    def lie_stale(self):
        if self.heard:
            old = single(self.chance.choice(self.heard)[1]).get(PROPOSAL)
            if old:
                header = Header.decode(single(old)[1])
                self.say("stale vote", VOTE, self.vote_for(header.view, header.height, self.chance.randbytes(32)))

    def lie_replay(self):
        for memory in (self.said, self.heard):
            if memory:
                self.raw("replay", *self.chance.choice(memory))

    def lie_impersonate(self):
        other = (self.index + 1) % len(self.genesis.validators)
        self.say("impersonation", VOTE, self.vote_for(self.view, self.height + 1, self.chance.randbytes(32)), sender=other)
        self.say("impersonation", HEARTBEAT, self.heartbeat_of(self.qc), sender=U64_MAX >> 32)

    def lie_malformed(self):
        topic, data = self.chance.choice(self.heard) if self.heard else (TOPICS[VOTE], b"")
        broken = bytearray(data or b"\0")
        broken[self.chance.randrange(len(broken))] ^= 1 << self.chance.randrange(8)
        for bad in (self.chance.randbytes(200), data[:self.chance.randrange(len(data) + 1)], bytes(broken), b"",
                    self.frame(VOTE, b"\xff" * 50), self.frame(VOTE, b"", version=2)):
            self.raw("malformed", topic, bad)
        self.pub.send_multipart([topic, data, data])
        self.pub.send_multipart([topic + b"/" + b"x" * 200, data])
        self.pub.send(b"consensus/")

    def lie_ask(self):
        for ask in self.asks:
            number = wire.put_int(1, next(self.numbers) + 1)
            for body in (number + wire.put_int(2, U64_MAX) + wire.put_int(3, (1 << 32) - 1), number, b"\xff\xff"):
                try:
                    ask.send(wire.put_int(1, 1) + wire.put_bytes(SYNC_REQUEST, body, always=True), zmq.NOBLOCK)
                    self.done["request"] += 1
                except zmq.Again:
                    pass
            while ask.poll(0):
                ask.recv()

    def lie_answer(self):
        """Whoever asks for blocks gets something that is none."""
        route, data = self.answers.recv_multipart()
        asked = single(single(data).get(SYNC_REQUEST, b""))
        height = asked.get(2, 1)
        header = Header(chain_id=self.genesis.chain_id, height=height, view=self.view + 5, parent_id=self.chance.randbytes(32),
                        justify_view=self.view, proposer=self.genesis.validators[self.index].id, timestamp_ms=1)
        forged = self.forged(header.view)
        block = wire.put_bytes(1, header.encode()) + wire.put_bytes(
            3, put_qc(Qc(header.view, height, header.block_id, forged.signatures)))
        request = wire.put_int(1, asked.get(1, 0))
        response = self.chance.choice([request + wire.put_bytes(2, block) * 3 + wire.put_int(3, U64_MAX),
                                       request + wire.put_int(3, U64_MAX), wire.put_int(1, 77) + wire.put_bytes(2, block),
                                       request + wire.put_bytes(2, block[:100]), self.chance.randbytes(300)])
        self.answers.send_multipart([route, wire.put_int(1, 1) + wire.put_bytes(SYNC_RESPONSE, response, always=True)])
        self.done["answer"] += 1

    # The loop

    def run(self, stopped):
        """Lie until stopped() says so."""
        lies = itertools.cycle([getattr(self, name) for name in sorted(dir(self)) if name.startswith("lie_")
                                and name != "lie_answer"])
        next_lie = next_oversized = time.monotonic()
        while not stopped():
            for socket, _event in self.poller.poll(5):
                if socket is self.answers:
                    self.lie_answer()
                else:
                    self.hear(*socket.recv_multipart())
            now = time.monotonic()
            if now >= next_lie:
                next_lie = now + LIE_EVERY_S
                next(lies)()
            if now >= next_oversized:
                next_oversized = now + OVERSIZED_EVERY_S
                self.raw("oversized", TOPICS[PROPOSAL], self.frame(PROPOSAL, bytes(OVERSIZED_BYTES)))


def main():
    run_dir, name, seed = sys.argv[1:]
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    liar = Liar(run_dir, name, int(seed))
    liar.run(lambda: ended)
    print(json.dumps(liar.done))


if __name__ == "__main__":
    main()
