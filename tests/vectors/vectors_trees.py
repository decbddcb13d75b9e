"""merkle.json, merkle_paths.json, state_roots.json, state_siblings.json."""

from __future__ import annotations

from typing import Any

from cybermesh_ref import merkle, statetree
from cybermesh_ref.hashing import ZERO, h
from cybermesh_ref.statetree import Leaf, Proof
from vectors_common import fixed

SIZES = [*range(10), 16, 33]


def _items(count: int) -> list[bytes]:
    return [fixed(f"leaf {i}") for i in range(count)]


def _root_cases() -> list[dict[str, Any]]:
    return [
        {
            "name": f"{count} leaves",
            "items": [item.hex() for item in _items(count)],
            "expect": merkle.root(_items(count)).hex(),
        }
        for count in SIZES
    ]


def _path_case(
    name: str, root: bytes, item: bytes, count: int, index: int, path: list[bytes], expect: str
) -> dict[str, Any]:
    assert merkle.verify(root, item, count, index, path) == (expect == "OK"), name
    return {
        "name": name,
        "root": root.hex(),
        "item": item.hex(),
        "count": count,
        "index": index,
        "path": [sibling.hex() for sibling in path],
        "expect": expect,
    }


def _path_cases() -> list[dict[str, Any]]:
    cases = []
    for count in SIZES[1:]:
        items = _items(count)
        root = merkle.root(items)
        for index in range(count):
            path = merkle.path(items, index)
            cases.append(_path_case(f"leaf {index} of {count}", root, items[index], count, index, path, "OK"))
    items = _items(7)
    root, path = merkle.root(items), merkle.path(items, 5)

    def bad(name: str, item: bytes, count: int, index: int, siblings: list[bytes]) -> dict[str, Any]:
        return _path_case(name, root, item, count, index, siblings, "BAD")

    cases += [
        bad("another leaf", items[4], 7, 5, path),
        bad("another index", items[5], 7, 4, path),
        bad("index beyond the count", items[5], 7, 7, path),
        bad("a count with another shape", items[5], 6, 5, path),
        bad("path too short", items[5], 7, 5, path[:-1]),
        bad("path too long", items[5], 7, 5, [*path, ZERO]),
        bad("empty path", items[5], 7, 5, []),
        bad("path from the root down", items[5], 7, 5, path[::-1]),
        bad("one bit of the path", items[5], 7, 5, [bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:]]),
        bad("a node given as a leaf", path[1], 4, 1, path[2:]),
        _path_case("anything in the empty tree", ZERO, items[0], 0, 0, [], "BAD"),
        _path_case("another root", fixed("root"), items[5], 7, 5, path, "BAD"),
    ]
    return cases


def _state(count: int) -> dict[str, bytes]:
    return {f"anomaly/event-{i}": f"value {i}".encode() for i in range(count)}


def _state_case(name: str, state: dict[str, bytes]) -> dict[str, Any]:
    return {
        "name": name,
        "entries": [{"key": key, "value": value.hex()} for key, value in state.items()],
        "expect": statetree.root(state).hex(),
    }


def _close_keys(bits: int) -> tuple[str, str]:
    """Two keys whose hashes share at least this many leading bits."""
    seen: dict[int, str] = {}
    for i in range(1 << 20):
        key = f"nonce/{i}"
        prefix = int.from_bytes(statetree.key_hash(key), "big") >> (256 - bits)
        if prefix in seen:
            return seen[prefix], key
        seen[prefix] = key
    raise AssertionError("no such keys")


def _close_state() -> dict[str, bytes]:
    first, second = _close_keys(24)
    return {first: b"one", second: b"two"}


def _state_cases() -> list[dict[str, Any]]:
    cases = [_state_case(f"{count} entries", _state(count)) for count in (*range(6), 8, 16, 33, 100)]
    backwards = dict(reversed(list(_state(5).items())))
    return [
        *cases,
        _state_case("5 entries put in another order", backwards),
        _state_case("an empty value", {"policy/a": b""}),
        _state_case("a key beyond ASCII", {"anomaly/Zürich": b"x", "anomaly/日本": b"y"}),
        _state_case("two keys that share 24 bits", _close_state()),
        _state_case("those two and three more", {**_close_state(), **_state(3)}),
    ]


def proof_fields(proof: Proof) -> dict[str, Any]:
    leaf = proof.leaf
    return {
        "leaf": None if leaf is None else {"key_hash": leaf.key_hash.hex(), "value_hash": leaf.value_hash.hex()},
        "siblings": [sibling.hex() for sibling in proof.siblings],
    }


def _sibling_case(name: str, root: bytes, key: str, value: bytes | None, proof: Proof, expect: str) -> dict[str, Any]:
    assert statetree.verify(root, key, value, proof) == (expect == "OK"), name
    return {
        "name": name,
        "root": root.hex(),
        "key": key,
        "key_hash": statetree.key_hash(key).hex(),
        "value": None if value is None else value.hex(),
        **proof_fields(proof),
        "expect": expect,
    }


