"""The binary Merkle tree over a block's transaction ids, and over the hashes of its receipts."""

from __future__ import annotations

from .hashing import ZERO, h


def _leaf(item: bytes) -> bytes:
    return h(b"\x00" + item)


def _node(left: bytes, right: bytes) -> bytes:
    return h(b"\x01" + left + right)


def _next_level(level: list[bytes]) -> list[bytes]:
    pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(pairs) * 2 :]


def root(items: list[bytes]) -> bytes:
    level = [_leaf(item) for item in items]
    while len(level) > 1:
        level = _next_level(level)
    return level[0] if level else ZERO


def path(items: list[bytes], index: int) -> list[bytes]:
    """Siblings from the leaf up; a level where the node moves up unchanged has none."""
    level = [_leaf(item) for item in items]
    found = []
    while len(level) > 1:
        if index ^ 1 < len(level):
            found.append(level[index ^ 1])
        level = _next_level(level)
        index //= 2
    return found


def verify(root_hash: bytes, item: bytes, count: int, index: int, siblings: list[bytes]) -> bool:
    if not 0 <= index < count:
        return False
    node, left = _leaf(item), list(siblings)
    while count > 1:
        if index ^ 1 < count:
            if not left:
                return False
            sibling = left.pop(0)
            node = _node(sibling, node) if index & 1 else _node(node, sibling)
        index, count = index // 2, (count + 1) // 2
    return not left and node == root_hash
