"""Where a validator says it can be reached: docs/protocol.md, "Peer records"."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .genesis import Genesis
from .hashing import sign, u32, u64, verify

DOMAIN = b"cybermesh/peer-record/v1\0"
ENDPOINT_BYTES_MAX = 53
VERSION_MAX = 2**53 - 1
_FORM = re.compile(rb"tcp://(?:\[([0-9a-f:]{2,39})\]|([0-9.]{7,15})):([1-9][0-9]{0,4})")


def endpoint_is_good(text: bytes) -> bool:
    found = _FORM.fullmatch(text)
    if not found or len(text) > ENDPOINT_BYTES_MAX or int(found[3]) > 65535:
        return False
    try:
        if found[1]:
            ipv6 = ipaddress.IPv6Address(found[1].decode())
            return not (ipv6.is_unspecified or ipv6.is_multicast)
        return 1 <= ipaddress.IPv4Address(found[2].decode()).packed[0] < 224
    except ValueError:
        return False


@dataclass(frozen=True)
class PeerRecord:
    chain_id: bytes
    validator: bytes
    version: int
    pub: bytes
    sync: bytes
    gossip: bytes = b""
    signature: bytes = bytes(64)

    def message(self) -> bytes:
        texts = b"".join(u32(len(text)) + text for text in (self.pub, self.sync, self.gossip))
        return DOMAIN + self.chain_id + self.validator + u64(self.version) + texts

    def encode(self) -> bytes:
        return self.message() + self.signature

    def signed(self, seed: bytes) -> PeerRecord:
        return PeerRecord(self.chain_id, self.validator, self.version, self.pub, self.sync, self.gossip,
                          sign(seed, self.message()))

    @classmethod
    def decode(cls, data: bytes) -> PeerRecord:
        if not data.startswith(DOMAIN):
            raise ValueError("another domain")
        at = len(DOMAIN) + 32 + 32 + 8
        head, texts = data[len(DOMAIN) : at], []
        for _ in range(3):
            size = int.from_bytes(data[at : at + 4], "big")
            if at + 4 > len(data) or size > ENDPOINT_BYTES_MAX or b"\0" in data[at + 4 : at + 4 + size]:
                raise ValueError("an endpoint's length, or a zero byte in it")
            texts.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        if len(data) != at + 64:
            raise ValueError("another length")
        version = int.from_bytes(head[64:], "big")
        if not 1 <= version <= VERSION_MAX:
            raise ValueError("version")
        return cls(head[:32], head[32:64], version, *texts, data[at:])

    def why_bad(self, genesis: Genesis) -> str | None:
        """None if the validator it names has said so, else the reason."""
        if self.chain_id != genesis.chain_id:
            return "OTHER_CHAIN"
        validator = next((each for each in genesis.validators if each.id == self.validator), None)
        if validator is None:
            return "UNKNOWN"
        if not (endpoint_is_good(self.pub) and endpoint_is_good(self.sync)
                and (not self.gossip or endpoint_is_good(self.gossip))):
            return "BAD_ENDPOINT"
        return None if verify(validator.sign_key, self.signature, self.message()) else "BAD_SIGNATURE"