def absent_keys(state: dict[str, bytes]) -> tuple[str, str]:
    """A key that is absent because nothing stands there, and one because another leaf does."""
    keys = [f"anomaly/absent-{i}" for i in range(1000)]
    empty = next(key for key in keys if statetree.prove(state, key).leaf is None)
    other = next(key for key in keys if statetree.prove(state, key).leaf is not None)
    return empty, other


def _good_sibling_cases() -> list[dict[str, Any]]:
    cases = []
    for count in (1, 2, 5, 16):
        state = _state(count)
        root = statetree.root(state)
        for key in list(state)[:8]:
            proof = statetree.prove(state, key)
            cases.append(_sibling_case(f"{key} among {count}", root, key, state[key], proof, "OK"))
    state = {**_close_state(), **_state(3)}
    key = next(iter(state))
    proof = statetree.prove(state, key)
    assert ZERO in proof.siblings
    cases.append(_sibling_case("a deep leaf", statetree.root(state), key, state[key], proof, "OK"))
    nothing = statetree.prove({}, "anomaly/x")
    cases.append(_sibling_case("absence from the empty state", ZERO, "anomaly/x", None, nothing, "OK"))
    single = _state(1)
    proof = statetree.prove(single, "anomaly/x")
    cases.append(_sibling_case("absence beside one leaf", statetree.root(single), "anomaly/x", None, proof, "OK"))
    state = _state(16)
    empty, other = absent_keys(state)
    root = statetree.root(state)
    return [
        *cases,
        _sibling_case("absence: nothing there", root, empty, None, statetree.prove(state, empty), "OK"),
        _sibling_case("absence: another leaf there", root, other, None, statetree.prove(state, other), "OK"),
    ]


def _bad_sibling_cases() -> list[dict[str, Any]]:
    state = _state(16)
    root, key = statetree.root(state), "anomaly/event-2"
    value, proof = state[key], statetree.prove(state, key)
    empty, other = absent_keys(state)
    absent, beside = statetree.prove(state, empty), statetree.prove(state, other)
    assert proof.leaf is not None and beside.leaf is not None
    siblings = proof.siblings
    flipped = [bytes([siblings[0][0] ^ 1]) + siblings[0][1:], *siblings[1:]]
    far_key = next(k for k in state if statetree.bit(statetree.key_hash(k), 0) != statetree.bit(proof.leaf.key_hash, 0))
    far = statetree.prove(state, far_key)
    top = Proof(Leaf(statetree.key_hash(far_key), h(state[far_key])), far.siblings)

    def bad(name: str, key_: str, value_: bytes | None, proof_: Proof) -> dict[str, Any]:
        return _sibling_case(name, root, key_, value_, proof_, "BAD")

    return [
        bad("another value", key, b"other", proof),
        bad("another key's proof", "anomaly/event-3", state["anomaly/event-3"], proof),
        bad("value without a leaf", key, value, Proof(None, siblings)),
        bad("value claimed absent", key, None, proof),
        bad("absence by leaving the leaf out", key, None, Proof(None, siblings)),
        bad("absence by a leaf elsewhere", key, None, top),
        bad("absent key claimed present", empty, b"x", absent),
        bad("absent key claimed present by another leaf", other, b"x", beside),
        bad("leaf of another value", key, value, Proof(Leaf(proof.leaf.key_hash, h(b"other")), siblings)),
        bad("sibling missing", key, value, Proof(proof.leaf, siblings[:-1])),
        bad("sibling too many", key, value, Proof(proof.leaf, [*siblings, ZERO])),
        bad("siblings from the root down", key, value, Proof(proof.leaf, siblings[::-1])),
        bad("one bit of a sibling", key, value, Proof(proof.leaf, flipped)),
        bad("257 siblings", key, value, Proof(proof.leaf, [ZERO] * 257)),
        _sibling_case("another root", fixed("root"), key, value, proof, "BAD"),
        _sibling_case("absence under a root that is not empty", root, key, None, Proof(None, []), "BAD"),
    ]


def files() -> dict[str, dict[str, Any]]:
    return {
        "merkle.json": {
            "description": "Roots of the binary Merkle tree over 32-byte items (tx ids, or hashes of receipts).",
            "cases": _root_cases(),
        },
        "merkle_paths.json": {
            "description": "Paths in that tree, good and bad.",
            "cases": _path_cases(),
        },
        "state_roots.json": {
            "description": "Roots of the state tree.",
            "cases": _state_cases(),
        },
        "state_siblings.json": {
            "description": "Inclusion (value) and absence (value null) under a state root, good and bad.",
            "cases": [*_good_sibling_cases(), *_bad_sibling_cases()],
        },
    }
