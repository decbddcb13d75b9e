/* stateproof.h - hashes and proofs of the state tree, a compact sparse Merkle tree (docs/protocol.md, "Trees").
 *
 * Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/hash.h"
#include "common/base/span.h"

enum { STATEPROOF_DEPTH_MAX = 256 };

struct stateproof_leaf {
    struct hash key_hash;
    struct hash value_hash;
};

struct stateproof {
    bool has_leaf; /* what stands at the position: leaf, or nothing */
    struct stateproof_leaf leaf;
    uint32_t sibling_count;                     /* = depth */
    struct hash siblings[STATEPROOF_DEPTH_MAX]; /* siblings[0] the deepest */
};

enum stateproof_verdict { STATEPROOF_BAD = 1 };

/* H("cybermesh/state-key/v1\0" || key) */
struct hash stateproof_key_hash(struct span key);
/* H(0x02 || key_hash || value_hash) */
struct hash stateproof_leaf_hash(const struct stateproof_leaf *leaf);
/* H(0x03 || left || right) */
struct hash stateproof_node_hash(const struct hash *left, const struct hash *right);

/* Bit i (0 = most significant) of a key hash. */
static inline unsigned stateproof_bit(const struct hash *key_hash, uint32_t index)
{
    return ((unsigned)key_hash->bytes[index / 8] >> (7 - index % 8)) & 1u;
}

/* Does proof show that key has this value (value.data != NULL) or is absent (value.data == NULL) under root?
 * Returns 0 or STATEPROOF_BAD. */
MUST_USE int stateproof_verify(const struct hash *root, struct span key, struct span value,
                               const struct stateproof *proof);
