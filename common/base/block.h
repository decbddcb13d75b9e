/* block.h - the block header: the bytes that are hashed, and their fields (docs/protocol.md, "Block"). Pure. */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/genesis.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { BLOCK_HEADER_BYTES = 19 + 32 + 8 + 8 + 32 + 8 + 8 + 4 + 32 + 32 + 32 + 32 + 8 };

struct block_header {
    struct hash chain_id;
    uint64_t height;
    uint64_t view;
    struct hash parent_id;
    uint64_t justify_view;
    uint64_t justify_signers; /* bit i: validator i of the genesis file signed the parent's certificate */
    uint32_t tx_count;
    struct hash tx_root;
    struct hash receipt_root;
    struct hash state_root;
    struct hash proposer; /* validator id */
    uint64_t timestamp_ms;
};

void block_header_encode(uint8_t out[static BLOCK_HEADER_BYTES], const struct block_header *header);
/* Exactly BLOCK_HEADER_BYTES with the right domain. Returns 0 or ERR_MALFORMED. */
MUST_USE int block_header_decode(struct block_header *out, struct span bytes);
/* H(the header's bytes) */
struct hash block_id(const struct block_header *header);

/* The genesis block: everything zero but chain_id, timestamp_ms = created_ms and state_root. */
struct block_header block_genesis(const struct genesis *genesis, const struct hash *state_root);
