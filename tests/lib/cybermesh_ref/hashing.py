"""The hashes and integer encodings of the protocol, and Ed25519."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

ZERO = bytes(32)


def h(data: bytes) -> bytes:
    """H: BLAKE2b with a 32-byte digest."""
    return hashlib.blake2b(data, digest_size=32).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def i64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def public_key(seed: bytes) -> bytes:
    return bytes(SigningKey(seed).verify_key)


def sign(seed: bytes, message: bytes) -> bytes:
    return SigningKey(seed).sign(message).signature


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    try:
        VerifyKey(key).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def read_seed(path: str | Path) -> bytes:
    """A key file: the 32-byte seed as 64 lower-case hex digits and a newline."""
    text = Path(path).read_text(encoding="ascii").strip()
    seed = bytes.fromhex(text)
    if len(seed) != 32 or text != text.lower():
        raise ValueError(f"{path}: expected 64 lower-case hex digits")
    return seed
