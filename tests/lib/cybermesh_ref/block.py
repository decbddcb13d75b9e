"""The block header: 255 bytes, and the block id."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .hashing import ZERO, h

DOMAIN = b"cybermesh/block/v1\0"
_LAYOUT = struct.Struct(">19s32sQQ32sQQI32s32s32s32sQ")
HEADER_BYTES = _LAYOUT.size


@dataclass(frozen=True)
class Header:
    chain_id: bytes
    height: int
    view: int = 0
    parent_id: bytes = ZERO
    justify_view: int = 0
    justify_signers: int = 0
    tx_count: int = 0
    tx_root: bytes = ZERO
    receipt_root: bytes = ZERO
    state_root: bytes = ZERO
    proposer: bytes = ZERO
    timestamp_ms: int = 0

    def encode(self) -> bytes:
        return _LAYOUT.pack(
            DOMAIN,
            self.chain_id,
            self.height,
            self.view,
            self.parent_id,
            self.justify_view,
            self.justify_signers,
            self.tx_count,
            self.tx_root,
            self.receipt_root,
            self.state_root,
            self.proposer,
            self.timestamp_ms,
        )

    @classmethod
    def decode(cls, data: bytes) -> Header:
        if len(data) != HEADER_BYTES or not data.startswith(DOMAIN):
            raise ValueError("not a block header")
        return cls(*_LAYOUT.unpack(data)[1:])

    @property
    def block_id(self) -> bytes:
        return h(self.encode())
