"""The state tree, a compact sparse Merkle tree: root, proofs, and their verification."""

from __future__ import annotations

from dataclasses import dataclass

from .hashing import ZERO, h

DEPTH_MAX = 256


def key_hash(key: str) -> bytes:
    return h(b"cybermesh/state-key/v1\0" + key.encode())


def leaf_hash(key_hash_: bytes, value_hash: bytes) -> bytes:
    return h(b"\x02" + key_hash_ + value_hash)


def node_hash(left: bytes, right: bytes) -> bytes:
    return h(b"\x03" + left + right)


def bit(key_hash_: bytes, index: int) -> int:
    """Bit 0 is the most significant."""
    return key_hash_[index // 8] >> (7 - index % 8) & 1


def _prefix(key_hash_: bytes, depth: int) -> int:
    return int.from_bytes(key_hash_, "big") >> (256 - depth)


@dataclass(frozen=True)
class Leaf:
    key_hash: bytes
    value_hash: bytes

    @property
    def hash(self) -> bytes:
        return leaf_hash(self.key_hash, self.value_hash)


@dataclass(frozen=True)
class Proof:
    leaf: Leaf | None
    siblings: list[bytes]


def _leaves(state: dict[str, bytes]) -> list[Leaf]:
    return [Leaf(key_hash(key), h(value)) for key, value in state.items()]


def _split(leaves: list[Leaf], depth: int) -> tuple[list[Leaf], list[Leaf]]:
    sides: tuple[list[Leaf], list[Leaf]] = ([], [])
    for leaf in leaves:
        sides[bit(leaf.key_hash, depth)].append(leaf)
    return sides


def _subtree(leaves: list[Leaf], depth: int) -> bytes:
    if not leaves:
        return ZERO
    if len(leaves) == 1:
        return leaves[0].hash
    left, right = _split(leaves, depth)
    return node_hash(_subtree(left, depth + 1), _subtree(right, depth + 1))


def root(state: dict[str, bytes]) -> bytes:
    return _subtree(_leaves(state), 0)


def prove(state: dict[str, bytes], key: str) -> Proof:
    """Inclusion if the key is in the state, absence if it is not."""
    wanted, leaves = key_hash(key), _leaves(state)
    siblings: list[bytes] = []
    while len(leaves) > 1:
        depth = len(siblings)
        sides = _split(leaves, depth)
        side = bit(wanted, depth)
        siblings.insert(0, _subtree(sides[1 - side], depth + 1))
        leaves = sides[side]
    return Proof(leaves[0] if leaves else None, siblings)


def verify(root_hash: bytes, key: str, value: bytes | None, proof: Proof) -> bool:
    """Does the proof show that key has this value, or (None) that it has none?"""
    wanted, depth = key_hash(key), len(proof.siblings)
    if depth > DEPTH_MAX:
        return False
    if value is not None:
        if proof.leaf is None or proof.leaf != Leaf(wanted, h(value)):
            return False
    elif proof.leaf is not None:
        if proof.leaf.key_hash == wanted or _prefix(proof.leaf.key_hash, depth) != _prefix(wanted, depth):
            return False
    node = proof.leaf.hash if proof.leaf is not None else ZERO
    for i, sibling in enumerate(proof.siblings):
        node = node_hash(sibling, node) if bit(wanted, depth - 1 - i) else node_hash(node, sibling)
    return node == root_hash
