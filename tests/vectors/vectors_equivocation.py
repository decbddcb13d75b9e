"""Vectors of equivocation proofs, good and bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cybermesh_ref import equivocation as eq
from cybermesh_ref.block import Header
from cybermesh_ref.certificates import proposal_bytes, vote_bytes
from cybermesh_ref.hashing import ZERO, h, sign
from vectors_common import GENESIS, NETWORK, VALIDATOR_SEEDS, fixed, network_fields

VIEW = 41
BLOCK_HEIGHT = 1  # of the block that has the proof


def _vote(seed: bytes, block: str, height: int = 40, view: int = VIEW) -> eq.Vote:
    block_id = fixed(block)
    return eq.Vote(height, block_id, sign(seed, vote_bytes(NETWORK.chain_id, view, height, block_id)))


def _proposal(index: int, mark: str, tc_hash: bytes = ZERO, **changes: Any) -> eq.Proposal:
    header = Header(NETWORK.chain_id, 40, VIEW, fixed("parent"), VIEW - 1, 0b1111, state_root=fixed(mark),
                    proposer=NETWORK.validators[index].id, timestamp_ms=1)
    data = replace(header, **changes).encode()
    return eq.Proposal(data, tc_hash, sign(VALIDATOR_SEEDS[index], proposal_bytes(NETWORK.chain_id, h(data), tc_hash)))


def _make(index: int, kind: int, one: Any, two: Any, view: int = VIEW) -> eq.Equivocation:
    first, second = sorted([one, two], key=lambda each: each.block_id)
    return eq.Equivocation(NETWORK.validators[index].id, kind, view, first, second)


def files() -> dict[str, dict[str, Any]]:
    seed = VALIDATOR_SEEDS[1]
    votes = _make(1, eq.VOTE, _vote(seed, "block a"), _vote(seed, "block b"))
    heights = _make(1, eq.VOTE, _vote(seed, "block a", 40), _vote(seed, "block b", 39))
    proposals = _make(2, eq.PROPOSAL, _proposal(2, "a"), _proposal(2, "b", fixed("tc")))
    swapped = replace(votes, first=votes.second, second=votes.first)
    good = {"votes": votes, "votes at two heights": heights, "proposals": proposals}
    bad = {
        "a stranger": (replace(votes, offender=fixed("stranger")), "PRODUCER_UNKNOWN"),
        "another validator": (replace(votes, offender=NETWORK.validators[0].id), "BAD_SIGNATURE"),
        "another view": (replace(votes, view=VIEW + 1), "BAD_SIGNATURE"),
        "the second signed for another view": (
            _make(1, eq.VOTE, _vote(seed, "block a"), _vote(seed, "block b", view=VIEW + 1)), "BAD_SIGNATURE"),
        "proposals of another view": (replace(proposals, view=VIEW + 1), "CONTENT_RULE"),
        "a proposal of another chain": (
            _make(2, eq.PROPOSAL, _proposal(2, "a"), _proposal(2, "b", chain_id=fixed("chain"))), "CONTENT_RULE"),
        "a proposal in another's name": (
            _make(2, eq.PROPOSAL, _proposal(2, "a"), _proposal(2, "b", proposer=NETWORK.validators[0].id)),
            "CONTENT_RULE"),
        "a proposal's other tc_hash": (
            replace(proposals, first=replace(proposals.first, tc_hash=fixed("other"))), "BAD_SIGNATURE"),
        "the first not signed": (replace(votes, first=replace(votes.first, signature=bytes(64))), "BAD_SIGNATURE"),
        "the second not signed": (replace(votes, second=replace(votes.second, signature=bytes(64))), "BAD_SIGNATURE"),
        "the same block twice": (replace(votes, second=votes.first), "MALFORMED"),
        "the other order": (swapped, "MALFORMED"),
        "votes that say proposals": (replace(votes, kind=eq.PROPOSAL), "MALFORMED"),
        "a third kind": (replace(votes, kind=3), "MALFORMED"),
    }
    cases = [{"name": name, "body": each.body().hex(), "tx_id": each.tx_id.hex(), "state_key": each.state_key,
              "record": each.record(BLOCK_HEIGHT).hex(), "receipt": each.receipt(BLOCK_HEIGHT).hex(), "expect": "OK"}
             for name, each in good.items()]
    cases += [{"name": name, "body": each.body().hex(), "expect": why} for name, (each, why) in bad.items()]
    body = votes.body()
    for name, data in {"one byte less": body[:-1], "one byte more": body + b"\0", "empty": b"", "kind alone": b"\4",
                       "kind 1": b"\1" + body[1:]}.items():
        cases.append({"name": name, "body": data.hex(), "expect": "MALFORMED"})
    return {"equivocations.json": {
        "description": "bodies of kind 4: two signed statements of one validator for one view",
        "genesis": GENESIS, **network_fields(), "cases": cases}}
